//! RWKV-4 against its equations, one token after another, in double precision on the host: the channel mixing of the real
//! model does nothing, so that its published logits say nothing about it.

use burn::tensor::FloatDType;
use llm_neurons::LanguageModel;
use llm_neurons::model::Tokens;
use llm_neurons::recurrent::Rwkv;
use ndarray::{Array1, Array2, Array3};
use probes::{HookSet, Read};
use recordings::Site;
use tensor_backend::bridge::float_array;

use super::folders::{Weights, rwkv, write};

/// Logits and neurons of the order of 10 in 32-bit floats.
const SINGLE: f64 = 1e-4;

struct Host<'a>(&'a Weights);

impl Host<'_> {
    fn row(&self, name: &str) -> Array1<f64> {
        self.0[name].1.iter().map(|x| f64::from(*x)).collect()
    }

    fn product(&self, name: &str, x: &Array1<f64>) -> Array1<f64> {
        let (shape, values) = &self.0[name];
        let matrix =
            Array2::from_shape_fn((shape[0], shape[1]), |(i, j)| f64::from(values[i * shape[1] + j]));
        matrix.dot(x)
    }

    fn norm(&self, name: &str, x: &Array1<f64>) -> Array1<f64> {
        let centred = x - x.mean().unwrap();
        let deviation = (centred.mapv(|v| v * v).mean().unwrap() + 1e-5).sqrt();
        centred / deviation * self.row(&format!("{name}.weight")) + self.row(&format!("{name}.bias"))
    }

    fn mix(&self, name: &str, x: &Array1<f64>, before: &Array1<f64>) -> Array1<f64> {
        let m = self.row(name);
        x * &m + before * &(1.0 - &m)
    }

    /// Logits of each token, and the neurons of each block.
    fn read(&self, ids: &[u32]) -> (Array2<f64>, [Array2<f64>; 2]) {
        let sigmoid = |x: Array1<f64>| x.mapv(|v| 1.0 / (1.0 + (-v).exp()));
        let mut logits = Array2::zeros((ids.len(), 256));
        let mut neurons = [(); 2].map(|()| Array2::zeros((ids.len(), 12)));
        let mut seen: Vec<[Array1<f64>; 2]> = vec![[Array1::zeros(8), Array1::zeros(8)]; 2];
        // Every key and value so far: the average by its definition, not by its recurrence.
        let mut past: [Vec<(Array1<f64>, Array1<f64>)>; 2] = [Vec::new(), Vec::new()];
        for (t, id) in ids.iter().enumerate() {
            let all = self.row("emb.weight");
            let mut x: Array1<f64> = (0..8).map(|c| all[*id as usize * 8 + c]).collect();
            x = self.norm("blocks.0.ln0", &x);
            for l in 0..2 {
                let name = |part: &str| format!("blocks.{l}.{part}");
                let y = self.norm(&name("ln1"), &x);
                let part = |mix: &str, by: &str| {
                    let mixed = self.mix(&name(&format!("att.time_mix_{mix}")), &y, &seen[l][0]);
                    self.product(&name(&format!("att.{by}.weight")), &mixed)
                };
                let (k, v, r) = (part("k", "key"), part("v", "value"), sigmoid(part("r", "receptance")));
                let decay = self.row(&name("att.time_decay")).mapv(|d| -d.exp());
                let bonus = self.row(&name("att.time_first"));
                let own = (&k + &bonus).mapv(f64::exp);
                let (mut above, mut below) = (&own * &v, own);
                for (i, (k, v)) in past[l].iter().enumerate() {
                    let weight = (&decay * ((t - 1 - i) as f64) + k).mapv(f64::exp);
                    above = above + &weight * v;
                    below += &weight;
                }
                past[l].push((k, v));
                seen[l][0] = y;
                x = x + self.product(&name("att.output.weight"), &(r * above / below));
                let y = self.norm(&name("ln2"), &x);
                let mixed = |mix: &str| self.mix(&name(&format!("ffn.time_mix_{mix}")), &y, &seen[l][1]);
                let act = self.product(&name("ffn.key.weight"), &mixed("k")).mapv(|v| v.max(0.0).powi(2));
                let r = sigmoid(self.product(&name("ffn.receptance.weight"), &mixed("r")));
                neurons[l].row_mut(t).assign(&act);
                x = x + r * self.product(&name("ffn.value.weight"), &act);
                seen[l][1] = y;
            }
            logits.row_mut(t).assign(&self.product("head.weight", &self.norm("ln_out", &x)));
        }
        (logits, neurons)
    }
}

#[test]
fn rwkv_is_its_equations() {
    let (config, weights) = rwkv();
    let device = tensor_backend::DeviceSpec::Cpu.open().unwrap().device;
    let model = Rwkv::load(write(&config, &weights).path(), FloatDType::F32, &device).unwrap();
    let ids: Vec<u32> = (0..40).map(|i| (i * i * 7 + 3) % 256).collect();
    let (want, neurons) = Host(&weights).read(&ids);
    let mut hooks = HookSet::new();
    let reads = [0, 1].map(|l| hooks.read(Site::Act(l), Read::Full).unwrap());
    let got: Array3<f64> =
        float_array(model.read(&Tokens::one(&ids), None, &mut hooks).unwrap().unwrap()).unwrap();
    let worst = |got: &Array3<f64>, want: &Array2<f64>| {
        assert_eq!(got.len(), want.len());
        let scale = want.fold(1.0, |m: f64, x| m.max(x.abs()));
        got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale
    };
    assert!(worst(&got, &want) < SINGLE, "logits: {:e}", worst(&got, &want));
    for (read, want) in reads.into_iter().zip(&neurons) {
        let got: Array3<f64> = float_array(hooks.full(read).unwrap()).unwrap();
        assert!(want.iter().any(|x| *x > 1.0), "neurons that matter");
        assert!(worst(&got, want) < SINGLE, "neurons: {:e}", worst(&got, want));
    }
}
