//! What a user may ask for: `auto`, `cpu`, `wgpu[:n]`, `cuda[:n]`, `remote:ws://host:port`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A device as text names it. It says nothing about whether there is one: [`DeviceSpec::open`] does.
///
/// ```
/// use tensor_backend::DeviceSpec;
/// let spec: DeviceSpec = "wgpu:1".parse()?;
/// assert_eq!(spec, DeviceSpec::Wgpu(Some(1)));
/// assert_eq!(spec.to_string(), "wgpu:1");
/// assert!("gpu".parse::<DeviceSpec>().is_err());
/// # Ok::<(), tensor_backend::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceSpec {
    /// A real GPU where there is one, else the processor; never a software adapter, never a remote device.
    Auto,
    /// The processor (Burn's Flex backend).
    #[default]
    Cpu,
    /// The n-th adapter of the machine's graphics interface; without a number the first GPU, or, where there is
    /// none, the software adapter.
    Wgpu(Option<usize>),
    /// The n-th CUDA device; 0 without a number.
    Cuda(Option<usize>),
    /// The first device that a server offers at this WebSocket address.
    Remote(String),
}

impl FromStr for DeviceSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| Error::Spec { text: text.to_owned(), reason: reason.to_owned() };
        let (head, tail) = match text.split_once(':') {
            Some((head, tail)) => (head, Some(tail)),
            None => (text, None),
        };
        let number = |tail: Option<&str>| match tail {
            None => Ok(None),
            Some(n) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => n
                .parse::<u16>()
                .map(|n| Some(usize::from(n)))
                .map_err(|_| wrong("device numbers end at 65535")),
            Some(_) => Err(wrong("the device number is not a whole number")),
        };
        match (head, tail) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("wgpu", tail) => Ok(Self::Wgpu(number(tail)?)),
            ("cuda", tail) => Ok(Self::Cuda(number(tail)?)),
            ("remote", Some(url)) => websocket(url).map(Self::Remote).map_err(wrong),
            ("remote", None) => Err(wrong("a remote device needs an address")),
            ("auto" | "cpu", Some(_)) => Err(wrong("auto and cpu take no number")),
            _ => Err(wrong("no such backend")),
        }
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Wgpu(Some(n)) => write!(f, "wgpu:{n}"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(n)) => write!(f, "cuda:{n}"),
            Self::Remote(url) => write!(f, "remote:{url}"),
        }
    }
}

impl TryFrom<String> for DeviceSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DeviceSpec> for String {
    fn from(spec: DeviceSpec) -> Self {
        spec.to_string()
    }
}

/// `ws://host:port` and nothing more.
fn websocket(url: &str) -> std::result::Result<String, &'static str> {
    let address = url.strip_prefix("ws://").ok_or("the address does not begin with ws://")?;
    let (host, port) = address.rsplit_once(':').ok_or("the address has no port")?;
    let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let inner = host.trim_start_matches('[').trim_end_matches(']');
    let named = !inner.is_empty()
        && inner.chars().all(|c| {
            c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_' || (bracketed && c == ':')
        });
    if !named || (!bracketed && host.len() != inner.len()) {
        return Err("the address has no host name");
    }
    match port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse::<u16>()) {
        Some(Ok(port)) if port > 0 => Ok(url.to_owned()),
        _ => Err("the port is not a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_it_was_written() {
        for text in [
            "auto",
            "cpu",
            "wgpu",
            "wgpu:0",
            "wgpu:12",
            "cuda",
            "cuda:3",
            "remote:ws://gpu-1.lab:3000",
            "remote:ws://[::1]:3000",
        ] {
            let spec: DeviceSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<DeviceSpec>(&json).unwrap(), spec);
        }
    }

    #[test]
    fn what_names_no_device_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "no such backend"),
            ("gpu", "no such backend"),
            ("CPU", "no such backend"),
            ("cpu:0", "take no number"),
            ("auto:", "take no number"),
            ("wgpu:", "not a whole number"),
            ("wgpu:-1", "not a whole number"),
            ("cuda:+1", "not a whole number"),
            ("cuda: 1", "not a whole number"),
            ("cuda:70000", "end at 65535"),
            ("cuda:99999999999999999999999", "end at 65535"),
            ("remote", "needs an address"),
            ("remote:", "begin with ws://"),
            ("remote:http://a:1", "begin with ws://"),
            ("remote:ws://host", "no port"),
            ("remote:ws://:80", "no host"),
            ("remote:ws://[:80", "no host"),
            ("remote:ws://a b:80", "no host"),
            ("remote:ws://host:0", "port is not"),
            ("remote:ws://host:80/path", "port is not"),
            ("remote:ws://host:", "port is not"),
        ] {
            let error = text.parse::<DeviceSpec>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(serde_json::from_str::<DeviceSpec>("\"tpu\"").is_err());
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_what_is_read_is_written_the_same(text in "\\PC{0,40}") {
            if let Ok(spec) = text.parse::<DeviceSpec>() {
                let again: DeviceSpec = spec.to_string().parse().unwrap();
                proptest::prop_assert_eq!(again, spec);
            }
        }
    }
}
