//! Texts that differ in one word.

use crate::{Error, Result};

/// What a masked model says of one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WordProbabilities {
    /// The probability of the word that stands there.
    pub original: f64,
    /// The most probable other words, with their probabilities.
    pub candidates: Vec<(String, f64)>,
}

/// A model that fills in a word.
pub trait MaskedModel {
    /// What could stand in place of `words[place]`: at most `most` words, the most probable ones.
    ///
    /// # Errors
    /// The implementation's.
    fn fill(&self, words: &[&str], place: usize, most: usize) -> Result<WordProbabilities>;
}

/// The `count` most plausible texts with one word replaced: over all places and the `most` most probable other words,
/// those with the largest `p(candidate) / (1 - p(original))`. Spaces stay as they are; of equals the first is taken.
///
/// # Errors
/// [`Error::Parameter`] when none are asked for, [`Error::TooFew`] for a text without words or a model that proposes
/// nothing, [`Error::Probability`] outside `[0, 1]`, and the model's own.
pub fn neighbours(masked: &dyn MaskedModel, text: &str, count: usize, most: usize) -> Result<Vec<String>> {
    for (name, value) in [("neighbours", count), ("candidates", most)] {
        if value == 0 {
            return Err(Error::Parameter { name, value: 0.0, expected: "at least 1" });
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return Err(Error::TooFew { what: "words of a text", needed: 1, found: 0 });
    }
    let mut proposals: Vec<(f64, usize, String)> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let found = masked.fill(&words, place, most)?;
        let all = found.candidates.iter().map(|c| c.1).chain([found.original]);
        if let Some(value) = all.into_iter().find(|p| !(0.0..=1.0).contains(p)) {
            return Err(Error::Probability { what: "a masked model's probability", position: place, value });
        }
        // A model that is certain of the word has nothing left for others.
        let rest = (1.0 - found.original).max(f64::MIN_POSITIVE);
        let others = found.candidates.into_iter().filter(|c| c.0 != *word).take(most);
        proposals.extend(others.map(|(candidate, p)| (p / rest, place, candidate)));
    }
    if proposals.is_empty() {
        return Err(Error::TooFew { what: "words that a masked model proposes", needed: 1, found: 0 });
    }
    // Stable, so that equals stay in the order of places.
    proposals.sort_by(|a, b| b.0.total_cmp(&a.0));
    proposals.truncate(count);
    let start = text.as_ptr() as usize;
    let spans: Vec<(usize, usize)> =
        words.iter().map(|w| (w.as_ptr() as usize - start, w.as_ptr() as usize - start + w.len())).collect();
    Ok(proposals
        .into_iter()
        .map(|(_, place, candidate)| {
            let (begin, end) = spans[place];
            [&text[..begin], &candidate, &text[end..]].concat()
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows three words; is the surer of a word the longer it is.
    struct Toy;

    impl MaskedModel for Toy {
        fn fill(&self, words: &[&str], place: usize, most: usize) -> Result<WordProbabilities> {
            let original = words[place].len() as f64 / 10.0;
            let all = [("cat", 0.3), ("dog", 0.2), ("bird", 0.05)];
            let candidates = all.iter().take(most).map(|(w, p)| ((*w).to_owned(), *p)).collect();
            Ok(WordProbabilities { original, candidates })
        }
    }

    #[test]
    fn the_most_plausible_replacements_come_first_and_spaces_stay() {
        // cat: 0.3 / (1 - 0.3); in place of "aardvark": 0.3 / (1 - 0.8).
        let found = neighbours(&Toy, " cat\t aardvark ", 3, 3).unwrap();
        assert_eq!(found, [" cat\t cat ", " cat\t dog ", " dog\t aardvark "]);
        assert_eq!(neighbours(&Toy, "é x", 50, 10).unwrap()[0], "cat x");
        assert!(neighbours(&Toy, "  ", 3, 3).is_err() && neighbours(&Toy, "a", 0, 3).is_err());
    }
}
