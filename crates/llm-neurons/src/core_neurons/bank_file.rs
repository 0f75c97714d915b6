//! A bank of clusters as a `.safetensors` file.

use std::path::Path;

use ndarray::{ArrayView1, arr1};
use recordings::arrays::{ArrayFile, Tensors};
use serde::{Deserialize, Serialize};

use super::ClusterBank;
use crate::{Error, Result};

/// Names the file's format.
const FORMAT: &str = "neuropil.cluster-bank/1";

/// What the file says of itself.
#[derive(Serialize, Deserialize)]
struct About {
    format: String,
    /// Hash of the model's tensors, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tensors_sha256: Option<String>,
}

impl ClusterBank {
    /// Writes the bank, whole or not at all: `centres [clusters, width]` and `alpha [1]` (f64); `units`, the lists of all
    /// clusters and layers one after the other, `offsets [clusters * layers + 1]` where each begins and the last ends,
    /// and `shape`, `[layers, width, layer, pattern]` (i64). The format's name, and the hash of the model where it is
    /// known, stand in the file's metadata.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let lists = || self.pools.iter().flatten();
        let units: Vec<i64> = lists().flatten().map(|u| *u as i64).collect();
        let ends = lists().scan(0_i64, |end, list| {
            *end += list.len() as i64;
            Some(*end)
        });
        let offsets: Vec<i64> = std::iter::once(0).chain(ends).collect();
        let shape = [self.layers(), self.width, self.layer, self.pattern].map(|n| n as i64);
        let about = About { format: FORMAT.to_owned(), tensors_sha256: self.model.clone() };
        let about = serde_json::to_string(&about).map_err(|e| Error::file(path, e))?;
        Tensors::new()
            .about(&about)
            .f64("centres", self.centres.view().into_dyn())
            .f64("alpha", arr1(&[self.alpha]).view().into_dyn())
            .i64("units", ArrayView1::from(&units).into_dyn())
            .i64("offsets", ArrayView1::from(&offsets).into_dyn())
            .i64("shape", arr1(&shape).view().into_dyn())
            .write(path)
            .map_err(|e| Error::file(path, e))
    }

    /// Reads a bank for a model of `layers` layers of `width` neurons.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, is damaged, or was made for another model.
    pub fn load(path: &Path, layers: usize, width: usize) -> Result<Self> {
        let file = ArrayFile::open(path).map_err(|e| Error::file(path, e))?;
        let about =
            file.about().ok_or_else(|| Error::file(path, "no cluster bank: it does not say what it is"))?;
        let about: About =
            serde_json::from_str(about).map_err(|e| Error::file(path, format!("no cluster bank: {e}")))?;
        if about.format != FORMAT {
            return Err(Error::file(path, format!("format {:?}, expected {FORMAT:?}", about.format)));
        }
        let whole = |key: &str| -> Result<Vec<usize>> {
            let values = file.read_i64_1(key).map_err(|e| Error::file(path, e))?;
            let whole: Option<Vec<usize>> = values.iter().map(|x| usize::try_from(*x).ok()).collect();
            whole.ok_or_else(|| Error::file(path, format!("{key}: a negative number")))
        };
        let shape = whole("shape")?;
        let [in_layers, in_width, layer, pattern] = shape[..] else {
            return Err(Error::file(path, format!("shape: {} numbers, not 4", shape.len())));
        };
        if (in_layers, in_width) != (layers, width) {
            let found = format!("made for {in_layers} layers of {in_width} neurons, not {layers} of {width}");
            return Err(Error::file(path, found));
        }
        let centres = file.read_f64_2("centres").map_err(|e| Error::file(path, e))?;
        if centres.ncols() != width {
            return Err(Error::file(path, format!("centres: {} neurons, not {width}", centres.ncols())));
        }
        let alpha = file.read_f64_1("alpha").map_err(|e| Error::file(path, e))?;
        let Some(alpha) = alpha.first().filter(|_| alpha.len() == 1) else {
            return Err(Error::file(path, format!("alpha: {} numbers, not 1", alpha.len())));
        };
        let (units, offsets) = (whole("units")?, whole("offsets")?);
        let lists = centres.nrows().saturating_mul(layers);
        let sound = offsets.first() == Some(&0)
            && offsets.last() == Some(&units.len())
            && offsets.len().checked_sub(1) == Some(lists)
            && offsets.windows(2).all(|w| w[0] <= w[1]);
        if !sound || layers == 0 {
            return Err(Error::file(path, "offsets do not cut units into the lists of clusters and layers"));
        }
        let all: Vec<Vec<usize>> = offsets.windows(2).map(|w| units[w[0]..w[1]].to_vec()).collect();
        let pools = all.chunks(layers).map(<[Vec<usize>]>::to_vec).collect();
        let bank = Self::new(layer, *alpha, pattern, centres, pools).map_err(|e| Error::file(path, e))?;
        Ok(match about.tensors_sha256 {
            Some(hash) => bank.of(&hash),
            None => bank,
        })
    }
}
