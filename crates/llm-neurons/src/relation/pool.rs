//! A prompt's response: the mean over its tokens, without padding.

use ndarray::{Array1, Array2, ArrayView2, ArrayView3, Axis};

use crate::{Error, Result};

/// Mean over the tokens of one prompt, `values [tokens, units]`, that the mask keeps (all of them without a mask);
/// summed in double precision.
///
/// # Errors
/// [`Error::Shape`] for a mask of another length, [`Error::TooFew`] where no token is kept, [`Error::NotFinite`] for a
/// kept value that is none.
pub fn pool_mean(values: &ArrayView2<'_, f32>, mask: Option<&[bool]>) -> Result<Array1<f32>> {
    if let Some(mask) = mask.filter(|m| m.len() != values.nrows()) {
        return Err(Error::shape("mask of tokens", values.nrows(), mask.len()));
    }
    let mut sum = Array1::<f64>::zeros(values.ncols());
    let mut kept = 0_usize;
    for (t, row) in values.outer_iter().enumerate() {
        if mask.is_none_or(|m| m[t]) {
            kept += 1;
            sum.zip_mut_with(&row, |s, x| *s += f64::from(*x));
        }
    }
    if kept == 0 {
        return Err(Error::TooFew { what: "pooling: tokens that the mask keeps", needed: 1, found: 0 });
    }
    if let Some(column) = sum.iter().position(|s| !s.is_finite()) {
        let row = (0..values.nrows())
            .find(|t| mask.is_none_or(|m| m[*t]) && !values[(*t, column)].is_finite())
            .unwrap_or(0);
        let value = f64::from(values[(row, column)]);
        return Err(Error::NotFinite { what: "pooled values", row, column, value });
    }
    Ok(sum.mapv(|s| (s / kept as f64) as f32))
}

/// [`pool_mean`] of a batch, `values [prompts, tokens, units]` and `mask [prompts, tokens]`; `[prompts, units]`.
///
/// # Errors
/// Those of [`pool_mean`].
pub fn pool_means(values: &ArrayView3<'_, f32>, mask: &ArrayView2<'_, bool>) -> Result<Array2<f32>> {
    let (prompts, tokens, units) = values.dim();
    if mask.dim() != (prompts, tokens) {
        let (expected, found) = (format!("[{prompts}, {tokens}]"), format!("{:?}", mask.shape()));
        return Err(Error::shape("mask of prompts and tokens", expected, found));
    }
    let mut pooled = Array2::zeros((prompts, units));
    for (b, mut out) in pooled.outer_iter_mut().enumerate() {
        let kept = mask.index_axis(Axis(0), b).to_vec();
        out.assign(&pool_mean(&values.index_axis(Axis(0), b), Some(&kept))?);
    }
    Ok(pooled)
}
