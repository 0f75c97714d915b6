//! The figures.

use llm_neurons::relation::DropMatrix;

use crate::Result;
use crate::figure::{Figure, Series, heatmap, lines};

/// Losses by relation.
pub(super) fn matrix(title: &str, caption: &str, drops: &DropMatrix) -> Result<Figure> {
    let rows: Vec<Vec<Option<f64>>> =
        drops.drop.columns().into_iter().map(|off| off.iter().copied().map(Some).collect()).collect();
    let caption = format!(
        "{caption} Rows: the relation whose neurons are off; columns: the relation asked for. As many random outputs cost \
         {:.4} on average.",
        drops.random_mean()
    );
    heatmap(title, &caption, &rows)
}

/// Loss over the share of outputs switched off: own relation, others, random outputs.
pub(super) fn curves(points: [Vec<(f64, f64)>; 3]) -> Result<Figure> {
    let names = ["own relation", "other relations", "random outputs"];
    let series: Vec<Series> =
        names.iter().zip(points).map(|(name, points)| Series { name: (*name).to_owned(), points }).collect();
    lines(
        "More neurons, more facts lost",
        "Increase of the loss of held-out facts in nats an answer, the mean over seeds: without the best of a relation's \
         neurons, of that relation and of the others; and without as many random outputs.",
        "MLP outputs off, in percent",
        "nats an answer",
        &series,
    )
}
