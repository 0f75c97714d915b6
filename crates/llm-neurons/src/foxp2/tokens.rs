//! Which tokens are of the target language, and which are English.

use std::ops::RangeInclusive;

use crate::{Error, Result};

/// Ranges of characters.
pub type Ranges = [RangeInclusive<char>];

/// Languages of the paper, with the characters that tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetLanguage {
    /// Devanagari.
    Hindi,
    /// Unified ideographs, their extension A, CJK punctuation.
    Chinese,
    /// Bengali script.
    Bengali,
    /// Telugu script.
    Telugu,
    /// Accented Latin letters; most Spanish tokens have none: prefer [`TokenSets::from_frequencies`].
    Spanish,
}

impl TargetLanguage {
    /// The language of an ISO 639-1 code.
    ///
    /// # Errors
    /// [`Error::Tokens`] with the codes there are.
    pub fn from_code(code: &str) -> Result<Self> {
        match code {
            "hi" => Ok(Self::Hindi),
            "zh" => Ok(Self::Chinese),
            "bn" => Ok(Self::Bengali),
            "te" => Ok(Self::Telugu),
            "es" => Ok(Self::Spanish),
            other => Err(Error::tokens(format!("language {other:?}: expected hi, zh, bn, te or es"))),
        }
    }

    /// Its characters.
    #[must_use]
    pub fn ranges(self) -> &'static Ranges {
        match self {
            Self::Hindi => &['\u{900}'..='\u{97f}'],
            Self::Chinese => &['\u{4e00}'..='\u{9fff}', '\u{3400}'..='\u{4dbf}', '\u{3000}'..='\u{303f}'],
            Self::Bengali => &['\u{980}'..='\u{9ff}'],
            Self::Telugu => &['\u{c00}'..='\u{c7f}'],
            Self::Spanish => &['\u{c0}'..='\u{24f}'],
        }
    }
}

/// How a vocabulary writes its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PieceEncoding {
    /// As they are.
    Text,
    /// One printable character for each byte (GPT-2, Llama 3): the bytes must be put together before a character can be
    /// recognised.
    ByteLevel,
    /// SentencePiece: `▁` for a space, `<0xE0>` for a byte.
    SentencePiece,
}

/// The bytes that a token of a vocabulary stands for.
///
/// ```
/// use llm_neurons::foxp2::{PieceEncoding, decode_piece};
/// assert_eq!(decode_piece("Ġà¤ķ", PieceEncoding::ByteLevel), " क".as_bytes());
/// assert_eq!(decode_piece("▁the", PieceEncoding::SentencePiece), b" the");
/// assert_eq!(decode_piece("<0xE0>", PieceEncoding::SentencePiece), [0xe0]);
/// ```
#[must_use]
pub fn decode_piece(piece: &str, encoding: PieceEncoding) -> Vec<u8> {
    match encoding {
        PieceEncoding::Text => piece.as_bytes().to_vec(),
        PieceEncoding::ByteLevel => {
            let mut bytes = Vec::with_capacity(piece.len());
            for c in piece.chars() {
                match byte_of(c) {
                    Some(byte) => bytes.push(byte),
                    // Tokens that were added later are written as they are.
                    None => bytes.extend(c.to_string().as_bytes()),
                }
            }
            bytes
        }
        PieceEncoding::SentencePiece => {
            let byte = piece
                .strip_prefix("<0x")
                .and_then(|rest| rest.strip_suffix('>'))
                .filter(|hex| hex.len() == 2)
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            match byte {
                Some(byte) => vec![byte],
                None => piece.replace('\u{2581}', " ").into_bytes(),
            }
        }
    }
}

/// Target and English tokens of a vocabulary: not empty, disjoint, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSets {
    target: Vec<usize>,
    english: Vec<usize>,
    vocabulary: usize,
}

impl TokenSets {
    /// Sets that are known.
    ///
    /// # Errors
    /// [`Error::Tokens`] when one is empty, has a token outside the vocabulary, or both share a token.
    pub fn new(mut target: Vec<usize>, mut english: Vec<usize>, vocabulary: usize) -> Result<Self> {
        for (name, set) in [("target", &mut target), ("English", &mut english)] {
            set.sort_unstable();
            set.dedup();
            match set.last() {
                None => return Err(Error::tokens(format!("no {name} token"))),
                Some(last) if *last >= vocabulary => {
                    return Err(Error::tokens(format!(
                        "{name} token {last}: the vocabulary has {vocabulary}"
                    )));
                }
                _ => {}
            }
        }
        if let Some(shared) = target.iter().find(|t| english.binary_search(t).is_ok()) {
            return Err(Error::tokens(format!("token {shared} is both target and English")));
        }
        Ok(Self { target, english, vocabulary })
    }

    /// By characters: a token is target if it has one in the ranges, else English if all of it is ASCII with at least one
    /// letter. `tokens[id]` are the bytes that a token stands for ([`decode_piece`]); `special` tokens are neither.
    ///
    /// Byte-level vocabularies cut characters apart. With `prefixes`, a token that ends in the first bytes of a character
    /// also is target when some character in the ranges starts so.
    ///
    /// # Errors
    /// [`Error::Tokens`] when no token is target, or none English.
    ///
    /// ```
    /// use llm_neurons::foxp2::{TargetLanguage, TokenSets};
    /// let tokens: Vec<&[u8]> = vec![b"<s>", b" the", " है".as_bytes(), b"12", b"\xe0\xa4"];
    /// let ranges = TargetLanguage::Hindi.ranges();
    /// let sets = TokenSets::from_ranges(&tokens, ranges, &[0], false)?;
    /// assert_eq!((sets.target(), sets.english()), (&[2][..], &[1][..]));
    /// assert_eq!(TokenSets::from_ranges(&tokens, ranges, &[0], true)?.target(), [2, 4]);
    /// # Ok::<(), llm_neurons::Error>(())
    /// ```
    pub fn from_ranges<T: AsRef<[u8]>>(
        tokens: &[T],
        ranges: &Ranges,
        special: &[usize],
        prefixes: bool,
    ) -> Result<Self> {
        let (mut target, mut english) = (Vec::new(), Vec::new());
        for (id, token) in tokens.iter().enumerate() {
            let bytes = token.as_ref();
            if special.contains(&id) {
                continue;
            }
            if has_character(bytes, ranges) || (prefixes && may_start(bytes, ranges)) {
                target.push(id);
            } else if bytes.is_ascii() && bytes.iter().any(u8::is_ascii_alphabetic) {
                english.push(id);
            }
        }
        Self::new(target, english, tokens.len())
    }

    /// By frequency, for languages that share a script: a token is target when it is at least `ratio` times as frequent in
    /// target text as in English text, English the other way round. Counts are of tokens in texts of either language; one
    /// is added to each. Tokens seen fewer than `least` times in both texts together are neither.
    ///
    /// # Errors
    /// [`Error::Shape`] for counts of unequal length, [`Error::Parameter`] for a ratio of one or less, and
    /// [`Error::Tokens`] when no token is target, or none English.
    pub fn from_frequencies(target: &[u64], english: &[u64], ratio: f64, least: u64) -> Result<Self> {
        if target.len() != english.len() {
            return Err(Error::Shape {
                what: "token counts",
                expected: format!("{} English counts", target.len()),
                found: english.len().to_string(),
            });
        }
        if !(ratio.is_finite() && ratio > 1.0) {
            return Err(Error::Parameter { name: "ratio", value: ratio, expected: "above 1" });
        }
        let total = |counts: &[u64]| counts.iter().map(|c| *c as f64 + 1.0).sum::<f64>();
        let (all_target, all_english) = (total(target), total(english));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (id, (t, e)) in target.iter().zip(english).enumerate() {
            if t.saturating_add(*e) < least {
                continue;
            }
            let (t, e) = ((*t as f64 + 1.0) / all_target, (*e as f64 + 1.0) / all_english);
            if t >= ratio * e {
                ours.push(id);
            } else if e >= ratio * t {
                theirs.push(id);
            }
        }
        Self::new(ours, theirs, target.len())
    }

    /// Target tokens, ascending.
    #[must_use]
    pub fn target(&self) -> &[usize] {
        &self.target
    }

    /// English tokens, ascending.
    #[must_use]
    pub fn english(&self) -> &[usize] {
        &self.english
    }

    /// Tokens of the vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }
}

/// Whether a complete character of the bytes lies in the ranges.
fn has_character(bytes: &[u8], ranges: &Ranges) -> bool {
    bytes
        .utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .any(|c| ranges.iter().any(|range| range.contains(&c)))
}

/// Whether the bytes end in the beginning of a character that may lie in the ranges.
fn may_start(bytes: &[u8], ranges: &Ranges) -> bool {
    let Some(last) = bytes.utf8_chunks().last() else { return false };
    let start = last.invalid();
    let Some((&lead, rest)) = start.split_first() else { return false };
    // Length, the bits of the code point that the lead byte gives, and the least code point of the length.
    let (length, bits, least) = match lead {
        0xc2..=0xdf => (2, u32::from(lead & 0x1f), 0x80),
        0xe0..=0xef => (3, u32::from(lead & 0x0f), 0x800),
        0xf0..=0xf4 => (4, u32::from(lead & 0x07), 0x1_0000),
        _ => return false,
    };
    if start.len() >= length || rest.iter().any(|b| b & 0xc0 != 0x80) {
        return false;
    }
    let known = rest.iter().fold(bits, |code, b| (code << 6) | u32::from(b & 0x3f));
    let open = 6 * (length - start.len());
    let (first, last) = ((known << open).max(least), (known << open) | ((1 << open) - 1));
    ranges.iter().any(|r| u32::from(*r.start()).max(first) <= u32::from(*r.end()).min(last))
}

/// The byte that a character of a byte-level vocabulary stands for: printable Latin-1 stands for itself, the 68 other bytes
/// follow from U+0100 on in ascending order.
fn byte_of(c: char) -> Option<u8> {
    let printable = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(c);
    match u8::try_from(code) {
        Ok(byte) => printable(byte).then_some(byte),
        Err(_) => {
            let place = usize::try_from(code.checked_sub(0x100)?).ok()?;
            (0..=255_u8).filter(|b| !printable(*b)).nth(place)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn byte_level(bytes: &[u8]) -> String {
        let table: Vec<char> = {
            let mut all: Vec<Option<char>> = vec![None; 256];
            let candidates = (0..0x200).filter_map(char::from_u32);
            candidates.for_each(|c| {
                if let Some(byte) = byte_of(c) {
                    all[usize::from(byte)] = Some(c);
                }
            });
            all.into_iter().map(Option::unwrap).collect()
        };
        bytes.iter().map(|b| table[usize::from(*b)]).collect()
    }

    proptest! {
        #[test]
        fn byte_level_pieces_are_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(decode_piece(&byte_level(&bytes), PieceEncoding::ByteLevel), bytes);
        }

        #[test]
        fn sets_never_overlap(tokens in proptest::collection::vec(".{0,4}", 1..60), prefixes: bool) {
            let ranges = ['a'..='f', '\u{900}'..='\u{97f}'];
            if let Ok(sets) = TokenSets::from_ranges(&tokens, &ranges, &[], prefixes) {
                prop_assert!(sets.target().iter().all(|t| !sets.english().contains(t)));
                prop_assert!(sets.english().iter().all(|t| tokens[*t].is_ascii()));
            }
        }

        #[test]
        fn a_prefix_counts_when_its_character_would(c in any::<char>(), cut in 1..4_usize) {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            if cut < bytes.len() {
                prop_assert!(may_start(&bytes[..cut], &[c..=c]));
                prop_assert!(!has_character(&bytes[..cut], &[c..=c]));
            }
            prop_assert!(has_character(bytes, &[c..=c]) && !may_start(bytes, &[c..=c]));
        }

        #[test]
        fn a_prefix_counts_only_when_some_character_would(bytes in proptest::collection::vec(0x80_u8..=0xff, 1..4), low in 0x80_u32..0x2000, wide in 0_u32..300) {
            let (Some(from), Some(to)) = (char::from_u32(low), char::from_u32(low + wide)) else { return Ok(()) };
            let some = (from..=to).any(|c| {
                let mut buffer = [0; 4];
                let whole = c.encode_utf8(&mut buffer).as_bytes();
                (1..whole.len()).any(|cut| bytes.ends_with(&whole[..cut]))
            });
            if may_start(&bytes, &[from..=to]) {
                prop_assert!(some);
            }
        }
    }

    #[test]
    fn sets_that_cannot_be_compared_are_refused() {
        assert!(TokenSets::new(vec![], vec![1], 4).is_err());
        assert!(TokenSets::new(vec![0], vec![], 4).is_err());
        assert!(TokenSets::new(vec![0, 2], vec![2], 4).is_err());
        assert!(TokenSets::new(vec![4], vec![2], 4).is_err());
        assert!(TokenSets::from_ranges(&[b"a"], TargetLanguage::Hindi.ranges(), &[], false).is_err());
        assert!(TargetLanguage::from_code("xx").is_err());
        let sets = TokenSets::new(vec![3, 1, 3], vec![2], 4).unwrap();
        assert_eq!(sets.target(), [1, 3]);
    }

    #[test]
    fn frequencies_part_languages_of_one_script() {
        // "el" and "que" against "the" and "of"; "a" is of both, "zzz" is too rare.
        let (spanish, english) = ([90, 80, 1, 0, 50, 1], [1, 0, 100, 70, 60, 0]);
        let sets = TokenSets::from_frequencies(&spanish, &english, 5.0, 10).unwrap();
        assert_eq!((sets.target(), sets.english()), (&[0, 1][..], &[2, 3][..]));
        assert!(TokenSets::from_frequencies(&spanish, &english[..3], 5.0, 10).is_err());
        assert!(TokenSets::from_frequencies(&spanish, &english, 1.0, 10).is_err());
    }
}
