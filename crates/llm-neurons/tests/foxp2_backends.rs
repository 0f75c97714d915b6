//! One body of steering on every backend, against the host in double precision.

use burn::tensor::FloatDType;

#[path = "cases/foxp2.rs"]
mod cases;

tensor_backend::cross_backend_tests! {
    fn edits_agree_with_the_host(on: &TestDevice) {
        crate::cases::edits_agree_with_the_host(on, crate::FloatDType::F32);
    }

    fn masses_agree_with_the_host(on: &TestDevice) {
        crate::cases::masses_agree_with_the_host(on, crate::FloatDType::F32);
    }
}

#[cfg(feature = "flex")]
#[test]
fn edits_and_masses_agree_in_double_precision() {
    tensor_backend::harness::run(tensor_backend::Backend::Cpu, |on| {
        cases::edits_agree_with_the_host(on, FloatDType::F64);
        cases::masses_agree_with_the_host(on, FloatDType::F64);
    });
}
