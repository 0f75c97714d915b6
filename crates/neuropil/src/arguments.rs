//! How flags that several verbs share are read, and what they say to a value they cannot take.

#[cfg(any(feature = "geometry", feature = "llm"))]
use clap::builder::{PossibleValue, PossibleValuesParser};

/// A whole number from 0, for `--seed`, `--threads` and `--max-memory`.
///
/// # Errors
/// What is expected, and what was found.
pub(crate) fn whole_number<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let greatest = u64::MAX >> (64 - 8 * size_of::<T>().min(8));
    let number = text.parse::<u64>().ok().and_then(|n| T::try_from(n).ok());
    number.ok_or_else(|| format!("expected a whole number from 0 to {greatest}"))
}

/// A finite number above 0.
///
/// # Errors
/// What is expected.
#[cfg(any(feature = "llm", feature = "snn"))]
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| *x > 0.0 && x.is_finite());
    number.ok_or_else(|| "expected a finite number above 0".to_owned())
}

/// A share, from 0 to 1.
///
/// # Errors
/// What is expected.
#[cfg(any(feature = "geometry", feature = "snn"))]
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// The orders of axes that a recording's array may have.
#[cfg(any(feature = "geometry", feature = "llm"))]
pub(crate) fn axes() -> PossibleValuesParser {
    PossibleValuesParser::new([
        PossibleValue::new("time,units").alias("samples,units"),
        PossibleValue::new("units,time").alias("units,samples"),
        PossibleValue::new("trials,units,time"),
    ])
}

/// The candidates that `wanted` may have meant: those that differ least, and in at most a third of their letters (a swap
/// of two neighbours counts once). Where no candidate is near as a whole, parts between dots, dashes and spaces are.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let candidates: Vec<(&str, String)> = candidates.into_iter().map(|c| (c, c.to_lowercase())).collect();
    let whole = least(candidates.iter().map(|(c, lower)| (*c, apart(&wanted, lower))));
    if !whole.is_empty() {
        return whole;
    }
    least(candidates.iter().map(|(c, lower)| {
        let pairs = parts(&wanted).flat_map(|w| parts(lower).map(move |p| (w, p)));
        (*c, pairs.filter_map(|(w, p)| apart(w, p)).min())
    }))
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(['.', '-', ' ']).filter(|part| !part.is_empty())
}

/// How many letters two words differ in, where that is at most a third of them.
fn apart(a: &str, b: &str) -> Option<usize> {
    let found = edits(a, b);
    (found <= a.chars().count().max(b.chars().count()) / 3).then_some(found)
}

/// Those with the smallest number, in their order.
fn least<'a>(scored: impl Iterator<Item = (&'a str, Option<usize>)>) -> Vec<&'a str> {
    let scored: Vec<(&str, usize)> = scored.filter_map(|(c, d)| Some((c, d?))).collect();
    let smallest = scored.iter().map(|s| s.1).min();
    scored.into_iter().filter(|s| Some(s.1) == smallest).map(|s| s.0).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that make `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_inserted_deleted_replaced_and_swapped() {
        for (a, b, apart) in [
            ("rdm", "rdm", 0),
            ("rmd", "rdm", 1),
            ("trsa", "trssa", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((edits(a, b), edits(b, a)), (apart, apart), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_near_is_named() {
        let ids = ["01-send-ees", "26-trsa", "32-homogenized-worm"];
        assert_eq!(nearest("26-tsra", ids), ["26-trsa"]);
        assert_eq!(nearest("trssa", ids), ["26-trsa"]);
        assert_eq!(nearest("homogenised", ids), ["32-homogenized-worm"]);
        assert_eq!(nearest("Send", ids), ["01-send-ees"]);
        assert!(nearest("99-nothing", ids).is_empty() && nearest("", ids).is_empty());
        let verbs = ["geometry.rdm", "geometry.rsa", "bio.recordings"];
        assert_eq!(nearest("rdmm", verbs), ["geometry.rdm"]);
        assert_eq!(nearest("geometry.rmd", verbs), ["geometry.rdm"]);
        assert_eq!(nearest("geometry.nothing", verbs), ["geometry.rdm", "geometry.rsa"]);
    }

    #[test]
    fn whole_numbers_end_where_their_type_does() {
        assert_eq!(whole_number::<u64>("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(whole_number::<u8>("255"), Ok(255));
        let said = whole_number::<u8>("256").unwrap_err();
        assert!(said.ends_with("from 0 to 255"), "{said}");
        for text in ["", "-1", "1.5", "1e3", "18446744073709551616", "ten"] {
            assert!(whole_number::<u64>(text).is_err(), "{text}");
        }
    }
}
