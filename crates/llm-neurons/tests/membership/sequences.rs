//! The sequence-level attacks on a model whose losses are known.

use llm_neurons::membership::BigramModel;
use llm_neurons::membership::baselines::{
    Baseline, MaskedModel, Reference, SequenceAttack, SequenceConfig, TextCodec, WordProbabilities,
    document_mean, ln_perplexity, lowercase, min_k, neighbourhood, perplexity, reference, zlib, zlib_length,
};
use ndarray::Array2;

/// One token for each letter: `a` to `d` are 0 to 3, `A` to `D` are 4 to 7, a space is 8.
struct Letters;

const ALPHABET: &str = "abcdABCD ";

impl TextCodec for Letters {
    fn decode(&self, ids: &[u32]) -> llm_neurons::Result<String> {
        Ok(ids.iter().filter_map(|id| ALPHABET.chars().nth(*id as usize)).collect())
    }

    fn encode(&self, text: &str) -> llm_neurons::Result<Vec<u32>> {
        Ok(text.chars().filter_map(|c| ALPHABET.find(c).map(|i| i as u32)).collect())
    }
}

/// Would put "aa" or "dd" everywhere.
struct Doubles;

impl MaskedModel for Doubles {
    fn fill(&self, _words: &[&str], _place: usize, most: usize) -> llm_neurons::Result<WordProbabilities> {
        let all = [("aa".to_owned(), 0.25), ("dd".to_owned(), 0.125)];
        Ok(WordProbabilities { original: 0.5, candidates: all.into_iter().take(most).collect() })
    }
}

fn models() -> (BigramModel, BigramModel, Vec<u32>) {
    let ids = Letters.encode("aBc dA bC Da cB ad").unwrap();
    let uniform = Array2::from_elem((9, 9), 1.0 / 9.0);
    let target = BigramModel::fit(&uniform.view(), 1.0, &[&ids]).unwrap();
    let reference = BigramModel::fit(&uniform.view(), 1e9, &[]).unwrap();
    (target, reference, ids)
}

/// `-ln p` of every token but the first, straight from the model's table.
fn losses(model: &BigramModel, ids: &[u32]) -> Vec<f32> {
    ids.windows(2).map(|p| -model.probabilities()[[p[0] as usize, p[1] as usize]].ln() as f32).collect()
}

#[test]
fn each_number_is_that_of_its_formula() {
    let (target, other, ids) = models();
    let attack = SequenceAttack {
        target: &target,
        codec: Some(&Letters),
        reference: Some(Reference { scorer: &other, codec: Some(&Letters) }),
        masked: Some(&Doubles),
    };
    let config = SequenceConfig { tokens: 7, min_k_percent: vec![20, 50], ..SequenceConfig::default() };
    let windows = attack.score_document(&ids, &config).unwrap();
    // 18 tokens: windows begin at 0 and 6; the third would lack a token.
    assert_eq!(windows.iter().map(|w| w.begin).collect::<Vec<usize>>(), [0, 6]);
    for window in &windows {
        let part = &ids[window.begin..window.begin + 7];
        let text = Letters.decode(part).unwrap();
        let mean = |ids: &[u32]| {
            losses(&target, ids).iter().map(|x| f64::from(*x)).sum::<f64>() / (ids.len() - 1) as f64
        };
        let own = mean(part);
        let near =
            |got: Option<f64>, wanted: f64| assert!((got.unwrap() - wanted).abs() < 1e-6, "{got:?} {wanted}");
        near(Some(window.ln_perplexity), own);
        near(window.reference, own - 9.0_f64.ln());
        near(window.zlib, own / zlib_length(text.as_bytes()) as f64);
        near(window.lowercase, -mean(&Letters.encode(&text.to_lowercase()).unwrap()) / own);
        let mut sorted = losses(&target, part);
        sorted.sort_by(|a, b| b.total_cmp(a));
        // 20 % of six losses is one, 50 % are three.
        near(window.get(Baseline::MinK(20)), -f64::from(sorted[0]));
        near(window.get(Baseline::MinK(50)), -sorted[..3].iter().map(|x| f64::from(*x)).sum::<f64>() / 3.0);
        // Every word by "aa" and by "dd", unless it stands there already.
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut around = Vec::new();
        for word in &words {
            for new in ["aa", "dd"].into_iter().filter(|new| new != word) {
                around.push(mean(&Letters.encode(&text.replacen(word, new, 1)).unwrap()));
            }
        }
        near(window.neighbourhood, around.iter().sum::<f64>() / around.len() as f64 - own);
    }
    let whole = document_mean(&windows).unwrap();
    for number in [
        Baseline::Perplexity,
        Baseline::Zlib,
        Baseline::MinK(50),
        Baseline::Neighbourhood,
        Baseline::Lowercase,
        Baseline::Reference,
    ] {
        let mean = windows.iter().map(|w| w.get(number).unwrap()).sum::<f64>() / 2.0;
        assert!((whole.get(number).unwrap() - mean).abs() < 1e-12);
    }
    assert_eq!(whole.get(Baseline::MinK(30)), None);
    // What is not there is not made up.
    let bare = SequenceAttack { target: &target, codec: None, reference: None, masked: None };
    let bare = bare.score_document(&ids, &config).unwrap();
    assert_eq!((bare[0].zlib, bare[0].reference, bare[0].neighbourhood), (None, None, None));
    assert_eq!(bare[0].ln_perplexity, windows[0].ln_perplexity);
}

#[test]
fn members_score_higher_by_every_number() {
    let (target, other, ids) = models();
    let attack = SequenceAttack {
        target: &target,
        codec: Some(&Letters),
        reference: Some(Reference { scorer: &other, codec: None }),
        masked: Some(&Doubles),
    };
    let config = SequenceConfig { tokens: 18, min_k_percent: vec![50], ..SequenceConfig::default() };
    let foreign = Letters.encode("Ba Cd Ad cb aD Bcd").unwrap();
    let (seen, unseen) = (
        &attack.score_document(&ids, &config).unwrap()[0],
        &attack.score_document(&foreign, &config).unwrap()[0],
    );
    for number in [
        Baseline::Perplexity,
        Baseline::Reference,
        Baseline::Zlib,
        Baseline::MinK(50),
        Baseline::Neighbourhood,
        Baseline::Lowercase,
    ] {
        let score = |s: &llm_neurons::membership::baselines::SequenceScores| {
            number.member_score(s.get(number).unwrap())
        };
        assert!(score(seen) > score(unseen), "{number:?}: {} {}", score(seen), score(unseen));
    }
}

#[test]
fn losses_that_cannot_be_reduced_are_refused() {
    assert!(ln_perplexity(&[]).is_err() && ln_perplexity(&[1.0, f32::NAN]).is_err());
    assert_eq!(perplexity(&[0.0, 0.0]).unwrap(), 1.0);
    // 5 % of 19 losses is no whole token.
    assert!(min_k(&[1.0; 19], 5).is_err() && min_k(&[1.0; 20], 5).is_ok());
    assert!(min_k(&[1.0], 0).is_err() && min_k(&[1.0], 101).is_err() && min_k(&[f32::NAN; 9], 50).is_err());
    assert_eq!(min_k(&[3.0, 1.0, 2.0], 67).unwrap(), -2.5);
    assert!(lowercase(&[0.0], &[1.0]).is_err() && reference(&[1.0], &[]).is_err());
    assert!(neighbourhood::<Vec<f32>>(&[1.0], &[]).is_err() && zlib(&[], "a").is_err());
    // No probability at all, twice: a ratio of one rather than NaN.
    assert_eq!(lowercase(&[f32::INFINITY], &[f32::INFINITY]).unwrap(), -1.0);
    let (target, ..) = models();
    let attack = SequenceAttack { target: &target, codec: None, reference: None, masked: Some(&Doubles) };
    let config = SequenceConfig { tokens: 4, min_k_percent: vec![], ..SequenceConfig::default() };
    assert!(attack.score_document(&[0, 1, 2, 3], &config).is_err(), "a masked model needs text");
    let attack = SequenceAttack { masked: None, ..attack };
    assert!(attack.score_document(&[0, 1, 2, 9], &config).is_err(), "token out of vocabulary");
    assert!(attack.score_document(&[0, 1, 2], &config).is_err(), "shorter than a window");
    for wrong in [
        SequenceConfig { tokens: 1, ..config.clone() },
        SequenceConfig { stride: Some(0), ..config.clone() },
        SequenceConfig { batch: 0, ..config.clone() },
        SequenceConfig { min_k_percent: vec![1], ..config },
    ] {
        assert!(attack.score_document(&[0, 1, 2, 3], &wrong).is_err(), "{wrong:?}");
    }
}
