//! Models set by hand, in which it is known which neurons are to be found: a check of any rule that looks for neurons.
//!
//! Both are Llamas whose attention adds nothing.
//!
//! ```
//! use llm_neurons::planted;
//! use tensor_backend::DeviceSpec;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = DeviceSpec::Cpu.open()?.device;
//! let planted = planted::relations(&device, 4)?;
//! assert_eq!(planted.neurons[2].len(), 3);
//! # Ok(())
//! # }
//! ```

mod languages;
mod network;
mod relations;

pub use languages::{PlantedLanguages, languages};
pub use network::HandSet;
pub use relations::{PlantedRelations, relations};
