//! What texts cost a model with neurons off, beside what they cost with as many random ones off.

use std::ops::Range;

use numerics::summary::{mean, t_interval};
use probes::HookSet;
use recordings::{Effect, Members};

use crate::model::HookedLm;
use crate::neurons::{drop_members, random_control};
use crate::score::token_logprobs;
use crate::{Error, Result};

/// Reads texts with the whole model, with some neurons off, and with random sets of the same size off; texts come in parts
/// and are not kept.
///
/// Random sets are those of [`random_control`]: as many units of each kind of site, from all layers.
#[derive(Debug)]
pub struct Knockout<'a> {
    model: &'a HookedLm,
    batch_tokens: usize,
    /// Intact, off, then the random draws.
    conditions: Vec<HookSet>,
    /// Summed negative log-likelihood of each.
    sums: Vec<f64>,
    tokens: usize,
    /// Predicted tokens of each text.
    lengths: Vec<usize>,
    /// Of each text the mean loss of each condition.
    means: Vec<Vec<f64>>,
}

/// Losses in nats a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// Predicted tokens.
    pub tokens: usize,
    /// Texts.
    pub texts: usize,
    /// Mean over all tokens, the model intact.
    pub nll: f64,
    /// The same with the neurons off.
    pub nll_ablated: f64,
    /// The same with random neurons off, one a draw.
    pub nll_random: Vec<f64>,
    /// What the neurons cost: the mean over texts of the differences of their mean losses, with Student's 95 % interval over
    /// texts; texts of less than half the longest's tokens, as the end of a stream, have no part in it. The control is the mean over texts and draws. No interval of fewer than two texts, no control without a
    /// draw.
    pub effect: Effect,
}

impl Losses {
    /// Mean loss over random draws; none without a draw.
    #[must_use]
    pub fn random_mean(&self) -> Option<f64> {
        (!self.nll_random.is_empty()).then(|| mean(&self.nll_random))
    }

    /// Student's 95 % interval of the mean loss over random draws; none below two draws.
    #[must_use]
    pub fn random_ci95(&self) -> Option<[f64; 2]> {
        t_interval(&self.nll_random, 0.95).ok().map(|(low, high)| [low, high])
    }
}

impl<'a> Knockout<'a> {
    /// Neurons to switch off, and the draws of a seed that give the random sets beside them: `0..5`, or for another set
    /// `5..10`.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no neuron, else those of [`drop_members`].
    pub fn new(
        model: &'a HookedLm,
        members: &[Members],
        seed: u64,
        draws: Range<u64>,
        batch_tokens: usize,
    ) -> Result<Self> {
        if members.iter().all(|m| m.units.is_empty()) {
            return Err(Error::TooFew { what: "neurons to switch off", needed: 1, found: 0 });
        }
        let mut conditions = vec![HookSet::new(), off(model, members)?];
        for draw in draws {
            conditions.push(off(model, &random_control(members, model, seed, draw)?)?);
        }
        let sums = vec![0.0; conditions.len()];
        Ok(Self { model, batch_tokens, conditions, sums, tokens: 0, lengths: Vec::new(), means: Vec::new() })
    }

    /// Reads some texts.
    ///
    /// # Errors
    /// Those of [`token_logprobs`]; nothing of these texts counts then.
    pub fn observe<S: AsRef<[u32]>>(&mut self, texts: &[S]) -> Result<()> {
        let mut means = vec![Vec::with_capacity(self.conditions.len()); texts.len()];
        let mut sums = self.sums.clone();
        for (hooks, sum) in self.conditions.iter_mut().zip(&mut sums) {
            let logprobs = token_logprobs(self.model, texts, self.batch_tokens, hooks)?;
            for (text, means) in logprobs.iter().zip(&mut means) {
                let nll = -text.iter().sum::<f64>();
                *sum += nll;
                means.push(nll / text.len() as f64);
            }
        }
        let lengths = texts.iter().map(|t| t.as_ref().len() - 1);
        self.tokens += lengths.clone().sum::<usize>();
        self.lengths.extend(lengths);
        self.sums = sums;
        self.means.extend(means);
        Ok(())
    }

    /// The losses over all texts so far.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no text.
    pub fn losses(&self) -> Result<Losses> {
        if self.means.is_empty() {
            return Err(Error::TooFew { what: "texts to judge neurons by", needed: 1, found: 0 });
        }
        let nll = |condition: usize| self.sums[condition] / self.tokens as f64;
        // The rest of a stream may have a token or two, whose mean would weigh as much as a window's.
        let half = self.lengths.iter().max().map_or(0, |longest| longest.div_ceil(2));
        let whole = || self.means.iter().zip(&self.lengths).filter(|(_, n)| **n >= half).map(|(m, _)| m);
        let increase = |condition: usize| whole().map(|m| m[condition] - m[0]).collect::<Vec<f64>>();
        let own = increase(1);
        let random: Vec<f64> = (2..self.sums.len()).map(|draw| mean(&increase(draw))).collect();
        Ok(Losses {
            tokens: self.tokens,
            texts: self.means.len(),
            nll: nll(0),
            nll_ablated: nll(1),
            nll_random: (2..self.sums.len()).map(nll).collect(),
            effect: Effect {
                value: mean(&own),
                ci95: t_interval(&own, 0.95).ok().map(|(low, high)| [low, high]),
                control: (!random.is_empty()).then(|| mean(&random)),
            },
        })
    }
}

/// Hooks that switch neurons off.
fn off(model: &HookedLm, members: &[Members]) -> Result<HookSet> {
    let mut hooks = HookSet::new();
    for edit in drop_members(members, model)? {
        hooks.edit(edit)?;
    }
    Ok(hooks)
}
