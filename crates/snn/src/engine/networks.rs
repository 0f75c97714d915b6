//! Standard networks, with the parameters that simulators are compared by.

mod balanced;
mod brunel;
mod fixed;
mod microcircuit;

pub use balanced::{Balanced, coba, cuba};
pub use brunel::{Brunel, BrunelNetwork, BrunelSynapse, alpha_psp_peak, brunel};
pub use fixed::{FixedNetwork, fixed};
pub use microcircuit::{
    FULL_SCALE_RATES_HZ, InitialPotential, Microcircuit, POPULATIONS, SIZES, microcircuit, total_synapses,
};
