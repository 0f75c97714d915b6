//! `neuropil devices`: what tensors can be placed on.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::Result;
use crate::verb::Verb;

/// List the devices this build can use on this machine
#[derive(Debug, Args)]
pub(crate) struct Devices {}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    devices: Vec<Device>,
}

/// One device.
#[derive(Debug, Serialize, JsonSchema)]
struct Device {
    /// What `--device` accepts.
    id: String,
    /// `cpu`, `discrete-gpu`, `integrated-gpu`, `virtual-gpu` or `software`.
    kind: String,
    /// The adapter's own name.
    name: String,
    /// Whether it computes in 64-bit floats.
    f64: bool,
    /// Whether it computes in 16-bit floats.
    f16: bool,
    /// Whether a GPU interface is emulated on the processor.
    software: bool,
}

impl Verb for Devices {
    const NAME: &'static str = "devices";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        let cpu = Device {
            id: "cpu".to_owned(),
            kind: "cpu".to_owned(),
            name: processor(),
            f64: true,
            f16: false,
            software: false,
        };
        Ok(Answer { devices: vec![cpu] })
    }
}

/// The processor's own name, where the system tells it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().find_map(|l| l.strip_prefix("model name")).map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |l| l.trim_start_matches([' ', '\t', ':']).to_owned(),
    )
}
