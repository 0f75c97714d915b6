//! Efficient EigenScore on tensors of 64-bit floats; its own binary, since a device's default type is fixed once.
#![cfg(feature = "flex")]

use burn::tensor::FloatDType;
use tensor_backend::Backend;
use tensor_backend::harness;

#[path = "cases/ees.rs"]
mod cases;

#[test]
fn ees_agrees_with_the_host_in_double_precision() {
    harness::run(Backend::Cpu, |on| cases::agrees_with_the_host(on, FloatDType::F64));
}

#[test]
fn bad_embeddings_are_refused_in_double_precision() {
    harness::run(Backend::Cpu, |on| cases::refuses(on, FloatDType::F64));
}
