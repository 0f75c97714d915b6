//! The values that came with the real models.

use burn::tensor::{FloatDType, Tensor};
use llm_neurons::model::Tokens;
use llm_neurons::recurrent::{CharLstm, Rwkv};
use llm_neurons::score::{BATCH_TOKENS, token_logprobs};
use llm_neurons::{AnyModel, Codec, LanguageModel};
use ndarray::{Array2, ArrayD, Axis, Ix2, Ix3};
use probes::{HookSet, NoTaps, Read};
use recordings::Site;
use recordings::arrays::ArrayFile;
use tensor_backend::bridge::float_array;

use super::folders::real;

/// Logits and activations of 32-bit floats against a reference in 64 bits; they are of the order of 10.
const SINGLE: f64 = 2e-4;
/// Of neurons that are a square of sums of 128 products, relative to the largest.
const RELATIVE: f64 = 1e-4;
/// The README's: bits a character.
const BITS: f64 = 0.1;

fn worst(got: &Array2<f64>, want: &Array2<f64>) -> f64 {
    assert_eq!(got.dim(), want.dim());
    got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn first(tensor: Tensor<3>) -> Array2<f64> {
    float_array::<f64, 3>(tensor).unwrap().index_axis_move(Axis(0), 0)
}

fn ids(file: &ArrayFile, key: &str) -> Vec<u32> {
    let (_, array) = file.pick(Some(key)).unwrap();
    let array: ArrayD<i64> = array.to_i64().unwrap();
    array.iter().map(|x| u32::try_from(*x).unwrap()).collect()
}

fn matrix(file: &ArrayFile, key: &str) -> Array2<f64> {
    file.read_f64_2(key).unwrap().into_dimensionality::<Ix2>().unwrap()
}

tensor_backend::cross_backend_tests! {
    fn rwkv_gives_the_published_logits_and_activations(on: &TestDevice) {
        use crate::published::*;
        let Some(folder) = real("lm-rwkv4-660k") else { return };
        let model = Rwkv::load(&folder, FloatDType::F32, on.device()).unwrap();
        let file = ArrayFile::open(&folder.join("golden.safetensors")).unwrap();
        // Published by the model's authors: the logits after three bytes.
        let prompt = ids(&file, "published_prompt_bytes");
        let logits = first(model.read(&Tokens::one(&prompt), None, &mut NoTaps).unwrap().unwrap());
        let want = file.read_f64_1("published_last_logits").unwrap();
        let last = logits.row(prompt.len() - 1).to_owned().insert_axis(Axis(0));
        let off = worst(&last, &want.to_owned().insert_axis(Axis(0)));
        assert!(off < SINGLE, "published logits: {off:e}");
        // A whole prompt, and every neuron.
        let prompt = ids(&file, "prompt_bytes");
        let mut hooks = HookSet::new();
        let reads: Vec<_> =
            (0..4).map(|l| hooks.read(Site::Act(l), Read::Full).unwrap()).collect();
        let logits = first(model.read(&Tokens::one(&prompt), None, &mut hooks).unwrap().unwrap());
        let off = worst(&logits, &matrix(&file, "logits"));
        assert!(off < SINGLE, "logits: {off:e}");
        let want = file.read_f64_3("ffn_act").unwrap().into_dimensionality::<Ix3>().unwrap();
        for (l, read) in reads.into_iter().enumerate() {
            // The weights of this model's channel mixing are of the order of 1e-7, so its neurons are of 1e-27.
            let want = want.index_axis(Axis(1), l).to_owned();
            let largest = want.fold(0.0, |m: f64, x| m.max(x.abs()));
            assert!(largest > 0.0);
            let off = worst(&first(hooks.full(read).unwrap()), &want) / largest;
            assert!(off < RELATIVE, "neurons of block {l}: {off:e} of the largest");
        }
    }

    fn lstms_give_the_published_logits_hidden_units_and_cells(on: &TestDevice) {
        use crate::published::*;
        let Some(folder) = real("lm-charrnn") else { return };
        for author in ["charlotte_bronte", "darwin", "shakespeare"] {
            let folder = folder.join(author);
            let model = CharLstm::load(&folder, FloatDType::F32, on.device()).unwrap();
            let any = AnyModel::CharLstm(Box::new(model.clone()));
            let file = ArrayFile::open(&folder.join("golden.safetensors")).unwrap();
            let text = std::fs::read_to_string(folder.join("golden_prompt.txt")).unwrap();
            let prompt = Codec::load(&folder, &any).unwrap().encode(&text, true).unwrap();
            assert_eq!(prompt, ids(&file, "input_ids"), "{author}");
            let mut hooks = HookSet::new();
            let sites = [Site::Act(1), CharLstm::cell_site(1), Site::ResidPost(1), Site::Logits];
            let reads = sites.map(|site| hooks.read(site, Read::Full).unwrap());
            any.read(&Tokens::one(&prompt), None, &mut hooks).unwrap().unwrap();
            for (read, key) in reads.into_iter().zip(["layer1_hidden", "layer1_cell", "layer1_hidden", "logits"]) {
                let off = worst(&first(hooks.full(read).unwrap()), &matrix(&file, key));
                assert!(off < SINGLE, "{author}, {key}: {off:e}");
            }
        }
    }
}

/// Bits a character at three places of a text: 64 parallel streams over `characters`, the first 50 steps of each left out.
fn bits(model: &CharLstm, codec: &Codec, text: &str, characters: usize) -> Vec<f64> {
    let letters: Vec<char> = text.chars().collect();
    let place = |share: f64| {
        let from = ((letters.len() - characters) as f64 * share) as usize;
        let piece: String = letters[from..from + characters].iter().collect();
        let ids = codec.encode(&piece, false).unwrap();
        let streams: Vec<&[u32]> = ids.chunks_exact(characters / 64).collect();
        let logprobs = token_logprobs(model, &streams, 64 * BATCH_TOKENS, &mut NoTaps).unwrap();
        let kept: Vec<f64> = logprobs.iter().flat_map(|l| l.iter().skip(50).copied()).collect();
        -kept.iter().sum::<f64>() / kept.len() as f64 / std::f64::consts::LN_2
    };
    [0.0, 0.5, 0.9].map(place).to_vec()
}

/// What a model can spell of a text.
fn spelt(text: &str, codec: &Codec) -> String {
    let Codec::Characters(characters) = codec else { panic!("no character model") };
    text.chars().filter(|c| characters.id(*c).is_some()).collect()
}

#[test]
fn each_author_is_read_as_well_as_published_and_others_worse() {
    let (Some(models), Some(books)) = (real("lm-charrnn"), real("text-books")) else { return };
    let device = tensor_backend::DeviceSpec::Cpu.open().unwrap().device;
    let book = |name: &str| std::fs::read_to_string(books.join(format!("{name}.txt"))).unwrap();
    // Published at the beginning, the middle and at nine tenths of a text. Of Darwin and Bronte only the first part is here,
    // so that only their beginnings are the same.
    for (author, characters, published) in [
        ("charlotte_bronte", 40_000, vec![1.93]),
        ("darwin", 40_000, vec![2.32]),
        ("shakespeare", 20_000, vec![1.90, 1.92, 1.92]),
    ] {
        let folder = models.join(author);
        let model = CharLstm::load(&folder, FloatDType::F32, &device).unwrap();
        let codec = Codec::load(&folder, &AnyModel::CharLstm(Box::new(model.clone()))).unwrap();
        let own = bits(&model, &codec, &book(author), characters);
        for (found, want) in own.iter().zip(&published) {
            assert!((found - want).abs() < BITS, "{author}: {own:?}, published {published:?}");
        }
        if author == "charlotte_bronte" {
            for (other, places, low, high) in [("darwin", 1, 2.3, 2.8), ("shakespeare", 3, 3.1, 3.4)] {
                let found = bits(&model, &codec, &spelt(&book(other), &codec), 20_000);
                let all = found.iter().take(places).all(|b| (low - BITS..=high + BITS).contains(b));
                assert!(all, "{author} reads {other}: {found:?}, published {low} to {high}");
            }
        }
    }
}
