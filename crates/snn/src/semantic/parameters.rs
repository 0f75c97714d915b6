//! The constants of the model, checked before use.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrator {
    /// Forward Euler; `phi` sees the new `x`.
    #[default]
    Euler,
    /// The classical fourth-order method; input and learning are constant within a step.
    RungeKutta4,
}

/// Constants of the autonomous dynamics.
///
/// | field | symbol | default | source |
/// |---|---|---|---|
/// | `link_weight` | w | 0.12 | recalled |
/// | `link_spread` | | 0.05 | recalled: weights are drawn from w (1 - spread) to w (1 + spread) |
/// | `inhibition` | \|z\| | 1 | recalled |
/// | `active_level` | x_c | 0.85 | recalled |
/// | `filling_rate` | G+ | 0.004 | recalled |
/// | `depletion_rate` | G- | 0.009 | recalled |
/// | `excitation_threshold` | phi_w | 0.15 | corrected by simulation |
/// | `inhibition_threshold` | phi_z | 0.7 | corrected by simulation |
/// | `response_width` | G | 0.05 | recalled |
/// | `excitation_floor` | f_w min | 0.05 | recalled |
/// | `inhibition_floor` | f_z min | 0 | recalled |
/// | `dt` | | 0.1 | the fixture's |
/// | `winner_level` | | 0.8 | the sheet's |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DhanParams {
    /// Mean weight of a link.
    pub link_weight: f64,
    /// Largest relative deviation of a drawn weight.
    pub link_spread: f64,
    /// Whether both directions of a link must weigh the same.
    pub symmetric: bool,
    /// Strength of the inhibition between sites without a link.
    pub inhibition: f64,
    /// Activity from which a site drains its reservoir.
    pub active_level: f64,
    /// Rate at which the reservoir of a silent site fills.
    pub filling_rate: f64,
    /// Rate at which the reservoir of an active site drains.
    pub depletion_rate: f64,
    /// Reservoir level at which a site's excitability is half way.
    pub excitation_threshold: f64,
    /// Reservoir level at which a site's power to inhibit is half way.
    pub inhibition_threshold: f64,
    /// Width of both responses.
    pub response_width: f64,
    /// Excitability of a site with an empty reservoir.
    pub excitation_floor: f64,
    /// Power to inhibit of a site with an empty reservoir.
    pub inhibition_floor: f64,
    /// Time step, at most 0.5.
    pub dt: f64,
    /// How a step is taken.
    pub integrator: Integrator,
    /// Activity that every site of a winning clique exceeds.
    pub winner_level: f64,
}

impl Default for DhanParams {
    fn default() -> Self {
        Self {
            link_weight: 0.12,
            link_spread: 0.05,
            symmetric: false,
            inhibition: 1.0,
            active_level: 0.85,
            filling_rate: 0.004,
            depletion_rate: 0.009,
            excitation_threshold: 0.15,
            inhibition_threshold: 0.7,
            response_width: 0.05,
            excitation_floor: 0.05,
            inhibition_floor: 0.0,
            dt: 0.1,
            integrator: Integrator::Euler,
            winner_level: 0.8,
        }
    }
}

impl DhanParams {
    /// Checks every constant.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of its range.
    pub fn validate(&self) -> Result<()> {
        above_zero("link_weight", self.link_weight)?;
        range("link_spread", self.link_spread, 0.0, 1.0, self.link_spread < 1.0)?;
        not_negative("inhibition", self.inhibition)?;
        range(
            "active_level",
            self.active_level,
            0.0,
            1.0,
            self.active_level > 0.0 && self.active_level < 1.0,
        )?;
        not_negative("filling_rate", self.filling_rate)?;
        not_negative("depletion_rate", self.depletion_rate)?;
        range("excitation_threshold", self.excitation_threshold, 0.0, 1.0, true)?;
        range("inhibition_threshold", self.inhibition_threshold, 0.0, 1.0, true)?;
        above_zero("response_width", self.response_width)?;
        range("excitation_floor", self.excitation_floor, 0.0, 1.0, true)?;
        range("inhibition_floor", self.inhibition_floor, 0.0, 1.0, true)?;
        if !(self.dt > 0.0 && self.dt <= 0.5) {
            return Err(Error::parameter("dt", self.dt, "above 0 and at most 0.5 time units"));
        }
        range("winner_level", self.winner_level, 0.0, 1.0, self.winner_level > 0.0 && self.winner_level < 1.0)
    }
}

/// What opens the plasticity of the afferents.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Nothing: afferents stay as they are.
    Off,
    /// The diffusive learning signal.
    #[default]
    Signal,
    /// A constant in place of the signal, as a control.
    Constant(f64),
}

/// Constants of the afferent links; all of them choices of the sheet (from a grid), not of the paper.
///
/// | field | symbol | default |
/// |---|---|---|
/// | `initial_max` | v(0) ~ U(0, .) | 0.05 |
/// | `rate` | eta | 0.001 |
/// | `target_active` | R_act | 0.9 |
/// | `target_inactive` | R_inact | 0 |
/// | `unlearn_active` | c_a | 6 |
/// | `unlearn_inactive` | c_i | 0.3 |
/// | `silent_level` | | 0.1 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AfferentParams {
    /// Number of inputs.
    pub inputs: usize,
    /// Greatest initial weight.
    pub initial_max: f64,
    /// Learning rate.
    pub rate: f64,
    /// Drive that the active inputs of an active site approach.
    pub target_active: f64,
    /// Drive above which an inactive site unlearns.
    pub target_inactive: f64,
    /// How fast an active site forgets its inactive inputs, relative to the rate.
    pub unlearn_active: f64,
    /// How fast an inactive site forgets its active inputs, relative to the rate.
    pub unlearn_inactive: f64,
    /// Activity below which a site counts as inactive.
    pub silent_level: f64,
    /// What opens the plasticity.
    pub gate: Gate,
}

impl Default for AfferentParams {
    fn default() -> Self {
        Self {
            inputs: 25,
            initial_max: 0.05,
            rate: 0.001,
            target_active: 0.9,
            target_inactive: 0.0,
            unlearn_active: 6.0,
            unlearn_inactive: 0.3,
            silent_level: 0.1,
            gate: Gate::Signal,
        }
    }
}

impl AfferentParams {
    /// Checks every constant.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of its range, [`Error::TooFew`] without inputs.
    pub fn validate(&self) -> Result<()> {
        if self.inputs == 0 {
            return Err(Error::TooFew { what: "inputs".to_owned(), needed: 1, found: 0 });
        }
        not_negative("initial_max", self.initial_max)?;
        not_negative("rate", self.rate)?;
        not_negative("target_active", self.target_active)?;
        if !self.target_inactive.is_finite() {
            return Err(Error::parameter("target_inactive", self.target_inactive, "a finite number"));
        }
        not_negative("unlearn_active", self.unlearn_active)?;
        not_negative("unlearn_inactive", self.unlearn_inactive)?;
        range("silent_level", self.silent_level, 0.0, 1.0, true)?;
        match self.gate {
            Gate::Constant(level) => range("gate", level, 0.0, 1.0, true),
            Gate::Off | Gate::Signal => Ok(()),
        }
    }
}

/// Constants of the diffusive learning signal; G_d+ and G_d- are the sheet's, the bounds of a transition too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignalParams {
    /// Rate at which the signal rises (G_d+, 1).
    pub growth: f64,
    /// Rate at which it decays (G_d-, 0.05).
    pub decay: f64,
    /// Activity between which a site is in transition (0.02, 0.9).
    pub transition: [f64; 2],
    /// Input that could have mattered (0.02).
    pub least_drive: f64,
}

impl Default for SignalParams {
    fn default() -> Self {
        Self { growth: 1.0, decay: 0.05, transition: [0.02, 0.9], least_drive: 0.02 }
    }
}

impl SignalParams {
    /// Checks every constant.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of its range.
    pub fn validate(&self) -> Result<()> {
        not_negative("growth", self.growth)?;
        not_negative("decay", self.decay)?;
        let [low, high] = self.transition;
        range("transition", low, 0.0, 1.0, low < high)?;
        range("transition", high, 0.0, 1.0, true)?;
        not_negative("least_drive", self.least_drive)
    }
}

/// Constants of short-term and long-term learning of the links between sites (the companion paper's principle, recalled;
/// the values are ours, chosen so that the sequence goes on).
///
/// | field | default |
/// |---|---|
/// | `short_max` | 0.02 |
/// | `short_growth`, `short_decay` | 0.02, 0.005 |
/// | `active_sum` | 0.36: three links of 0.12 |
/// | `long_growth`, `long_decay` | 0.0005, 0 |
/// | `long_min` | 0.01 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkParams {
    /// Greatest short-term weight.
    pub short_max: f64,
    /// Growth of the short-term weight while both sites are active.
    pub short_growth: f64,
    /// Decay of the short-term weight.
    pub short_decay: f64,
    /// What the weights of the active links of an active site sum to once learned.
    pub active_sum: f64,
    /// Rate at which long-term weights of active links approach that sum.
    pub long_growth: f64,
    /// Decay of long-term weights from an active to an inactive site.
    pub long_decay: f64,
    /// Least long-term weight.
    pub long_min: f64,
}

impl Default for LinkParams {
    fn default() -> Self {
        Self {
            short_max: 0.02,
            short_growth: 0.02,
            short_decay: 0.005,
            active_sum: 0.36,
            long_growth: 0.0005,
            long_decay: 0.0,
            long_min: 0.01,
        }
    }
}

impl LinkParams {
    /// Checks every constant.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of its range.
    pub fn validate(&self) -> Result<()> {
        not_negative("short_max", self.short_max)?;
        not_negative("short_growth", self.short_growth)?;
        not_negative("short_decay", self.short_decay)?;
        above_zero("active_sum", self.active_sum)?;
        not_negative("long_growth", self.long_growth)?;
        not_negative("long_decay", self.long_decay)?;
        // A link whose weight could reach zero would turn into inhibition.
        above_zero("long_min", self.long_min)
    }
}

fn above_zero(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::parameter(name, value, "finite and above 0"))
}

fn not_negative(name: &str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::parameter(name, value, "finite and not negative"))
}

fn range(name: &str, value: f64, low: f64, high: f64, and: bool) -> Result<()> {
    if (low..=high).contains(&value) && and {
        return Ok(());
    }
    let ends = if and { "" } else { ", ends or order excepted" };
    Err(Error::parameter(name, value, format!("between {low} and {high}{ends}")))
}
