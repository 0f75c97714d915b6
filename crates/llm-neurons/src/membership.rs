//! Document-level membership inference (sheet 02): was a whole document in a language model's training data?
//!
//! After M. Meeus, S. Jain, M. Rei, Y.-A. de Montjoye, *Did the Neurons Read your Book? Document-level Membership
//! Inference for Large Language Models*, USENIX Security 2024. The model is a [`TokenScorer`]: a black box that gives the
//! loss of every true token, the largest probability, and the sum of its predictions. The steps are
//!
//! 1. [`score_document`]: every token but the first is predicted exactly once, in windows of `context` tokens;
//! 2. [`Normalizer`]: each token's loss beside how common the token is, from a [`NormTable`] of *training* documents;
//! 3. [`Features`]: the token values of a document become statistics or a histogram, then [`MinMax`] scales them;
//! 4. [`RandomForest`] or [`LogisticRegression`] gives the probability of membership.
//!
//! [`Attack`] is the four together, trained, and goes to and from JSON; [`cross_validate`] judges them by leaving one chunk
//! of documents out; [`TokenTable`] keeps the scores of documents in an npz file. [`baselines`] are the sequence-level
//! attacks, [`TokenFrequencies`] the classifier that never asks the model and so says how much of an AUC is due to a shift
//! between members and others.
//!
//! ```
//! use llm_neurons::membership::{BigramModel, QueryConfig, score_document};
//! use ndarray::Array2;
//! # fn main() -> llm_neurons::Result<()> {
//! let uniform = Array2::from_elem((3, 3), 1.0 / 3.0);
//! let model = BigramModel::fit(&uniform.view(), 3.0, &[&[0, 1, 2, 0, 1, 2]])?;
//! let seen = score_document(&model, &[0, 1, 2, 0], &QueryConfig::default())?;
//! let other = score_document(&model, &[0, 2, 1, 0], &QueryConfig::default())?;
//! assert_eq!(seen.scores.nll().len(), 3);
//! assert!(seen.scores.nll().iter().sum::<f32>() < other.scores.nll().iter().sum::<f32>());
//! # Ok(())
//! # }
//! ```

mod attack;
pub mod baselines;
mod bigram;
mod classifier;
mod crossval;
mod features;
mod forest;
mod frequencies;
mod judgement;
mod logistic;
mod neural;
mod normalizer;
mod query;
mod roc;
mod scaling;
mod scorer;
mod table;

pub use attack::{Attack, AttackConfig, TrainingCard};
pub use bigram::BigramModel;
pub use classifier::{Classifier, ClassifierConfig};
pub use crossval::{
    CrossValidation, FoldReport, Spread, cross_validate, cross_validate_with, shuffled_labels,
    stratified_folds,
};
pub use features::{Features, FittedFeatures};
pub use forest::{ForestConfig, RandomForest, SplitFeatures};
pub use frequencies::TokenFrequencies;
pub use judgement::{BaselineReport, Judgement, JudgementConfig, judge};
pub use logistic::{LogisticConfig, LogisticRegression};
pub use normalizer::{NormKind, NormTable, Normalized, Normalizer, NormalizerKind};
pub use query::{QueryConfig, ScoredDocument, TokenScores, score_document};
pub use roc::{Roc, RocPoint, roc};
pub use scaling::MinMax;
pub use scorer::{TokenScorer, TokenWindow, WindowScores};
pub use table::{Discarded, MIN_DOCUMENT_TOKENS, TokenTable};
