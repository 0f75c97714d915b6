//! Shuffled labels: what is found then is found by chance, and does what chance does (line 5).

use llm_neurons::relation::{NeuronId, Recall, examples, expertise, random_neurons};
use numerics::rng::{permutation, stream};
use numerics::summary::mean;

use super::fail;
use super::knowledge::NAMES;
use super::ranked::{Ranked, best};
use super::stored::K;
use crate::{Measurement, Outcome, Plan, Result};

pub(super) fn run(plan: &Plan, ranked: &Ranked, recall: &Recall<'_>, outcome: &mut Outcome) -> Result<()> {
    let (shuffles, draws) = (plan.pick(3, 8, 16), plan.pick(6, 16, 32));
    let intact = recall.means(&recall.with_off(&[]).map_err(fail)?).map_err(fail)?.nll;
    let cost = |r: usize, set: &[NeuronId]| -> Result<f64> {
        Ok(recall.means(&recall.with_off(set).map_err(fail)?).map_err(fail)?.nll[r] - intact[r])
    };
    let ap = |experts: &[llm_neurons::relation::Expert]| experts.iter().map(|e| e.ap).fold(0.0, f64::max);
    let mut highest: f64 = 0.0;
    let (mut by_shuffle, mut by_draw) = (vec![Vec::new(); shuffles], vec![Vec::new(); draws]);
    for (r, name) in NAMES.iter().enumerate() {
        let chosen = examples(&ranked.about, name, plan.seed).map_err(fail)?;
        let responses = ranked.responses.of_examples(&chosen.index()).map_err(fail)?;
        let labels = chosen.labels();
        for (i, costs) in by_shuffle.iter_mut().enumerate() {
            let purpose = format!("06-relation-neurons/shuffled/{name}");
            let order = permutation(&mut stream(plan.seed, &purpose, i as u64), labels.len());
            let labels: Vec<bool> = order.into_iter().map(|e| labels[e]).collect();
            let experts = expertise(&responses, &labels).map_err(fail)?;
            highest = highest.max(ap(&experts));
            costs.push(cost(r, &best(&experts, K)?)?);
        }
        for (i, costs) in by_draw.iter_mut().enumerate() {
            let index = (i * NAMES.len() + r) as u64;
            let set = random_neurons(ranked.responses.index(), K, plan.seed, index).map_err(fail)?;
            costs.push(cost(r, &set)?);
        }
    }
    let least = ranked.experts.iter().map(|e| ap(e)).fold(f64::INFINITY, f64::min);
    outcome.measurements.push(
        Measurement::at_most("shuffled: highest average precision of any output", highest, 0.3)
            .baseline(least)
            .control(0.2)
            .seeds(&[plan.seed])
            .note(format!(
                "over {shuffles} shuffles of each relation; baseline: the least over relations of the highest with the true \
                 labels; control: the share of positives"
            )),
    );
    // Means over relations, draw by draw.
    let means = |costs: &[Vec<f64>]| costs.iter().map(|c| mean(c)).collect::<Vec<f64>>();
    let (found, chance) = (means(&by_shuffle), means(&by_draw));
    let own =
        ranked.best(K)?.iter().enumerate().map(|(r, set)| cost(r, set)).collect::<Result<Vec<f64>>>()?;
    let (own, found, chance) = (mean(&own), mean(&found), mean(&chance));
    outcome.measurements.push(
        Measurement::at_most(
            "shuffled: excess of the loss over that without random outputs, as a share of the excess with the true labels",
            (found - chance) / (own - chance),
            0.25,
        )
        .baseline(1.0)
        .control(0.0)
        .seeds(&[plan.seed])
        .note(format!(
            "{found:.4} nats an answer shuffled, {chance:.4} random, {own:.4} with the true labels; {shuffles} shuffles, \
             {draws} random draws"
        )),
    );
    Ok(())
}
