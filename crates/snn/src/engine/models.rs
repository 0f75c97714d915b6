//! The neuron models.

mod adaptive_exponential;
mod adaptive_threshold;
mod conductance;
mod hodgkin_huxley;
mod integrate_fire;
mod izhikevich;
mod lazy_exponential;
mod psc_alpha;
mod psc_delta;
mod psc_exp;
mod spike_response;
mod spike_source;
mod spinnaker;

pub use adaptive_exponential::{AdEx, AdExIntegrator};
pub use adaptive_threshold::AdaptiveThresholdLif;
pub use conductance::{ConductanceIntegrator, IafCondAlpha, IafCondExp};
pub use hodgkin_huxley::HodgkinHuxley;
pub use integrate_fire::IntegrateFire;
pub use izhikevich::{Izhikevich, IzhikevichForm};
pub use psc_alpha::IafPscAlpha;
pub use psc_delta::IafPscDelta;
pub use psc_exp::IafPscExp;
pub use spike_response::SpikeResponse;
pub(crate) use spike_source::Profile;
pub use spike_source::{PoissonSource, SpikeSource};
pub use spinnaker::IfCurrExp;
