//! A prompt read by every neuron of a model and its answer written by a share of them.
//!
//! `sparse_generation [FOLDER [FRACTION [PROMPT]]]`: a Hugging Face folder, the share of each sparse layer's MLP neurons, and
//! the text to go on with.
#![allow(clippy::print_stdout, reason = "the example's output")]

use std::path::PathBuf;

use burn::tensor::FloatDType;
use llm_neurons::TextTokenizer;
use llm_neurons::core_neurons::{self, CoreConfig, Strategy};
use llm_neurons::generate::{GenerateConfig, generate};
use llm_neurons::model::HookedLm;
use probes::NoTaps;
use tensor_backend::DeviceSpec;

const PROMPT: &str = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, \
                      she saw a big, red ball. It was very high up in the sky. Lily wanted";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = std::env::var_os("NEUROPIL_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = arguments.next().map_or_else(|| data.join("lm-stories260k"), PathBuf::from);
    let fraction: f64 = arguments.next().map_or(Ok(0.6), |text| text.parse())?;
    let prompt = arguments.next().unwrap_or_else(|| PROMPT.to_owned());
    if !folder.join("config.json").is_file() {
        println!("skipped: {} has no model", folder.display());
        return Ok(());
    }

    let device = DeviceSpec::Cpu.open()?.device;
    let model = HookedLm::load(&folder, FloatDType::F32, &device)?;
    let tokenizer = TextTokenizer::load(&folder, model.config())?;
    let ids = tokenizer.encode(&prompt, true)?;
    let config =
        GenerateConfig { max_new_tokens: 40, stop: model.config().eos.clone(), ..Default::default() };

    let whole = generate(&model, &[&ids], &config, &mut NoTaps)?;
    println!("every neuron:{}", tokenizer.decode_after(&ids, &whole.tokens[0])?);

    let core = CoreConfig { beta: fraction, ..CoreConfig::for_model(model.config()) };
    let some = core_neurons::generate(&model, &ids, core, Strategy::Stable, &config)?;
    println!(
        "{:.0} % of the MLPs' weights:{}",
        100.0 * some.active_fraction,
        tokenizer.decode_after(&ids, &some.generation.tokens[0])?
    );
    Ok(())
}
