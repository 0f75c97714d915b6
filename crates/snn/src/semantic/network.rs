//! The network: its state, one step, what can be asked of it.

use ndarray::{Array2, ArrayView2};
use numerics::rng::stream;
use rand::RngExt;

use super::links::check_cliques;
use super::sequence::Tracker;
use super::{
    AfferentParams, Afferents, DhanParams, Gate, Integrator, LearningSignal, LinkLearning, LinkParams, Links,
    Response, SignalParams, maximal_cliques,
};
use crate::{Error, Result};

/// Activity never falls below this: at 0 a site could not be told from one that is not there.
pub(super) const LEAST_ACTIVITY: f64 = 1e-12;

/// A network of transient states: a sequence of winning cliques, without end and without input.
#[derive(Debug, Clone)]
pub struct TransientNet {
    pub(super) params: DhanParams,
    pub(super) signal_params: SignalParams,
    pub(super) cliques: Vec<Vec<usize>>,
    pub(super) links: Links,
    pub(super) x: Vec<f64>,
    pub(super) phi: Vec<f64>,
    pub(super) afferents: Option<Afferents>,
    pub(super) link_learning: Option<LinkLearning>,
    pub(super) signal: LearningSignal,
    pub(super) steps: u64,
    pub(super) tracker: Tracker,
    /// The pattern that was shown last.
    pub(super) shown: Option<u64>,
    /// Since when no site has been active.
    pub(super) quiet_since: Option<f64>,
    excitation: Response,
    inhibition: Response,
    /// Growth rates with input, as of the beginning of the last step.
    rates: Vec<f64>,
    scratch: Scratch,
}

/// Room for what a step computes.
#[derive(Debug, Clone, Default)]
struct Scratch {
    inhibitors: Vec<f64>,
    x: Vec<f64>,
    phi: Vec<f64>,
    dx: Vec<f64>,
    dphi: Vec<f64>,
    sum_x: Vec<f64>,
    sum_phi: Vec<f64>,
}

impl TransientNet {
    /// A network of these cliques with drawn weights. It starts with the first clique active (x 0.9, phi 1); other
    /// sites have x ~ U(0, 0.1) and phi ~ U(0, 1).
    ///
    /// # Errors
    /// Those of [`DhanParams::validate`] and [`Links::from_cliques`].
    pub fn from_cliques(n: usize, cliques: &[Vec<usize>], p: DhanParams, seed: u64) -> Result<Self> {
        p.validate()?;
        let links = Links::from_cliques(n, cliques, &p, seed)?;
        let mut draws = stream(seed, "semantic/start", 0);
        let x: Vec<f64> = (0..n).map(|_| 0.1 * draws.random::<f64>()).collect();
        let phi: Vec<f64> = (0..n).map(|_| draws.random()).collect();
        let mut net = Self::from_state(links, cliques.to_vec(), p, &x, &phi)?;
        net.kick(0)?;
        Ok(net)
    }

    /// A network of given weights `w[i][j]` (from `j` to `i`); its states are the maximal cliques of the links that
    /// hold at least two sites. It starts as [`TransientNet::from_cliques`] does.
    ///
    /// # Errors
    /// Those of [`DhanParams::validate`], [`Links::from_dense`] and [`maximal_cliques`]; [`Error::TooFew`] without a
    /// link.
    pub fn from_weights(w: &ArrayView2<'_, f64>, p: DhanParams, seed: u64) -> Result<Self> {
        p.validate()?;
        let links = Links::from_dense(w, p.symmetric)?;
        let mut cliques = maximal_cliques(&links.graph())?;
        cliques.retain(|clique| clique.len() > 1);
        let mut draws = stream(seed, "semantic/start", 0);
        let x: Vec<f64> = (0..w.nrows()).map(|_| 0.1 * draws.random::<f64>()).collect();
        let phi: Vec<f64> = (0..w.nrows()).map(|_| draws.random()).collect();
        let mut net = Self::from_state(links, cliques, p, &x, &phi)?;
        net.kick(0)?;
        Ok(net)
    }

    /// A network of given links and cliques in a given state.
    ///
    /// # Errors
    /// Those of [`DhanParams::validate`]; [`Error::TooFew`] or [`Error::Parameter`] for cliques that are none,
    /// [`Error::Shape`] for a state of another size, [`Error::Parameter`] for one outside \[0, 1\].
    pub fn from_state(
        links: Links,
        cliques: Vec<Vec<usize>>,
        p: DhanParams,
        x: &[f64],
        phi: &[f64],
    ) -> Result<Self> {
        p.validate()?;
        let n = links.sites();
        check_cliques(n, &cliques)?;
        for (what, values) in [("activity", x), ("reservoir", phi)] {
            if values.len() != n {
                return Err(Error::shape(what, format!("{n} values"), values.len()));
            }
            if let Some(i) = values.iter().position(|v| !(0.0..=1.0).contains(v)) {
                return Err(Error::parameter(format!("{what} of site {i}"), values[i], "between 0 and 1"));
            }
        }
        for clique in &cliques {
            for i in clique {
                let row = links.row(*i).0;
                if let Some(j) = clique.iter().find(|j| *j != i && row.binary_search(&(**j as u32)).is_err())
                {
                    return Err(Error::parameter(
                        format!("w[{i}][{j}]"),
                        0.0,
                        "a link: both are in one clique",
                    ));
                }
            }
        }
        if p.symmetric {
            links.check_symmetric()?;
        }
        let buffer = || vec![0.0; n];
        Ok(Self {
            excitation: Response::new(p.excitation_threshold, p.response_width, p.excitation_floor)?,
            inhibition: Response::new(p.inhibition_threshold, p.response_width, p.inhibition_floor)?,
            params: p,
            signal_params: SignalParams::default(),
            cliques,
            links,
            x: x.iter().map(|x| x.max(LEAST_ACTIVITY)).collect(),
            phi: phi.to_vec(),
            afferents: None,
            link_learning: None,
            signal: LearningSignal::default(),
            steps: 0,
            tracker: Tracker::default(),
            shown: None,
            quiet_since: None,
            rates: buffer(),
            scratch: Scratch {
                inhibitors: buffer(),
                x: buffer(),
                phi: buffer(),
                dx: buffer(),
                dphi: buffer(),
                sum_x: buffer(),
                sum_phi: buffer(),
            },
        })
    }

    /// With afferents of drawn weights.
    ///
    /// # Errors
    /// Those of [`Afferents::new`].
    pub fn with_afferents(mut self, p: AfferentParams, seed: u64) -> Result<Self> {
        self.afferents = Some(Afferents::new(self.sites(), p, seed)?);
        Ok(self)
    }

    /// With given afferents.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of sites.
    pub fn with_given_afferents(mut self, afferents: Afferents) -> Result<Self> {
        if afferents.drive().len() != self.sites() {
            return Err(Error::shape(
                "afferents",
                format!("{} sites", self.sites()),
                afferents.drive().len(),
            ));
        }
        self.afferents = Some(afferents);
        Ok(self)
    }

    /// With other constants of the learning signal.
    ///
    /// # Errors
    /// Those of [`SignalParams::validate`].
    pub fn with_signal(mut self, p: SignalParams) -> Result<Self> {
        p.validate()?;
        self.signal_params = p;
        Ok(self)
    }

    /// With links that learn.
    ///
    /// # Errors
    /// Those of [`LinkLearning::new`]; [`Error::Unsupported`] where links have to stay symmetric, as every site learns
    /// for itself.
    pub fn with_link_learning(mut self, p: LinkParams) -> Result<Self> {
        if self.params.symmetric {
            return Err(Error::Unsupported {
                what: "learning of symmetric links".to_owned(),
                why: "each site keeps its own sum of weights, so both directions of a link part".to_owned(),
            });
        }
        self.link_learning = Some(LinkLearning::new(p, &self.links)?);
        Ok(self)
    }

    /// Makes one clique active: x 0.9 and phi 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is no such clique.
    pub fn kick(&mut self, clique: usize) -> Result<()> {
        let count = self.cliques.len();
        let sites = self.cliques.get(clique);
        let sites = sites
            .ok_or_else(|| Error::parameter("clique", clique as f64, format!("one of {count}, from 0")))?;
        for i in sites {
            self.x[*i] = 0.9;
            self.phi[*i] = 1.0;
        }
        Ok(())
    }

    /// Changes what opens the plasticity of the afferents; nothing without afferents.
    ///
    /// # Errors
    /// Those of [`Afferents::set_gate`].
    pub fn set_gate(&mut self, gate: Gate) -> Result<()> {
        self.afferents.as_mut().map_or(Ok(()), |afferents| afferents.set_gate(gate))
    }

    /// One step; `Some` shows an input first, `None` leaves it as it is.
    ///
    /// # Errors
    /// [`Error::Shape`] for input without afferents or of another number, [`Error::Parameter`] for a value outside
    /// \[0, 1\]. The network is then as before.
    pub fn step(&mut self, input: Option<&[f64]>) -> Result<()> {
        if let Some(y) = input {
            match &mut self.afferents {
                Some(afferents) => afferents.show(y)?,
                None => return Err(Error::shape("input", "a network with afferents", "one without")),
            }
        }
        self.advance();
        Ok(())
    }

    /// One step with the input that is shown.
    pub(super) fn advance(&mut self) {
        let dt = self.params.dt;
        let decided = self.begin_step();
        match self.params.integrator {
            Integrator::Euler => self.euler(),
            Integrator::RungeKutta4 => self.runge_kutta(),
        }
        self.signal.step(decided, &self.signal_params, dt);
        self.tracker.influenced |= decided;
        if let Some(afferents) = &mut self.afferents {
            match afferents.params().gate {
                Gate::Off => {}
                Gate::Signal => afferents.learn(&self.x, self.params.active_level, self.signal.level(), dt),
                Gate::Constant(level) => afferents.learn(&self.x, self.params.active_level, level, dt),
            }
        }
        if let Some(learning) = &mut self.link_learning {
            learning.learn(&mut self.links, &self.x, self.params.active_level, dt);
        }
        self.steps += 1;
    }

    /// Growth rates of the present state, with input; whether input turned a site's decline into growth.
    fn begin_step(&mut self) -> bool {
        let Self { links, x, phi, rates, scratch, excitation, inhibition, params, .. } = self;
        growth(links, (excitation, inhibition), params.inhibition, (x, phi), &mut scratch.inhibitors, rates);
        let Some(afferents) = &self.afferents else { return false };
        let p = &self.signal_params;
        let mut decided = false;
        for ((rate, drive), x) in self.rates.iter_mut().zip(afferents.drive()).zip(&self.x) {
            let alone = *rate;
            *rate += drive;
            decided |= *drive > p.least_drive
                && alone < 0.0
                && *rate > 0.0
                && p.transition[0] < *x
                && *x < p.transition[1];
        }
        decided
    }

    fn euler(&mut self) {
        let p = &self.params;
        for ((x, phi), rate) in self.x.iter_mut().zip(&mut self.phi).zip(&self.rates) {
            *x = (*x + p.dt * slope(*x, *rate)).clamp(LEAST_ACTIVITY, 1.0);
            *phi += p.dt * filling(*x, *phi, p);
        }
    }

    fn runge_kutta(&mut self) {
        let Self { links, x, phi, rates, scratch, excitation, inhibition, params, afferents, .. } = self;
        let drive = afferents.as_ref().map(Afferents::drive);
        let Scratch { inhibitors, x: at_x, phi: at_phi, dx, dphi, sum_x, sum_phi } = scratch;
        at_x.copy_from_slice(x);
        at_phi.copy_from_slice(phi);
        sum_x.fill(0.0);
        sum_phi.fill(0.0);
        // Weight of each slope, and how far along it the next one is taken; the first has the rates of the step's start.
        for (stage, (weight, ahead)) in
            [(1.0 / 6.0, 0.5), (1.0 / 3.0, 0.5), (1.0 / 3.0, 1.0), (1.0 / 6.0, 0.0)].into_iter().enumerate()
        {
            if stage == 0 {
                dx.copy_from_slice(rates);
            } else {
                growth(links, (excitation, inhibition), params.inhibition, (at_x, at_phi), inhibitors, dx);
                if let Some(drive) = drive {
                    dx.iter_mut().zip(drive).for_each(|(rate, drive)| *rate += drive);
                }
            }
            for i in 0..x.len() {
                dphi[i] = filling(at_x[i], at_phi[i], params);
                dx[i] = slope(at_x[i], dx[i]);
                sum_x[i] += weight * dx[i];
                sum_phi[i] += weight * dphi[i];
                at_x[i] = (x[i] + ahead * params.dt * dx[i]).clamp(LEAST_ACTIVITY, 1.0);
                at_phi[i] = (phi[i] + ahead * params.dt * dphi[i]).clamp(0.0, 1.0);
            }
        }
        for i in 0..x.len() {
            x[i] = (x[i] + params.dt * sum_x[i]).clamp(LEAST_ACTIVITY, 1.0);
            phi[i] = (phi[i] + params.dt * sum_phi[i]).clamp(0.0, 1.0);
        }
    }

    /// Number of sites.
    #[must_use]
    pub fn sites(&self) -> usize {
        self.x.len()
    }

    /// The constants.
    #[must_use]
    pub fn params(&self) -> &DhanParams {
        &self.params
    }

    /// The cliques whose wins are counted.
    #[must_use]
    pub fn cliques(&self) -> &[Vec<usize>] {
        &self.cliques
    }

    /// The links.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The afferents, where there are any.
    #[must_use]
    pub fn afferents(&self) -> Option<&Afferents> {
        self.afferents.as_ref()
    }

    /// The learning of the links, where they learn.
    #[must_use]
    pub fn link_learning(&self) -> Option<&LinkLearning> {
        self.link_learning.as_ref()
    }

    /// Activities.
    #[must_use]
    pub fn activity(&self) -> &[f64] {
        &self.x
    }

    /// Reservoirs.
    #[must_use]
    pub fn reservoir(&self) -> &[f64] {
        &self.phi
    }

    /// The growth rates that the present state gives, with input.
    #[must_use]
    pub fn growth_rates(&self) -> Vec<f64> {
        let mut now = self.clone();
        now.begin_step();
        now.rates
    }

    /// The learning signal.
    #[must_use]
    pub fn signal(&self) -> LearningSignal {
        self.signal
    }

    /// The time that has passed.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.steps as f64 * self.params.dt
    }

    /// What may keep the network from doing what it should: cliques that share no site never hand over, and cliques
    /// that the links hold beside the given ones may win without being counted.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut said = Vec::new();
        if !super::overlapping(&self.cliques) {
            said.push("no two cliques share a site: none will ever hand over to another".to_owned());
        }
        if let Ok(all) = maximal_cliques(&self.links.graph()) {
            let mut named: Vec<Vec<usize>> = self.cliques.clone();
            named.iter_mut().for_each(|clique| clique.sort_unstable());
            let others = all.iter().filter(|c| c.len() > 1 && !named.contains(c)).count();
            if others > 0 {
                said.push(format!("the links hold {others} maximal cliques that are not counted as states"));
            }
        }
        said
    }

    /// The mean afferent weights of each clique's sites `[cliques, inputs]`; no columns without afferents.
    #[must_use]
    pub fn receptive_fields(&self) -> Array2<f64> {
        let Some(afferents) = &self.afferents else { return Array2::zeros((self.cliques.len(), 0)) };
        let weights = afferents.weights();
        let mut fields = Array2::zeros((self.cliques.len(), weights.ncols()));
        for (mut field, clique) in fields.rows_mut().into_iter().zip(&self.cliques) {
            for i in clique {
                field.scaled_add(1.0 / clique.len() as f64, &weights.row(*i));
            }
        }
        fields
    }
}

/// `r_i = f_w(phi_i) sum_j w_ij x_j - |z| (sum of f_z(phi_j) x_j over all sites but `i` and those linked to it)`.
fn growth(
    links: &Links,
    (excitation, inhibition): (&Response, &Response),
    strength: f64,
    (x, phi): (&[f64], &[f64]),
    inhibitors: &mut [f64],
    rates: &mut [f64],
) {
    let mut total = 0.0;
    for ((u, x), phi) in inhibitors.iter_mut().zip(x).zip(phi) {
        *u = inhibition.at(*phi) * x;
        total += *u;
    }
    for (i, rate) in rates.iter_mut().enumerate() {
        let (sources, weights) = links.row(i);
        let (mut excited, mut spared) = (0.0, inhibitors[i]);
        for (j, w) in sources.iter().zip(weights) {
            excited += w * x[*j as usize];
            spared += inhibitors[*j as usize];
        }
        // What is left of a difference of sums may be negative in its last digit.
        *rate = excitation.at(phi[i]) * excited - strength * (total - spared).max(0.0);
    }
}

#[inline]
fn slope(x: f64, rate: f64) -> f64 {
    if rate > 0.0 { (1.0 - x) * rate } else { x * rate }
}

#[inline]
fn filling(x: f64, phi: f64, p: &DhanParams) -> f64 {
    if x < p.active_level {
        p.filling_rate * (1.0 - phi) * (1.0 - x / p.active_level)
    } else {
        -p.depletion_rate * phi
    }
}
