//! The network set by hand: three gate units of each relation open its readout.

use burn::tensor::Device;
use llm_neurons::planted;
use llm_neurons::relation::{
    NeuronId, Pick, Recall, collect_responses, examples, expertise, mlp_sites, top_neurons,
};
use llm_neurons::score::BATCH_TOKENS;

use super::fail;
use crate::figure::bars;
use crate::{Measurement, Outcome, Plan, Result};

/// Line 4: exactly the planted units have average precision 1, and they take their own facts with them, all of them.
pub(super) fn run(plan: &Plan, device: &Device, outcome: &mut Outcome) -> Result<()> {
    let draws = plan.pick(2, 5, 5);
    let (mut found, mut own, mut others, mut random) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let seeds = plan.seeds(3);
    for seed in &seeds {
        let planted = planted::relations(device, *seed).map_err(fail)?;
        let names = planted.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let about: Vec<&str> = planted.questions.iter().map(|q| names[q.relation]).collect();
        let prompts: Vec<&[u32]> = planted.questions.iter().map(|q| q.prompt.as_slice()).collect();
        let sites = mlp_sites(&planted.model);
        let responses = collect_responses(&planted.model, &prompts, &sites, BATCH_TOKENS).map_err(fail)?;
        let (mut sets, mut exact) = (Vec::new(), 0);
        for (name, wanted) in names.iter().zip(&planted.neurons) {
            let chosen = examples(&about, name, *seed).map_err(fail)?;
            let of = responses.of_examples(&chosen.index()).map_err(fail)?;
            let experts = expertise(&of, &chosen.labels()).map_err(fail)?;
            let perfect: Vec<NeuronId> = experts.iter().filter(|e| e.ap == 1.0).map(|e| e.id).collect();
            exact += usize::from(perfect == *wanted);
            let top = top_neurons(&experts, wanted.len(), Pick::Top).map_err(fail)?;
            sets.push(top.iter().map(|e| e.id).collect::<Vec<NeuronId>>());
        }
        let recall = Recall::new(&planted.model, planted.questions.clone(), BATCH_TOKENS).map_err(fail)?;
        let drops = recall.drops(&names, &sets, *seed, draws).map_err(fail)?.accuracy().map_err(fail)?;
        found.push(exact as f64 / names.len() as f64);
        own.push(drops.own().iter().copied().fold(1.0, f64::min));
        let off_diagonal = drops.drop.indexed_iter().filter(|((i, j), _)| i != j);
        others.push(off_diagonal.map(|(_, x)| *x).fold(0.0, f64::max));
        random.push(drops.random_mean());
    }
    let least = |x: &[f64]| x.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |x: &[f64]| x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let control = random.iter().sum::<f64>() / random.len() as f64;
    let measurements = [
        Measurement::equal(
            "planted: share of relations whose planted units alone have precision 1",
            least(&found),
            1.0,
        )
        .note("three gate units of each of six relations, among 78 outputs; the least over seeds"),
        Measurement::equal(
            "planted: share of a relation's right answers lost without its units",
            least(&own),
            1.0,
        )
        .control(control)
        .note("the least over relations and seeds; control: as many random outputs, over all relations"),
        Measurement::equal(
            "planted: share of another relation's right answers lost without them",
            most(&others),
            0.0,
        )
        .control(control)
        .note("the most over pairs of relations and seeds"),
    ];
    outcome.measurements.extend(measurements.map(|m| m.seeds(&seeds)));
    outcome.figures.push(bars(
        "A network whose relation neurons are known",
        "Share of the right answers that is lost without a relation's three gate units: the least of its own, the most of \
         another relation's, and the mean with three random outputs off.",
        "share lost",
        &[
            ("own".to_owned(), least(&own)),
            ("others".to_owned(), most(&others)),
            ("random".to_owned(), control),
        ],
    )?);
    Ok(())
}
