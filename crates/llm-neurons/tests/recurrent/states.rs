//! A text in pieces, padding, and neurons inside a recurrence.

use burn::tensor::FloatDType;
use llm_neurons::model::Tokens;
use llm_neurons::recurrent::CharLstm;
use llm_neurons::{AnyModel, Error, LanguageModel};
use ndarray::{Array3, arr2};
use probes::{HookSet, NoTaps, Read, Taps};
use recordings::{Edit, Intervention, Positions, Site};
use tensor_backend::bridge::float_array;
use tensor_backend::harness::TestDevice;

use super::folders::{Weights, lstm, rwkv, write};

/// Batches of other sizes round differently.
const SAME: f64 = 2e-5;

fn model(of: (String, Weights), on: &TestDevice) -> AnyModel {
    AnyModel::load(write(&of.0, &of.1).path(), FloatDType::F32, on.device()).unwrap()
}

fn both(on: &TestDevice) -> [AnyModel; 2] {
    [model(rwkv(), on), model(lstm(), on)]
}

fn logits(model: &AnyModel, tokens: &Tokens, taps: &mut impl Taps) -> Array3<f64> {
    float_array(model.read(tokens, None, taps).unwrap().unwrap()).unwrap()
}

fn close(a: impl IntoIterator<Item = f64>, b: impl IntoIterator<Item = f64>) -> bool {
    a.into_iter().zip(b).all(|(x, y)| (x - y).abs() < SAME)
}

const TEXT: [u32; 9] = [3, 1, 4, 1, 0, 2, 2, 4, 3];

tensor_backend::cross_backend_tests! {
    fn a_text_in_pieces_is_the_text(on: &TestDevice) {
        use crate::states::*;
        for model in both(on) {
            let whole = logits(&model, &Tokens::one(&TEXT), &mut NoTaps);
            for cuts in [vec![1; 9], vec![4, 5], vec![8, 1]] {
                let (mut memory, mut at) = (model.memory().unwrap(), 0);
                for n in cuts {
                    let piece = Tokens::one(&TEXT[at..at + n]);
                    let part = model.read(&piece, Some(&mut memory), &mut NoTaps).unwrap().unwrap();
                    let part: Array3<f64> = float_array(part).unwrap();
                    for t in 0..n {
                        let (a, b) = (whole.slice_axis(ndarray::Axis(1), (at + t..at + t + 1).into()), part.slice_axis(ndarray::Axis(1), (t..t + 1).into()));
                        assert!(close(a.iter().copied(), b.iter().copied()), "{}: token {}", model.kind(), at + t);
                    }
                    at += n;
                }
            }
        }
    }

    fn padding_at_the_right_changes_nothing_and_is_not_remembered(on: &TestDevice) {
        use crate::states::*;
        for model in both(on) {
            let texts: [&[u32]; 3] = [&TEXT, &TEXT[..2], &TEXT[..5]];
            let mut memory = model.memory().unwrap();
            let tokens = Tokens::padded(&texts, false);
            let got = model.read(&tokens, Some(&mut memory), &mut NoTaps).unwrap().unwrap();
            let got: Array3<f64> = float_array(got).unwrap();
            let next = Tokens::new(arr2(&[[1], [1], [1]]));
            let after = model.read(&next, Some(&mut memory), &mut NoTaps).unwrap().unwrap();
            let after: Array3<f64> = float_array(after).unwrap();
            for (b, text) in texts.iter().enumerate() {
                let longer = [text, &[1][..]].concat();
                let alone = logits(&model, &Tokens::one(&longer), &mut NoTaps);
                for t in 0..text.len() {
                    let (a, c) = (got.index_axis(ndarray::Axis(0), b), alone.index_axis(ndarray::Axis(0), 0));
                    assert!(close(a.row(t).to_vec(), c.row(t).to_vec()), "{}: text {b}, token {t}", model.kind());
                }
                let (a, c) = (after.index_axis(ndarray::Axis(0), b), alone.index_axis(ndarray::Axis(0), 0));
                assert!(close(a.row(0).to_vec(), c.row(text.len()).to_vec()), "{}: state of text {b}", model.kind());
            }
            // What stands before a text would be read as part of it.
            let left = Tokens::padded(&texts, true);
            assert!(matches!(model.read(&left, None, &mut NoTaps), Err(Error::Shape { .. })));
            // A memory of three texts for one, and of another kind of model.
            let one = Tokens::one(&TEXT);
            assert!(matches!(model.read(&one, Some(&mut memory), &mut NoTaps), Err(Error::Shape { .. })));
            let other = both(on).into_iter().find(|m| m.kind() != model.kind()).unwrap();
            let mut theirs = other.memory().unwrap();
            assert!(matches!(model.read(&one, Some(&mut theirs), &mut NoTaps), Err(Error::Mismatch { .. })));
            assert!(matches!(model.read(&Tokens::one(&[]), None, &mut NoTaps), Err(Error::Prompt { .. })));
            let beyond = Tokens::one(&[1, 256]);
            assert!(matches!(
                model.read(&beyond, None, &mut NoTaps),
                Err(Error::TokenOutOfVocabulary { token: 256, position: 1, .. })
            ));
        }
    }

    fn an_edit_inside_the_recurrence_is_carried_on_and_one_behind_it_is_not(on: &TestDevice) {
        use crate::states::*;
        let model = model(lstm(), on);
        let tokens = Tokens::one(&TEXT);
        let plain = logits(&model, &tokens, &mut NoTaps);
        // The cells of the layer after the edit tell whether the next character saw it.
        let cells = |site: Site| {
            let mut hooks = HookSet::new();
            let edit = Edit::SetUnits { units: vec![2], values: vec![0.9] };
            hooks.edit(Intervention { site, edit, positions: Positions::All }).unwrap();
            let read = hooks.read(CharLstm::cell_site(1), Read::Full).unwrap();
            let got = logits(&model, &tokens, &mut hooks);
            assert!(!close(got.iter().copied(), plain.iter().copied()));
            float_array::<f64, 3>(hooks.full(read).unwrap()).unwrap()
        };
        let mut hooks = HookSet::new();
        let read = hooks.read(CharLstm::cell_site(1), Read::Full).unwrap();
        logits(&model, &tokens, &mut hooks);
        let before = float_array::<f64, 3>(hooks.full(read).unwrap()).unwrap();
        let behind = cells(Site::ResidPost(1));
        let inside = cells(Site::Act(1));
        assert!(close(behind.iter().copied(), before.iter().copied()));
        let row = |x: &Array3<f64>, t: usize| x.index_axis(ndarray::Axis(1), t).iter().copied().collect::<Vec<f64>>();
        assert!(close(row(&inside, 0), row(&before, 0)), "the first character is before any edit");
        assert!(!close(row(&inside, 1), row(&before, 1)));
    }

    fn neurons_are_read_dropped_and_stopped_at(on: &TestDevice) {
        use crate::states::*;
        for model in both(on) {
            let tokens = Tokens::one(&TEXT);
            let width = model.width(&Site::Act(1)).unwrap();
            let mut hooks = HookSet::new();
            let counts = hooks.read(Site::Act(1), Read::CountPositive).unwrap();
            let plain = logits(&model, &tokens, &mut hooks);
            let found = hooks.counts(counts).unwrap();
            assert_eq!(found.counts().len(), width);
            assert!(found.counts().iter().sum::<u64>() > 0);
            let mut hooks = HookSet::new();
            hooks.edit(Intervention::drop_units(Site::Act(1), (0..width).collect())).unwrap();
            let dropped = hooks.read(Site::Act(1), Read::CountPositive).unwrap();
            let without = logits(&model, &tokens, &mut hooks);
            assert_eq!(hooks.counts(dropped).unwrap().counts().iter().sum::<u64>(), 0);
            assert!(!close(without.iter().copied(), plain.iter().copied()));
            let mut hooks = HookSet::new();
            HookSet::stop_after(&mut hooks, 0);
            assert!(model.read(&tokens, None, &mut hooks).unwrap().is_none());
            assert!(model.width(&Site::Act(2)).is_none() && model.width(&Site::GateOut(0)).is_none());
            assert_eq!((model.layers(), model.context()), (2, None));
        }
    }
}
