//! A network as a file, from which it goes on as if it had never stopped.

use std::path::Path;

use ndarray::{Array1, ArrayView1};
use recordings::arrays::{ArrayFile, Npz};
use serde::{Deserialize, Serialize};

use super::network::TransientNet;
use super::sequence::Tracker;
use super::{
    AfferentParams, Afferents, DhanParams, LearningSignal, LinkLearning, LinkParams, Links, SignalParams,
};
use crate::{Error, Result};

const FORMAT: &str = "neuropil.transient-net/1";

/// The constants, as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Constants {
    format: String,
    dynamics: DhanParams,
    signal: SignalParams,
    afferents: Option<AfferentParams>,
    links: Option<LinkParams>,
}

impl TransientNet {
    /// Writes everything that the network's future depends on (npz).
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let constants = Constants {
            format: FORMAT.to_owned(),
            dynamics: self.params.clone(),
            signal: self.signal_params.clone(),
            afferents: self.afferents.as_ref().map(|a| a.params().clone()),
            links: self.link_learning.as_ref().map(|l| l.params().clone()),
        };
        // TOML writes and reads a number to its last bit.
        let constants = toml::to_string(&constants).map_err(|e| Error::file(path, e))?;
        let whole =
            |values: &mut dyn Iterator<Item = usize>| values.map(|v| v as i64).collect::<Array1<i64>>();
        let ends = self.cliques.iter().scan(0, |end, clique| {
            *end += clique.len();
            Some(*end)
        });
        // Absent: -1.
        let optional = |value: Option<u64>| value.map_or(-1, |v| v as i64);
        let flags = [
            self.steps as i64,
            optional(self.tracker.last.map(|c| c as u64)),
            i64::from(self.tracker.influenced),
            optional(self.shown),
        ];
        let levels = [self.signal.level(), self.quiet_since.unwrap_or(-1.0)];
        let flat = |values: &[f64]| Array1::from(values.to_vec()).into_dyn();
        let mut file = Npz::new()
            .text("constants", &[constants])
            .f64("x", flat(&self.x).view())
            .f64("phi", flat(&self.phi).view())
            .f64("weights", flat(self.links.weights()).view())
            .i64("offsets", whole(&mut self.links.offsets().iter().copied()).view().into_dyn())
            .i64("sources", whole(&mut self.links.sources().iter().map(|j| *j as usize)).view().into_dyn())
            .i64("clique_ends", whole(&mut ends.into_iter()).view().into_dyn())
            .i64("clique_sites", whole(&mut self.cliques.iter().flatten().copied()).view().into_dyn())
            .i64("flags", ArrayView1::from(&flags).into_dyn())
            .f64("levels", ArrayView1::from(&levels).into_dyn());
        if let Some(afferents) = &self.afferents {
            file = file
                .f64("afferents", afferents.weights().view().into_dyn())
                .f64("input", flat(afferents.input()).view());
        }
        if let Some(learning) = &self.link_learning {
            file = file.f64("short", flat(learning.short()).view()).f64("long", flat(learning.long()).view());
        }
        file.write(path).map_err(|e| Error::file(path, e))
    }

    /// Reads what [`TransientNet::save`] wrote.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read or is not such a state; errors of the constructors for values
    /// that no network has.
    pub fn resume(path: &Path) -> Result<Self> {
        let bad = |e: recordings::Error| Error::file(path, e);
        let file = ArrayFile::open(path).map_err(bad)?;
        let text = file.read_text("constants").map_err(bad)?;
        let constants: Constants = toml::from_str(text.first().map_or("", String::as_str))
            .map_err(|e| Error::file(path, format!("constants: {e}")))?;
        if constants.format != FORMAT {
            return Err(Error::file(path, format!("format {:?}, expected {FORMAT:?}", constants.format)));
        }
        let floats = |key: &str| file.read_f64_1(key).map(|a| a.to_vec()).map_err(bad);
        let sizes = |key: &str| -> Result<Vec<usize>> {
            let values = file.read_i64_1(key).map_err(bad)?;
            let fit = values.iter().map(|v| usize::try_from(*v)).collect::<std::result::Result<Vec<_>, _>>();
            fit.map_err(|_| Error::file(path, format!("{key}: a negative value")))
        };
        let sources = sizes("sources")?.into_iter().map(u32::try_from).collect::<std::result::Result<_, _>>();
        let sources = sources.map_err(|_| Error::file(path, "sources: a value of more than 32 bits"))?;
        let links = Links::from_parts(sizes("offsets")?, sources, floats("weights")?)?;
        let (ends, sites) = (sizes("clique_ends")?, sizes("clique_sites")?);
        let mut cliques = Vec::with_capacity(ends.len());
        let mut from = 0;
        for to in ends {
            let clique = sites.get(from..to);
            cliques.push(clique.ok_or_else(|| Error::file(path, "clique_ends: out of order"))?.to_vec());
            from = to;
        }
        let (x, phi) = (floats("x")?, floats("phi")?);
        let mut net =
            Self::from_state(links, cliques, constants.dynamics, &x, &phi)?.with_signal(constants.signal)?;
        if let Some(params) = constants.afferents {
            let weights = file.read_f64_2("afferents").map_err(bad)?;
            let mut afferents = Afferents::from_weights(&weights.view(), params)?;
            afferents.show(&floats("input")?)?;
            net = net.with_given_afferents(afferents)?;
        }
        if let Some(params) = constants.links {
            let learning = LinkLearning::from_parts(params, floats("short")?, floats("long")?, &net.links)?;
            net.link_learning = Some(learning);
        }
        let flags = file.read_i64_1("flags").map_err(bad)?.to_vec();
        let levels = floats("levels")?;
        let ([steps, last, influenced, shown], [level, quiet]) = (flags.as_slice(), levels.as_slice()) else {
            return Err(Error::file(path, "flags and levels: expected 4 and 2 values"));
        };
        let (Ok(steps), true) = (u64::try_from(*steps), (0.0..=1.0).contains(level)) else {
            return Err(Error::file(path, "flags and levels: out of range"));
        };
        net.steps = steps;
        let last = usize::try_from(*last).ok();
        if last.is_some_and(|clique| clique >= net.cliques.len()) {
            return Err(Error::file(path, "flags: a winner that is no clique"));
        }
        net.tracker = Tracker { last, influenced: *influenced != 0 };
        net.shown = u64::try_from(*shown).ok();
        net.signal = LearningSignal::new(*level);
        net.quiet_since = (*quiet >= 0.0).then_some(*quiet);
        Ok(net)
    }
}
