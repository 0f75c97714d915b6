//! The transformer against what Hugging Face's implementation printed, for six architectures, on every backend.

use std::path::{Path, PathBuf};

use burn::tensor::{FloatDType, Tensor};
use llm_neurons::model::{Forward, Head, HookedLm, KvCache, LmConfig, Tokens, WeightFiles};
use ndarray::{Array2, Array3, ArrayView3, Axis};
use probes::{HookSet, NoTaps, Read};
use recordings::arrays::ArrayFile;
use recordings::{Edit, Intervention, Positions, Site};
use tensor_backend::Backend;
use tensor_backend::bridge::float_array;
use tensor_backend::harness::TestDevice;

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];

/// Sheet 00-A: activations and logits within 2e-4, in 32-bit floats.
const REFERENCE: f64 = 2e-4;

/// Cached decoding against the whole text: 1e-4, and 1e-3 on a GPU.
fn cached(on: &TestDevice) -> f64 {
    if on.backend() == Backend::Cpu { 1e-4 } else { 1e-3 }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers")
}

fn model(name: &str, on: &TestDevice) -> HookedLm {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.config.json"))).unwrap();
    let files = WeightFiles::open_file(&fixtures().join(format!("{name}.model.safetensors"))).unwrap();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, on.device()).unwrap()
}

fn expected(name: &str) -> ArrayFile {
    ArrayFile::open(&fixtures().join(format!("{name}.expected.safetensors"))).unwrap()
}

fn ids(file: &ArrayFile, key: &str) -> Array2<u32> {
    file.read_i64_2(key).unwrap().mapv(|x| u32::try_from(x).unwrap())
}

fn host(x: Tensor<3>) -> Array3<f64> {
    float_array::<f64, 3>(x).unwrap()
}

fn close(what: &str, got: &ArrayView3<'_, f64>, want: &ArrayView3<'_, f64>, within: f64) {
    assert_eq!(got.dim(), want.dim(), "{what}");
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= within, "{what}: off by {worst:e}, allowed {within:e}");
}

fn logits(model: &HookedLm, tokens: &Tokens, hooks: &mut HookSet) -> Array3<f64> {
    host(model.forward(tokens, Forward::default(), hooks).unwrap().unwrap())
}

tensor_backend::cross_backend_tests! {
    fn every_site_of_six_architectures_matches_the_reference(on: &TestDevice) {
        for name in crate::FAMILIES {
            let (model, file) = (crate::model(name, on), crate::expected(name));
            let tokens = crate::Tokens::new(crate::ids(&file, "input_ids"));
            let mut sites = vec![
                ("logits".to_owned(), crate::Site::Logits),
                ("hf_hidden_states.0".to_owned(), crate::Site::Embed),
                ("hf_hidden_states.penultimate".to_owned(), crate::Site::ResidPost(0)),
                ("hf_hidden_states.2".to_owned(), crate::Site::FinalNorm),
            ];
            for l in 0..2 {
                sites.push((format!("layer{l}.attn_out"), crate::Site::AttnOut(l)));
                sites.push((format!("layer{l}.resid_post"), crate::Site::ResidPost(l)));
                sites.push((format!("layer{l}.mlp.up_out"), crate::Site::UpOut(l)));
                sites.push((format!("layer{l}.mlp.down_in"), crate::Site::DownIn(l)));
                sites.push((format!("layer{l}.mlp.down_out"), crate::Site::DownOut(l)));
                if model.config().gated {
                    sites.push((format!("layer{l}.mlp.gate_out"), crate::Site::GateOut(l)));
                }
            }
            let mut hooks = crate::HookSet::new();
            let reads: Vec<_> =
                sites.into_iter().map(|(key, site)| (key, hooks.read(site, crate::Read::Full).unwrap())).collect();
            crate::logits(&model, &tokens, &mut hooks);
            for (key, read) in reads {
                let got = crate::host(hooks.full(read).unwrap());
                let want = file.read_f64_3(&key).unwrap();
                crate::close(&format!("{name} {key}"), &got.view(), &want.view(), crate::REFERENCE);
            }
        }
    }

    fn edits_change_the_logits_as_in_the_reference(on: &TestDevice) {
        use crate::{Edit, Intervention, Positions, Site};
        for name in crate::FAMILIES {
            let (model, file) = (crate::model(name, on), crate::expected(name));
            let tokens = crate::Tokens::new(crate::ids(&file, "input_ids"));
            let steer = file.read_f64_1("steer_vector").unwrap().to_vec();
            let add = Intervention {
                site: Site::ResidPost(0),
                edit: Edit::AddVector { vector: steer },
                positions: Positions::Last,
            };
            let cases = [
                ("logits.ablate_down_in", vec![
                    Intervention::drop_units(Site::DownIn(0), vec![3, 7, 20]),
                    Intervention::drop_units(Site::DownIn(1), vec![1]),
                ]),
                ("logits.zero_linear_out", vec![
                    Intervention::drop_units(Site::UpOut(0), vec![5]),
                    Intervention::drop_units(Site::DownOut(1), vec![2]),
                ]),
                ("logits.steer_last", vec![add]),
            ];
            for (key, edits) in cases {
                let mut hooks = crate::HookSet::new();
                edits.into_iter().for_each(|edit| hooks.edit(edit).unwrap());
                let got = crate::logits(&model, &tokens, &mut hooks);
                let want = file.read_f64_3(key).unwrap();
                crate::close(&format!("{name} {key}"), &got.view(), &want.view(), crate::REFERENCE);
            }
        }
    }

    fn greedy_decoding_with_a_cache_gives_the_reference_text_and_the_logits_of_the_whole(on: &TestDevice) {
        for name in crate::FAMILIES {
            let (model, file) = (crate::model(name, on), crate::expected(name));
            let want = crate::ids(&file, "greedy_ids");
            let whole = crate::host(model.logits(&crate::Tokens::new(want.clone())).unwrap());
            let mut text: Vec<u32> = want.row(0).iter().take(12).copied().collect();
            let mut cache = crate::KvCache::new(model.config(), 20).unwrap();
            let mut next = crate::Tokens::one(&text);
            while text.len() < want.ncols() {
                let with = crate::Forward { cache: Some(&mut cache), head: crate::Head::Last, mlps: None };
                let got = crate::host(model.forward(&next, with, &mut crate::NoTaps).unwrap().unwrap());
                let place = text.len() - 1;
                let row = whole.slice_axis(crate::Axis(1), (place..place + 1).into());
                crate::close(&format!("{name} at {place}"), &got.view(), &row, crate::cached(on));
                let best = got.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
                text.push(u32::try_from(best).unwrap());
                next = crate::Tokens::one(&text[text.len() - 1..]);
            }
            assert_eq!(text, want.row(0).to_vec(), "{name}");
        }
    }

    fn padded_batches_equal_single_prompts(on: &TestDevice) {
        for name in crate::FAMILIES {
            let model = crate::model(name, on);
            let prompts: [&[u32]; 3] = [&[5, 9, 40, 7, 22], &[61, 3], &[11, 80, 2, 34]];
            let next: [u32; 3] = [17, 50, 8];
            for left in [true, false] {
                let tokens = crate::Tokens::padded(&prompts, left);
                let mut cache = crate::KvCache::new(model.config(), 8).unwrap();
                let with = crate::Forward { cache: Some(&mut cache), head: crate::Head::Last, mlps: None };
                let first = crate::host(model.forward(&tokens, with, &mut crate::NoTaps).unwrap().unwrap());
                let ids = crate::Array2::from_shape_fn((3, 1), |(b, _)| next[b]);
                let with = crate::Forward { cache: Some(&mut cache), head: crate::Head::Last, mlps: None };
                let second = crate::host(model.forward(&crate::Tokens::new(ids), with, &mut crate::NoTaps).unwrap().unwrap());
                for (b, prompt) in prompts.iter().enumerate() {
                    let mut text = prompt.to_vec();
                    text.push(next[b]);
                    let alone = crate::host(model.logits(&crate::Tokens::one(&text)).unwrap());
                    let n = text.len();
                    for (got, place) in [(&first, n - 2), (&second, n - 1)] {
                        let got = got.slice_axis(crate::Axis(0), (b..b + 1).into());
                        let want = alone.slice_axis(crate::Axis(1), (place..place + 1).into());
                        crate::close(&format!("{name} left {left} row {b}"), &got, &want, crate::cached(on));
                    }
                }
            }
        }
    }
}

#[test]
fn a_cache_or_a_residual_stream_of_another_model_is_refused() {
    tensor_backend::harness::run(Backend::Cpu, |on| {
        let (llama, gpt2) = (model("llama_gqa", on), model("gpt2", on));
        let mut cache = KvCache::new(llama.config(), 8).unwrap();
        let tokens = Tokens::one(&[1, 2]);
        let with = Forward { cache: Some(&mut cache), head: Head::Last, mlps: None };
        assert!(gpt2.forward(&tokens, with, &mut NoTaps).is_err());
        let x = || Tensor::<3>::zeros([1, 2, 32], on.device());
        let from = |layer, x| llama.forward_from(layer, x, &tokens, Head::All, &mut NoTaps);
        assert!(from(2, x()).is_err() && from(0, x().narrow(2, 0, 16)).is_err());
        assert!(from(0, x()).unwrap().is_some());
    });
}
