//! How flags that several verbs share are read, and what they say to a value they cannot take.

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

/// The orders of axes that a recording's array may have.
pub(crate) fn axes() -> PossibleValuesParser {
    PossibleValuesParser::new([
        PossibleValue::new("time,units").alias("samples,units"),
        PossibleValue::new("units,time").alias("units,samples"),
        PossibleValue::new("trials,units,time"),
    ])
}

/// The candidates that `wanted` may have meant, the nearest first: those that differ in at most a third of their letters
/// (a swap of two neighbours counts once), in whole or in one of the parts between dots, dashes and spaces.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let parts = |text: &str| -> Vec<String> {
        let whole = text.to_lowercase();
        let mut all: Vec<String> = whole.split(['.', '-', ' ']).map(str::to_owned).collect();
        all.push(whole);
        all.retain(|p| !p.is_empty());
        all
    };
    let wanted = parts(wanted);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for candidate in candidates {
        let distances = parts(candidate).into_iter().flat_map(|c| {
            wanted
                .iter()
                .filter_map(move |w| {
                    let apart = edits(w, &c);
                    (apart <= w.chars().count().max(c.chars().count()) / 3).then_some(apart)
                })
                .collect::<Vec<_>>()
        });
        near.extend(distances.min().map(|apart| (apart, candidate)));
    }
    near.sort_by_key(|(apart, _)| *apart);
    let Some(least) = near.first().map(|n| n.0) else { return Vec::new() };
    near.into_iter().take_while(|n| n.0 == least).map(|n| n.1).collect()
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
        assert_eq!(nearest("rdmm", ["geometry.rdm", "geometry.rsa"]), ["geometry.rdm"]);
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
