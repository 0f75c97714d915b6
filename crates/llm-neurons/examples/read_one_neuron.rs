//! Loads a model's folder and reads one neuron: where in a text it fires.
//!
//! `cargo run -p llm-neurons --example read_one_neuron -- MODEL_FOLDER [LAYER NEURON]`
#![allow(clippy::print_stdout, reason = "the example's output")]

use burn::tensor::FloatDType;
use llm_neurons::TextTokenizer;
use llm_neurons::model::{Forward, HookedLm, Tokens};
use probes::{HookSet, Read};
use recordings::Site;
use tensor_backend::{DeviceSpec, bridge};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else {
        println!("which model? Give a Hugging Face folder: config.json, model.safetensors, tokenizer.json");
        return Ok(());
    };
    let number = |i: usize| arguments.get(i).map_or(Ok(0), |text| text.parse::<usize>());
    read(folder.as_ref(), number(1)?, number(2)?)
}

fn read(folder: &std::path::Path, layer: usize, neuron: usize) -> Result<(), Box<dyn std::error::Error>> {
    let model = HookedLm::load(folder, FloatDType::F32, &DeviceSpec::Cpu.open()?.device)?;
    let tokenizer = TextTokenizer::load(folder, model.config())?;
    let ids = tokenizer.encode("Once upon a time there was a little girl.", true)?;
    let mut hooks = HookSet::new();
    let activation = hooks.read(Site::Act(layer), Read::Full)?;
    model.forward(&Tokens::one(&ids), Forward::default(), &mut hooks)?;
    let values = bridge::float_array::<f32, 3>(hooks.full(activation)?)?;
    for (t, id) in ids.iter().enumerate() {
        println!(
            "{:>8.3}  {:?}",
            values.get([0, t, neuron]).ok_or("no such neuron")?,
            tokenizer.decode(&[*id])?
        );
    }
    Ok(())
}
