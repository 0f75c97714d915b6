//! The simulator: networks of point neurons, stepped by the clock.
//!
//! A [`Network`] holds populations of neurons of a [`NeuronModel`], projections drawn by a [`Rule`], stimuli and recorders.
//!
//! **Step.** Step `k` covers `(t_k, t_k + h]`: (1) states are updated from the inputs present at `t_k`; neurons that reach
//! their threshold fire and are reset; refractory neurons are held; (2) arrivals of the step are added to the synaptic state
//! and act from the next step on. Arrivals that jump the potential itself are added inside the update. With
//! [`StepOrder::SpiNNaker`] all arrivals of a step are added before its update. A spike of step `k` is stamped `t_k + h`
//! (NEST) or `t_k` (Brian2) and with a delay of `d` steps arrives in step `k + d`.
//!
//! **Threads.** A thread owns a block of each population and the synapses that end there; it walks all spikes and adds what
//! falls to it. So a target's sums are formed in one order for any number of threads, and results are equal bit by bit.
//! Threads meet once per shortest delay.
//!
//! **Speed.** States are arrays; updates are branch-free loops, compiled for each instruction set; the few neurons that are
//! refractory are put back afterwards. Where all synapses of a projection share a delay, spikes wait, not their effects: the
//! rows are walked when the spike arrives, straight into the state, and no ring buffer exists. A step allocates nothing.
//!
//! **Own models.** Implement [`NeuronModel`] and [`NeuronBlock`] for neurons, [`plasticity::Plasticity`] for synapses,
//! [`Astrocyte`] for glia; all are monomorphised and called as the built-in ones are.

mod access;
mod astrocyte;
mod config;
mod lane;
pub mod model;
mod models;
mod network;
pub mod networks;
pub mod plasticity;
pub mod propagators;
mod random;
mod real;
mod recorders;
mod recording;
mod rules;
mod running;
pub mod siegert;
mod state;
mod stimuli;
mod synapses;
mod threads;
mod values;

pub use astrocyte::{Astrocyte, LeakyAstrocyte};
pub use config::{Config, RefractoryConvention, StepOrder};
pub use model::{NeuronBlock, NeuronModel};
pub use models::{
    AdEx, AdExIntegrator, AdaptiveThresholdLif, ConductanceIntegrator, HodgkinHuxley, IafCondAlpha,
    IafCondExp, IafPscAlpha, IafPscDelta, IafPscExp, IfCurrExp, IntegrateFire, Izhikevich, IzhikevichForm,
    PoissonSource, SpikeResponse, SpikeSource,
};
pub use network::{Network, Population, Projection};
pub use real::Real;
pub use recording::{RateRecorder, StateRecorder, WeightRecorder};
pub use rules::{Kernel, Rule};
pub use running::Report;
pub use stimuli::Stimulus;
pub use synapses::{Synapse, SynapseTable};
pub use values::{Distribution, Shape, Values};
