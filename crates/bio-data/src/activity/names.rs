//! Raw labels: cleaned, deduplicated, ordered.

use std::borrow::Cow;

use crate::neurons::{LABELS, slot};

/// A column of a raw recording under its cleaned name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedColumn {
    /// Its index in the raw recording.
    pub column: usize,
    /// One of the 300 labels, or the running index as text.
    pub name: String,
    /// The label's slot; `None` for unlabelled neurons.
    pub slot: Option<usize>,
}

/// The label among [`LABELS`] that a raw one means, `None` where it means none.
///
/// Labels that are empty, not alphanumeric (`AIM?`, `VB01/VB02`) or `merge` mean none. Else **every** `0` is taken
/// out, unless the label ends in `0` or is a number: `VB01` is `VB1`, `AS10` stays, and so does `VD010`, which then
/// is none of the 300.
///
/// ```
/// use bio_data::activity::names::clean;
/// assert_eq!(clean("VB01"), Some("VB1"));
/// assert_eq!(clean("AS10"), Some("AS10"));
/// assert_eq!(clean("VD010"), None);
/// assert_eq!(clean("AIM?"), None);
/// ```
#[must_use]
pub fn clean(raw: &str) -> Option<&'static str> {
    if raw == "merge" || !raw.chars().all(char::is_alphanumeric) {
        return None;
    }
    let keep = raw.ends_with('0') || raw.chars().all(char::is_numeric);
    let name = if keep { Cow::Borrowed(raw) } else { Cow::Owned(raw.replace('0', "")) };
    slot(&name).map(|s| LABELS[s])
}

/// The columns in the order in which they are homogenised.
///
/// Raw labels are sorted by code point; of several columns with one raw label the first is kept, the others are
/// dropped. Columns without a label follow in their own order, none is dropped. An unlabelled column is called by its
/// index in this order. Two raw labels that clean to the same name (`VB1` and `VB01`) keep both columns; the second
/// counts as unlabelled.
#[must_use]
pub fn order_columns(raw: &[Option<String>]) -> Vec<NamedColumn> {
    let mut named: Vec<(&str, usize)> = raw
        .iter()
        .enumerate()
        .filter_map(|(i, r)| Some((r.as_deref()?, i)))
        .filter(|(r, _)| !r.is_empty())
        .collect();
    named.sort_unstable();
    named.dedup_by_key(|(label, _)| *label);
    let unnamed = raw.iter().enumerate().filter(|(_, r)| r.as_deref().is_none_or(str::is_empty));
    let all = named.into_iter().chain(unnamed.map(|(i, _)| ("", i)));
    let mut taken = [false; LABELS.len()];
    all.enumerate()
        .map(|(index, (label, column))| {
            let slot = clean(label).and_then(slot).filter(|s| !std::mem::replace(&mut taken[*s], true));
            let name = slot.map_or_else(|| index.to_string(), |s| LABELS[s].to_owned());
            NamedColumn { column, name, slot }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(raw: &[&str]) -> Vec<(usize, String)> {
        let raw: Vec<Option<String>> = raw.iter().map(|r| (!r.is_empty()).then(|| (*r).to_owned())).collect();
        order_columns(&raw).into_iter().map(|c| (c.column, c.name)).collect()
    }

    #[test]
    fn zeros_are_taken_out_as_published() {
        assert_eq!(clean("DD06"), Some("DD6"));
        assert_eq!(clean("VD010"), None);
        assert_eq!(clean("VA10"), Some("VA10"));
        assert_eq!(clean("merge"), None);
        assert_eq!(clean(""), None);
        assert_eq!(clean("10"), None);
        assert_eq!(clean("AVAL "), None);
        assert_eq!(clean("CANL"), None);
    }

    #[test]
    fn the_first_of_equal_labels_is_kept_and_missing_ones_never_merge() {
        let got = ordered(&["AVAL", "", "ADAL", "AVAL", "", "zz"]);
        let expected = [(2, "ADAL"), (0, "AVAL"), (5, "2"), (1, "3"), (4, "4")];
        assert!(got.iter().zip(expected).all(|(g, e)| (g.0, g.1.as_str()) == e), "{got:?}");
        assert_eq!(got.len(), 5);
    }

    #[test]
    fn labels_that_meet_after_cleaning_keep_both_columns() {
        let got = ordered(&["VB1", "VB01"]);
        assert_eq!(got, [(1, "VB1".to_owned()), (0, "1".to_owned())]);
    }
}
