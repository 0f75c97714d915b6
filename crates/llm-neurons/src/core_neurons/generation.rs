//! Generation with a prompt's core neurons.

use std::time::{Duration, Instant};

use numerics::rng::stream;
use tensor_backend::bridge::float_array;

use super::{CoreConfig, CoreInferSession, Strategy};
use crate::generate::{GenerateConfig, Generation, choose};
use crate::model::HookedLm;
use crate::{Error, Result};

/// What was generated, and with how much of the model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CoreGeneration {
    /// The new tokens of the one sequence, and times. Choosing and gathering neurons counts as reading the prompt.
    pub generation: Generation,
    /// Share of the MLPs' weight rows that a step read, whole layers included.
    pub active_fraction: f64,
    /// The cluster that the prompt fell into, where clusters choose.
    pub cluster: Option<usize>,
}

/// Continues a prompt, which every neuron reads, with the neurons that it chooses; otherwise as
/// [`generate`](crate::generate::generate) does, and with the same draws.
///
/// # Errors
/// Those of [`GenerateConfig::validate`], [`CoreInferSession::prefill`] and [`CoreInferSession::decode_step`];
/// [`Error::Prompt`] for an empty prompt or one that fills the context.
pub fn generate(
    model: &HookedLm,
    prompt: &[u32],
    core: CoreConfig,
    strategy: Strategy<'_>,
    config: &GenerateConfig,
) -> Result<CoreGeneration> {
    config.validate()?;
    let context = model.config().context;
    if prompt.is_empty() || prompt.len() >= context {
        return Err(Error::Prompt {
            what: "prompt".to_owned(),
            found: prompt.len(),
            expected: format!("from 1 to {}, one less than the context", context - 1),
        });
    }
    let room = config.max_new_tokens.min(context - prompt.len());
    let clock = Instant::now();
    let mut session = CoreInferSession::prefill(model, prompt, prompt.len() + room.max(1), core, strategy)?;
    let mut logits = float_array::<f32, 1>(session.next_logits()).map_err(Error::from_tensor)?;
    model.device().sync().map_err(|e| Error::Tensor { message: format!("{e:?}") })?;
    let prefill = clock.elapsed();

    let clock = Instant::now();
    let mut draws = stream(config.seed, "generate", 0);
    let (mut tokens, mut steps, mut decode) = (Vec::with_capacity(room), 0, Duration::ZERO);
    for added in 0..room {
        let chosen = choose(logits.as_slice().unwrap_or_default(), config, &mut draws)?;
        tokens.push(chosen);
        decode = clock.elapsed();
        if added + 1 == room || config.stop.contains(&chosen) {
            break;
        }
        logits = float_array::<f32, 1>(session.decode_step(chosen)?).map_err(Error::from_tensor)?;
        steps += 1;
    }
    let generation = Generation { tokens: vec![tokens], prefill, decode, steps };
    Ok(CoreGeneration { generation, active_fraction: session.active_fraction(), cluster: session.cluster() })
}
