//! The flags that every verb understands.

use std::sync::OnceLock;

use clap::Args;
use tensor_backend::{DeviceSpec, Opened};

use crate::arguments::whole_number;
use crate::document;
use crate::failure::{Failure, Result};

/// Options common to all verbs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Context {
    /// Print one JSON document instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where tensors live: `auto`, `cpu`, `wgpu[:n]`, `cuda[:n]` or `remote:URL`
    #[arg(
        long,
        help = "Where tensors live: auto, cpu, wgpu[:n], cuda[:n], remote:URL",
        global = true,
        default_value = "cpu",
        value_name = "DEVICE"
    )]
    pub(crate) device: DeviceSpec,
    /// Seed of every random draw
    #[arg(long, global = true, default_value_t = 0, value_name = "N", allow_negative_numbers = true, value_parser = whole_number::<u64>)]
    pub(crate) seed: u64,
    /// Threads to use; 0 means all cores
    #[arg(long, global = true, default_value_t = 0, value_name = "N", allow_negative_numbers = true, value_parser = whole_number::<usize>)]
    pub(crate) threads: usize,
    /// Refuse work that is estimated to need more memory than this
    #[arg(long, global = true, value_name = "BYTES", allow_negative_numbers = true, value_parser = whole_number::<u64>)]
    pub(crate) max_memory: Option<u64>,
    /// Say more on standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The device that [`Context::open_device`] opened.
    #[arg(skip)]
    opened: OnceLock<Opened>,
}

impl Context {
    /// Opens the device that `--device` names, once, and says on standard error what it took where that was left
    /// open or may surprise.
    ///
    /// # Errors
    /// A failure of kind `device`: not in this build, not in this machine, or not working.
    pub(crate) fn open_device(&self) -> Result<&Opened> {
        if self.opened.get().is_none() {
            let opened = self.device.open().map_err(|e| Failure::new("device", e))?;
            if let Some(note) = &opened.note {
                document::warn(note);
            }
            // A second thread may have been faster: its device is the same one.
            let _ = self.opened.set(opened);
        }
        self.opened.get().ok_or_else(|| Failure::new("device", format!("{} did not open", self.device)))
    }

    /// The id of the device that was used: `cpu` as long as none was opened.
    pub(crate) fn used_device(&self) -> String {
        self.opened.get().map_or_else(|| "cpu".to_owned(), |opened| opened.capabilities.id.to_string())
    }

    /// Refuses a device that a verb without tensors cannot use.
    ///
    /// # Errors
    /// A failure of kind `device` unless `--device` is `cpu` or `auto`.
    pub(crate) fn host_only(&self, what: &str) -> Result<()> {
        match self.device {
            DeviceSpec::Cpu | DeviceSpec::Auto => Ok(()),
            _ => Err(Failure::new(
                "device",
                format!("--device {}: {what} computes on the processor, in f64", self.device),
            )),
        }
    }

    /// Refuses work whose estimate exceeds `--max-memory` (or four fifths of the machine's memory).
    ///
    /// # Errors
    /// A failure of kind `memory` that names both figures.
    pub(crate) fn admit(&self, what: &str, bytes: u64) -> Result<()> {
        let limit = self.max_memory.or_else(|| machine_memory().map(|m| m / 5 * 4));
        match limit {
            Some(limit) if bytes > limit => Err(Failure::new(
                "memory",
                format!("{what} would need {bytes} bytes, more than the {limit} allowed (--max-memory)"),
            )),
            _ => Ok(()),
        }
    }
}

/// Physical memory in bytes, where the system says so in `/proc/meminfo`.
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text
        .lines()
        .find_map(|l| l.strip_prefix("MemTotal:"))?
        .split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()?;
    Some(kib * 1024)
}
