//! Neural FOXP2 (Saha et al. 2026): making another language a model's default.
//!
//! A small Llama that was trained on five languages goes on in English after English openings. Features of its residual
//! stream that are selective for a language and raise its mass are found from 200 pairs of sentences; a step along them at
//! the newest token makes Hindi, or Chinese, the default. Random directions of the same length and pairs whose languages
//! were shuffled are the controls. What is drawn anew for each seed are the autoencoders, bootstrap draws and controls.
//!
//! A part without a model: residuals with a planted language.

mod experiment;
mod planted;
mod shipped;

use llm_neurons::foxp2::Defaultness;
use numerics::summary::mean;

use crate::figure::{Series, bars, lines};
use crate::tiny_llama::ORIGIN;
use crate::{Card, Error, Measurement, Outcome, Plan, Reproduction, Result};
use experiment::{ALL, Found, Held, Size, Source, autoencoders, config, hindi, steered};
use shipped::Shipped;

const ID: &str = "05-foxp2";

/// The reproduction of lines 3 and 4 of sheet 05-foxp2.
pub struct NeuralFoxp2;

impl Reproduction for NeuralFoxp2 {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "Neural FOXP2: Language Specific Neuron Steering for Targeted Language Improvement in LLMs",
            krate: "llm-neurons",
            claim: "A small step along a few features of the residual stream, in a few neighbouring layers, makes another \
                    language a frozen model's default.",
        }
    }

    fn tensors(&self) -> bool {
        true
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let size = plan.pick(
            Size { epochs: 40, features: 128 },
            Size { epochs: 150, features: 256 },
            Size { epochs: 150, features: 256 },
        );
        let seeds = plan.seeds(plan.pick(1, 1, 8));
        let mut outcome = Outcome {
            data: vec![ORIGIN.to_owned(), "generated: residuals with a planted language".to_owned()],
            ..Outcome::default()
        };
        let planted = seeds.iter().map(|s| planted::cosines(*s)).collect::<Result<Vec<_>>>()?;
        let shipped = Shipped::load(plan)?;
        let source = Source::read(&shipped)?;
        let pairs = source.pairs(&shipped, "hi")?;
        let weak = source.weak(&shipped, &shipped.sets("hindi")?)?;
        let found = seeds
            .iter()
            .map(|seed| hindi(&shipped, &pairs, &weak, &config(size, *seed)))
            .collect::<Result<Vec<Found>>>()?;
        let chinese = chinese(&shipped, &source, size, &seeds)?;
        claims(&found, &seeds, &mut outcome);
        other_language(&chinese, &seeds, &mut outcome);
        sanity(&found, &seeds, size.epochs >= SETTLED, &mut outcome);
        without_a_model(&planted, &seeds, &mut outcome);
        figures(&found, &mut outcome)?;
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

/// Chinese: masses without steering, and with lambda 1 in all layers, of each seed.
fn chinese(shipped: &Shipped, source: &Source, size: Size, seeds: &[u64]) -> Result<Vec<[Defaultness; 2]>> {
    let pairs = source.pairs(shipped, "zh")?;
    let weak = source.weak(shipped, &shipped.sets("han")?)?;
    let base = llm_neurons::foxp2::mean_defaultness(weak.base()).map_err(fail)?;
    let one = |seed: &u64| {
        let config = config(size, *seed);
        let encoders = autoencoders(shipped, &pairs, &config)?;
        let fit = config.fit(&pairs, &encoders, &weak).map_err(fail)?;
        Ok([base, steered(&weak, &fit, &ALL, 1.0, 0.0)?])
    };
    seeds.iter().map(one).collect()
}

/// Values of all seeds.
fn values(found: &[Found], of: impl Fn(&Found) -> f64) -> Vec<f64> {
    found.iter().map(of).collect()
}

/// Mean masses, in words.
fn masses(all: &[Defaultness]) -> String {
    let of = |part: fn(&Defaultness) -> f64| mean(&all.iter().map(part).collect::<Vec<f64>>());
    format!("target mass {:.3}, English mass {:.3}", of(|d| d.target), of(|d| d.english))
}

fn listed(values: &[f64]) -> String {
    values.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join(", ")
}

/// Sheet 05, check 3, Hindi.
fn claims(found: &[Found], seeds: &[u64], outcome: &mut Outcome) {
    let of = |part: fn(&Found) -> Defaultness| found.iter().map(part).collect::<Vec<Defaultness>>();
    let base = values(found, |f| f.base.difference);
    let random = values(found, |f| f.gain(&f.random));
    let gain = values(found, |f| f.gain(&f.upper));
    let mut add = |m: Measurement| outcome.measurements.push(m);
    add(Measurement::at_most("dM of English openings without steering to Hindi", mean(&base), -0.90)
        .note(masses(&of(|f| f.base))));
    add(Measurement::at_least("gain of dM to Hindi, layers 1 to 3, lambda 1", mean(&gain), 0.6)
        .baseline(0.0)
        .control(mean(&random))
        .seeds(seeds)
        .interval_of(&gain)
        .note(format!("by seed {}; {}", listed(&gain), masses(&of(|f| f.upper)))));
    let draws: Vec<f64> = found.iter().flat_map(|f| f.random_draws.clone()).collect();
    add(Measurement::at_most("gain of dM by random directions of the same length", mean(&random), 0.40)
        .seeds(seeds)
        .interval_of(&random)
        .note(format!("single draws {}; {}", listed(&draws), masses(&of(|f| f.random)))));
    for (attractor, held) in
        [("source sentences", (|f| &f.held) as fn(&Found) -> &Held), ("weak prompts", |f| &f.held_by_prompts)]
    {
        let strong = values(found, |f| held(f).strong.difference);
        let steered = found.iter().map(|f| held(f).strong).collect::<Vec<Defaultness>>();
        let name = format!("dM to Hindi, all layers, lambda = beta = 4, attractor of {attractor}");
        add(Measurement::at_least(&name, mean(&strong), 0.25)
            .baseline(mean(&base))
            .seeds(seeds)
            .interval_of(&strong)
            .note(format!("by seed {}; {}", listed(&strong), masses(&steered))));
        // What beta adds turns with the seed: one draw says nothing about it.
        if seeds.len() == 1 {
            return;
        }
        for (what, values) in [
            ("beta = 2 adds to lambda = 2, layers 1 to 3", values(found, |f| held(f).upper)),
            ("beta = 2 adds to lambda = 2, all layers", values(found, |f| held(f).all)),
            ("beta = 4 adds to lambda = 4, all layers", values(found, |f| held(f).all_strong)),
        ] {
            add(Measurement::at_least(
                &format!("dM that {what}, attractor of {attractor}"),
                mean(&values),
                0.05,
            )
            .seeds(seeds)
            .interval_of(&values)
            .note(format!("by seed {}", listed(&values))));
        }
    }
}

/// Sheet 05, check 3, Chinese.
fn other_language(chinese: &[[Defaultness; 2]], seeds: &[u64], outcome: &mut Outcome) {
    let of = |i: usize| chinese.iter().map(|c| c[i]).collect::<Vec<Defaultness>>();
    let difference = |all: &[Defaultness]| all.iter().map(|d| d.difference).collect::<Vec<f64>>();
    let (base, steered) = (difference(&of(0)), difference(&of(1)));
    outcome.measurements.push(
        Measurement::at_least("dM to Chinese, all layers, lambda 1", mean(&steered), -0.10)
            .baseline(mean(&base))
            .seeds(seeds)
            .interval_of(&steered)
            .note(format!("by seed {}; {}; before: {}", listed(&steered), masses(&of(1)), masses(&of(0)))),
    );
}

/// Epochs after which an autoencoder explains what it will; the quick tier stops before.
const SETTLED: u64 = 150;

/// Sheet 05, check 4.
fn sanity(found: &[Found], seeds: &[u64], settled: bool, outcome: &mut Outcome) {
    let worst = values(found, |f| f.unexplained.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let largest = worst.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let l0 = values(found, |f| mean(&f.l0));
    if settled {
        outcome.measurements.push(
            Measurement::at_most("variance unexplained by the autoencoder of the worst layer", largest, 0.15)
                .seeds(seeds)
                .note(format!("by seed {}; codes that are not zero {:.1}", listed(&worst), mean(&l0))),
        );
    }
    let above = values(found, |f| f.gain(&f.shuffled) - f.gain(&f.random));
    let loose = values(found, |f| f.gain(&f.shuffled_without_floor) - f.gain(&f.random));
    let layers: usize = found.iter().map(|f| f.shuffled_layers).sum();
    outcome.measurements.push(
        Measurement::at_most(
            "gain of dM with shuffled languages above that of random directions",
            mean(&above),
            0.1,
        )
        .baseline(mean(&values(found, |f| f.gain(&f.upper) - f.gain(&f.random))))
        .seeds(seeds)
        .interval_of(&above)
        .note(format!(
            "gains {}; layers that still have language neurons {layers} of {}: without one nothing is steered",
            listed(&values(found, |f| f.gain(&f.shuffled))),
            ALL.len() * found.len(),
        )),
    );
    outcome.measurements.push(
        Measurement::at_most("the same without a floor under selectivity, as published", mean(&loose), 0.1)
            .seeds(seeds)
            .interval_of(&loose)
            .note(format!("gains {}", listed(&values(found, |f| f.gain(&f.shuffled_without_floor))))),
    );
}

fn without_a_model(planted: &[(f64, Option<f64>)], seeds: &[u64], outcome: &mut Outcome) {
    let cosines: Vec<f64> = planted.iter().map(|p| p.0).collect();
    let left = planted.iter().filter(|p| p.1.is_some()).count();
    // Of a direction drawn uniformly in 24 dimensions.
    let chance = (2.0 / (24.0 * std::f64::consts::PI)).sqrt();
    outcome.measurements.push(
        Measurement::at_least("planted: cosine of the steering direction with the planted language", mean(&cosines), 0.8)
            .control(chance)
            .seeds(seeds)
            .interval_of(&cosines)
            .note(format!(
                "generated residuals, no model; control: the mean of a random direction; with shuffled languages features \
                 are left in {left} of {} draws",
                planted.len()
            )),
    );
}

fn figures(found: &[Found], outcome: &mut Outcome) -> Result<()> {
    let of = |part: fn(&Found) -> &Defaultness, mass: fn(&Defaultness) -> f64| {
        mean(&found.iter().map(|f| mass(part(f))).collect::<Vec<f64>>())
    };
    let mut values = Vec::new();
    for (name, part) in [
        ("none", (|f| &f.base) as fn(&Found) -> &Defaultness),
        ("random", |f| &f.random),
        ("shuffled", |f| &f.shuffled),
        ("steered", |f| &f.upper),
        ("strong", |f| &f.held.strong),
    ] {
        values.push((format!("{name}: Hindi"), of(part, |d| d.target)));
        values.push(("English".to_owned(), of(part, |d| d.english)));
    }
    outcome.figures.push(bars(
        "Which language the next token is of",
        &format!(
            "Probability of Hindi and of English tokens after 40 English openings, mean over {} seeds. Steered: lambda 1 in \
             layers 1 to 3; random: directions of that length; shuffled: the languages of pairs were tossed; strong: lambda \
             = beta = 4 in all layers.",
            found.len()
        ),
        "probability",
        &values,
    )?);
    let curve = |column: usize| -> Vec<(f64, f64)> {
        let at = |i: usize| mean(&found.iter().map(|f| f.curve[i][column]).collect::<Vec<f64>>());
        let steps = found.first().map_or(0, |f| f.curve.len());
        (0..steps).map(|i| (found[0].curve[i][0], at(i))).collect()
    };
    outcome.figures.push(lines(
        "Strength",
        "dM to Hindi in layers 1 to 3: English is held back (beta = lambda) or not (beta = 0). Relative strengths: 1 adds as \
         much as the residual stream is long.",
        "lambda",
        "dM",
        &[
            Series { name: "beta = 0".to_owned(), points: curve(1) },
            Series { name: "beta = lambda".to_owned(), points: curve(2) },
        ],
    )?);
    let counts: Vec<(String, f64)> = (0..ALL.len())
        .map(|l| {
            (format!("layer {l}"), mean(&found.iter().map(|f| f.neurons[l] as f64).collect::<Vec<f64>>()))
        })
        .collect();
    outcome.figures.push(bars(
        "Language neurons",
        "Features of each layer that are selective for Hindi and raise its mass, of 30 candidates; mean over seeds.",
        "features",
        &counts,
    )?);
    Ok(())
}
