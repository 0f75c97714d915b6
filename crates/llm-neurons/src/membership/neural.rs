//! Every language model as the black box of membership inference.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use ndarray::Array2;
use probes::NoTaps;
use tensor_backend::bridge;

use super::scorer::{TokenScorer, TokenWindow, WindowScores};
use crate::language_model::LanguageModel;
use crate::model::Tokens;
use crate::score::{MOST_LOGITS, wide};
use crate::{Error, Result};

impl<M: LanguageModel> TokenScorer for M {
    fn vocabulary(&self) -> usize {
        LanguageModel::vocabulary(self)
    }

    fn longest_context(&self) -> usize {
        self.context().unwrap_or(usize::MAX)
    }

    fn score(
        &self,
        windows: &[TokenWindow<'_>],
        mut probability_sum: Option<&mut [f64]>,
    ) -> Result<Vec<WindowScores>> {
        let longest = windows.iter().map(|w| w.ids.len()).max().unwrap_or(1).max(1);
        let logits = longest.saturating_mul(LanguageModel::vocabulary(self)).max(1);
        let mut answers = Vec::with_capacity(windows.len());
        for some in windows.chunks((MOST_LOGITS / logits).max(1)) {
            answers.extend(batch(self, some, probability_sum.as_deref_mut())?);
        }
        Ok(answers)
    }
}

fn batch(
    model: &impl LanguageModel,
    windows: &[TokenWindow<'_>],
    probability_sum: Option<&mut [f64]>,
) -> Result<Vec<WindowScores>> {
    // The last token of a window is predicted and not read.
    let read: Vec<&[u32]> = windows.iter().map(|w| &w.ids[..w.ids.len().saturating_sub(1)]).collect();
    let time = read.iter().map(|ids| ids.len()).max().unwrap_or(0);
    let logits = model.read(&Tokens::padded(&read, false), None, &mut NoTaps)?;
    let logits = logits.ok_or(Error::Missing { what: "logits" })?;
    let [rows, _, vocabulary] = logits.dims();
    let logits = wide(logits.inner().reshape([rows * time, vocabulary]));
    let targets: Vec<i64> = (0..rows * time)
        .map(|i| windows[i / time].ids.get(i % time + 1).map_or(0, |id| i64::from(*id)))
        .collect();
    let targets: Tensor<2, Int> =
        Tensor::from_data(TensorData::new(targets, [rows * time, 1]), &logits.device());
    let logprobs = log_softmax(logits.clone(), 1);
    let host =
        |x: Tensor<2>| bridge::float_array::<f64, 2>(x.reshape([rows, time])).map_err(Error::from_tensor);
    let nll = host(logprobs.clone().gather(1, targets).neg())?;
    let pmax = host(logprobs.max_dim(1).exp())?;
    if let Some(sum) = probability_sum {
        let scored = |b: usize, t: usize| t + 1 >= windows[b].from && t + 1 < windows[b].ids.len();
        let weights =
            Array2::from_shape_fn((1, rows * time), |(_, i)| f64::from(u8::from(scored(i / time, i % time))));
        let dtype = match logits.dtype() {
            burn::tensor::DType::F64 => FloatDType::F64,
            _ => FloatDType::F32,
        };
        let weights: Tensor<2> =
            bridge::float_tensor(weights.view(), dtype, &logits.device()).map_err(Error::from_tensor)?;
        let total = weights.matmul(softmax(logits, 1));
        let total = bridge::float_array::<f64, 2>(total).map_err(Error::from_tensor)?;
        sum.iter_mut().zip(&total).for_each(|(s, p)| *s += p);
    }
    let some = |values: &Array2<f64>, b: usize| -> Vec<f32> {
        let window = &windows[b];
        (window.from.saturating_sub(1)..window.ids.len() - 1).map(|t| values[[b, t]] as f32).collect()
    };
    // Rounding may take a certain token's loss below zero; NaN stays NaN and is refused later.
    let losses = |b: usize| some(&nll, b).into_iter().map(|x| if x < 0.0 { 0.0 } else { x }).collect();
    Ok((0..windows.len()).map(|b| WindowScores { nll: losses(b), pmax: some(&pmax, b) }).collect())
}
