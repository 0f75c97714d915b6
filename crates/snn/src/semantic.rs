//! Autonomously active rate networks that learn what their cliques mean (sheet 16).
//!
//! # Model
//! Sites `i` with activity `x_i` and reservoir `phi_i`, both in \[0, 1\], excitatory links `w_ij >= 0`, and inhibition
//! `z_ij = -|z|` between sites without a link:
//!
//! ```text
//! r_i   = sum_j [ f_w(phi_i) w_ij + z_ij f_z(phi_j) ] x_j + Dr_i
//! x_i'  = (1 - x_i) r_i     if r_i > 0,   else  x_i r_i
//! phi_i' = G+ (1 - phi_i)(1 - x_i / x_c)   if x_i < x_c,   else  -G- phi_i
//! Dr_i  = sum_q v_iq y_q
//! ```
//!
//! Sites of a clique (a fully linked set) support one another and silence all others. As they drain their reservoirs
//! they stop silencing before they stop supporting one another, and a clique that shares a site takes over: an endless
//! sequence of transient states without any input. Weak input can decide only which clique is next. A learning signal
//! `S` opens the plasticity of the afferents `v` where input changed the sign of a growth rate:
//!
//! ```text
//! S'   = G_d+ q (1 - S) - G_d- S,   q = 1 while some site in transition has r > 0 but r - Dr < 0
//! active sites:    v' = eta S (R_act - Dr_i) for active inputs,  -eta S c_a v for inactive ones
//! inactive sites:  v' = -eta S c_i (Dr_i - R_inact) for active inputs, where Dr_i > R_inact
//! ```
//!
//! # Parameters
//! [`DhanParams`], [`AfferentParams`], [`SignalParams`] and [`LinkParams`] state every constant with its source. Time is
//! in units of the model, without dimension.
//!
//! # Numerics
//! Inhibition is a term of rank one less the links, so a step costs O(sites + links), whatever the number of pairs
//! without a link. Euler steps update `phi` with the new `x`; [`Integrator::RungeKutta4`] takes twice the step. Activity
//! is kept in \[1e-12, 1\]. Nothing is drawn while a network runs.
//!
//! # References
//! C. Gros and G. Kaczor, *Semantic learning in autonomously active recurrent neural networks*, Logic Journal of the IGPL
//! 18 (2010); C. Gros, *Neural networks with transient state dynamics*, New Journal of Physics 9 (2007) 109. The equations
//! of the autonomous part were recalled and checked by simulation; the plasticity follows the described principle with
//! constants of ours.
//!
//! ```
//! use snn::semantic::{DhanParams, NoInput, TransientNet, ring_of_cliques};
//! # fn main() -> snn::Result<()> {
//! let (sites, cliques) = ring_of_cliques(10, 4, 1)?;
//! let mut net = TransientNet::from_cliques(sites, &cliques, DhanParams::default(), 1)?;
//! let trace = net.run(2000.0, &mut NoInput)?;
//! assert!(trace.sequence.transitions() > 15);
//! # Ok(())
//! # }
//! ```

mod afferents;
mod cliques;
mod experiment;
mod fields;
mod link_learning;
mod links;
mod network;
mod parameters;
mod response;
mod run;
mod sequence;
mod signal;
mod state;
mod stimulus;

pub use afferents::Afferents;
pub use cliques::{maximal_cliques, overlapping, ring_of_cliques};
pub use experiment::{BarsExperiment, BarsReport};
pub use fields::{BarMatch, FieldReport, bar_matches, mutual_information_bits};
pub use link_learning::LinkLearning;
pub use links::Links;
pub use network::TransientNet;
pub use parameters::{AfferentParams, DhanParams, Gate, Integrator, LinkParams, SignalParams};
pub use response::Response;
pub use run::{Samples, Trace};
pub use sequence::CliqueSequence;
pub use signal::LearningSignal;
pub use stimulus::{BarsStimulus, NoInput, PatternStimulus, Stimulus};
