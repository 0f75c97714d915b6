//! Reading and setting what a network holds: state variables, weights, and what acts on weights.

use sha2::Digest;

use super::lane::Kind;
use super::network::{Network, Population, Projection};
use super::plasticity::{Homeostasis, PlasticProjection};
use super::real::Real;
use super::synapses::{Shared, SynapseTable};
use super::values::Values;
use crate::{Error, Result};

impl<R: Real> Network<R> {
    /// Sets a state variable of all neurons of a population.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network or a variable; those of [`Values::resolve`].
    pub fn set(&mut self, population: Population, variable: &str, values: impl Into<Values>) -> Result<()> {
        let (entry, index) = self.variable(population, variable)?;
        let purpose = format!("initial {}.{variable}", entry.name);
        let all = values.into().resolve(entry.size, self.config.seed, &purpose)?;
        for lane in &mut self.lanes {
            let group = &mut lane.groups[population.0];
            for (local, n) in group.range.clone().enumerate() {
                group.block.write(index, local, R::of(all[n]));
            }
        }
        Ok(())
    }

    /// A state variable of all neurons of a population, as it is now.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a population of another network or a variable.
    pub fn get(&self, population: Population, variable: &str) -> Result<Vec<f64>> {
        let (entry, index) = self.variable(population, variable)?;
        let mut all = Vec::with_capacity(entry.size);
        for lane in &self.lanes {
            let group = &lane.groups[population.0];
            all.extend((0..group.range.len()).map(|n| group.block.read(index, n).to_f64()));
        }
        Ok(all)
    }

    /// The synapses of a projection as they are now.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a projection of another network.
    pub fn synapse_table(&self, projection: Projection) -> Result<SynapseTable> {
        self.table(projection, None)
    }

    /// As [`Network::synapse_table`], with a variable of the plasticity rule in the place of the weight.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Unsupported`] for a projection without plasticity, [`Error::Parameter`] for a variable
    /// that the rule does not have.
    pub fn synapse_variable(&self, projection: Projection, variable: usize) -> Result<SynapseTable> {
        self.table(projection, Some(variable))
    }

    /// Sets the weights of a projection: `weight(source, target, delay in steps, old weight)`.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Parameter`] for a weight that is not finite; [`Error::Unsupported`] for a projection that
    /// was built with one weight for all.
    pub fn set_weights(
        &mut self,
        projection: Projection,
        mut weight: impl FnMut(u32, u32, u16, f64) -> f64,
    ) -> Result<()> {
        self.projection_entry(projection)?;
        let mut bad = None;
        let mut new = |source: u32, target: u32, delay: u16, old: R| {
            let w = weight(source, target, delay, old.to_f64());
            if !w.is_finite() {
                bad = Some(w);
                return old;
            }
            R::of(w)
        };
        for lane in &mut self.lanes {
            let part = &mut lane.projections[projection.0];
            let start = lane.groups[part.post].range.start as u32;
            match &mut part.kind {
                Kind::Plastic(plastic) => plastic.assign(&mut new),
                Kind::Direct { rows, .. } | Kind::Ring { rows, .. } => {
                    let places: Vec<_> = (0..rows.cells.len()).map(|i| rows.place(i)).collect();
                    let sources = rows.starts.windows(2).enumerate();
                    let source_of: Vec<u32> = sources
                        .flat_map(|(s, w)| std::iter::repeat_n(s as u32, (w[1] - w[0]) as usize))
                        .collect();
                    let Shared::Each(weights) = &mut rows.weights else {
                        return Err(Error::Unsupported {
                            what: "setting weights".to_owned(),
                            why: "the projection was built with one weight for all".to_owned(),
                        });
                    };
                    for (i, w) in weights.iter_mut().enumerate() {
                        let (delay, target) = places[i];
                        *w = new(source_of[i], start + target, delay, *w);
                    }
                }
            }
        }
        bad.map_or(Ok(()), |w| Err(Error::parameter("weight", w, "finite")))
    }

    /// Regulates the weights of a plastic projection.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a projection without plasticity ([`Fixed`](super::plasticity::Fixed) will do) and once the
    /// network has run; those of [`Homeostasis::validate`].
    pub fn regulate(&mut self, projection: Projection, homeostasis: Homeostasis) -> Result<()> {
        self.still_open("homeostasis")?;
        homeostasis.validate()?;
        let interval = self.interval_steps(homeostasis.interval_ms())?;
        self.each_plastic(projection, |plastic| {
            plastic.homeostasis(homeostasis, interval);
            Ok(())
        })?;
        self.structure.update(format!("{projection:?} {homeostasis:?}\n"));
        Ok(())
    }

    /// Rewards the synapses of a projection with reward-modulated plasticity, now.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another projection; [`Error::Parameter`] for an amount that is not finite.
    pub fn reward(&mut self, projection: Projection, amount: f64) -> Result<()> {
        if !amount.is_finite() {
            return Err(Error::parameter("reward", amount, "finite"));
        }
        let step = self.step;
        self.each_plastic(projection, |plastic| plastic.reward(step, amount))
    }

    /// Stops (or resumes) the changes of a plastic projection.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a projection without plasticity.
    pub fn freeze(&mut self, projection: Projection, frozen: bool) -> Result<()> {
        self.each_plastic(projection, |plastic| {
            plastic.freeze(frozen);
            Ok(())
        })
    }

    fn table(&self, projection: Projection, variable: Option<usize>) -> Result<SynapseTable> {
        let entry = self.projection_entry(projection)?;
        let mut by_source = vec![SynapseTable::default(); self.populations[entry.pre].size];
        for lane in &self.lanes {
            let part = &lane.projections[projection.0];
            let start = lane.groups[part.post].range.start as u32;
            match (&part.kind, variable) {
                (Kind::Plastic(plastic), variable) => plastic.read(self.step, variable, &mut by_source)?,
                (_, Some(_)) => return Err(not_plastic()),
                (Kind::Direct { rows, .. } | Kind::Ring { rows, .. }, None) => {
                    for (source, table) in by_source.iter_mut().enumerate() {
                        for i in rows.row(source as u32) {
                            let (delay, target) = rows.place(i);
                            table.source.push(source as u32);
                            table.target.push(start + target);
                            table.delay_steps.push(delay);
                            table.weight.push(rows.weights.at(i).to_f64());
                        }
                    }
                }
            }
        }
        let mut all = SynapseTable::default();
        for row in by_source {
            // Threads come one after the other; within each the order is that of delay and target.
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by_key(|i| (row.delay_steps[*i], row.target[*i]));
            all.source.extend(order.iter().map(|i| row.source[*i]));
            all.target.extend(order.iter().map(|i| row.target[*i]));
            all.delay_steps.extend(order.iter().map(|i| row.delay_steps[*i]));
            all.weight.extend(order.iter().map(|i| row.weight[*i]));
        }
        Ok(all)
    }

    fn each_plastic(
        &mut self,
        projection: Projection,
        mut f: impl FnMut(&mut dyn PlasticProjection<R>) -> Result<()>,
    ) -> Result<()> {
        self.projection_entry(projection)?;
        for lane in &mut self.lanes {
            match &mut lane.projections[projection.0].kind {
                Kind::Plastic(plastic) => f(plastic.as_mut())?,
                _ => return Err(not_plastic()),
            }
        }
        Ok(())
    }
}

fn not_plastic() -> Error {
    Error::Unsupported {
        what: "this on a projection without plasticity".to_owned(),
        why: "connect it with connect_plastic".to_owned(),
    }
}
