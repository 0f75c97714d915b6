//! What is really there: probing, and capabilities as data.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, FloatDType};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::DeviceSpec;

/// What kind of machine a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// The processor.
    Cpu,
    /// A card of its own.
    DiscreteGpu,
    /// A GPU that shares the processor's memory.
    IntegratedGpu,
    /// A GPU that a hypervisor passes on.
    VirtualGpu,
    /// A GPU whose driver does not say what it is.
    OtherGpu,
    /// A graphics interface emulated on the processor.
    Software,
    /// A device of another machine.
    Remote,
}

impl Kind {
    /// The word that the command line prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::DiscreteGpu => "discrete-gpu",
            Self::IntegratedGpu => "integrated-gpu",
            Self::VirtualGpu => "virtual-gpu",
            Self::OtherGpu => "other-gpu",
            Self::Software => "software",
            Self::Remote => "remote",
        }
    }
}

/// What a device is and which number types it computes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What [`DeviceSpec`] reads.
    pub id: DeviceSpec,
    /// What kind of machine it is.
    pub kind: Kind,
    /// The device's own name.
    pub name: String,
    /// Whether it computes in 64-bit floats.
    pub f64: bool,
    /// Whether it computes in IEEE 16-bit floats.
    pub f16: bool,
    /// Whether it computes in bfloat16.
    pub bf16: bool,
    /// Whether it computes in 64-bit integers.
    pub i64: bool,
    /// Whether a graphics interface is emulated on the processor.
    pub software: bool,
}

/// The devices of this machine, and those that are there but do not answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listing {
    /// Devices that [`DeviceSpec::open`] would open, the processor first.
    pub devices: Vec<Capabilities>,
    /// One error for each backend or device that failed when it was asked.
    pub faults: Vec<Error>,
}

/// Every device that this build can use on this machine. Remote devices are not looked for.
#[must_use]
pub fn devices() -> Listing {
    let mut listing = Listing { devices: Vec::new(), faults: Vec::new() };
    for backend in Backend::ALL.into_iter().filter(|b| b.compiled()) {
        match backend.candidates() {
            Err(fault) => listing.faults.push(fault),
            Ok(candidates) => {
                for candidate in candidates {
                    match candidate.describe() {
                        Ok(capabilities) => listing.devices.push(capabilities),
                        Err(fault) => listing.faults.push(fault),
                    }
                }
            }
        }
    }
    listing
}

/// The families of devices that a machine itself can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Backend {
    /// The processor, by Burn's Flex backend.
    Cpu,
    /// Any GPU with a Vulkan, Metal, DirectX or OpenGL driver.
    Wgpu,
    /// NVIDIA GPUs.
    Cuda,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Wgpu, Self::Cuda];

    /// Its name in a [`DeviceSpec`] and in the names of tests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// Whether this build contains it.
    #[must_use]
    pub fn compiled(self) -> bool {
        match self {
            Self::Cpu => cfg!(feature = "flex"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// The cargo feature that brings it.
    #[must_use]
    pub fn feature(self) -> &'static str {
        match self {
            Self::Cpu => "flex",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// What is there, unopened, in the driver's order.
    pub(crate) fn candidates(self) -> Result<Vec<Candidate>> {
        if !self.compiled() {
            return Err(Error::unsupported(
                format!("device {}", self.name()),
                format!("this build lacks the feature {:?}", self.feature()),
            ));
        }
        guarded(self.name(), || match self {
            Self::Cpu => cpu(),
            Self::Wgpu => wgpu(),
            Self::Cuda => cuda(),
        })
    }
}

/// A device that was found and not yet opened.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) id: DeviceSpec,
    pub(crate) kind: Kind,
    pub(crate) device: Device,
}

impl Candidate {
    /// Opens the device far enough to know it.
    pub(crate) fn describe(&self) -> Result<Capabilities> {
        let id = self.id.to_string();
        guarded(&id, || {
            let supports = |dtype: FloatDType| self.device.supports_dtype(dtype);
            Capabilities {
                id: self.id.clone(),
                kind: self.kind,
                name: self.name(),
                f64: supports(FloatDType::F64),
                f16: supports(FloatDType::F16),
                bf16: supports(FloatDType::BF16),
                i64: self.device.supports_dtype(burn::tensor::IntDType::I64),
                software: self.kind == Kind::Software,
            }
        })
    }

    fn name(&self) -> String {
        match &self.id {
            DeviceSpec::Cpu => processor(),
            DeviceSpec::Remote(url) => url.clone(),
            _ => adapter(&self.device),
        }
    }
}

/// Runs a probe and turns a panic into an error.
///
/// Burn's device constructors, its list of devices and the first use of a device have no fallible form: a driver that
/// is too old, half installed or out of memory makes them panic. Such a machine is the user's, not a fault of the
/// program, so the panic ends here. Nothing that the closure touches is used again after it has panicked: the device
/// is dropped and reported as broken, which is why unwind safety may be asserted.
pub(crate) fn guarded<T>(device: &str, probe: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(probe)).map_err(|panic| {
        let reason = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "its driver gave up without a word".to_owned());
        Error::Broken { device: device.to_owned(), reason }
    })
}

#[cfg(feature = "flex")]
fn cpu() -> Vec<Candidate> {
    vec![Candidate { id: DeviceSpec::Cpu, kind: Kind::Cpu, device: Device::flex() }]
}

#[cfg(not(feature = "flex"))]
fn cpu() -> Vec<Candidate> {
    Vec::new()
}

#[cfg(feature = "cuda")]
fn cuda() -> Vec<Candidate> {
    let found = Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec();
    let candidate =
        |(n, device)| Candidate { id: DeviceSpec::Cuda(Some(n)), kind: Kind::DiscreteGpu, device };
    found.into_iter().enumerate().map(candidate).collect()
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Vec<Candidate> {
    Vec::new()
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Vec<Candidate> {
    let found = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec();
    let total = found.len();
    let candidate =
        |(n, device)| Candidate { id: DeviceSpec::Wgpu(Some(n)), kind: adapter_kind(&device, total), device };
    found.into_iter().enumerate().map(candidate).collect()
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Vec<Candidate> {
    Vec::new()
}

/// The kind of an adapter, found by comparing with each handle it could be: Burn hands out no kind.
#[cfg(feature = "wgpu")]
fn adapter_kind(device: &Device, total: usize) -> Kind {
    use burn::tensor::DeviceKind;

    let is = |kind: DeviceKind| *device == Device::wgpu(kind);
    if is(DeviceKind::Cpu) {
        Kind::Software
    } else if (0..total).any(|n| is(DeviceKind::DiscreteGpu(n))) {
        Kind::DiscreteGpu
    } else if (0..total).any(|n| is(DeviceKind::IntegratedGpu(n))) {
        Kind::IntegratedGpu
    } else if (0..total).any(|n| is(DeviceKind::VirtualGpu(n))) {
        Kind::VirtualGpu
    } else {
        Kind::OtherGpu
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn adapter(device: &Device) -> String {
    device.identity().map_or_else(|| "unnamed".to_owned(), |identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn adapter(_device: &Device) -> String {
    "unnamed".to_owned()
}

/// The processor's own name, where the system tells it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().find_map(|l| l.strip_prefix("model name")).map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |l| l.trim_start_matches([' ', '\t', ':']).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_driver_becomes_an_error_that_names_the_device() {
        let error = guarded("cuda:0", || -> u8 { std::panic::panic_any("no NVRTC".to_owned()) }).unwrap_err();
        assert!(
            matches!(&error, Error::Broken { device, reason } if device == "cuda:0" && reason == "no NVRTC")
        );
        let silent = guarded("wgpu", || -> u8 { std::panic::panic_any(7u8) }).unwrap_err();
        assert!(silent.to_string().contains("without a word"));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn the_processor_is_listed_first_and_computes_in_every_width() {
        let listing = devices();
        let cpu = &listing.devices[0];
        assert_eq!((cpu.id.clone(), cpu.kind, cpu.software), (DeviceSpec::Cpu, Kind::Cpu, false));
        assert!(cpu.f64 && cpu.f16 && !cpu.name.is_empty());
        let json = serde_json::to_value(cpu).unwrap();
        assert_eq!((&json["id"], &json["kind"]), (&serde_json::json!("cpu"), &serde_json::json!("cpu")));
    }

    #[test]
    fn ids_of_a_listing_are_distinct_and_kinds_agree_with_the_flag() {
        let listing = devices();
        for (i, a) in listing.devices.iter().enumerate() {
            assert_eq!(a.software, a.kind == Kind::Software);
            assert!(listing.devices[..i].iter().all(|b| b.id != a.id));
        }
    }

    #[test]
    fn a_backend_that_was_not_compiled_is_unsupported_and_names_its_feature() {
        for backend in Backend::ALL.into_iter().filter(|b| !b.compiled()) {
            let error = backend.candidates().unwrap_err();
            assert!(matches!(error, Error::Unsupported { .. }));
            assert!(error.to_string().contains(backend.feature()));
        }
    }
}
