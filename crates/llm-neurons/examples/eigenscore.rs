//! Ten answers that agree and ten that do not: EigenScore, and its estimate from Chebyshev moments.
#![allow(clippy::print_stdout, reason = "the example's output")]

use llm_neurons::{Ees, EigenScoreConvention, ExactMethod, eigenscore_by};
use ndarray::Array2;
use numerics::rng::{normals, stream};

fn main() -> llm_neurons::Result<()> {
    let (answers, units) = (10, 64);
    let common = normals(&mut stream(0, "example/common", 0), units);
    let own = normals(&mut stream(0, "example/own", 0), answers * units);
    for (name, spread) in [("they agree", 0.1), ("they do not", 1.0)] {
        let e = Array2::from_shape_fn((answers, units), |(i, j)| common[j] + spread * own[i * units + j]);
        let convention = EigenScoreConvention::InsideCodeLn;
        let exact = eigenscore_by(&e.view(), convention, 1e-3, ExactMethod::Cholesky)?;
        let estimate = Ees::default().score_embeddings(&e.view(), convention)?.score;
        println!("{name}: EigenScore {exact:.4}, estimate {estimate:.4}");
    }
    Ok(())
}
