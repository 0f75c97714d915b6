//! How far a model's tensors lie from a reference's, site by site, and where it leaves it.

use ndarray::{Array2, ArrayD};
use probes::{HookSet, Read};
use recordings::Site;
use recordings::arrays::ArrayFile;
use tensor_backend::bridge;

use crate::model::{Forward, HookedLm, Tokens};
use crate::{Error, Result};

/// A site's distance from the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteParity {
    /// The site.
    pub site: Site,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Euclidean norm of the difference over that of the reference.
    pub relative: f64,
    /// Cosine of the angle between the two.
    pub cosine: f64,
}

/// All sites, in the order in which a forward pass reaches them.
#[derive(Debug, Clone, PartialEq)]
pub struct Parity {
    /// One entry for each tensor of the reference that names a site.
    pub sites: Vec<SiteParity>,
    /// The first site whose relative difference is above the tolerance.
    pub first_divergence: Option<Site>,
    /// Names in the reference that name no site of this model.
    pub unread: Vec<String>,
}

/// The site that a name in a dump stands for: `embed`, `resid_post.3`, `final_norm` and `logits` as this program writes
/// them, a site's own form (`ResidPost(3)`), `layer3.mlp.down_in`, or `hf_hidden_states.0`.
#[must_use]
pub fn site_of(name: &str, layers: usize) -> Option<Site> {
    match name {
        "embed" | "hf_hidden_states.0" => return Some(Site::Embed),
        "final_norm" => return Some(Site::FinalNorm),
        "logits" => return Some(Site::Logits),
        "hf_hidden_states.penultimate" => return layers.checked_sub(2).map(Site::ResidPost),
        _ => {}
    }
    if let Some(number) = name.strip_prefix("hf_hidden_states.") {
        // The last entry is after the final norm.
        return number.parse::<usize>().ok().and_then(|n| match n {
            n if n == layers => Some(Site::FinalNorm),
            n if n > 0 && n < layers => Some(Site::ResidPost(n - 1)),
            _ => None,
        });
    }
    let (part, layer) = match name.strip_prefix("layer").and_then(|rest| rest.split_once('.')) {
        Some((layer, part)) => (part.trim_start_matches("mlp."), layer),
        None => match name.rsplit_once('.') {
            Some(pair) => pair,
            None => {
                return name.parse().ok().filter(|site| !matches!(site, Site::Module(_)));
            }
        },
    };
    let layer: usize = layer.parse().ok().filter(|l| *l < layers)?;
    Some(match part {
        "resid_pre" => Site::ResidPre(layer),
        "attn_out" => Site::AttnOut(layer),
        "resid_mid" => Site::ResidMid(layer),
        "mlp_in" => Site::MlpIn(layer),
        "gate_out" => Site::GateOut(layer),
        "up_out" => Site::UpOut(layer),
        "act" => Site::Act(layer),
        "down_in" | "mlp_act" => Site::DownIn(layer),
        "down_out" => Site::DownOut(layer),
        "resid_post" => Site::ResidPost(layer),
        _ => return None,
    })
}

/// The place of a site in a forward pass.
fn order(site: &Site) -> (usize, usize) {
    match site {
        Site::Embed => (0, 0),
        Site::ResidPre(l) => (l + 1, 0),
        Site::AttnOut(l) => (l + 1, 1),
        Site::ResidMid(l) => (l + 1, 2),
        Site::MlpIn(l) => (l + 1, 3),
        Site::GateOut(l) => (l + 1, 4),
        Site::UpOut(l) => (l + 1, 5),
        Site::Act(l) => (l + 1, 6),
        Site::DownIn(l) => (l + 1, 7),
        Site::DownOut(l) => (l + 1, 8),
        Site::ResidPost(l) => (l + 1, 9),
        Site::FinalNorm => (usize::MAX, 0),
        _ => (usize::MAX, 1),
    }
}

/// Runs a model on the reference's `input_ids` and compares every tensor whose name is a site.
///
/// # Errors
/// [`Error::Missing`] for a reference without `input_ids` or without a site; [`Error::Shape`] for a tensor of another
/// shape; [`Error::Parameter`] for a tolerance that is no positive number; those of [`HookedLm::forward`].
pub fn parity(model: &HookedLm, reference: &ArrayFile, tolerance: f64) -> Result<Parity> {
    if !(tolerance.is_finite() && tolerance > 0.0) {
        return Err(Error::Parameter { name: "tolerance", value: tolerance, expected: "a positive number" });
    }
    let tokens = Tokens::new(input_ids(reference)?);
    let (mut reads, mut unread) = (Vec::new(), Vec::new());
    let mut hooks = HookSet::new();
    for key in reference.keys().into_iter().filter(|k| *k != "input_ids") {
        match site_of(key, model.config().layers).filter(|site| model.width(site).is_some()) {
            Some(site) => reads.push((key.to_owned(), site.clone(), hooks.read(site, Read::Full)?)),
            None => unread.push(key.to_owned()),
        }
    }
    if reads.is_empty() {
        return Err(Error::Missing { what: "a tensor of the reference whose name is a site of the model" });
    }
    model.forward(&tokens, Forward::default(), &mut hooks)?;
    let mut sites = Vec::with_capacity(reads.len());
    for (key, site, read) in reads {
        let want = reference.get(&key).and_then(|a| a.to_f64()).map_err(Error::from_recording)?;
        let got = bridge::float_array::<f64, 3>(hooks.full(read)?).map_err(Error::from_tensor)?.into_dyn();
        sites.push(compare(site, &got, &want)?);
    }
    sites.sort_by_key(|s| order(&s.site));
    let first = sites.iter().find(|s| s.relative.is_nan() || s.relative > tolerance);
    Ok(Parity { first_divergence: first.map(|s| s.site.clone()), sites, unread })
}

/// The reference's tokens, `[batch, time]` or one sequence.
fn input_ids(reference: &ArrayFile) -> Result<Array2<u32>> {
    if !reference.keys().contains(&"input_ids") {
        return Err(Error::Missing { what: "input_ids of the reference" });
    }
    let ids = reference.read_i64_2("input_ids").or_else(|_| {
        let row = reference.read_i64_1("input_ids")?;
        Ok(Array2::from_shape_fn((1, row.len()), |(_, t)| row[t]))
    });
    let ids = ids.map_err(Error::from_recording)?;
    token_ids(&ids)
}

/// Whole numbers as token ids.
///
/// # Errors
/// [`Error::Parameter`] for a number below 0 or beyond 32 bits.
pub fn token_ids(ids: &Array2<i64>) -> Result<Array2<u32>> {
    match ids.iter().find(|id| u32::try_from(**id).is_err()) {
        Some(id) => {
            Err(Error::Parameter { name: "token id", value: *id as f64, expected: "from 0 to 2^32 - 1" })
        }
        None => Ok(ids.mapv(|id| u32::try_from(id).unwrap_or_default())),
    }
}

fn compare(site: Site, got: &ArrayD<f64>, want: &ArrayD<f64>) -> Result<SiteParity> {
    let squeezed = |shape: &[usize]| shape.iter().copied().filter(|n| *n != 1).collect::<Vec<usize>>();
    if squeezed(got.shape()) != squeezed(want.shape()) {
        return Err(Error::Shape {
            what: "tensor of the reference",
            expected: format!("{:?} at {site}", got.shape()),
            found: format!("{:?}", want.shape()),
        });
    }
    let (mut max_abs, mut difference, mut a, mut b, mut dot) = (0.0_f64, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in got.iter().zip(want) {
        let d = x - y;
        max_abs = if d.is_nan() { f64::NAN } else { max_abs.max(d.abs()) };
        difference += d * d;
        a += x * x;
        b += y * y;
        dot += x * y;
    }
    let share = |x: f64, of: f64| if x == 0.0 { 0.0 } else { x / of };
    let cosine = if a == 0.0 && b == 0.0 { 1.0 } else { dot / (a * b).sqrt() };
    Ok(SiteParity { site, max_abs, relative: share(difference, b).sqrt(), cosine })
}
