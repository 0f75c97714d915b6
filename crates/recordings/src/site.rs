//! Where a neuron is read or changed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A hook point. Text form: the name, with the layer in parentheses where there is one (`ResidPost(3)`); any other
/// text is a module path of a vision model or a population of a spiking network ([`Site::Module`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Site {
    /// Token (and position) embedding.
    Embed,
    /// Residual stream before a block.
    ResidPre(usize),
    /// Attention output, before it is added.
    AttnOut(usize),
    /// Residual stream between attention and MLP; sequential blocks only.
    ResidMid(usize),
    /// MLP input, after the norm.
    MlpIn(usize),
    /// Linear gate, before its non-linearity; gated MLPs only.
    GateOut(usize),
    /// Linear up projection; in an MLP without gate the pre-activation.
    UpOut(usize),
    /// The non-linearity's output.
    Act(usize),
    /// Input of the down projection.
    DownIn(usize),
    /// MLP output, before it is added.
    DownOut(usize),
    /// Residual stream after a block.
    ResidPost(usize),
    /// Output of the last norm.
    FinalNorm,
    /// Output of the head.
    Logits,
    /// A module path (`layer2.0.conv1`) or a population (`E`).
    Module(String),
}

/// Name and layer of the sites that have a layer.
macro_rules! layered {
    ($($name:ident),*) => {
        fn split(site: &Site) -> Option<(&'static str, usize)> {
            match site { $(Site::$name(layer) => Some((stringify!($name), *layer)),)* _ => None }
        }
        fn join(name: &str, layer: usize) -> Option<Site> {
            match name { $(stringify!($name) => Some(Site::$name(layer)),)* _ => None }
        }
    };
}
layered!(ResidPre, AttnOut, ResidMid, MlpIn, GateOut, UpOut, Act, DownIn, DownOut, ResidPost);

impl Site {
    /// The layer, or the module's path.
    #[must_use]
    pub fn layer(&self) -> Option<String> {
        match self {
            Self::Module(path) => Some(path.clone()),
            other => split(other).map(|(_, layer)| layer.to_string()),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.write_str("Embed"),
            Self::FinalNorm => f.write_str("FinalNorm"),
            Self::Logits => f.write_str("Logits"),
            Self::Module(path) => f.write_str(path),
            other => match split(other) {
                Some((name, layer)) => write!(f, "{name}({layer})"),
                None => Ok(()),
            },
        }
    }
}

impl FromStr for Site {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "" => {
                return Err(Error::value("site", "an empty name", "a hook point, module path or population"));
            }
            "Embed" => return Ok(Self::Embed),
            "FinalNorm" => return Ok(Self::FinalNorm),
            "Logits" => return Ok(Self::Logits),
            _ => {}
        }
        let parts = text.strip_suffix(')').and_then(|t| t.split_once('('));
        match parts {
            Some((name, layer)) if join(name, 0).is_some() => layer
                .parse()
                .ok()
                .and_then(|layer| join(name, layer))
                .ok_or_else(|| Error::value("site", text, format!("{name}(layer number)"))),
            None if join(text, 0).is_some() => {
                Err(Error::value("site", text, format!("{text}(layer number)")))
            }
            _ => Ok(Self::Module(text.to_owned())),
        }
    }
}

impl From<Site> for String {
    fn from(site: Site) -> Self {
        site.to_string()
    }
}

impl TryFrom<String> for Site {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_back() {
        for text in ["Embed", "ResidPost(3)", "Act(0)", "FinalNorm", "Logits", "layer2.0.conv1", "E", "f(x)"]
        {
            assert_eq!(text.parse::<Site>().unwrap().to_string(), text);
        }
        assert_eq!("DownIn(12)".parse::<Site>().unwrap(), Site::DownIn(12));
        assert_eq!(Site::DownIn(12).layer().as_deref(), Some("12"));
        for text in ["", "Act", "Act(-1)", "Act(x)"] {
            assert!(text.parse::<Site>().is_err(), "{text}");
        }
    }
}
