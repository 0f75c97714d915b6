//! Reads and edits by site.

use std::collections::BTreeMap;
use std::fmt;

use burn::tensor::Tensor;
use ndarray::Array2;
use recordings::accumulate::{ActivationCounts, Moments, TopSamples};
use recordings::{Intervention, Positions, Site};
use tensor_backend::bridge;

use crate::edit::{Prepared, choose};
use crate::reading::Reader;
use crate::{Error, Read, Reading, Result, Span, Taps};

/// A read of a [`HookSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadHandle(usize);

type Map = Box<dyn FnMut(Tensor<3>, &Span) -> std::result::Result<Tensor<3>, String> + Send>;

enum Hook {
    Edit(Box<(Intervention, Option<Prepared>)>),
    Map(Positions, Map),
    Read(usize),
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(edit) => f.debug_tuple("Edit").field(&edit.0).finish(),
            Self::Map(positions, _) => f.debug_tuple("Map").field(positions).finish_non_exhaustive(),
            Self::Read(index) => f.debug_tuple("Read").field(index).finish(),
        }
    }
}

/// Reads and edits, in the order in which they were registered at each site: a read sees the edits before it.
///
/// It stays in place over any number of forward calls, with a cache too: [`Positions::Last`] is then the newest token of
/// each call, [`Positions::From`] counts from the start of the sequence.
#[derive(Debug, Default)]
pub struct HookSet {
    sites: BTreeMap<Site, Vec<Hook>>,
    readers: Vec<(Site, Reader)>,
    stop_after: Option<usize>,
}

impl HookSet {
    /// No hooks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is read, edited or cut short.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.stop_after.is_none()
    }

    /// The sites that are read or edited.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.keys()
    }

    /// Reads a site from now on.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no samples at all.
    pub fn read(&mut self, site: Site, read: Read) -> Result<ReadHandle> {
        let reader = Reader::new(read)?;
        self.readers.push((site.clone(), reader));
        let handle = self.readers.len() - 1;
        self.sites.entry(site).or_default().push(Hook::Read(handle));
        Ok(ReadHandle(handle))
    }

    /// Edits a site from now on.
    ///
    /// # Errors
    /// Those of [`Intervention::validate`] that need no width; the others come when the site is reached.
    pub fn edit(&mut self, edit: Intervention) -> Result<()> {
        edit.validate(usize::MAX).or_else(|e| match &edit.edit {
            // Its length is the width.
            recordings::Edit::AddVector { vector } => edit.validate(vector.len()),
            _ => Err(e),
        })?;
        self.sites.entry(edit.site.clone()).or_default().push(Hook::Edit(Box::new((edit, None))));
        Ok(())
    }

    /// Edits a site by a closure, which sees the whole tensor; where it changed other positions than these, its changes
    /// are dropped.
    pub fn map(
        &mut self,
        site: Site,
        positions: Positions,
        map: impl FnMut(Tensor<3>, &Span) -> std::result::Result<Tensor<3>, String> + Send + 'static,
    ) {
        self.sites.entry(site).or_default().push(Hook::Map(positions, Box::new(map)));
    }

    /// Runs no block after this one, nor the final norm and the head.
    pub fn stop_after(&mut self, block: usize) {
        self.stop_after = Some(block);
    }

    /// What a read holds.
    ///
    /// # Errors
    /// [`Error::Site`] when the site was never reached, [`Error::Tensor`] from the device.
    pub fn reading(&mut self, handle: ReadHandle) -> Result<&Reading> {
        let Some((site, reader)) = self.readers.get_mut(handle.0) else {
            return Err(Error::Parameter {
                name: "handle",
                value: handle.0.to_string(),
                expected: "one of this hook set's",
            });
        };
        let site = site.to_string();
        reader.reading()?.ok_or_else(|| Error::Site { site, why: "no forward call reached it".to_owned() })
    }

    /// The counts of [`Read::CountPositive`].
    ///
    /// # Errors
    /// Those of [`HookSet::reading`]; [`Error::Reading`] for another read.
    pub fn counts(&mut self, handle: ReadHandle) -> Result<&ActivationCounts> {
        match self.reading(handle)? {
            Reading::Counts(counts) => Ok(counts),
            other => Err(Self::other(other, "counts")),
        }
    }

    /// The moments of [`Read::Moments`].
    ///
    /// # Errors
    /// Those of [`HookSet::reading`]; [`Error::Reading`] for another read.
    pub fn moments(&mut self, handle: ReadHandle) -> Result<&Moments> {
        match self.reading(handle)? {
            Reading::Moments(moments) => Ok(moments),
            other => Err(Self::other(other, "moments")),
        }
    }

    /// The exemplars of [`Read::TopSamples`].
    ///
    /// # Errors
    /// Those of [`HookSet::reading`]; [`Error::Reading`] for another read.
    pub fn top_samples(&mut self, handle: ReadHandle) -> Result<&TopSamples> {
        match self.reading(handle)? {
            Reading::TopSamples(top) => Ok(top),
            other => Err(Self::other(other, "top samples")),
        }
    }

    /// The whole tensor of [`Read::Full`]; with a cache, the calls' tokens one after another.
    ///
    /// # Errors
    /// Those of [`HookSet::reading`]; [`Error::Reading`] for another read, [`Error::Shape`] when the calls differ in
    /// their number of sequences.
    pub fn full(&mut self, handle: ReadHandle) -> Result<Tensor<3>> {
        match self.reading(handle)? {
            Reading::Full(tensors) => {
                let batch = tensors.first().map_or(0, |t| t.dims()[0]);
                if let Some(other) = tensors.iter().find(|t| t.dims()[0] != batch) {
                    return Err(Error::Shape {
                        what: "reads of several calls".to_owned(),
                        expected: format!("{batch} sequences in each"),
                        found: format!("{} in one", other.dims()[0]),
                    });
                }
                Ok(Tensor::cat(tensors.clone(), 1))
            }
            other => Err(Self::other(other, "whole tensors")),
        }
    }

    /// The rows of [`Read::LastToken`] or [`Read::MeanOverTokens`], `[sequences, units]`, of all calls.
    ///
    /// # Errors
    /// Those of [`HookSet::reading`]; [`Error::Reading`] for another read.
    pub fn rows(&mut self, handle: ReadHandle) -> Result<Array2<f64>> {
        match self.reading(handle)? {
            Reading::Rows(rows) => Ok(bridge::float_array::<f64, 2>(Tensor::cat(rows.clone(), 0))?),
            other => Err(Self::other(other, "rows of units")),
        }
    }

    /// Forgets what was read; edits stay.
    pub fn clear_readings(&mut self) {
        for (_, reader) in &mut self.readers {
            reader.reset();
        }
    }

    fn other(found: &Reading, expected: &'static str) -> Error {
        Error::Reading { site: "this hook".to_owned(), expected, found: found.kind() }
    }
}

impl Taps for HookSet {
    fn tap(&mut self, site: Site, x: Tensor<3>, span: &Span) -> Result<Tensor<3>> {
        // The whole cost of a set without hooks.
        if self.sites.is_empty() {
            return Ok(x);
        }
        let Some(hooks) = self.sites.get_mut(&site) else { return Ok(x) };
        let mut x = x;
        for hook in hooks {
            x = match hook {
                Hook::Read(reader) => self.readers[*reader].1.observe(x, span)?,
                Hook::Edit(hook) => {
                    let (edit, prepared) = &mut **hook;
                    let ready = match prepared.take().filter(|p| p.fits(&x)) {
                        Some(ready) => ready,
                        None => {
                            edit.validate(x.dims()[2])?;
                            Prepared::new(edit, &x)?
                        }
                    };
                    let changed = ready.apply(x, span)?;
                    *prepared = Some(ready);
                    changed
                }
                Hook::Map(positions, map) => {
                    let mask = span.mask(*positions);
                    let before = mask.is_some().then(|| x.clone());
                    let shape = x.dims();
                    let changed =
                        map(x, span).map_err(|message| Error::Map { site: site.to_string(), message })?;
                    if changed.dims() != shape {
                        return Err(Error::Shape {
                            what: format!("edit at {site}"),
                            expected: format!("{shape:?}"),
                            found: format!("{:?}", changed.dims()),
                        });
                    }
                    match (mask, before) {
                        (Some(mask), Some(before)) => choose(mask, before, changed)?,
                        _ => changed,
                    }
                }
            };
        }
        Ok(x)
    }

    fn stop_after(&self) -> Option<usize> {
        self.stop_after
    }

    fn wants(&self, site: &Site) -> bool {
        self.sites.contains_key(site)
    }
}
