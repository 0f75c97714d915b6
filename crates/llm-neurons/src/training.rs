//! Training of a [`HookedLm`](crate::model::HookedLm): next-token cross-entropy, AdamW, hooks in the forward and
//! backward pass; and sensitivity dropout on top of it.
//!
//! A model that was loaded, or made by [`HookedLm::initialise`](crate::model::HookedLm::initialise), on any device trains
//! there: [`LmTrainer`] turns automatic differentiation on. [`train`] runs over random windows of one stream of tokens;
//! [`LmTrainer::step`] takes any batch, such as whole documents ([`LmBatch::texts`]), under any hooks.
//!
//! ```
//! use llm_neurons::model::{HookedLm, LlamaShape, LmConfig};
//! use llm_neurons::score::{BATCH_TOKENS, mean_nll};
//! use llm_neurons::training::{ByteTokenizer, LmTraining, train};
//! use probes::NoTaps;
//! use tensor_backend::DeviceSpec;
//!
//! let device = DeviceSpec::Cpu.open()?.device;
//! let shape = LlamaShape { hidden: 16, layers: 2, heads: 2, kv_heads: 1, mlp: 32, context: 32, ..LlamaShape::default() };
//! let model = HookedLm::initialise(LmConfig::llama(shape, Some(ByteTokenizer::SPECIAL))?, 7, &device)?;
//!
//! let stream = ByteTokenizer::encode(&"a rose is a rose is a rose. ".repeat(40));
//! let plan = LmTraining { steps: 30, batch: 4, window: 16, rate: 1e-2, decay_share: 0.2, ..LmTraining::default() };
//! let trained = train(model, &stream, plan, &mut |_| true)?; // the callback may stop it
//! let nll = mean_nll(&trained.model, &[&stream[..32]], BATCH_TOKENS, &mut NoTaps)?;
//! assert!(nll.by_token < (257.0_f64).ln() - 1.0);
//!
//! let folder = tempfile::tempdir()?;
//! let to = folder.path().join("rose");
//! trained.model.save(&to, Some(ByteTokenizer::json().as_bytes()))?; // config.json, model.safetensors, tokenizer.json
//! let again = HookedLm::load(&to, burn::tensor::FloatDType::F32, &device)?;
//! assert_eq!(again.config(), trained.model.config());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Windows are drawn from `(seed, "llm.training.windows", step)`: the same seed gives the same batches, whatever the
//! hooks, so that two ways of training differ in nothing else.

mod batch;
mod byte_tokenizer;
mod plan;
mod trainer;

pub use batch::{LmBatch, next_token_loss};
pub use byte_tokenizer::ByteTokenizer;
pub use plan::LmTraining;
pub use trainer::{LmTrainer, StepReport, TrainedLm, train};
