//! The tokenizer of models that are trained from the start: bytes.

use serde_json::{Map, Value, json};

/// One token a byte of UTF-8, ids 0 to 255, and one that begins and ends a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteTokenizer;

impl ByteTokenizer {
    /// The token that begins and ends a text.
    pub const SPECIAL: u32 = 256;
    /// Tokens.
    pub const VOCABULARY: usize = 257;

    /// The ids of a text, nothing around them.
    #[must_use]
    pub fn encode(text: &str) -> Vec<u32> {
        text.bytes().map(u32::from).collect()
    }

    /// The `tokenizer.json` that encodes the same way: byte-level pairs without a merge. As in GPT-2's files a byte
    /// stands for itself where it prints, and for a character from U+0100 on where it does not.
    #[must_use]
    pub fn json() -> String {
        let prints = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let mut other = 0x100..;
        let mut vocabulary = Map::new();
        for byte in 0..256_u32 {
            let code = if prints(byte) { Some(byte) } else { other.next() };
            if let Some(letter) = code.and_then(char::from_u32) {
                vocabulary.insert(letter.to_string(), json!(byte));
            }
        }
        let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
        let body: Value = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [{
                "id": Self::SPECIAL,
                "content": "<|endoftext|>",
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": true,
            }],
            "normalizer": null,
            "pre_tokenizer": level,
            "post_processor": null,
            "decoder": level,
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "vocab": vocabulary,
                "merges": [],
            },
        });
        body.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::Tokenizer;

    use super::*;

    proptest! {
        #[test]
        fn its_file_encodes_and_decodes_every_text_as_bytes(text in "\\PC{0,40}|[\\x00-\\x7f]{0,20}") {
            let tokenizer = Tokenizer::from_bytes(ByteTokenizer::json()).unwrap();
            let ids = tokenizer.encode(text.as_str(), true).unwrap().get_ids().to_vec();
            prop_assert_eq!(&ids, &ByteTokenizer::encode(&text));
            prop_assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
        }
    }

    #[test]
    fn all_ids_are_there_once() {
        let tokenizer = Tokenizer::from_bytes(ByteTokenizer::json()).unwrap();
        let mut ids: Vec<u32> = tokenizer.get_vocab(true).into_values().collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..257));
        assert_eq!(tokenizer.token_to_id("<|endoftext|>"), Some(ByteTokenizer::SPECIAL));
    }
}
