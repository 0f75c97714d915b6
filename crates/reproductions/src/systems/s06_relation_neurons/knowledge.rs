//! 250 subjects, six relations, ten objects of each: 1500 facts as prompts of six tokens and an answer of one.

use llm_neurons::relation::Question;
use numerics::rng::stream;
use rand::RngExt;

/// Relations, subjects, objects of a relation, and tokens that name a relation in a prompt.
pub(super) const RELATIONS: usize = 6;
const SUBJECTS: usize = 250;
const OBJECTS: usize = 10;
const NAMING: usize = 3;
/// Tokens: one that begins, one that asks for the answer, then subjects, the words of relations, objects.
const BEGIN: usize = 0;
const ASK: usize = 1;
const FIRST_SUBJECT: usize = 2;
const FIRST_WORD: usize = FIRST_SUBJECT + SUBJECTS;
const FIRST_OBJECT: usize = FIRST_WORD + RELATIONS * NAMING;
/// Subjects from here on are held back for evaluation.
pub(super) const HELD_BACK: usize = 180;

/// Names of the relations.
pub(super) const NAMES: [&str; RELATIONS] = ["r0", "r1", "r2", "r3", "r4", "r5"];

/// Facts, and the subject of each.
pub(super) struct Knowledge {
    pub(super) questions: Vec<Question>,
    pub(super) subjects: Vec<usize>,
}

impl Knowledge {
    /// Every subject has one object of each relation, drawn at random.
    pub(super) fn drawn(seed: u64) -> Self {
        let mut draws = stream(seed, "06-relation-neurons/facts", 0);
        let (mut questions, mut subjects) = (Vec::new(), Vec::new());
        for subject in 0..SUBJECTS {
            for relation in 0..RELATIONS {
                let words = (0..NAMING).map(|k| FIRST_WORD + relation * NAMING + k);
                let prompt = std::iter::once(BEGIN).chain(words).chain([FIRST_SUBJECT + subject, ASK]);
                let object = FIRST_OBJECT + relation * OBJECTS + draws.random_range(0..OBJECTS);
                questions.push(Question {
                    relation,
                    // All below 330.
                    prompt: prompt.map(|t| t as u32).collect(),
                    answer: vec![object as u32],
                });
                subjects.push(subject);
            }
        }
        Self { questions, subjects }
    }

    /// The facts of the subjects held back.
    pub(super) fn held_back(&self) -> Vec<Question> {
        let facts = self.questions.iter().zip(&self.subjects);
        facts.filter(|(_, s)| **s >= HELD_BACK).map(|(q, _)| q.clone()).collect()
    }
}
