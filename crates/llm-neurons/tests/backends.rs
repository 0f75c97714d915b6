//! One body of Efficient EigenScore on every backend, against the host in double precision.

use burn::tensor::FloatDType;

#[path = "cases/ees.rs"]
mod cases;

tensor_backend::cross_backend_tests! {
    fn ees_agrees_with_the_host(on: &TestDevice) {
        crate::cases::agrees_with_the_host(on, crate::FloatDType::F32);
    }

    fn bad_embeddings_are_refused(on: &TestDevice) {
        crate::cases::refuses(on, crate::FloatDType::F32);
    }
}
