//! How well a model recalls facts, whole and with neurons off.

use ndarray::{Array1, Array2, Axis};
use probes::HookSet;

use super::{DropMatrix, NeuronId, deactivate, mlp_sites, neurons_of, random_neurons};
use crate::model::HookedLm;
use crate::score::token_scores;
use crate::{Error, Result};

/// A fact as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Number of its relation, from 0.
    pub relation: usize,
    /// The prompt.
    pub prompt: Vec<u32>,
    /// The object.
    pub answer: Vec<u32>,
}

/// What a model made of one question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recalled {
    /// Negative log-likelihood of the whole answer, in nats.
    pub nll: f64,
    /// Whether greedy decoding gives the answer: each of its tokens is the likeliest after those before it.
    pub right: bool,
}

/// A model and questions about several relations.
#[derive(Debug)]
pub struct Recall<'a> {
    model: &'a HookedLm,
    texts: Vec<Vec<u32>>,
    questions: Vec<Question>,
    relations: usize,
    batch_tokens: usize,
}

/// Recall of each relation, whole, with each relation's neurons off, and with as many random neurons off.
#[derive(Debug, Clone, PartialEq)]
pub struct Drops {
    names: Vec<String>,
    intact: Means,
    /// `[relation evaluated, relation whose neurons are off]`.
    ablated: Table,
    /// The mean over draws.
    random: Table,
}

/// Mean negative log-likelihood and accuracy by relation.
#[derive(Debug, Clone, PartialEq)]
pub struct Means {
    /// In nats an answer, `[relations]`.
    pub nll: Array1<f64>,
    /// In [0, 1], `[relations]`.
    pub accuracy: Array1<f64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Table {
    nll: Array2<f64>,
    accuracy: Array2<f64>,
}

impl<'a> Recall<'a> {
    /// Takes questions about relations 0, 1, ..; at most `batch_tokens` tokens go through the model at a time.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no question, or none about a relation below the highest; [`Error::Prompt`] for an empty
    /// prompt or answer.
    pub fn new(model: &'a HookedLm, questions: Vec<Question>, batch_tokens: usize) -> Result<Self> {
        if let Some(i) = questions.iter().position(|q| q.prompt.is_empty() || q.answer.is_empty()) {
            return Err(Error::Prompt {
                what: format!("prompt or answer of question {i}"),
                found: 0,
                expected: "at least 1".to_owned(),
            });
        }
        let mut named: Vec<usize> = questions.iter().map(|q| q.relation).collect();
        named.sort_unstable();
        named.dedup();
        let relations = named.len();
        // Ascending and distinct: they are 0, 1, .. unless one is left out.
        if relations == 0 || named.iter().enumerate().any(|(i, r)| i != *r) {
            return Err(Error::TooFew { what: "questions about a relation", needed: 1, found: 0 });
        }
        let texts = questions.iter().map(|q| [q.prompt.as_slice(), &q.answer].concat()).collect();
        Ok(Self { model, texts, questions, relations, batch_tokens })
    }

    /// Number of relations.
    #[must_use]
    pub fn relations(&self) -> usize {
        self.relations
    }

    /// Every question, in its order, with some neurons off at every token.
    ///
    /// # Errors
    /// Those of [`deactivate`] and [`token_scores`].
    pub fn with_off(&self, neurons: &[NeuronId]) -> Result<Vec<Recalled>> {
        let mut hooks = HookSet::new();
        deactivate(self.model, &mut hooks, neurons)?;
        let scores = token_scores(self.model, &self.texts, self.batch_tokens, &mut hooks)?;
        let judge = |(scores, question): (crate::score::TokenScores, &Question)| {
            // Scores begin at the second token.
            let first = question.prompt.len() - 1;
            let nll = -scores.logprobs[first..].iter().sum::<f64>();
            Recalled { nll, right: scores.likeliest[first..] == question.answer }
        };
        Ok(scores.into_iter().zip(&self.questions).map(judge).collect())
    }

    /// Means by relation of what [`Recall::with_off`] gave.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one for each question.
    pub fn means(&self, recalled: &[Recalled]) -> Result<Means> {
        if recalled.len() != self.questions.len() {
            return Err(Error::shape("recalled questions", self.questions.len(), recalled.len()));
        }
        let mut means = Means { nll: Array1::zeros(self.relations), accuracy: Array1::zeros(self.relations) };
        let mut asked = Array1::<f64>::zeros(self.relations);
        for (question, recalled) in self.questions.iter().zip(recalled) {
            asked[question.relation] += 1.0;
            means.nll[question.relation] += recalled.nll;
            means.accuracy[question.relation] += f64::from(u8::from(recalled.right));
        }
        means.nll /= &asked;
        means.accuracy /= &asked;
        Ok(means)
    }

    /// Recall with each relation's neurons off, and with as many off that were drawn from all of the model's, the mean
    /// over `draws` draws of one seed. `names` and `sets` have one entry a relation.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of names or sets, [`Error::Parameter`] for no draw or an empty set, else
    /// those of [`Recall::with_off`].
    pub fn drops(&self, names: &[&str], sets: &[Vec<NeuronId>], seed: u64, draws: u64) -> Result<Drops> {
        let n = self.relations;
        for (what, found) in [("names of relations", names.len()), ("sets of neurons", sets.len())] {
            if found != n {
                return Err(Error::shape(what, n, found));
            }
        }
        if draws == 0 {
            return Err(Error::Parameter { name: "draws", value: 0.0, expected: "at least 1" });
        }
        let all = neurons_of(self.model, &mlp_sites(self.model))?;
        let intact = self.means(&self.with_off(&[])?)?;
        let table = || Table { nll: Array2::zeros((n, n)), accuracy: Array2::zeros((n, n)) };
        let (mut ablated, mut random) = (table(), table());
        for (j, set) in sets.iter().enumerate() {
            ablated.add(j, &self.means(&self.with_off(set)?)?, 1.0);
            for draw in 0..draws {
                let off = random_neurons(&all, set.len(), seed, draw * n as u64 + j as u64)?;
                random.add(j, &self.means(&self.with_off(&off)?)?, 1.0 / draws as f64);
            }
        }
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Drops { names, intact, ablated, random })
    }
}

impl Drops {
    /// The model intact.
    #[must_use]
    pub fn intact(&self) -> &Means {
        &self.intact
    }

    /// Increases of the answers' negative log-likelihood, in nats.
    ///
    /// # Errors
    /// Those of [`DropMatrix::from_nll`].
    pub fn nll(&self) -> Result<DropMatrix> {
        let (intact, off, random) = (&self.intact.nll, &self.ablated.nll, &self.random.nll);
        DropMatrix::from_nll(&self.names(), &intact.view(), &off.view(), &random.view())
    }

    /// Shares of the right answers that are lost.
    ///
    /// # Errors
    /// Those of [`DropMatrix::from_accuracy`].
    pub fn accuracy(&self) -> Result<DropMatrix> {
        let (intact, off, random) = (&self.intact.accuracy, &self.ablated.accuracy, &self.random.accuracy);
        // The mean over draws may round past 1.
        let random = random.mapv(|a| a.min(1.0));
        DropMatrix::from_accuracy(&self.names(), &intact.view(), &off.view(), &random.view())
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

impl Table {
    fn add(&mut self, off: usize, means: &Means, weight: f64) {
        self.nll.index_axis_mut(Axis(1), off).scaled_add(weight, &means.nll);
        self.accuracy.index_axis_mut(Axis(1), off).scaled_add(weight, &means.accuracy);
    }
}
