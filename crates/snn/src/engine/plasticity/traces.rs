//! Exponential traces of spikes, kept per neuron and decayed when read.

use super::super::real::Real;

/// Most traces of a neuron that a rule can have.
pub const TRACES: usize = 2;
/// Decay factors kept in a table; later ones are computed.
const TABLE: usize = 2048;
/// Marks an entry without a spike.
const NEVER: i64 = i64::MIN / 4;

/// A trace: it jumps at each spike and decays with a time constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trace {
    /// Time constant.
    pub tau_ms: f64,
    /// Whether a spike sets the trace to 1 (nearest-neighbour pairing) instead of adding 1 (all-to-all).
    pub nearest: bool,
}

/// Traces of many neurons, with as many past spikes as delays make visible.
pub(crate) struct Traces<R> {
    kinds: Vec<Kind<R>>,
    depth: usize,
    // [neuron][depth] as rings.
    steps: Vec<i64>,
    values: Vec<[R; TRACES]>,
    newest: Vec<i64>,
}

struct Kind<R> {
    table: Vec<R>,
    per_step: f64,
    nearest: bool,
}

impl<R: Real> Traces<R> {
    /// No spikes yet. `longest_lag`: how many steps later than a spike its entry may first be seen.
    pub(crate) fn new(neurons: usize, traces: &[Trace], longest_lag: usize, dt_ms: f64) -> Self {
        let kinds = traces
            .iter()
            .take(TRACES)
            .map(|trace| {
                let per_step = -dt_ms / trace.tau_ms;
                let table = (0..TABLE).map(|n| R::of((n as f64 * per_step).exp())).collect();
                Kind { table, per_step, nearest: trace.nearest }
            })
            .collect::<Vec<_>>();
        let depth = longest_lag + 1;
        let entries = if kinds.is_empty() { 0 } else { neurons * depth };
        Self {
            kinds,
            depth,
            steps: vec![NEVER; entries],
            values: vec![[R::ZERO; TRACES]; entries],
            newest: vec![0; if entries == 0 { 0 } else { neurons }],
        }
    }

    /// The traces of a neuron as seen at step `now` from `lag` steps away: of spikes with `step + lag <= now`, or `< now`
    /// where `strict`.
    #[inline(always)]
    pub(crate) fn seen(&self, neuron: usize, now: i64, lag: i64, strict: bool) -> [R; TRACES] {
        let mut seen = [R::ZERO; TRACES];
        if self.kinds.is_empty() {
            return seen;
        }
        let newest = self.newest[neuron] as usize;
        let first = neuron * self.depth;
        let limit = now - i64::from(strict) - lag;
        for back in 0..self.depth {
            let entry = first + (newest + self.depth - back) % self.depth;
            let step = self.steps[entry];
            if step <= limit {
                if step > NEVER {
                    let elapsed = now - lag - step;
                    for (t, kind) in self.kinds.iter().enumerate() {
                        seen[t] = self.values[entry][t] * kind.decay(elapsed);
                    }
                }
                return seen;
            }
        }
        seen
    }

    /// A neuron fires in `step`.
    pub(crate) fn push(&mut self, neuron: usize, step: i64) {
        if self.kinds.is_empty() {
            return;
        }
        let mut value = self.seen(neuron, step, 0, true);
        for (kind, value) in self.kinds.iter().zip(&mut value) {
            *value = if kind.nearest { R::ONE } else { *value + R::ONE };
        }
        let place = (self.newest[neuron] as usize + 1) % self.depth;
        self.newest[neuron] = place as i64;
        self.steps[neuron * self.depth + place] = step;
        self.values[neuron * self.depth + place] = value;
    }

    /// What has to be saved: integers and values.
    pub(crate) fn state(&mut self) -> (&mut [i64], &mut [i64], &mut [R]) {
        (&mut self.steps, &mut self.newest, self.values.as_flattened_mut())
    }
}

impl<R: Real> Kind<R> {
    #[inline(always)]
    fn decay(&self, elapsed: i64) -> R {
        match self.table.get(elapsed as usize) {
            Some(factor) => *factor,
            None => R::of((elapsed as f64 * self.per_step).exp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_the_sum_of_the_decayed_spikes_that_are_visible() {
        let tau = 20.0;
        let all = Trace { tau_ms: tau, nearest: false };
        let nearest = Trace { tau_ms: tau, nearest: true };
        let mut traces = Traces::<f64>::new(2, &[all, nearest], 5, 0.1);
        let spikes = [3, 4, 40, 43, 5000];
        let mut fired: Vec<i64> = Vec::new();
        for spike in spikes {
            traces.push(1, spike);
            fired.push(spike);
            for lag in [0, 2, 5] {
                for now in [spike, spike + 2, spike + 5, spike + 30] {
                    for strict in [false, true] {
                        let visible: Vec<i64> = fired
                            .iter()
                            .copied()
                            .filter(|s| if strict { s + lag < now } else { s + lag <= now })
                            .collect();
                        let decayed = |s: &i64| (-(now - lag - s) as f64 * 0.1 / tau).exp();
                        let sum: f64 = visible.iter().map(decayed).sum();
                        let last = visible.last().map_or(0.0, decayed);
                        let seen = traces.seen(1, now, lag, strict);
                        assert!(
                            (seen[0] - sum).abs() < 1e-14,
                            "{spike} {lag} {now} {strict}: {seen:?} {sum}"
                        );
                        assert!((seen[1] - last).abs() < 1e-15);
                    }
                }
            }
        }
        assert_eq!(traces.seen(0, 9999, 0, false), [0.0, 0.0]);
    }
}
