//! Reward-modulated STDP.

use super::super::real::Real;
use super::{Event, PairStdp, Plasticity, Trace, check};
use crate::Result;

/// STDP that fills an eligibility trace, which a global signal turns into weight.
///
/// `dc/dt = -c/tau_c + STDP(events)`, `dw/dt = c D`, `dD/dt = -D/tau_d + sum rewards`; the pair rule gives the jumps of `c`.
/// The weight is clipped to `[0, w_max]` whenever it is brought up to date: at each event and each reward.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `stdp` | | [`PairStdp::default`], additive | |
/// | `tau_eligibility_ms` | ms | 1000 | Izhikevich 2007 |
/// | `tau_reward_ms` | ms | 200 | Izhikevich 2007 |
///
/// Variables of a synapse: `c`. Between events `w` changes in closed form:
/// `c D tau (1 - e^{-t/tau})` with `1/tau = 1/tau_c + 1/tau_d`.
///
/// **Reference.** Izhikevich, Cerebral Cortex 17 (2007).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardStdp {
    /// The pair rule; its `w_max` bounds the weight.
    pub stdp: PairStdp,
    /// Time constant of eligibility.
    pub tau_eligibility_ms: f64,
    /// Time constant of the reward signal.
    pub tau_reward_ms: f64,
}

impl Default for RewardStdp {
    fn default() -> Self {
        Self { stdp: PairStdp::default(), tau_eligibility_ms: 1000.0, tau_reward_ms: 200.0 }
    }
}

impl<R: Real> Plasticity<R> for RewardStdp {
    fn prepare(&mut self, dt_ms: f64) -> Result<()> {
        check("tau_eligibility_ms", self.tau_eligibility_ms, "finite and positive", |x| x > 0.0)?;
        check("tau_reward_ms", self.tau_reward_ms, "finite and positive", |x| x > 0.0)?;
        Plasticity::<R>::prepare(&mut self.stdp, dt_ms)
    }

    fn pre_traces(&self) -> Vec<Trace> {
        Plasticity::<R>::pre_traces(&self.stdp)
    }

    fn post_traces(&self) -> Vec<Trace> {
        Plasticity::<R>::post_traces(&self.stdp)
    }

    fn variables(&self) -> usize {
        1
    }

    #[inline(always)]
    fn on_pre(&self, event: Event<'_, R>) {
        event.variables[0] -= R::of(self.stdp.a_minus) * event.post[0];
    }

    #[inline(always)]
    fn on_post(&self, event: Event<'_, R>) {
        event.variables[0] += R::of(self.stdp.a_plus) * event.pre[0];
    }

    fn drifts(&self) -> bool {
        true
    }

    #[inline(always)]
    fn settle(&self, weight: &mut R, variables: &mut [R], t: f64, modulator: f64) {
        let c = variables[0].to_f64();
        if modulator != 0.0 && c != 0.0 {
            let rate = 1.0 / self.tau_eligibility_ms + 1.0 / self.tau_reward_ms;
            let start = modulator * (t / self.tau_reward_ms).exp();
            let gained = c * start * -(-t * rate).exp_m1() / rate;
            *weight = R::of((weight.to_f64() + gained).clamp(0.0, self.stdp.w_max));
        }
        variables[0] = R::of(c * (-t / self.tau_eligibility_ms).exp());
    }

    fn modulator_tau_ms(&self) -> Option<f64> {
        Some(self.tau_reward_ms)
    }
}
