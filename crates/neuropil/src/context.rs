//! The flags that every verb understands.

use clap::Args;

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
    pub(crate) device: String,
    /// Seed of every random draw
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// Threads to use; 0 means all cores
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Refuse work that is estimated to need more memory than this
    #[arg(long, global = true, value_name = "BYTES")]
    pub(crate) max_memory: Option<u64>,
    /// Say more on standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Context {
    /// Refuses work whose estimate exceeds `--max-memory` (or four fifths of the machine's memory).
    ///
    /// # Errors
    /// A failure of kind `memory` that names both figures.
    pub(crate) fn admit(&self, what: &str, bytes: u64) -> crate::failure::Result<()> {
        let limit = self.max_memory.or_else(|| machine_memory().map(|m| m / 5 * 4));
        match limit {
            Some(limit) if bytes > limit => Err(crate::failure::Failure::new(
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
