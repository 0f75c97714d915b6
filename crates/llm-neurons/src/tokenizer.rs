//! Text to token ids and back, by a Hugging Face `tokenizer.json`.

use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::foxp2::{PieceEncoding, decode_piece};
use crate::model::LmConfig;
use crate::{Error, Result};

/// A model's tokenizer.
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    inner: Tokenizer,
    /// What begins a text, where the configuration asks for it.
    begin: Option<u32>,
}

impl TextTokenizer {
    /// Reads `tokenizer.json` of a folder, and `tokenizer_config.json` where it stands. Truncation and padding that a file
    /// asks for are left aside.
    ///
    /// # Errors
    /// [`Error::File`] for a missing or damaged file; [`Error::Config`] for a token that the model's vocabulary lacks.
    pub fn load(folder: &Path, config: &LmConfig) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
        let about = folder.join("tokenizer_config.json");
        let asked = match std::fs::read(&about) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Error::file(&about, e)),
        };
        Self::parse((&path, &bytes), asked.as_ref().map(|bytes| (about.as_path(), bytes.as_slice())), config)
    }

    /// [`TextTokenizer::load`] of files that were read already, by their names.
    ///
    /// # Errors
    /// Those of [`TextTokenizer::load`]; [`Error::Missing`] without a `tokenizer.json`.
    pub fn from_files(files: &[(&str, Vec<u8>)], config: &LmConfig) -> Result<Self> {
        let find = |wanted: &str| files.iter().find(|(name, _)| *name == wanted);
        let (name, bytes) = find("tokenizer.json").ok_or(Error::Missing { what: "tokenizer.json" })?;
        let about = find("tokenizer_config.json").map(|(name, bytes)| (Path::new(name), bytes.as_slice()));
        Self::parse((Path::new(name), bytes), about, config)
    }

    fn parse(
        (path, bytes): (&Path, &[u8]),
        about: Option<(&Path, &[u8])>,
        config: &LmConfig,
    ) -> Result<Self> {
        let mut inner = Tokenizer::from_bytes(bytes).map_err(|e| Error::file(path, e))?;
        // Files keep what training batches were cut and filled to; a text is read whole, and alone.
        inner.with_padding(None).with_truncation(None).map_err(|e| Error::file(path, e))?;
        let largest = inner.get_vocab(true).into_values().max().unwrap_or(0);
        if largest as usize >= config.vocab {
            let expected = format!("ids below the model's vocabulary of {}", config.vocab);
            return Err(Error::config(path.display().to_string(), format!("token id {largest}"), expected));
        }
        let asked = match about {
            Some((path, bytes)) => {
                let text =
                    std::str::from_utf8(bytes).map_err(|_| Error::file(path, "it is not valid UTF-8"))?;
                let value: Value = serde_json::from_str(text).map_err(|e| Error::file(path, e))?;
                match value.get("add_bos_token") {
                    None | Some(Value::Null) => false,
                    Some(Value::Bool(asked)) => *asked,
                    Some(other) => {
                        return Err(Error::config("add_bos_token", other, "true or false").at(path));
                    }
                }
            }
            None => false,
        };
        Ok(Self { inner, begin: config.bos.filter(|_| asked) })
    }

    /// The ids of a text. With `special`, what the tokenizer and its configuration put around a text is there too, such
    /// as the token that begins it.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoded =
            self.inner.encode(text, special).map_err(|e| Error::Tokenizer { message: e.to_string() })?;
        let mut ids = encoded.get_ids().to_vec();
        if let Some(begin) = self.begin.filter(|b| special && ids.first() != Some(b)) {
            ids.insert(0, begin);
        }
        Ok(ids)
    }

    /// The text of ids, special tokens left out.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| Error::Tokenizer { message: e.to_string() })
    }

    /// The bytes that each id of a model's `vocabulary` stands for; an id without a token stands for none. How pieces are
    /// written (byte for byte, or with SentencePiece's marks) is read from the tokenizer's decoder.
    #[must_use]
    pub fn token_bytes(&self, vocabulary: usize) -> Vec<Vec<u8>> {
        let encoding = self.encoding();
        let mut bytes = vec![Vec::new(); vocabulary];
        for (piece, id) in self.inner.get_vocab(true) {
            if let Some(place) = bytes.get_mut(id as usize) {
                *place = decode_piece(&piece, encoding);
            }
        }
        bytes
    }

    /// Ids that are no text, such as the token that begins one; ascending.
    #[must_use]
    pub fn special_ids(&self) -> Vec<usize> {
        let added = self.inner.get_added_tokens_decoder();
        let mut ids: Vec<usize> =
            added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id as usize).collect();
        ids.sort_unstable();
        ids
    }

    fn encoding(&self) -> PieceEncoding {
        let parts = [
            serde_json::to_value(self.inner.get_decoder()),
            serde_json::to_value(self.inner.get_pre_tokenizer()),
        ];
        let parts: Vec<Value> = parts.into_iter().flatten().collect();
        let names = |wanted: &[&str]| parts.iter().any(|part| names_type(part, wanted));
        if names(&["ByteLevel"]) {
            PieceEncoding::ByteLevel
        } else if names(&["Metaspace", "ByteFallback"]) {
            PieceEncoding::SentencePiece
        } else {
            PieceEncoding::Text
        }
    }

    /// The text that `new` adds after `prompt`: a decoder may take the space from the start of a text.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn decode_after(&self, prompt: &[u32], new: &[u32]) -> Result<String> {
        let before = self.decode(prompt)?;
        let whole = self.decode(&[prompt, new].concat())?;
        match whole.strip_prefix(&before) {
            Some(rest) => Ok(rest.to_owned()),
            // The prompt ended inside a character.
            None => self.decode(new),
        }
    }
}

/// Whether a part of a tokenizer, or one inside it, is of one of these types.
fn names_type(part: &Value, wanted: &[&str]) -> bool {
    match part {
        Value::Object(fields) => {
            let own = fields.get("type").and_then(Value::as_str);
            own.is_some_and(|t| wanted.contains(&t)) || fields.values().any(|v| names_type(v, wanted))
        }
        Value::Array(items) => items.iter().any(|v| names_type(v, wanted)),
        _ => false,
    }
}
