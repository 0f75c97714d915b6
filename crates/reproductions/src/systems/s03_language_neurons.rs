//! How does Alignment Enhance LLMs' Multilingual Capabilities? (Zhang et al. 2026), with LAPE (Tang et al. 2024): the part
//! about what language neurons do.
//!
//! A small Llama that was trained on five languages reads training text; LAPE picks each language's neurons from how often
//! they fire. Then they are set to zero, one language after another, and held-out text of every language is read. Does a
//! language lose most from its own neurons, and more than from as many random ones? The model is given: what is drawn anew
//! is the random control.

use llm_neurons::language::{
    ActivationCounter, ActivationStats, LanguageEvaluation, LanguageMask, LapeConfig, lape, layer_profile,
};
use llm_neurons::score::BATCH_TOKENS;
use ndarray::Array2;
use numerics::summary::mean;

use crate::figure::{bars, heatmap};
use crate::tiny_llama::{LANGUAGES, ORIGIN, TinyLlama};
use crate::{Card, Error, Measurement, Outcome, Plan, Reproduction, Result};

const ID: &str = "03-language-neurons";
/// Tokens of a window, windows to count over, windows to judge by, of each language (sheet 03, checks 2 and 3).
const WINDOW: usize = 64;
const COUNTED: usize = 60;
const JUDGED: usize = 20;
const LAPE: LapeConfig = LapeConfig { top_rate: 0.1, filter: 0.9, bar: 0.9 };

/// The reproduction of line 3 of sheet 03-language-neurons.
pub struct LanguageNeurons;

impl Reproduction for LanguageNeurons {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "How does Alignment Enhance LLMs' Multilingual Capabilities? A Language Neurons Perspective \
                    (here: LAPE and ablation)",
            krate: "llm-neurons",
            claim: "Few neurons of the first and last layers carry a language: switched off, they hurt that language \
                    more than others, and more than as many random neurons.",
        }
    }

    fn tensors(&self) -> bool {
        true
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let llama = TinyLlama::load(plan, ID)?;
        let mask = lape(&counts(&llama)?, &LAPE).map_err(fail)?.mask;
        let evaluation =
            LanguageEvaluation::new(&llama.model, held_out(&llama)?, BATCH_TOKENS).map_err(fail)?;
        let found = evaluation.matrix(&mask).map_err(fail)?;
        let seeds = plan.seeds(plan.pick(1, 3, 10));
        let controls = seeds
            .iter()
            .map(|seed| Ok(evaluation.matrix(&mask.random_control(*seed, 0)).map_err(fail)?.delta()))
            .collect::<Result<Vec<Array2<f64>>>>()?;
        let mut outcome = Outcome { data: vec![ORIGIN.to_owned()], ..Outcome::default() };
        report(&mask, &found.delta(), &controls, &seeds, &mut outcome);
        figures(&found.delta(), &controls, &mut outcome)?;
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

fn counts(llama: &TinyLlama) -> Result<ActivationStats> {
    let mut counter = ActivationCounter::new(&llama.model, LANGUAGES.len()).map_err(fail)?;
    for (k, language) in LANGUAGES.iter().enumerate() {
        let tokens = llama.stream(language, "train_index", COUNTED * WINDOW)?;
        counter.observe_stream(k, tokens, WINDOW, BATCH_TOKENS / WINDOW).map_err(fail)?;
    }
    counter.stats().map_err(fail)
}

fn held_out(llama: &TinyLlama) -> Result<Vec<Vec<Vec<u32>>>> {
    let windows = |language: &&str| {
        let stream = llama.stream(language, "val_index", JUDGED * WINDOW)?;
        Ok(stream.chunks_exact(WINDOW).map(<[u32]>::to_vec).collect())
    };
    LANGUAGES.iter().map(windows).collect()
}

/// Mean loss of the languages whose own neurons are off, and of the others.
fn own_and_others(delta: &Array2<f64>) -> (f64, f64) {
    let own = delta.diag().sum();
    let n = delta.nrows() as f64;
    (own / n, (delta.sum() - own) / (n * (n - 1.0)))
}

fn report(
    mask: &LanguageMask,
    delta: &Array2<f64>,
    controls: &[Array2<f64>],
    seeds: &[u64],
    outcome: &mut Outcome,
) {
    let (own, others) = own_and_others(delta);
    let random: Vec<f64> = controls.iter().map(|c| c.sum() / c.len() as f64).collect();
    let (random_own, random_others) = {
        let both: Vec<(f64, f64)> = controls.iter().map(own_and_others).collect();
        (
            mean(&both.iter().map(|b| b.0).collect::<Vec<f64>>()),
            mean(&both.iter().map(|b| b.1).collect::<Vec<f64>>()),
        )
    };
    let sizes: Vec<usize> = (0..LANGUAGES.len()).map(|k| mask.neurons(k).len()).collect();
    outcome.measurements.push(
        Measurement::at_least(
            "loss of a language whose own neurons are off, over the others' loss",
            own / others,
            2.0,
        )
        .control(random_own / random_others)
        .seeds(seeds)
        .note(format!(
            "{own:.3} and {others:.3} nats a token; {sizes:?} neurons of {}; control: as many random ones",
            mask.layers() * mask.width()
        )),
    );
    let ratios: Vec<f64> = random.iter().map(|r| own / r).collect();
    outcome.measurements.push(
        Measurement::at_least(
            "loss of a language whose own neurons are off, over that by random ones",
            own / mean(&random),
            3.0,
        )
        .seeds(seeds)
        .interval_of(&ratios)
        .note(format!("random: {:.3} nats, the mean over all pairs and draws", mean(&random))),
    );
    let hurt = (0..LANGUAGES.len())
        .filter(|k| delta[[*k, *k]] > mean(&controls.iter().map(|c| c[[*k, *k]]).collect::<Vec<f64>>()));
    outcome.measurements.push(
        Measurement::at_least(
            "languages that lose more by their own neurons than by as many random ones",
            hurt.count() as f64,
            5.0,
        )
        .seeds(seeds)
        .note("of 5"),
    );
    let all: Vec<usize> = (0..LANGUAGES.len()).flat_map(|k| mask.neurons(k).to_vec()).collect();
    let profile = layer_profile(&all, mask.layers(), mask.width());
    let ends = profile.first().unwrap_or(&0) + profile.last().unwrap_or(&0);
    outcome.measurements.push(
        Measurement::at_least(
            "share of the neurons in the first and the last layer",
            ends as f64 / all.len() as f64,
            0.8,
        )
        .control(2.0 / mask.layers() as f64)
        .note(format!("by layer {profile:?}; control: spread evenly")),
    );
}

fn figures(delta: &Array2<f64>, controls: &[Array2<f64>], outcome: &mut Outcome) -> Result<()> {
    let rows: Vec<Vec<Option<f64>>> =
        delta.outer_iter().map(|r| r.iter().copied().map(Some).collect()).collect();
    outcome.figures.push(heatmap(
        "What each language loses",
        &format!(
            "Increase of the loss in nats a token. Rows: the language whose neurons are zero; columns: the language read; \
             both in the order {}.",
            LANGUAGES.join(", ")
        ),
        &rows,
    )?);
    let mut values = Vec::new();
    for (k, language) in LANGUAGES.iter().enumerate() {
        let rest = (delta.row(k).sum() - delta[[k, k]]) / (LANGUAGES.len() - 1) as f64;
        let random = mean(&controls.iter().map(|c| c[[k, k]]).collect::<Vec<f64>>());
        values.push(((*language).to_owned(), delta[[k, k]]));
        values.push(("others".to_owned(), rest));
        values.push(("random".to_owned(), random));
    }
    outcome.figures.push(bars(
        "Own language, other languages, random neurons",
        &format!(
            "For each language: its loss when its own neurons are zero, the others' mean loss then, and its loss when as \
             many random neurons are (mean over {} draws).",
            controls.len()
        ),
        "nats a token",
        &values,
    )?);
    Ok(())
}
