//! Matrix products are the same, to the last bit, for any number of threads.

use ndarray::Array2;
use numerics::gram::{gram, upper_gram};
use numerics::linalg::product;
use numerics::rng::{normals, stream};

fn draw(rows: usize, columns: usize) -> Array2<f64> {
    let values = normals(&mut stream(rows as u64, "threads/test", columns as u64), rows * columns);
    Array2::from_shape_vec((rows, columns), values).unwrap()
}

#[test]
fn gram_matrices_are_products_for_any_number_of_threads() {
    for (rows, columns) in [(1, 1), (3, 40), (128, 10), (129, 300), (300, 129), (257, 4), (5, 0)] {
        let a = draw(rows, columns);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (gram(&a.view()), product(&a.view(), &a.t()).unwrap()))
        };
        let (one, plain) = run(1);
        for threads in [2, 3] {
            let (same, other) = run(threads);
            assert_eq!(one, same, "gram, {rows} x {columns}, {threads} threads");
            assert_eq!(plain, other, "product, {rows} x {columns}, {threads} threads");
        }
        let gap = (&one - &a.dot(&a.t())).iter().fold(0.0_f64, |m, d| m.max(d.abs()));
        assert!(gap < 1e-11 && one == one.t(), "{gap:e}");
        let upper = upper_gram(&a.view());
        assert!(upper.indexed_iter().all(|((i, j), x)| if i <= j {
            *x == one[[i, j]]
        } else {
            *x == 0.0 || i / 128 == j / 128
        }));
        let (turned, expected) = (a.t().to_owned(), a.t().dot(&a));
        let strided = gram(&a.t());
        assert!((&strided - &expected).iter().all(|d| d.abs() < 1e-11));
        assert_eq!(strided, gram(&turned.view()));
    }
}
