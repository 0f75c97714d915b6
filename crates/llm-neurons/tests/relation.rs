//! Relation neurons: scikit-learn's average precisions, facts from files, and what must hold for any responses.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use llm_neurons::Error;
use llm_neurons::relation::{
    AnswerRule, DropMatrix, Expert, Fact, LreOptions, MlpSite, NEGATIVES_PER_POSITIVE, NeuronId, Pick,
    RelationSet, Responses, answers, average_precision, cumulativity, examples, expertise, neuron_set,
    overlap, pool_mean, pool_means, random_neurons, top_neurons,
};
use ndarray::{Array2, Axis, Ix3, arr1, arr2};
use numerics::rng::{normals, permutation, stream};
use proptest::prelude::*;
use rand::RngExt;
use recordings::arrays::ArrayFile;
use recordings::{ModelIdentity, NeuronSet};

/// Average precision against scikit-learn.
const PRECISION: f64 = 1e-12;
/// Quantiles, means and pooled responses, which the reference has in single precision.
const RESPONSE: f64 = 1e-6;

fn reference() -> ArrayFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/06-relation-neurons");
    ArrayFile::open(&folder.join("expertise.safetensors")).unwrap()
}

fn f32s(file: &ArrayFile, key: &str) -> Array2<f32> {
    file.read_f64_2(key).unwrap().mapv(|x| x as f32)
}

/// Units of one layer's gate.
fn gates(units: usize) -> Vec<NeuronId> {
    (0..units).map(|unit| NeuronId { layer: 0, site: MlpSite::GateOut, unit }).collect()
}

fn labels_of(file: &ArrayFile) -> Vec<bool> {
    file.read_i64_1("labels").unwrap().iter().map(|l| *l == 1).collect()
}

#[test]
fn expertise_equals_scikit_learn() {
    let file = reference();
    let (responses, labels) = (f32s(&file, "responses"), labels_of(&file));
    assert_eq!(responses.dim(), (200, 125));
    let found = expertise(&Responses::new(responses.t().to_owned(), gates(200)).unwrap(), &labels).unwrap();
    let wanted = |key: &str| file.read_f64_1(key).unwrap();
    let (ap, p50, p90, off) = (wanted("ap"), wanted("on_p50"), wanted("on_p90"), wanted("off_mean"));
    for (u, e) in found.iter().enumerate() {
        assert_eq!(e.id.unit, u);
        assert!((e.ap - ap[u]).abs() <= PRECISION, "unit {u}: {} against {}", e.ap, ap[u]);
        let alone = average_precision(&responses.row(u).to_vec(), &labels).unwrap();
        assert!((alone - ap[u]).abs() <= PRECISION);
        for (got, wanted) in [(e.on_p50, p50[u]), (e.on_p90, p90[u]), (e.off_mean, off[u])] {
            assert!((got - wanted).abs() <= RESPONSE, "unit {u}: {got} against {wanted}");
        }
    }
    let top: Vec<i64> =
        top_neurons(&found, 30, Pick::Top).unwrap().iter().map(|e| e.id.unit as i64).collect();
    assert_eq!(top, file.read_i64_1("top30").unwrap().to_vec());
    // The constant unit scores the share of positives.
    let constant = responses.outer_iter().position(|r| r.iter().all(|x| *x == r[0])).unwrap();
    let prevalence = labels.iter().filter(|l| **l).count() as f64 / 125.0;
    assert!((found[constant].ap - prevalence).abs() <= PRECISION);
}

#[test]
fn masked_means_equal_the_reference() {
    let file = reference();
    let values = file.get("pool_in").unwrap().to_f64().unwrap().into_dimensionality::<Ix3>().unwrap();
    let values = values.mapv(|x| x as f32);
    let mask = file.read_f64_2("pool_mask").unwrap().mapv(|m| m == 1.0);
    assert!(mask.iter().any(|m| !m) && mask.iter().any(|m| *m));
    let pooled = pool_means(&values.view(), &mask.view()).unwrap();
    for (got, wanted) in pooled.iter().zip(&file.read_f64_2("pool_mean").unwrap()) {
        assert!((f64::from(*got) - wanted).abs() <= RESPONSE, "{got} against {wanted}");
    }
    // What the mask leaves out may be anything.
    let mut padded = values.clone();
    for ((b, t), kept) in mask.indexed_iter().filter(|(_, kept)| !**kept) {
        assert!(!kept);
        padded.index_axis_mut(Axis(0), b).row_mut(t).fill(f32::NAN);
    }
    assert_eq!(pool_means(&padded.view(), &mask.view()).unwrap(), pooled);
    let one = values.index_axis(Axis(0), 0);
    assert!(matches!(pool_mean(&one, Some(&[false; 9])), Err(Error::TooFew { .. })));
    assert!(matches!(pool_mean(&one, Some(&[true; 8])), Err(Error::Shape { .. })));
    let mut bad = one.to_owned();
    bad[(4, 3)] = f32::INFINITY;
    assert!(matches!(pool_mean(&bad.view(), None), Err(Error::NotFinite { row: 4, column: 3, .. })));
}

/// The definition, by trying every distinct score as a threshold.
fn by_definition(scores: &[f32], labels: &[bool]) -> f64 {
    let mut thresholds = scores.to_vec();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let all = labels.iter().filter(|l| **l).count() as f64;
    let (mut sum, mut before) = (0.0, 0.0);
    for t in thresholds {
        let taken = scores.iter().zip(labels).filter(|(x, _)| **x >= t);
        let (hits, n) = taken.fold((0.0, 0.0), |(h, n), (_, l)| (h + f64::from(u8::from(*l)), n + 1.0));
        sum += (hits / all - before) * hits / n;
        before = hits / all;
    }
    sum
}

fn random_responses(seed: u64, examples: usize, units: usize) -> Array2<f32> {
    let x = normals(&mut stream(seed, "relation/test", 0), examples * units);
    Array2::from_shape_fn((examples, units), |(e, u)| (x[e * units + u] * 8.0).round() as f32 / 8.0)
}

fn aps(values: Array2<f32>, labels: &[bool]) -> Vec<f64> {
    let units = values.ncols();
    expertise(&Responses::new(values, gates(units)).unwrap(), labels).unwrap().iter().map(|e| e.ap).collect()
}

proptest! {
    #[test]
    fn average_precision_is_its_definition(
        pairs in prop::collection::vec((-4_i8..4, any::<bool>()), 2..60)
    ) {
        let scores: Vec<f32> = pairs.iter().map(|(x, _)| f32::from(*x) * 0.5).collect();
        let labels: Vec<bool> = pairs.iter().map(|(_, l)| *l).collect();
        prop_assume!(labels.iter().any(|l| *l) && labels.iter().any(|l| !l));
        let ap = average_precision(&scores, &labels).unwrap();
        prop_assert!((ap - by_definition(&scores, &labels)).abs() < 1e-12);
        prop_assert!(ap > 0.0 && ap <= 1.0);
    }

    #[test]
    fn increasing_maps_leave_average_precision(seed in 0_u64..500, examples in 12_usize..80) {
        let x = random_responses(seed, examples, 20);
        let labels: Vec<bool> = (0..examples).map(|e| e % 5 == 0).collect();
        let before = aps(x.clone(), &labels);
        // Exact in single precision, so that no two scores fall together.
        prop_assert_eq!(&before, &aps(x.mapv(|v| v * 4.0 + 8.0), &labels));
        prop_assert_eq!(&before, &aps(x.mapv(|v| v * v.abs()), &labels));
        prop_assert_eq!(&before, &aps(x.mapv(|v| if v == 0.0 { -0.0 } else { v }), &labels));
    }

    #[test]
    fn permuting_units_and_examples_permutes_the_result(seed in 0_u64..500, examples in 12_usize..60, units in 1_usize..70) {
        let x = random_responses(seed, examples, units);
        let labels: Vec<bool> = (0..examples).map(|e| e % 5 == 0).collect();
        let order = permutation(&mut stream(seed, "relation/units", 0), units);
        let rows = permutation(&mut stream(seed, "relation/examples", 0), examples);
        let turned_labels: Vec<bool> = rows.iter().map(|e| labels[*e]).collect();
        let before = aps(x.clone(), &labels);
        let after = aps(x.select(Axis(1), &order).select(Axis(0), &rows), &turned_labels);
        for (to, from) in order.iter().enumerate() {
            prop_assert_eq!(before[*from].to_bits(), after[to].to_bits());
        }
        // Ties go by identity, whatever the order of the list.
        let responses = Responses::new(x, gates(units)).unwrap();
        let experts = expertise(&responses, &labels).unwrap();
        let mixed: Vec<Expert> = order.iter().map(|u| experts[*u]).collect();
        let k = 1 + units / 3;
        let top = top_neurons(&experts, k, Pick::Top).unwrap();
        prop_assert_eq!(&top, &top_neurons(&mixed, k, Pick::Top).unwrap());
        let mut sorted = experts.clone();
        sorted.sort_by(|a, b| b.ap.total_cmp(&a.ap).then(a.id.cmp(&b.id)));
        prop_assert_eq!(&top[..], &sorted[..k]);
        sorted.sort_by(|a, b| a.ap.total_cmp(&b.ap).then(a.id.cmp(&b.id)));
        prop_assert_eq!(&top_neurons(&experts, k, Pick::Bottom).unwrap()[..], &sorted[..k]);
    }
}

#[test]
fn shuffled_labels_leave_average_precision_near_the_share_of_positives() {
    let (positives, negatives, units) = (200, 800, 300);
    let mut x = random_responses(5, positives + negatives, units);
    let labels: Vec<bool> = (0..positives + negatives).map(|e| e < positives).collect();
    // A third of the units know the relation.
    for ((e, u), v) in x.indexed_iter_mut() {
        *v += if u < units / 3 && e < positives { 3.0 } else { 0.0 };
    }
    let real = aps(x.clone(), &labels);
    assert!(real[..100].iter().all(|ap| *ap > 0.8) && real[100..].iter().all(|ap| *ap < 0.3));
    let order = permutation(&mut stream(1, "relation/shuffle", 0), labels.len());
    let shuffled: Vec<bool> = order.iter().map(|e| labels[*e]).collect();
    let chance = aps(x, &shuffled);
    let mean = chance.iter().sum::<f64>() / units as f64;
    let most = chance.iter().copied().fold(0.0, f64::max);
    assert!((mean - 0.2).abs() < 0.02, "mean {mean}");
    assert!(most < 0.3, "most {most}");
}

#[test]
fn many_examples_take_the_radix_sort_and_agree() {
    // Long enough for the other sort, with both signs and ties.
    let labels: Vec<bool> = (0..9000).map(|e| e % 3 == 0).collect();
    let x = random_responses(9, 9000, 3);
    let found = aps(x.clone(), &labels);
    for (u, ap) in found.iter().enumerate() {
        let column: Vec<f32> = x.column(u).to_vec();
        assert!((ap - by_definition(&column, &labels)).abs() < 1e-12);
    }
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| aps(x.clone(), &labels))
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn both_ends_are_picked_without_overlap() {
    let ids = |layer, site| NeuronId { layer, site, unit: 0 };
    let expert = |id, ap| Expert { id, ap, on_p50: 0.0, on_p90: 0.0, off_mean: 0.0 };
    let list = [
        expert(ids(1, MlpSite::GateOut), 0.5),
        expert(ids(0, MlpSite::DownOut), 0.5),
        expert(ids(0, MlpSite::UpOut), 0.5),
        expert(ids(2, MlpSite::GateOut), 0.9),
    ];
    let names = |picked: Vec<Expert>| picked.iter().map(|e| (e.id.layer, e.id.site)).collect::<Vec<_>>();
    let both = names(top_neurons(&list, 2, Pick::Both).unwrap());
    assert_eq!(
        both,
        [(2, MlpSite::GateOut), (0, MlpSite::UpOut), (0, MlpSite::DownOut), (1, MlpSite::GateOut)]
    );
    assert!(matches!(top_neurons(&list, 3, Pick::Both), Err(Error::TooFew { needed: 6, found: 4, .. })));
    assert!(matches!(top_neurons(&list, 5, Pick::Top), Err(Error::TooFew { .. })));
    assert!(top_neurons(&list, 0, Pick::Top).is_err());
    let broken = [expert(ids(0, MlpSite::UpOut), f64::NAN)];
    assert!(matches!(top_neurons(&broken, 1, Pick::Top), Err(Error::NotFinite { .. })));
}

#[test]
fn sets_overlap_and_go_into_files() {
    let file = reference();
    let responses = Responses::new(
        f32s(&file, "responses").t().to_owned(),
        (0..200)
            .map(|u| NeuronId {
                layer: u / 100,
                site: if u % 100 < 50 { MlpSite::GateOut } else { MlpSite::DownOut },
                unit: u % 50,
            })
            .collect(),
    )
    .unwrap();
    let experts = expertise(&responses, &labels_of(&file)).unwrap();
    let top = top_neurons(&experts, 20, Pick::Top).unwrap();
    let low = top_neurons(&experts, 30, Pick::Bottom).unwrap();
    let ids = |list: &[Expert]| list.iter().map(|e| e.id).collect::<Vec<_>>();
    let random = random_neurons(responses.index(), 20, 4, 0).unwrap();
    let shared = overlap(&[ids(&top), ids(&low), random.clone()]);
    assert_eq!((shared[(0, 0)], shared[(1, 1)], shared[(2, 2)], shared[(0, 1)]), (20, 30, 20, 0));
    assert_eq!(shared[(0, 2)], random.iter().filter(|id| ids(&top).contains(id)).count());
    assert_ne!(random, random_neurons(responses.index(), 20, 4, 1).unwrap());

    let model = ModelIdentity { tensors_sha256: "cd".to_owned(), source: "planted".to_owned() };
    let set = neuron_set(&[("company_ceo", &top), ("low", &low)], model, "average-precision", 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.json");
    set.write(&path).unwrap();
    let back = NeuronSet::read(&path).unwrap();
    let members = &back.sets["company_ceo"];
    assert_eq!(members.iter().map(|m| m.units.len()).sum::<usize>(), 20);
    for m in members {
        for (unit, ap) in m.units.iter().zip(m.values.as_ref().unwrap()) {
            let e = top.iter().find(|e| {
                (e.id.layer.to_string() == m.layer)
                    && e.id.unit == *unit
                    && e.id.site.at(0).to_string() == format!("{}(0)", m.site)
            });
            assert!((e.unwrap().ap - ap).abs() < PRECISION);
        }
    }
    let twice = neuron_set(&[("a", &top), ("a", &low)], ModelIdentity::default(), "r", 0);
    assert!(matches!(twice, Err(Error::Shape { .. })));
    let same = [top[0], top[0]];
    assert!(neuron_set(&[("a", &same)], ModelIdentity::default(), "r", 0).is_err());
}

#[test]
fn drops_are_read_off_their_matrix() {
    let intact = arr1(&[0.8, 0.5]);
    let ablated = arr2(&[[0.2, 0.8], [0.6, 0.25]]);
    let random = arr2(&[[0.8, 0.8], [0.5, 0.4]]);
    let m = DropMatrix::from_accuracy(&["a", "b"], &intact.view(), &ablated.view(), &random.view()).unwrap();
    let near = |x: f64, y: f64| assert!((x - y).abs() < 1e-12, "{x} against {y}");
    near(m.intra(), (0.75 + 0.5) / 2.0);
    near(m.inter(), (0.0 - 0.2) / 2.0);
    near(m.random_mean(), 0.2 / 4.0);
    near(m.own()[1], 0.5);
    assert_eq!(m.interference().len(), 1);
    assert_eq!((m.interference()[0].0, m.interference()[0].1), (1, 0));
    let n = DropMatrix::from_nll(&["a", "b"], &intact.view(), &ablated.view(), &random.view()).unwrap();
    near(n.drop[(1, 0)], 0.1);
    for (intact, what) in [(arr1(&[0.0, 0.5]), "none right"), (arr1(&[1.5, 0.5]), "above 1")] {
        let refused = DropMatrix::from_accuracy(&["a", "b"], &intact.view(), &ablated.view(), &random.view());
        assert!(matches!(refused, Err(Error::Parameter { .. })), "{what}");
    }
    let short = arr1(&[0.5]);
    assert!(DropMatrix::from_nll(&["a", "b"], &short.view(), &ablated.view(), &random.view()).is_err());
    let broken = arr2(&[[0.2, f64::NAN], [0.6, 0.25]]);
    assert!(matches!(
        DropMatrix::from_nll(&["a", "b"], &intact.view(), &broken.view(), &random.view()),
        Err(Error::NotFinite { row: 0, column: 1, .. })
    ));
    let c =
        cumulativity(&[true, true, true, false], &[false, false, true, false], &[true, false, false, false])
            .unwrap();
    assert_eq!((c.lost_between, c.still_lost, c.share()), (2, 1, Some(0.5)));
    assert_eq!(cumulativity(&[true], &[true], &[true]).unwrap().share(), None);
    assert!(cumulativity(&[true], &[true, false], &[true]).is_err());
}

#[test]
fn answers_are_matched_by_prefix() {
    assert!(answers(" Canis M", "Canis Major", AnswerRule::Prefix));
    assert!(!answers("canis", "Canis Major", AnswerRule::Prefix));
    assert!(!answers("", "Lyra", AnswerRule::EitherPrefix) && !answers("x", " ", AnswerRule::EitherPrefix));
    assert!(answers("Lyra", "Lyra", AnswerRule::Prefix) && !answers("Lyra is", "Lyra", AnswerRule::Prefix));
    assert!(answers("Lyra is", "Lyra", AnswerRule::EitherPrefix));
}

/// Facts of `relations`, of which all share the last `shared` subjects.
fn facts(relations: usize, own: usize, shared: usize) -> RelationSet {
    let mut list = Vec::new();
    for r in 0..relations {
        for s in 0..own + shared {
            let subject = if s < own { format!("r{r} s{s}") } else { format!("common {s}") };
            // Every fifth subject has two objects.
            for o in 0..1 + usize::from(s % 5 == 0) {
                let prompt = format!("what is r{r} of {subject}? {o}");
                list.push(Fact {
                    relation: format!("r{r}"),
                    subject: subject.clone(),
                    object: format!("o{o}"),
                    prompt,
                });
            }
        }
    }
    RelationSet::new(list).unwrap()
}

proptest! {
    #[test]
    fn no_subject_is_on_both_sides(seed in 0_u64..300, relations in 1_usize..5, own in 20_usize..40, shared in 0_usize..30) {
        let set = facts(relations, own, shared);
        let n_eval = 8;
        let split = set.split(seed, n_eval).unwrap();
        let subjects = |list: &[usize]| list.iter().map(|i| set.facts()[*i].subject.as_str()).collect::<HashSet<_>>();
        prop_assert!(subjects(&split.detection).is_disjoint(&subjects(&split.evaluation)));
        prop_assert!(subjects(&split.detection).is_disjoint(&subjects(&split.left_out)));
        let mut all = [split.detection.clone(), split.evaluation.clone(), split.left_out.clone()].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..set.facts().len()).collect::<Vec<_>>());
        for r in set.relations() {
            let n = split.evaluation.iter().filter(|i| set.facts()[**i].relation == r).count();
            prop_assert_eq!(n, n_eval);
        }
        prop_assert_eq!(&split, &set.split(seed, n_eval).unwrap());
        // The order of the facts does not decide who is held out.
        let mut turned = set.facts().to_vec();
        turned.reverse();
        let turned = RelationSet::new(turned).unwrap();
        let other = turned.split(seed, n_eval).unwrap();
        let held = |set: &RelationSet, s: &llm_neurons::relation::Split| {
            s.detection.iter().map(|i| set.facts()[*i].subject.clone()).collect::<HashSet<_>>()
        };
        prop_assert_eq!(held(&set, &split), held(&turned, &other));
    }
}

#[test]
fn negatives_are_four_to_one() {
    let mut rng = stream(2, "relation/examples", 1);
    let names: Vec<&str> = (0..400).map(|_| ["a", "b", "c", "d", "e", "f"][rng.random_range(0..6)]).collect();
    let found = examples(&names, "c", 3).unwrap();
    assert!(
        found.positives.iter().all(|i| names[*i] == "c") && found.negatives.iter().all(|i| names[*i] != "c")
    );
    assert_eq!(found.positives.len(), names.iter().filter(|n| **n == "c").count());
    assert_eq!(found.negatives.len(), NEGATIVES_PER_POSITIVE * found.positives.len());
    assert!(found.negatives.windows(2).all(|w| w[0] < w[1]));
    assert_eq!(found.labels().iter().filter(|l| **l).count(), found.positives.len());
    assert_eq!(found.index().len(), found.labels().len());
    assert_ne!(found, examples(&names, "c", 4).unwrap());
    assert!(matches!(examples(&names, "z", 3), Err(Error::TooFew { needed: 10, found: 0, .. })));
    assert!(matches!(examples(&names[..60], "c", 3), Err(Error::TooFew { .. })));
    let crowd = vec!["a"; 50];
    assert!(matches!(examples(&crowd, "a", 3), Err(Error::TooFew { needed: 200, found: 0, .. })));
}

#[test]
fn facts_are_read_from_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts.jsonl");
    let line =
        |s: &str| format!(r#"{{"relation":"r","subject":"{s}","object":"o","prompt":"of {s}?","note":1}}"#);
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    let read = || RelationSet::read(&path, &LreOptions::default());
    write(format!("\u{feff}{}\r\n\n{}\n", line("Ä"), line("b")).as_bytes());
    let set = read().unwrap();
    assert_eq!((set.facts().len(), set.facts()[0].subject.as_str()), (2, "Ä"));

    let at = |wanted: usize, text: &[u8], says: &str| {
        write(text);
        match read() {
            Err(Error::Line { line, message, .. }) => {
                assert_eq!(line, wanted, "{message}");
                assert!(message.contains(says), "{message}");
            }
            other => panic!("{other:?}"),
        }
    };
    at(2, [line("a").as_bytes(), b"\n{\"relation\": \"\xff\"}\n"].concat().as_slice(), "UTF-8");
    at(3, format!("{}\n{}\n{}\n", line("a"), line("b"), line("a")).as_bytes(), "line 1");
    at(2, format!("{}\nnot json\n", line("a")).as_bytes(), "expected");
    at(1, br#"{"relation":"r","subject":"s","object":"o"}"#, "prompt");
    at(1, br#"{"relation":"r","subject":" ","object":"o","prompt":"p"}"#, "subject is empty");
    at(1, br#"{"relation":"r","subject":3,"object":"o","prompt":"p"}"#, "string");
    write(b"\n\n");
    assert!(matches!(read(), Err(Error::File { .. })));
    std::fs::remove_file(&path).unwrap();
    let missing = read();
    assert!(matches!(missing, Err(Error::File { .. })));
    assert!(missing.unwrap_err().to_string().contains("facts.jsonl"));
}

#[test]
fn relations_are_read_in_the_lre_form() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("factual");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("star.json");
    let text = r#"{"name": "star name", "prompt_templates": ["{} is in"], "prompt_templates_zs": ["Where is {}? In", "{} lies in"],
        "properties": {}, "samples": [{"subject": "Vega", "object": "Lyra"}, {"subject": "Vega", "object": "Lyra"}, {"subject": "Deneb", "object": "Cygnus"}]}"#;
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.path().join("index.json"), "{}").unwrap();
    let read = |options: &LreOptions| RelationSet::read(folder.path(), options);
    let set = read(&LreOptions::default()).unwrap();
    assert_eq!((set.facts().len(), set.repeated()), (2, 1));
    assert_eq!(set.facts()[1].prompt, "Where is Deneb? In");
    assert_eq!(set.relations(), ["star"]);
    let other = read(&LreOptions { template: 1, cue: " Answer:".to_owned() }).unwrap();
    assert_eq!(other.facts()[0].prompt, "Vega lies in Answer:");
    assert!(matches!(read(&LreOptions { template: 2, ..LreOptions::default() }), Err(Error::File { .. })));
    for (from, to) in [("Where is {}?", "Where?"), ("Where is {}?", "{} {}?"), ("\"Deneb\"", "\"\"")] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        assert!(matches!(read(&LreOptions::default()), Err(Error::File { .. })), "{to}");
    }
    std::fs::write(&path, &text[..120]).unwrap();
    assert!(matches!(read(&LreOptions::default()), Err(Error::Line { .. })));
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.path().join("star.json"), text).unwrap();
    assert!(matches!(read(&LreOptions::default()), Err(Error::File { .. })), "two of one name");
    let empty = tempfile::tempdir().unwrap();
    assert!(RelationSet::read(empty.path(), &LreOptions::default()).is_err());
}

#[test]
fn the_real_relations_are_read_and_split() {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join("relations-lre");
    if !folder.is_dir() {
        assert!(
            std::env::var_os("NEUROPIL_REQUIRE_DATA").is_none_or(|v| v != "1"),
            "{} is missing and NEUROPIL_REQUIRE_DATA=1",
            folder.display()
        );
        eprintln!("skipped: {} is missing", folder.display());
        return;
    }
    let set = RelationSet::from_lre_dir(&folder, &LreOptions::default()).unwrap();
    let stars = set.only(&["star_constellation"]).unwrap();
    assert_eq!(stars.facts().len(), 362);
    assert!(stars.facts()[0].prompt.contains(&stars.facts()[0].subject));
    assert!(set.only(&["nothing"]).is_err() && set.repeated() > 0);
    let large = set.at_least(290).unwrap();
    assert!(large.relations().len() >= 9, "{:?}", large.relations());
    let split = large.split(1, 50).unwrap();
    assert_eq!(split.evaluation.len(), 50 * large.relations().len());
    let subjects =
        |list: &[usize]| list.iter().map(|i| large.facts()[*i].subject.trim()).collect::<HashSet<_>>();
    assert!(subjects(&split.detection).is_disjoint(&subjects(&split.evaluation)));
    assert!(matches!(set.split(1, 50), Err(Error::TooFew { .. })), "some relations have fewer than 50 facts");
}

#[test]
fn nonsense_is_refused() {
    let x = random_responses(1, 20, 4);
    let labels: Vec<bool> = (0..20).map(|e| e < 4).collect();
    assert!(matches!(Responses::new(x.clone(), gates(3)), Err(Error::Shape { .. })));
    let twice = vec![gates(1)[0]; 4];
    assert!(matches!(Responses::new(x.clone(), twice), Err(Error::Shape { .. })));
    let mut broken = x.clone();
    broken[(7, 2)] = f32::NAN;
    assert!(matches!(Responses::new(broken, gates(4)), Err(Error::NotFinite { row: 7, column: 2, .. })));
    let responses = Responses::new(x, gates(4)).unwrap();
    assert!(matches!(expertise(&responses, &labels[..19]), Err(Error::Shape { .. })));
    assert!(matches!(expertise(&responses, &[true; 20]), Err(Error::TooFew { .. })));
    assert!(matches!(expertise(&responses, &[false; 20]), Err(Error::TooFew { .. })));
    assert!(matches!(average_precision(&[1.0], &[true, false]), Err(Error::Shape { .. })));
    assert!(matches!(average_precision(&[1.0, f32::NAN], &[true, false]), Err(Error::NotFinite { .. })));
    assert!(responses.of_examples(&[0, 20]).is_err());
    assert_eq!(responses.of_examples(&[3, 3]).unwrap().values().nrows(), 2);
    assert!(random_neurons(&gates(4), 5, 0, 0).is_err() && random_neurons(&gates(4), 0, 0, 0).is_err());
    assert!(RelationSet::new(Vec::new()).is_err());
    let fact = facts(1, 1, 0).facts()[0].clone();
    assert!(RelationSet::new(vec![fact.clone(), fact]).is_err());
    assert!(facts(2, 20, 0).split(0, 0).is_err());
    assert!(matches!(facts(2, 20, 0).split(0, 30), Err(Error::TooFew { .. })));
}
