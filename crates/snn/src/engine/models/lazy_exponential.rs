//! A leaky neuron with exponential currents in the coordinates in which nothing changes between arrivals.
//!
//! With `x = V - V_inf` the step is `x' = P x + Q_e I_e + Q_i I_i`, `I' = p I`. In `y = x - a I_e - b I_i`, `a = Q_e/(p_e - P)`,
//! it is diagonal: `y' = P y`. So `y = P^m Y`, `I = p^m J` with `Y`, `J` that only arrivals and resets change, and the step
//! reads `P^m Y + a p_e^m J_e + b p_i^m J_i >= V_th - V_inf` and writes nothing. Half of the memory traffic of the plain update
//! is gone, which is what bounds it; an arrival costs two additions instead of one. `m` counts from an anchor; before the
//! powers leave the range of the number type, states are multiplied up and the anchor moves.

use super::super::model::{CHUNK, Refractory, chunk_of};
use super::super::real::Real;

/// What the coordinates need of a neuron: `e^{-h/tau}`, what a current adds in a step, resting potential and threshold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linear {
    pub(crate) leak: f64,
    pub(crate) decays: [f64; 2],
    pub(crate) gains: [f64; 2],
    pub(crate) rest: f64,
    pub(crate) threshold: f64,
}

/// Powers of a step since the anchor.
#[derive(Debug, Clone, Copy)]
struct Powers<R> {
    // P^m, a p_e^m, b p_i^m.
    terms: [R; 3],
    // p_e^m, p_i^m.
    decays: [R; 2],
    // 1 / p^m of the currents, -a / P^m and -b / P^m: what an arrival of 1 adds to J and Y.
    arrival: [R; 2],
    shift: [R; 2],
    // 1 / P^m.
    inverse: R,
}

/// The transformation of a population whose parameters are the same for all neurons.
pub(crate) struct LazyExponential<R> {
    powers: Vec<Powers<R>>,
    rest: R,
    threshold: R,
    // Steps since the anchor of the states as they are.
    since: usize,
    // P^K, p_e^K, p_i^K at the end of a period.
    period: [R; 3],
}

impl<R: Real> LazyExponential<R> {
    /// None where the time constants are too close for the coordinates to keep all digits.
    pub(crate) fn new(p: &Linear) -> Option<Self> {
        let close = |decay: f64| (decay.ln() / p.leak.ln() - 1.0).abs() < 0.05;
        if p.decays.into_iter().any(close) {
            return None;
        }
        let fastest = p.decays.into_iter().chain([p.leak]).fold(1.0, f64::min);
        // e^200 and e^40 leave as much room again for the states.
        let room = if R::NAME == "f32" { 40.0 } else { 200.0 };
        let steps = (room / -fastest.ln()).floor().clamp(1.0, 2000.0) as i32;
        let mix = [0, 1].map(|x| p.gains[x] / (p.decays[x] - p.leak));
        let at = |m: i32| {
            let leak = p.leak.powi(m);
            let decays = p.decays.map(|d| d.powi(m));
            Powers {
                terms: [R::of(leak), R::of(mix[0] * decays[0]), R::of(mix[1] * decays[1])],
                decays: decays.map(R::of),
                arrival: decays.map(|d| R::of(1.0 / d)),
                shift: mix.map(|a| R::of(-a / leak)),
                inverse: R::of(1.0 / leak),
            }
        };
        Some(Self {
            powers: (0..=steps).map(at).collect(),
            rest: R::of(p.rest),
            threshold: R::of(p.threshold - p.rest),
            since: 0,
            period: [
                R::of(p.leak.powi(steps)),
                R::of(p.decays[0].powi(steps)),
                R::of(p.decays[1].powi(steps)),
            ],
        })
    }

    fn steps(&self) -> usize {
        self.powers.len() - 1
    }

    /// The states after `step` steps since the start.
    pub(crate) fn rewind(&mut self, step: i64) {
        self.since = step.rem_euclid(self.steps() as i64) as usize;
    }

    /// Takes in a neuron's plain state; the potential of a held neuron is minus infinity.
    pub(crate) fn enter(&self, v: R, currents: [R; 2]) -> [R; 3] {
        let k = &self.powers[self.since];
        let stored = [currents[0] * k.arrival[0], currents[1] * k.arrival[1]];
        let y = (v - self.rest) - k.terms[1] * stored[0] - k.terms[2] * stored[1];
        [y * k.inverse, stored[0], stored[1]]
    }

    /// The plain state of a neuron: potential (minus infinity where held) and currents.
    pub(crate) fn leave(&self, y: R, stored: [R; 2]) -> (R, [R; 2]) {
        let k = &self.powers[self.since];
        let v = self.rest + (k.terms[0] * y + (k.terms[1] * stored[0] + k.terms[2] * stored[1]));
        (v, [stored[0] * k.decays[0], stored[1] * k.decays[1]])
    }

    /// By what an arrival of 1 at a port changes the stored current and the stored potential.
    pub(crate) fn arrival(&self, port: usize) -> (R, R) {
        let k = &self.powers[self.since];
        (k.arrival[port], k.shift[port])
    }

    /// One step of a block.
    #[inline(always)]
    pub(crate) fn update(
        &mut self,
        y: &mut [R],
        currents: [&mut [R]; 2],
        refractory: &mut Refractory<R>,
        step: i64,
        fired: &mut Vec<u32>,
    ) {
        let [ex, inh] = currents;
        refractory.release(step, |n, reset| y[n] = self.enter_potential(reset, [ex[n], inh[n]]));
        let k = self.powers[self.since + 1];
        self.since += 1;
        for chunk in 0..y.len() / CHUNK {
            if !crossed(
                &k.terms,
                self.threshold,
                chunk_of(y, chunk),
                chunk_of(ex, chunk),
                chunk_of(inh, chunk),
            ) {
                continue;
            }
            for group in chunk * CHUNK / GROUP..(chunk + 1) * CHUNK / GROUP {
                if !crossed(
                    &k.terms,
                    self.threshold,
                    group_of(y, group),
                    group_of(ex, group),
                    group_of(inh, group),
                ) {
                    continue;
                }
                for n in group * GROUP..(group + 1) * GROUP {
                    let x = k.terms[0] * y[n] + (k.terms[1] * ex[n] + k.terms[2] * inh[n]);
                    if x >= self.threshold && refractory.is_free(n, step) {
                        let reset = refractory.start(n, step);
                        let held = !refractory.is_free(n, step + 1);
                        y[n] = if held {
                            -R::of(f64::INFINITY)
                        } else {
                            self.enter_potential(reset, [ex[n], inh[n]])
                        };
                        fired.push(n as u32);
                    }
                }
            }
        }
        if self.since == self.steps() {
            self.since = 0;
            for (states, factor) in [y, ex, inh].into_iter().zip(self.period) {
                states.iter_mut().for_each(|x| *x *= factor);
            }
        }
    }

    /// The stored potential for a plain one, currents as stored.
    #[inline(always)]
    fn enter_potential(&self, v: R, stored: [R; 2]) -> R {
        let k = &self.powers[self.since];
        ((v - self.rest) - k.terms[1] * stored[0] - k.terms[2] * stored[1]) * k.inverse
    }
}

/// Neurons among which the one that crossed is looked for.
const GROUP: usize = 8;

#[inline(always)]
fn group_of<T>(states: &[T], group: usize) -> &[T; GROUP] {
    &states.as_chunks::<GROUP>().0[group]
}

/// Whether a lane reaches the threshold.
#[inline(always)]
fn crossed<R: Real, const N: usize>(
    terms: &[R; 3],
    threshold: R,
    y: &[R; N],
    ex: &[R; N],
    inh: &[R; N],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..N {
        let x = terms[0] * y[lane] + (terms[1] * ex[lane] + terms[2] * inh[lane]);
        any |= R::mask(x >= threshold);
    }
    any != R::Mask::default()
}
