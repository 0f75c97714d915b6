//! Whether core neurons follow the language of a text, and when they settle.

use llm_neurons::core_neurons::{Clustering, Ranked, core_neurons};
use llm_neurons::model::{Forward, Head, Tokens};
use ndarray::Axis;
use numerics::rng::{permutation, stream};
use numerics::summary::mean;
use probes::{HookSet, Read};
use rayon::prelude::*;
use recordings::Site;
use tensor_backend::bridge::float_array;

use super::{ALPHA, Corpus, LANGUAGES, LAYER, LONGEST, fail};
use crate::figure::{Series, heatmap, lines};
use crate::{Measurement, Outcome, Plan, Result};

/// Held-out sentences of each language whose sets are compared, and whose prefixes are.
const COMPARED: usize = 40;
const SETTLING: usize = 25;
/// Lengths of prefixes, and of the text that they are held against.
const PREFIXES: [usize; 5] = [4, 8, 16, 32, 48];
const WHOLE: usize = 64;
/// Bounds of the sheet.
const WITHIN: f64 = 0.45;
const BETWEEN: f64 = 0.25;
const PURITY: f64 = 0.95;
const SETTLED: f64 = 0.75;

pub(super) fn run(corpus: &Corpus, plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let texts = corpus.texts(&corpus.held_out, COMPARED, LONGEST);
    let sets = texts.par_iter().map(|(_, text)| core(corpus, text)).collect::<Result<Vec<Ranked>>>()?;
    let labels: Vec<usize> = texts.iter().map(|(language, _)| *language).collect();
    let alike: Vec<Vec<f64>> = sets.par_iter().map(|a| sets.iter().map(|b| a.jaccard(b)).collect()).collect();
    let seeds = plan.draws(plan.pick(3, 10, 40));
    let shuffled: Vec<Vec<usize>> = seeds
        .iter()
        .map(|seed| {
            let order = permutation(&mut stream(*seed, "04-coreinfer/labels", 0), labels.len());
            order.into_iter().map(|i| labels[i]).collect()
        })
        .collect();
    let over = |value: &dyn Fn(&[usize]) -> f64| {
        mean(&shuffled.iter().map(|labels| value(labels)).collect::<Vec<f64>>())
    };
    outcome.measurements.push(
        Measurement::at_least(
            "semantics: likeness of core sets within a language",
            mean_alike(&alike, &labels, true),
            WITHIN,
        )
        .control(over(&|labels| mean_alike(&alike, labels, true)))
        .seeds(&seeds)
        .note("mean Jaccard index of the top fifth of layer 2's neurons; control: shuffled languages"),
    );
    outcome.measurements.push(
        Measurement::at_most(
            "semantics: likeness of core sets between languages",
            mean_alike(&alike, &labels, false),
            BETWEEN,
        )
        .control(over(&|labels| mean_alike(&alike, labels, false)))
        .seeds(&seeds)
        .note(format!("of translations of one sentence: {:.3}", translations(&alike))),
    );

    let patterns: Vec<Vec<usize>> = sets.iter().map(|s| s.units.clone()).collect();
    let width = corpus.model.config().mlp;
    let elbow = Clustering::fit(&patterns, width, None, plan.seed).map_err(fail)?;
    outcome.measurements.push(
        Measurement::equal(
            "semantics: clusters at the elbow",
            elbow.centres.nrows() as f64,
            LANGUAGES.len() as f64,
        )
        .seeds(&[plan.seed]),
    );
    let five = Clustering::fit(&patterns, width, Some(LANGUAGES.len()), plan.seed).map_err(fail)?;
    outcome.measurements.push(
        Measurement::at_least("semantics: purity of five clusters", purity(&five.labels, &labels), PURITY)
            .control(over(&|labels| purity(&five.labels, labels)))
            .seeds(&[plan.seed])
            .note("share of texts in a cluster of mostly their language; control: shuffled languages"),
    );
    let cells = |a: usize, b: usize| {
        let pairs = pairs(&labels).filter(|(i, j)| (labels[*i], labels[*j]) == (a, b));
        mean(&pairs.map(|(i, j)| alike[i][j]).collect::<Vec<f64>>())
    };
    let n = LANGUAGES.len();
    outcome.figures.push(heatmap(
        "Core neurons of five languages",
        &format!(
            "Mean Jaccard index of the core sets of {COMPARED} held-out sentences of each of English, German, Spanish, \
             Hindi and Chinese, in this order; layer 2."
        ),
        &(0..n).map(|a| (0..n).map(|b| Some(cells(a, b))).collect()).collect::<Vec<Vec<_>>>(),
    )?);
    settling(corpus, outcome)
}

/// The top fifth of a text's neurons in the layer compared.
fn core(corpus: &Corpus, text: &[u32]) -> Result<Ranked> {
    let mut hooks = HookSet::new();
    let read = hooks.read(Site::UpOut(LAYER), Read::Full).map_err(fail)?;
    hooks.stop_after(LAYER);
    let with = Forward { cache: None, head: Head::None, mlps: None };
    corpus.model.forward(&Tokens::one(text), with, &mut hooks).map_err(fail)?;
    let a = float_array::<f32, 3>(hooks.full(read).map_err(fail)?).map_err(fail)?;
    core_neurons(&a.index_axis(Axis(0), 0), ALPHA, corpus.model.config().mlp / 5).map_err(fail)
}

/// Pairs of different texts.
fn pairs<T>(texts: &[T]) -> impl Iterator<Item = (usize, usize)> {
    let n = texts.len();
    (0..n).flat_map(move |i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j)
}

fn mean_alike(alike: &[Vec<f64>], labels: &[usize], within: bool) -> f64 {
    let chosen = pairs(labels).filter(|(i, j)| (labels[*i] == labels[*j]) == within);
    mean(&chosen.map(|(i, j)| alike[i][j]).collect::<Vec<f64>>())
}

/// Likeness of English sentences and their translations.
fn translations(alike: &[Vec<f64>]) -> f64 {
    let each = alike.len() / LANGUAGES.len();
    let pairs = (1..LANGUAGES.len()).flat_map(|l| (0..each).map(move |i| (i, l * each + i)));
    mean(&pairs.map(|(i, j)| alike[i][j]).collect::<Vec<f64>>())
}

/// Share of texts whose cluster is mostly of their label.
fn purity(clusters: &[usize], labels: &[usize]) -> f64 {
    let k = clusters.iter().max().map_or(0, |c| c + 1);
    let mut counts = vec![[0_usize; LANGUAGES.len()]; k];
    clusters.iter().zip(labels).for_each(|(c, l)| counts[*c][*l] += 1);
    counts.iter().map(|row| row.iter().max().copied().unwrap_or(0)).sum::<usize>() as f64
        / labels.len() as f64
}

/// How alike the sets of a prefix and of the text are.
fn settling(corpus: &Corpus, outcome: &mut Outcome) -> Result<()> {
    let longest = PREFIXES[PREFIXES.len() - 1];
    let texts: Vec<(usize, &[u32])> = corpus
        .texts(&corpus.held_out, SETTLING, WHOLE)
        .into_iter()
        .filter(|(_, text)| text.len() >= longest)
        .collect();
    let sets = texts
        .par_iter()
        .map(|(_, text)| -> Result<(Vec<Ranked>, Ranked)> {
            let prefixes = PREFIXES.iter().map(|n| core(corpus, &text[..*n])).collect::<Result<Vec<_>>>()?;
            Ok((prefixes, core(corpus, text)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let own =
        |n: usize| -> Vec<f64> { sets.iter().map(|(prefixes, whole)| prefixes[n].jaccard(whole)).collect() };
    // The next text of the same language.
    let other = |n: usize| -> Vec<f64> {
        let next = |i: usize| {
            let mut rest = (1..texts.len()).map(|d| (i + d) % texts.len());
            rest.find(|j| texts[*j].0 == texts[i].0)
        };
        (0..texts.len()).filter_map(|i| Some(sets[i].0[n].jaccard(&sets[next(i)?].1))).collect()
    };
    let curve: Vec<f64> = (0..PREFIXES.len()).map(|n| mean(&own(n))).collect();
    let control: Vec<f64> = (0..PREFIXES.len()).map(|n| mean(&other(n))).collect();
    let last = PREFIXES.len() - 1;
    outcome.measurements.push(
        Measurement::at_least("stability: likeness of the sets of 48 and of 64 tokens", curve[last], SETTLED)
            .control(control[last])
            .interval_of(&own(last))
            .note(format!("{} texts; control: the 64 tokens of another text of the language", texts.len())),
    );
    let least = curve.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
    let shown: Vec<String> = curve.iter().map(|x| format!("{x:.3}")).collect();
    outcome.measurements.push(
        Measurement::at_least("stability: least rise from one length to the next", least, 0.0)
            .note(format!("{PREFIXES:?} tokens: {}", shown.join(", "))),
    );
    let line = |name: &str, values: &[f64]| Series {
        name: name.to_owned(),
        points: PREFIXES.iter().zip(values).map(|(n, x)| (*n as f64, *x)).collect(),
    };
    outcome.figures.push(lines(
        "Core neurons settle while a prompt is read",
        "Jaccard index of a prefix's core set and that of 64 tokens, of the same text and of another one of the language.",
        "tokens of the prefix",
        "likeness",
        &[line("same text", &curve), line("another text", &control)],
    )?);
    Ok(())
}
