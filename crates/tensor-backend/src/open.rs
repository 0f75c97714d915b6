//! From a [`DeviceSpec`] to a device that has been seen to compute.

use burn::tensor::{DType, Device, DeviceConfig, FloatDType, Tensor, TensorData};

use crate::devices::{Backend, Candidate, Capabilities, Kind, guarded};
use crate::error::{Error, Result};
use crate::spec::DeviceSpec;

/// A device that is there and has computed `1 * 2 + 1` correctly.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Opened {
    /// The handle for Burn; [`Device::autodiff`] makes one that records gradients.
    pub device: Device,
    /// What it is. `capabilities.id` is concrete: never `auto`, never without its number.
    pub capabilities: Capabilities,
    /// What was taken and why, where the spec left a choice or the choice may surprise; to be said aloud.
    pub note: Option<String>,
}

impl DeviceSpec {
    /// Probes the machine, opens the device and lets it compute. Tensors default to `f32` on it.
    ///
    /// `auto` takes the first device that works among CUDA devices, then GPUs that a graphics driver offers
    /// (discrete, integrated, virtual, other), then the processor. `wgpu` without a number takes the first GPU and
    /// accepts a software adapter where there is no GPU. No other spec ever ends on another device.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the backend was not compiled, [`Error::Absent`] when the machine has no such
    /// device, [`Error::Broken`] when it is there and fails.
    pub fn open(&self) -> Result<Opened> {
        self.open_as(FloatDType::F32)
    }

    /// As [`DeviceSpec::open`], with `float` as the device's default number type; `auto` passes over devices that
    /// cannot compute in it.
    ///
    /// Burn fixes a device's default once per process, so a program opens a device with one type only.
    ///
    /// # Errors
    /// Those of [`DeviceSpec::open`]; [`Error::Unsupported`] when the device cannot compute in `float`;
    /// [`Error::Dtype`] when the process has already fixed another default.
    pub fn open_as(&self, float: FloatDType) -> Result<Opened> {
        match self {
            Self::Auto => auto(float),
            Self::Cpu => settle(&pick(Backend::Cpu, Some(0), self)?, float),
            Self::Cuda(n) => settle(&pick(Backend::Cuda, Some(n.unwrap_or(0)), self)?, float),
            Self::Wgpu(n) => {
                let candidate = pick(Backend::Wgpu, *n, self)?;
                let mut opened = settle(&candidate, float)?;
                if candidate.kind == Kind::Software {
                    opened.note = Some(format!(
                        "{} is {}, a graphics interface emulated on the processor: correct and slow",
                        candidate.id, opened.capabilities.name
                    ));
                } else if n.is_none() {
                    opened.note = Some(format!("wgpu: took {} ({})", candidate.id, opened.capabilities.name));
                }
                Ok(opened)
            }
            Self::Remote(url) => settle(&remote(url)?, float),
        }
    }
}

/// The n-th candidate of a backend, or the best where no number is given.
fn pick(backend: Backend, number: Option<usize>, spec: &DeviceSpec) -> Result<Candidate> {
    let mut candidates = backend.candidates()?;
    let total = candidates.len();
    let absent = || {
        let found = match total {
            0 => match backend {
                Backend::Cuda => "the machine has no CUDA device, or no NVIDIA driver".to_owned(),
                _ => format!("no {} adapter on this machine", backend.name()),
            },
            n => format!("the machine has {n}: {0}:0 to {0}:{1}", backend.name(), n - 1),
        };
        Error::Absent { what: spec.to_string(), found }
    };
    match number {
        Some(n) if n < total => Ok(candidates.swap_remove(n)),
        Some(_) => Err(absent()),
        None => candidates.into_iter().min_by_key(|c| rank(c.kind)).ok_or_else(absent),
    }
}

/// Which kind is taken first.
fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::DiscreteGpu => 0,
        Kind::IntegratedGpu => 1,
        Kind::VirtualGpu => 2,
        Kind::OtherGpu => 3,
        Kind::Cpu => 4,
        Kind::Software | Kind::Remote => 5,
    }
}

/// The first device that works, and a note that says what was passed over.
fn auto(float: FloatDType) -> Result<Opened> {
    let mut passed = Vec::new();
    for backend in [Backend::Cuda, Backend::Wgpu, Backend::Cpu] {
        let mut candidates = match backend.candidates() {
            Ok(candidates) if candidates.is_empty() => {
                passed.push(format!("{}: no device", backend.name()));
                continue;
            }
            Ok(candidates) => candidates,
            Err(Error::Unsupported { .. }) => {
                passed.push(format!("{}: not in this build", backend.name()));
                continue;
            }
            Err(error) => {
                passed.push(error.to_string());
                continue;
            }
        };
        candidates.sort_by_key(|c| rank(c.kind));
        for candidate in candidates {
            if candidate.kind == Kind::Software {
                passed.push(format!("{}: a software adapter", candidate.id));
                continue;
            }
            match settle(&candidate, float) {
                Ok(mut opened) => {
                    let taken = format!("auto: took {} ({})", candidate.id, opened.capabilities.name);
                    let why =
                        if passed.is_empty() { String::new() } else { format!("; {}", passed.join("; ")) };
                    opened.note = Some(taken + &why);
                    return Ok(opened);
                }
                Err(error) => passed.push(format!("{}: {error}", candidate.id)),
            }
        }
    }
    Err(Error::Absent { what: "auto".to_owned(), found: passed.join("; ") })
}

/// Opens a candidate, fixes its default number type and lets it compute.
fn settle(candidate: &Candidate, float: FloatDType) -> Result<Opened> {
    let capabilities = candidate.describe()?;
    let id = candidate.id.to_string();
    let mut device = candidate.device.clone();
    guarded(&id, || {
        if !device.supports_dtype(float) {
            return Err(Error::unsupported(format!("number type {float:?}"), format!("device {id}")));
        }
        // A second opening finds the default already fixed: right if it is the same one.
        if let Err(refused) = device.configure(DeviceConfig::from(float)) {
            let fixed = device.settings().float_dtype;
            if fixed != float {
                return Err(Error::dtype(&format!("device {id} ({refused})"), fixed, format!("{float:?}")));
            }
        }
        computes(&device, &id)
    })??;
    Ok(Opened { device, capabilities, note: None })
}

/// Whether a kernel compiles, runs and hands back the right numbers.
fn computes(device: &Device, id: &str) -> Result<()> {
    let broken = |reason: String| Error::Broken { device: id.to_owned(), reason };
    let data = TensorData::new(vec![1.0f32, -2.0], [2]);
    let tensor = Tensor::<1>::from_data(data, (device, DType::F32)).mul_scalar(2.0).add_scalar(1.0);
    let got: Vec<f32> = tensor.try_into_vec_as().map_err(|e| broken(e.to_string()))?;
    if got == [3.0, -3.0] { Ok(()) } else { Err(broken(format!("[1, -2] * 2 + 1 came back as {got:?}"))) }
}

#[cfg(feature = "remote")]
fn remote(url: &str) -> Result<Candidate> {
    use burn::remote::RemoteHost;

    let id = DeviceSpec::Remote(url.to_owned());
    let connected = guarded(&id.to_string(), || Device::remote_options(&RemoteHost::websocket(url)).init())?;
    let device =
        connected.map_err(|error| Error::Absent { what: id.to_string(), found: error.to_string() })?;
    Ok(Candidate { id, kind: Kind::Remote, device })
}

#[cfg(not(feature = "remote"))]
fn remote(url: &str) -> Result<Candidate> {
    Err(Error::unsupported(format!("device remote:{url}"), "this build lacks the feature \"remote\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "flex")]
    #[test]
    fn the_processor_opens_without_a_note_and_auto_says_what_it_took() {
        let cpu = DeviceSpec::Cpu.open().unwrap();
        assert_eq!(cpu.note, None);
        let auto = DeviceSpec::Auto.open().unwrap();
        let note = auto.note.unwrap();
        assert!(note.starts_with(&format!("auto: took {}", auto.capabilities.id)), "{note}");
        assert!(!auto.capabilities.software, "{note}");
        if auto.capabilities.kind == Kind::Cpu {
            assert!(note.contains("cuda: ") && note.contains("wgpu"), "{note}");
        }
    }

    #[test]
    fn what_was_not_compiled_is_unsupported_and_what_is_not_there_is_absent() {
        for (backend, spec) in
            [(Backend::Wgpu, DeviceSpec::Wgpu(Some(4242))), (Backend::Cuda, DeviceSpec::Cuda(Some(4242)))]
        {
            let error = spec.open().unwrap_err();
            match backend.compiled() {
                true => assert!(matches!(error, Error::Absent { .. }), "{error}"),
                false => assert!(matches!(error, Error::Unsupported { .. }), "{error}"),
            }
            assert!(error.to_string().contains(backend.name()), "{error}");
        }
    }

    #[cfg(not(feature = "remote"))]
    #[test]
    fn remote_is_unsupported_without_its_feature() {
        let spec: DeviceSpec = "remote:ws://localhost:3000".parse().unwrap();
        assert!(matches!(spec.open(), Err(Error::Unsupported { .. })));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_second_default_number_type_is_refused() {
        DeviceSpec::Cpu.open().unwrap();
        assert!(matches!(DeviceSpec::Cpu.open_as(FloatDType::F64), Err(Error::Dtype { .. })));
    }

    #[test]
    fn gpus_come_before_the_processor_and_the_processor_before_software() {
        let order = [
            Kind::DiscreteGpu,
            Kind::IntegratedGpu,
            Kind::VirtualGpu,
            Kind::OtherGpu,
            Kind::Cpu,
            Kind::Software,
        ];
        assert!(order.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])));
    }
}
