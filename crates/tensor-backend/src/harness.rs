//! One test body, every backend: each backend is a test of its own name.
//!
//! ```
//! tensor_backend::cross_backend_tests! {
//!     fn doubling_doubles(on: &TestDevice) {
//!         let x = on.tensor(ndarray::arr1(&[1.0, 2.0]).view());
//!         on.assert_close(Operation::Elementwise, x * 2.0, &[2.0, 4.0]);
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! gives the tests `doubling_doubles::cpu`, `doubling_doubles::wgpu` and `doubling_doubles::cuda`. A backend that was
//! not compiled, or whose device the machine lacks, is skipped and says so once on standard error, past the capture
//! of the test runner. `NEUROPIL_REQUIRE_DEVICE=wgpu` (or `wgpu,cuda`) turns that skip into a failure.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, OnceLock};

use burn::tensor::{DType, Device, FloatDType, Tensor};
use ndarray::ArrayView;

use crate::bridge::{Rank, float_array, float_tensor};
use crate::devices::Backend;
use crate::error::Error;
use crate::open::Opened;
use crate::spec::DeviceSpec;
use crate::tolerance::{Operation, Tolerance, tolerance};

/// The environment variable that names the backends that must be there.
pub const REQUIRE: &str = "NEUROPIL_REQUIRE_DEVICE";

/// The device that a test body runs on.
#[derive(Debug, Clone)]
pub struct TestDevice {
    backend: Backend,
    opened: Opened,
}

impl TestDevice {
    /// The family it belongs to.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Burn's handle.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.opened.device
    }

    /// The same, recording gradients.
    #[must_use]
    pub fn autodiff(&self) -> Device {
        self.opened.device.clone().autodiff()
    }

    /// What it is and can do.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// An `f32` tensor of a host array.
    ///
    /// # Panics
    /// When the upload is refused: the test fails.
    pub fn tensor<I: Rank<D>, const D: usize>(&self, array: ArrayView<'_, f64, I>) -> Tensor<D> {
        match float_tensor(array, FloatDType::F32, &self.opened.device) {
            Ok(tensor) => tensor,
            Err(error) => panic!("{}: {error}", self.backend.name()),
        }
    }

    /// The tolerance of an operation here, from the table in [`crate::tolerance`].
    ///
    /// # Panics
    /// When the table has no row for the number type on this backend: the test fails.
    #[must_use]
    pub fn tolerance(&self, operation: Operation, dtype: DType) -> Tolerance {
        match tolerance(operation, dtype, self.backend) {
            Ok(tolerance) => tolerance,
            Err(error) => panic!("{error}"),
        }
    }

    /// Every element of `got` lies within the table's tolerance of `want` (row-major).
    ///
    /// # Panics
    /// When one does not, naming the worst element and by how much it misses.
    pub fn assert_close<const D: usize>(&self, operation: Operation, got: Tensor<D>, want: &[f64]) {
        let (shape, dtype, name) = (got.dims(), got.dtype(), self.backend.name());
        let allowed = self.tolerance(operation, dtype);
        let total = shape.iter().product::<usize>();
        assert_eq!(
            total,
            want.len(),
            "{name}: {operation:?}: shape {shape:?} against {} wanted values",
            want.len()
        );
        let got = match float_array::<f64, _>(got.reshape([total])) {
            Ok(values) => values.to_vec(),
            Err(error) => panic!("{name}: {error}"),
        };
        let excess = |(i, (&g, &w)): (usize, (&f64, &f64))| {
            let bound = allowed.absolute + allowed.relative * w.abs();
            (!allowed.admits(g, w)).then(|| (i, g, w, (g - w).abs() / bound))
        };
        let misses: Vec<_> = got.iter().zip(want).enumerate().filter_map(excess).collect();
        if let Some((i, g, w, ratio)) = misses.iter().max_by(|a, b| a.3.total_cmp(&b.3)) {
            panic!(
                "{name}: {operation:?} in {dtype:?}: {} of {total} elements miss; worst is element {i} of shape \
                 {shape:?}: got {g:e}, want {w:e}, {ratio:.2} times what {allowed:?} allows",
                misses.len()
            );
        }
    }
}

/// Runs a body on a backend, or skips it aloud. This is what [`cross_backend_tests!`](crate::cross_backend_tests)
/// calls.
///
/// # Panics
/// When the body panics, and when a backend that [`REQUIRE`] names is missing: the test fails.
pub fn run(backend: Backend, body: impl FnOnce(&TestDevice)) {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    match outcome(backend, opened(backend), &required) {
        Verdict::Run(opened) => body(&TestDevice { backend, opened }),
        Verdict::Skip(reason) => say_once(backend, &reason),
        Verdict::Fail(reason) => panic!("{reason}"),
    }
}

/// What becomes of a test.
enum Verdict {
    Run(Opened),
    Skip(String),
    Fail(String),
}

fn outcome(backend: Backend, opened: Result<Opened, (String, bool)>, required: &str) -> Verdict {
    let name = backend.name();
    match opened {
        Ok(opened) => Verdict::Run(opened),
        Err((reason, _)) if required.split(',').any(|word| word.trim() == name) => {
            Verdict::Fail(format!("{REQUIRE}={required}, but {reason}"))
        }
        // A device that is there and fails is a finding, not an absence.
        Err((reason, true)) => Verdict::Fail(reason),
        Err((reason, false)) => Verdict::Skip(reason),
    }
}

/// The backend's device, opened once in a process; otherwise why not, and whether that is a fault.
fn opened(backend: Backend) -> Result<Opened, (String, bool)> {
    type Slot = OnceLock<Result<Opened, (String, bool)>>;
    static CPU: Slot = OnceLock::new();
    static WGPU: Slot = OnceLock::new();
    static CUDA: Slot = OnceLock::new();
    let (slot, spec) = match backend {
        Backend::Cpu => (&CPU, DeviceSpec::Cpu),
        Backend::Wgpu => (&WGPU, DeviceSpec::Wgpu(None)),
        Backend::Cuda => (&CUDA, DeviceSpec::Cuda(None)),
    };
    slot.get_or_init(|| {
        spec.open().map_err(|error| {
            let fault = !matches!(error, Error::Unsupported { .. } | Error::Absent { .. });
            (error.to_string(), fault)
        })
    })
    .clone()
}

/// Says why a backend is skipped, once in a process, on the real standard error.
fn say_once(backend: Backend, reason: &str) {
    static SAID: Mutex<BTreeSet<Backend>> = Mutex::new(BTreeSet::new());
    let new = SAID.lock().is_ok_and(|mut said| said.insert(backend));
    if new {
        let line = format!("SKIPPED every test on {}: {reason}\n", backend.name());
        // Nothing is left to do for a runner that has closed its standard error.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Turns each `fn name(on: &TestDevice) { .. }` into the tests `name::cpu`, `name::wgpu` and `name::cuda`. See
/// [`harness`](crate::harness).
#[macro_export]
macro_rules! cross_backend_tests {
    ($($(#[$meta:meta])* fn $name:ident($on:ident: &TestDevice) $body:block)+) => {
        $(
            mod $name {
                #[allow(unused_imports, reason = "the body may need only some of the names around it")]
                use super::*;
                #[allow(unused_imports, reason = "the body may need no tolerance")]
                use $crate::tolerance::Operation;

                #[allow(dead_code, reason = "a doctest builds no test functions")]
                $(#[$meta])*
                fn body($on: &$crate::harness::TestDevice) $body

                #[test]
                fn cpu() {
                    $crate::harness::run($crate::devices::Backend::Cpu, body);
                }

                #[test]
                fn wgpu() {
                    $crate::harness::run($crate::devices::Backend::Wgpu, body);
                }

                #[test]
                fn cuda() {
                    $crate::harness::run($crate::devices::Backend::Cuda, body);
                }
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_a_skip_unless_it_is_required() {
        let gone = || Err(("no device wgpu".to_owned(), false));
        assert!(matches!(outcome(Backend::Wgpu, gone(), ""), Verdict::Skip(_)));
        assert!(matches!(outcome(Backend::Wgpu, gone(), "cuda"), Verdict::Skip(_)));
        for required in ["wgpu", "cuda, wgpu", "wgpu,cuda"] {
            let Verdict::Fail(reason) = outcome(Backend::Wgpu, gone(), required) else {
                panic!("not a failure")
            };
            assert!(reason.contains(REQUIRE) && reason.contains("no device wgpu"), "{reason}");
        }
    }

    #[test]
    fn a_broken_device_fails_without_being_required() {
        let broken = Err(("device wgpu:0 does not work".to_owned(), true));
        assert!(matches!(outcome(Backend::Wgpu, broken, ""), Verdict::Fail(_)));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_wrong_value_fails_and_the_message_names_the_element() {
        let wrong = std::panic::catch_unwind(|| {
            run(Backend::Cpu, |on| {
                let x = on.tensor(ndarray::arr1(&[1.0, 2.0, 3.0]).view());
                on.assert_close(Operation::Elementwise, x, &[1.0, 2.0001, 3.0]);
            });
        });
        let message = *wrong.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("cpu: Elementwise") && message.contains("element 1"), "{message}");
    }

    #[cfg(feature = "flex")]
    #[test]
    #[should_panic(expected = "against 1 wanted values")]
    fn a_wrong_number_of_values_fails() {
        run(Backend::Cpu, |on| {
            let x = on.tensor(ndarray::arr1(&[1.0, 2.0]).view());
            on.assert_close(Operation::Elementwise, x, &[1.0]);
        });
    }
}
