//! Text to token ids and back, for a model of any kind.

use std::collections::BTreeMap;
use std::path::Path;

use crate::any_model::AnyModel;
use crate::language_model::LanguageModel;
use crate::membership::baselines::TextCodec;
use crate::{Error, Result, TextTokenizer};

/// How a model's texts become token ids.
#[derive(Debug, Clone)]
pub enum Codec {
    /// A Hugging Face `tokenizer.json`.
    Tokenizer(Box<TextTokenizer>),
    /// One token a byte.
    Bytes,
    /// One token a character, by a `vocab.json`.
    Characters(Characters),
}

impl Codec {
    /// The codec in a model's folder.
    ///
    /// # Errors
    /// Those of [`TextTokenizer::load`] and [`Characters::load`].
    pub fn load(folder: &Path, model: &AnyModel) -> Result<Self> {
        Ok(match model {
            AnyModel::Transformer(model) => {
                Self::Tokenizer(Box::new(TextTokenizer::load(folder, model.config())?))
            }
            AnyModel::Rwkv(_) => Self::Bytes,
            AnyModel::CharLstm(_) => Self::Characters(Characters::load(folder, model.vocabulary())?),
        })
    }

    /// The ids of a text; with `special`, what begins a text of this model stands before it.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], for example for a character that the vocabulary lacks.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        match self {
            Self::Tokenizer(tokenizer) => tokenizer.encode(text, special),
            Self::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Self::Characters(characters) => characters.encode(text),
        }
    }

    /// The text of ids; bytes that are no UTF-8, and characters that the vocabulary lacks, become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        match self {
            Self::Tokenizer(tokenizer) => tokenizer.decode(ids),
            Self::Bytes => {
                let bytes = ids
                    .iter()
                    .map(|id| {
                        u8::try_from(*id)
                            .map_err(|_| Error::Tokenizer { message: format!("token {id} is no byte") })
                    })
                    .collect::<Result<Vec<u8>>>()?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Self::Characters(characters) => Ok(characters.decode(ids)),
        }
    }
}

impl TextCodec for Codec {
    fn decode(&self, ids: &[u32]) -> Result<String> {
        Self::decode(self, ids)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Self::encode(self, text, false)
    }
}

/// One token a character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Characters {
    ids: BTreeMap<char, u32>,
    characters: BTreeMap<u32, char>,
}

impl Characters {
    /// Reads `vocab.json` of a folder: an object of characters and their ids, each below `vocabulary`.
    ///
    /// # Errors
    /// [`Error::File`] for a missing or damaged file, a key of more than one character, or an id that stands twice;
    /// [`Error::Config`] for an id beyond the vocabulary.
    pub fn load(folder: &Path, vocabulary: usize) -> Result<Self> {
        let path = folder.join("vocab.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        let map: BTreeMap<String, u32> = serde_json::from_str(&text).map_err(|e| Error::file(&path, e))?;
        let mut found = Self { ids: BTreeMap::new(), characters: BTreeMap::new() };
        for (key, id) in map {
            let mut letters = key.chars();
            let (Some(letter), None) = (letters.next(), letters.next()) else {
                return Err(Error::file(&path, format!("{key:?} is not one character")));
            };
            if id as usize >= vocabulary {
                let expected = format!("ids below the model's vocabulary of {vocabulary}");
                return Err(Error::config(path.display().to_string(), format!("token id {id}"), expected));
            }
            if let Some(other) = found.characters.insert(id, letter) {
                return Err(Error::file(&path, format!("{other:?} and {letter:?} both have the id {id}")));
            }
            found.ids.insert(letter, id);
        }
        if found.ids.is_empty() {
            return Err(Error::file(&path, "no character"));
        }
        Ok(found)
    }

    /// The id of a character, where the vocabulary has it.
    #[must_use]
    pub fn id(&self, letter: char) -> Option<u32> {
        self.ids.get(&letter).copied()
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a character that the vocabulary lacks.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let id = |(place, letter): (usize, char)| {
            self.id(letter).ok_or_else(|| Error::Tokenizer {
                message: format!("character {letter:?} at byte {place}: the vocabulary does not have it"),
            })
        };
        text.char_indices().map(id).collect()
    }

    /// The text of ids; U+FFFD for one without a character.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let letter = |id| self.characters.get(id).copied().unwrap_or(char::REPLACEMENT_CHARACTER);
        ids.iter().map(letter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_go_there_and_back_and_damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            std::fs::write(folder.path().join("vocab.json"), text).unwrap();
            Characters::load(folder.path(), 3)
        };
        let found = load(r#"{"a": 2, "\r": 0, "é": 1}"#).unwrap();
        assert_eq!(found.encode("aé\r").unwrap(), [2, 1, 0]);
        assert_eq!(found.decode(&[1, 2, 9]), "éa\u{fffd}");
        assert!(matches!(found.encode("ab"), Err(Error::Tokenizer { .. })));
        assert!(matches!(load(r#"{"a": 3}"#), Err(Error::Config { .. })));
        for bad in [r#"{"ab": 1}"#, r#"{"": 1}"#, r#"{"a": 1, "b": 1}"#, r#"{"a": -1}"#, "{}", "["] {
            assert!(matches!(load(bad), Err(Error::File { .. })), "{bad}");
        }
        std::fs::remove_file(folder.path().join("vocab.json")).unwrap();
        assert!(matches!(Characters::load(folder.path(), 3), Err(Error::File { .. })));
        let bytes = Codec::Bytes;
        assert_eq!(bytes.encode("é", true).unwrap(), [0xc3, 0xa9]);
        assert_eq!(bytes.decode(&[0xc3, 0xa9, 0xff]).unwrap(), "é\u{fffd}");
        assert!(bytes.decode(&[256]).is_err());
    }
}
