//! Sets of neurons with their provenance: the file `neuropil.neuron-set/1`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result, atomic};

const FORMAT: &str = "neuropil.neuron-set/1";

/// Which model a set was made for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Hash of the tensors, see [`tensors_sha256`].
    pub tensors_sha256: String,
    /// Where the model came from.
    pub source: String,
}

/// Units of one site and layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Members {
    /// The site's name, such as `Act`.
    pub site: String,
    /// The layer: a number, a module path or a population, as text.
    pub layer: String,
    /// Unit indices.
    pub units: Vec<usize>,
    /// One value per unit, where the method gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<f64>>,
}

/// What the set does, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The measured effect.
    pub value: f64,
    /// Its 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// The effect of a random set of the same size.
    pub control: Option<f64>,
}

/// Named sets of neurons and where they come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeuronSet {
    format: String,
    /// The model.
    pub model: ModelIdentity,
    /// The sets.
    pub sets: BTreeMap<String, Vec<Members>>,
    /// The selection rule.
    pub rule: String,
    /// Its parameters.
    #[serde(default)]
    pub parameters: serde_json::Value,
    /// Effect by set.
    #[serde(default)]
    pub effect: BTreeMap<String, Effect>,
    /// Seed of the selection.
    pub seed: u64,
    /// Hash of the data it was selected on.
    pub data_sha256: String,
    /// Version of the program that made it.
    pub version: String,
}

impl NeuronSet {
    /// An empty file for a model and a rule.
    #[must_use]
    pub fn new(model: ModelIdentity, rule: &str, seed: u64) -> Self {
        Self {
            format: FORMAT.to_owned(),
            model,
            sets: BTreeMap::new(),
            rule: rule.to_owned(),
            parameters: serde_json::Value::Object(serde_json::Map::new()),
            effect: BTreeMap::new(),
            seed,
            data_sha256: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Reads a file; its format and its lists are checked.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let document: serde_json::Value = serde_json::from_str(&text).map_err(|e| Error::format(path, e))?;
        match document.get("format").and_then(serde_json::Value::as_str) {
            Some(FORMAT) => {}
            other => {
                let found = other.unwrap_or("none");
                return Err(Error::format(path, format!("format {found:?}, expected {FORMAT:?}")));
            }
        }
        let set: Self = serde_json::from_value(document).map_err(|e| Error::format(path, e))?;
        for (name, members) in &set.sets {
            for m in members {
                if m.values.as_ref().is_some_and(|v| v.len() != m.units.len()) {
                    let place = format!("set {name:?}, {} layer {}", m.site, m.layer);
                    return Err(Error::format(path, format!("{place}: units and values differ in length")));
                }
            }
        }
        Ok(set)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Value`] for a value that JSON cannot hold.
    pub fn write(&self, path: &Path) -> Result<()> {
        let finite = |x: &f64| x.is_finite();
        let values = self.sets.values().flatten().filter_map(|m| m.values.as_ref()).flatten();
        if !values.chain(self.effect.values().map(|e| &e.value)).all(finite) {
            return Err(Error::value("neuron set", "a value that is not finite", "finite"));
        }
        atomic::write(path, |file| Ok(serde_json::to_writer_pretty(file, self)?))
            .map_err(|e| Error::io(path, e))
    }

    /// Refuses a set that was made for another model.
    ///
    /// # Errors
    /// [`Error::Value`] with both hashes.
    pub fn check_model(&self, tensors_sha256: &str) -> Result<()> {
        if self.model.tensors_sha256 == tensors_sha256 {
            return Ok(());
        }
        let found = format!("made for {} ({})", self.model.tensors_sha256, self.model.source);
        Err(Error::value("neuron set", found, format!("a set for {tensors_sha256}")))
    }
}

/// One tensor of a model, for its hash.
#[derive(Debug, Clone, Copy)]
pub struct TensorLine<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number type as safetensors names it (`F32`).
    pub dtype: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// Its bytes, little-endian and row-major.
    pub bytes: &'a [u8],
}

/// The hash of a model: SHA-256, in hexadecimal, over the sorted lines `name|dtype|shape|bytes`, each ended by a line
/// feed. The shape is written `2,3`, the bytes stand as they are; so the files a model is cut into make no difference.
#[must_use]
pub fn tensors_sha256(tensors: &[TensorLine<'_>]) -> String {
    let mut order: Vec<&TensorLine<'_>> = tensors.iter().collect();
    order.sort_by_key(|t| t.name);
    let mut hash = Sha256::new();
    for t in order {
        let shape: Vec<String> = t.shape.iter().map(usize::to_string).collect();
        hash.update(format!("{}|{}|{}|", t.name, t.dtype, shape.join(",")));
        hash.update(t.bytes);
        hash.update(b"\n");
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip_and_foreign_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.json");
        let model = ModelIdentity { tensors_sha256: "ab".into(), source: "tiny".into() };
        let mut set = NeuronSet::new(model, "lape", 7);
        let members = Members {
            site: "Act".into(),
            layer: "3".into(),
            units: vec![1, 5],
            values: Some(vec![0.5, 2.0]),
        };
        set.sets.insert("en".into(), vec![members]);
        set.write(&path).unwrap();
        let back = NeuronSet::read(&path).unwrap();
        assert_eq!(back, set);
        assert!(back.check_model("ab").is_ok() && back.check_model("cd").is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        for damage in [text.replace("set/1", "set/9"), text.replace("0.5,", ""), text[..40].to_owned()] {
            std::fs::write(&path, damage).unwrap();
            assert!(NeuronSet::read(&path).is_err());
        }
    }

    #[test]
    fn the_hash_ignores_order_but_not_content() {
        let a = TensorLine { name: "a", dtype: "F32", shape: &[1], bytes: &[0, 0, 0, 0] };
        let b = TensorLine { name: "b", dtype: "F32", shape: &[1, 1], bytes: &[0, 0, 128, 63] };
        assert_eq!(tensors_sha256(&[a, b]), tensors_sha256(&[b, a]));
        assert_ne!(tensors_sha256(&[a, b]), tensors_sha256(&[a, TensorLine { shape: &[1], ..b }]));
        assert_eq!(tensors_sha256(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
