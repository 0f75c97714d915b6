//! `neuropil devices`: what tensors can be placed on.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::document;
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
    /// `cpu`, `discrete-gpu`, `integrated-gpu`, `virtual-gpu`, `other-gpu` or `software`.
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
        let listing = tensor_backend::devices::devices();
        for fault in &listing.faults {
            document::warn(&fault.to_string());
        }
        let devices = listing.devices.into_iter().map(|found| Device {
            id: found.id.to_string(),
            kind: found.kind.name().to_owned(),
            name: found.name,
            f64: found.f64,
            f16: found.f16,
            software: found.software,
        });
        Ok(Answer { devices: devices.collect() })
    }
}
