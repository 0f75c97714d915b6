//! Three gate units a relation that let its answers through.

use burn::tensor::Device;
use ndarray::Array2;
use numerics::rng::{normals, stream};
use rand::RngExt;

use super::HandSet;
use crate::Result;
use crate::model::HookedLm;
use crate::relation::{MlpSite, NeuronId, Question};

/// Relations, facts of each, and units of the code of an answer.
const RELATIONS: usize = 6;
const FACTS: usize = 40;
const CODE: usize = 3;
/// Neurons of the MLP.
const WIDTH: usize = 32;
/// Where in the residual stream code, constant and readout lie; relations come first.
const CODE_AT: usize = RELATIONS;
const CONSTANT: usize = CODE_AT + CODE;
const READOUT: usize = CONSTANT + 1;
const HIDDEN: usize = READOUT + CODE + 1;
/// Tokens: 0 begins, 1 says nothing, then 8 answers, then one for each question.
const ANSWERS: usize = 2;
const QUESTIONS: usize = ANSWERS + (1 << CODE);

/// A model of one layer and six relations of 40 facts each.
#[derive(Debug)]
pub struct PlantedRelations {
    /// The model.
    pub model: HookedLm,
    /// The facts: a token that begins and one that asks, answered by one token.
    pub questions: Vec<Question>,
    /// The neurons of each relation: without them the model says nothing about it, and all about the others.
    pub neurons: Vec<Vec<NeuronId>>,
}

impl PlantedRelations {
    /// Names of the relations.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        (0..self.neurons.len()).map(|r| format!("relation {r}")).collect()
    }
}

/// A question carries its relation and the code of its answer. Units `3 r` to `3 r + 2` of the gate open for relation `r` and
/// pass the code to the readout; the gates of the other units read the code, and nothing reads them.
///
/// # Errors
/// Those of [`HandSet::build`].
pub fn relations(device: &Device, seed: u64) -> Result<PlantedRelations> {
    let mut draws = stream(seed, "planted/relations", 0);
    let answers: Vec<usize> = (0..RELATIONS * FACTS).map(|_| draws.random_range(0..1 << CODE)).collect();
    let vocab = QUESTIONS + answers.len();
    let mut embed = Array2::<f32>::zeros((vocab, HIDDEN));
    let mut head = Array2::<f32>::zeros((vocab, HIDDEN));
    embed.column_mut(CONSTANT).fill(1.0);
    // Said where nothing reaches the readout.
    head[[1, CONSTANT]] = 0.5;
    for (fact, answer) in answers.iter().enumerate() {
        embed[[QUESTIONS + fact, fact / FACTS]] = 1.0;
        (0..CODE).for_each(|j| embed[[QUESTIONS + fact, CODE_AT + j]] = sign(*answer, j));
    }
    for answer in 0..1 << CODE {
        (0..CODE).for_each(|j| head[[ANSWERS + answer, READOUT + j]] = sign(answer, j));
    }
    let idle = normals(&mut draws, WIDTH * CODE);
    let (mut gate, mut up) = (Array2::<f32>::zeros((WIDTH, HIDDEN)), Array2::<f32>::zeros((WIDTH, HIDDEN)));
    let mut down = Array2::<f32>::zeros((HIDDEN, WIDTH));
    for unit in 0..WIDTH {
        let (r, j) = (unit / CODE, unit % CODE);
        if r < RELATIONS {
            (0..RELATIONS).for_each(|d| gate[[unit, d]] = if d == r { 6.0 } else { -6.0 });
            up[[unit, CODE_AT + j]] = 1.0;
            down[[READOUT + j, unit]] = 1.0;
        } else {
            (0..CODE).for_each(|d| gate[[unit, CODE_AT + d]] = idle[unit * CODE + d] as f32);
        }
    }
    let question = |(fact, answer): (usize, &usize)| Question {
        relation: fact / FACTS,
        // Below 300.
        prompt: vec![0, (QUESTIONS + fact) as u32],
        answer: vec![(ANSWERS + answer) as u32],
    };
    let neuron = |unit| NeuronId { layer: 0, site: MlpSite::GateOut, unit };
    let neurons = (0..RELATIONS).map(|r| (CODE * r..CODE * (r + 1)).map(neuron).collect()).collect();
    Ok(PlantedRelations {
        model: HandSet { embed, layers: vec![[gate, up, down]], head, context: 64 }.build(device)?,
        questions: answers.iter().enumerate().map(question).collect(),
        neurons,
    })
}

/// The j-th digit of an answer's code.
fn sign(answer: usize, j: usize) -> f32 {
    if answer >> j & 1 == 1 { 1.0 } else { -1.0 }
}
