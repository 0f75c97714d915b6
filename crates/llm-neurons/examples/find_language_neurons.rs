//! Finds the neurons of each language of a model, and says what they do to it.
//!
//! `cargo run -p llm-neurons --example find_language_neurons -- MODEL_FOLDER en=FILE es=FILE ..`; without arguments, on a
//! small model set by hand, in which it is known what is to be found.
#![allow(clippy::print_stdout, reason = "the example's output")]

use std::error::Error;
use std::path::Path;

use burn::tensor::FloatDType;
use llm_neurons::language::{LanguageReader, LanguageRule, judge, select};
use llm_neurons::model::HookedLm;
use llm_neurons::score::BATCH_TOKENS;
use llm_neurons::{Documents, TextTokenizer, Windows, planted};
use tensor_backend::DeviceSpec;

/// Windows held back of each language to judge by, and random sets beside each set.
const JUDGED: usize = 8;
const DRAWS: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let device = DeviceSpec::Cpu.open()?.device;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((folder, named)) = arguments.split_first() else {
        println!("no model is given: on one set by hand, four languages of 100 tokens each");
        let planted = planted::languages(&device, 0)?;
        let names = ["first", "second", "third", "fourth"];
        let mut reader = LanguageReader::new(&planted.model, names.len(), JUDGED, BATCH_TOKENS)?;
        for k in 0..names.len() {
            let text = planted.text(k, 4096);
            reader.read(k, text.chunks_exact(64).map(|window| Ok(window.to_vec())))?;
        }
        // 52 of 512 neurons are planted for one language or two, and 104 of 2048 frequencies are 1.
        return report(
            &planted.model,
            reader,
            &names,
            LanguageRule::Finer { top_rate: 0.1, bar: 0.94, lambda: None },
        );
    };
    let folder = Path::new(folder);
    let model = HookedLm::load(folder, FloatDType::F32, &device)?;
    let tokenizer = TextTokenizer::load(folder, model.config())?;
    let named: Vec<(&str, &str)> = named
        .iter()
        .map(|text| text.split_once('=').ok_or("expected NAME=FILE"))
        .collect::<Result<_, _>>()?;
    let mut reader = LanguageReader::new(&model, named.len(), JUDGED, BATCH_TOKENS)?;
    for (k, (_, file)) in named.iter().enumerate() {
        let documents = Documents::open(Path::new(file))?;
        reader.read(k, Windows::new(documents, &tokenizer, model.config().context)?)?;
    }
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    report(&model, reader, &names, LanguageRule::Finer { top_rate: 0.01, bar: 0.95, lambda: None })
}

fn report(
    model: &HookedLm,
    reader: LanguageReader<'_>,
    names: &[&str],
    rule: LanguageRule,
) -> Result<(), Box<dyn Error>> {
    let (stats, windows) = reader.finish()?;
    let found = select(&stats, rule)?;
    println!("{} neurons selected by {:?}", found.selected, found.rule);
    let effects = judge(model, &found.mask, &windows, 0, DRAWS, BATCH_TOKENS)?;
    for (k, (name, effect)) in names.iter().zip(&effects).enumerate() {
        for (layer, units) in found.mask.by_layer(k).iter().enumerate().filter(|(_, units)| !units.is_empty())
        {
            println!("{name}: layer {layer}: {units:?}");
        }
        if let Some(own) = &effect.own {
            println!(
                "{name}: without them {:+.4} nats a token, others {:+.4}, random ones off {:+.4}",
                own.value,
                effect.others.unwrap_or(f64::NAN),
                own.control.unwrap_or(f64::NAN)
            );
        }
    }
    Ok(())
}
