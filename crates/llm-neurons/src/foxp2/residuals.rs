//! Stage I: the residual stream at the last token of paired sentences, read once.

use ndarray::{Array2, ArrayView2, Axis};
use numerics::rng;
use probes::{HookSet, Read};
use rand::RngExt;
use recordings::Site;

use super::neurons::finite;
use crate::model::{Forward, Head, HookedLm, Tokens};
use crate::score::batches;
use crate::{Error, Result};

/// `ResidPost(l)` at the last token of paired sentences: two forward passes a pair, whatever is done with them later.
#[derive(Debug, Clone, PartialEq)]
pub struct PairResiduals {
    layers: Vec<usize>,
    source: Vec<Array2<f64>>,
    target: Vec<Array2<f64>>,
}

impl PairResiduals {
    /// Reads the pairs: `source[i]` and `target[i]` say the same in two languages. Layers after the last that is asked for
    /// are not run; at most `batch_tokens` tokens, padding among them, go through the model at a time.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for lists of unequal length; [`Error::TooFew`] below two pairs; [`Error::Prompt`] for an empty
    /// sentence or one beyond the context; those of [`last_residuals`].
    pub fn record<S: AsRef<[u32]>>(
        model: &HookedLm,
        source: &[S],
        target: &[S],
        layers: &[usize],
        batch_tokens: usize,
    ) -> Result<Self> {
        if source.len() != target.len() {
            return Err(Error::Mismatch {
                what: "pairs of sentences",
                expected: format!("{} sentences of the target language", source.len()),
                found: target.len().to_string(),
            });
        }
        Self::new(
            layers.to_vec(),
            last_residuals(model, source, layers, batch_tokens)?,
            last_residuals(model, target, layers, batch_tokens)?,
        )
    }

    /// Of residuals that are known: for each layer `[n, D]` of either language.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when they are not paired, [`Error::Shape`] for matrices that do not fit, [`Error::TooFew`] below
    /// two pairs or without a layer, [`Error::Parameter`] for layers that do not ascend, [`Error::NotFinite`].
    pub fn new(layers: Vec<usize>, source: Vec<Array2<f64>>, target: Vec<Array2<f64>>) -> Result<Self> {
        check_layers(&layers)?;
        for (what, sides) in [("residuals of source text", &source), ("residuals of target text", &target)] {
            if sides.len() != layers.len() {
                return Err(Error::shape(what, format!("{} layers", layers.len()), sides.len()));
            }
            let width = source.first().map_or(0, Array2::ncols);
            for rows in sides {
                if rows.ncols() != width || rows.nrows() != sides[0].nrows() {
                    let expected = format!("[{}, {width}] in every layer", sides[0].nrows());
                    return Err(Error::shape(what, expected, format!("{:?}", rows.dim())));
                }
                finite(what, &rows.view())?;
            }
        }
        let (n, found) = (source[0].nrows(), target[0].nrows());
        if n != found {
            let (expected, found) = (format!("{n} sentences of the target language"), found.to_string());
            return Err(Error::Mismatch { what: "pairs of sentences", expected, found });
        }
        if n < 2 {
            return Err(Error::TooFew { what: "pairs", needed: 2, found: n });
        }
        Ok(Self { layers, source, target })
    }

    /// The layers, ascending.
    #[must_use]
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// Number of pairs.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.source[0].nrows()
    }

    /// D, units of the residual stream.
    #[must_use]
    pub fn width(&self) -> usize {
        self.source[0].ncols()
    }

    /// Source text `[n, D]` of the `i`-th of the layers.
    #[must_use]
    pub fn source(&self, i: usize) -> ArrayView2<'_, f64> {
        self.source[i].view()
    }

    /// Target text `[n, D]` of the `i`-th of the layers.
    #[must_use]
    pub fn target(&self, i: usize) -> ArrayView2<'_, f64> {
        self.target[i].view()
    }

    /// Mean length of source text's residuals in the `i`-th of the layers: what relative strengths are multiplied with.
    #[must_use]
    pub fn mean_norm(&self, i: usize) -> f64 {
        self.source[i].map_axis(Axis(1), |row| row.dot(&row).sqrt()).mean().unwrap_or(0.0)
    }

    /// A control: the languages of each pair change places, or do not, by the toss of a coin of `(seed, "foxp2.shuffle",
    /// 0)`, the same in all layers. The sentences are the same, what is said of their language is chance.
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Self {
        let mut draw = rng::stream(seed, "foxp2.shuffle", 0);
        let swap: Vec<bool> = (0..self.pairs()).map(|_| draw.random()).collect();
        let mut out = self.clone();
        for (source, target) in out.source.iter_mut().zip(&mut out.target) {
            for (i, _) in swap.iter().enumerate().filter(|(_, swap)| **swap) {
                source.row_mut(i).iter_mut().zip(target.row_mut(i)).for_each(|(s, t)| std::mem::swap(s, t));
            }
        }
        out
    }
}

/// `ResidPost(l)` at the last token of each text, `[texts, D]` for each of the layers.
///
/// # Errors
/// [`Error::TooFew`] for no text or layer, [`Error::Prompt`] for an empty text or one beyond the context,
/// [`Error::Parameter`] for layers that do not ascend or that the model lacks, [`Error::NotFinite`], else those of
/// [`HookedLm::forward`].
pub fn last_residuals<S: AsRef<[u32]>>(
    model: &HookedLm,
    texts: &[S],
    layers: &[usize],
    batch_tokens: usize,
) -> Result<Vec<Array2<f64>>> {
    check_layers_of(model, layers)?;
    let texts = check_texts(model, texts, "sentence")?;
    let mut hooks = HookSet::new();
    let reads = layers
        .iter()
        .map(|layer| hooks.read(Site::ResidPost(*layer), Read::LastToken))
        .collect::<probes::Result<Vec<_>>>()?;
    if let Some(last) = layers.last() {
        hooks.stop_after(*last);
    }
    let lengths: Vec<usize> = texts.iter().map(|t| t.len()).collect();
    let mut found = vec![Array2::zeros((texts.len(), model.config().hidden)); layers.len()];
    for batch in batches(&lengths, batch_tokens)? {
        let rows: Vec<&[u32]> = batch.iter().map(|i| texts[*i]).collect();
        let with = Forward { head: Head::None, ..Forward::default() };
        model.forward(&Tokens::padded(&rows, true), with, &mut hooks)?;
        for (read, found) in reads.iter().zip(&mut found) {
            for (row, i) in hooks.rows(*read)?.outer_iter().zip(&batch) {
                found.row_mut(*i).assign(&row);
            }
        }
        hooks.clear_readings();
    }
    for rows in &found {
        finite("residual stream", &rows.view())?;
    }
    Ok(found)
}

/// Layers that ascend and that a model has.
pub(super) fn check_layers_of(model: &HookedLm, layers: &[usize]) -> Result<()> {
    check_layers(layers)?;
    match layers.last() {
        Some(last) if *last >= model.config().layers => Err(Error::Parameter {
            name: "layer",
            value: *last as f64,
            expected: "below the number of the model's blocks",
        }),
        _ => Ok(()),
    }
}

/// Texts with a token that fit into the context.
pub(super) fn check_texts<'a, S: AsRef<[u32]>>(
    model: &HookedLm,
    texts: &'a [S],
    what: &'static str,
) -> Result<Vec<&'a [u32]>> {
    if texts.is_empty() {
        return Err(Error::TooFew { what, needed: 1, found: 0 });
    }
    let context = model.config().context;
    let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
    match texts.iter().position(|t| t.is_empty() || t.len() > context) {
        Some(i) => Err(Error::Prompt {
            what: format!("{what} {i}"),
            found: texts[i].len(),
            expected: format!("from 1 to the context's {context}"),
        }),
        None => Ok(texts),
    }
}

fn check_layers(layers: &[usize]) -> Result<()> {
    if layers.is_empty() {
        return Err(Error::TooFew { what: "layers", needed: 1, found: 0 });
    }
    match layers.iter().zip(&layers[1..]).find(|(a, b)| a >= b) {
        Some((_, b)) => {
            Err(Error::Parameter { name: "layer", value: *b as f64, expected: "above the one before it" })
        }
        None => Ok(()),
    }
}
