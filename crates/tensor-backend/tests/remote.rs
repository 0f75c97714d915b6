//! A device of another machine, here on the loopback: served, opened, computed with, differentiated.
#![cfg(all(feature = "remote-server", feature = "flex"))]

use std::net::TcpListener;

use burn::tensor::{FloatDType, Tensor};
use ndarray::Array2;
use tensor_backend::bridge::{float_array, float_tensor};
use tensor_backend::{Backend, DeviceSpec, Error, Kind, gradients, random, tolerance};

/// Serves the processor on a free port and gives its address.
fn server() -> DeviceSpec {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = format!("remote:ws://{}", listener.local_addr().unwrap()).parse().unwrap();
    let cpu = DeviceSpec::Cpu.open().unwrap();
    // It serves until the process ends.
    std::thread::spawn(move || tensor_backend::remote::serve(listener, &[cpu]));
    spec
}

#[test]
fn a_remote_device_computes_what_the_host_computes() {
    let spec = server();
    let opened = spec.open().unwrap();
    assert_eq!((opened.capabilities.kind, opened.capabilities.id.clone()), (Kind::Remote, spec));
    let device = opened.device;

    let a = Array2::from_shape_fn((5, 4), |(i, j)| (i as f64 - 2.0) * 0.5 + j as f64);
    let x: Tensor<2> = float_tensor(a.view(), FloatDType::F32, &device).unwrap();
    let allowed = tolerance::tolerance(tolerance::Operation::Matmul, x.dtype(), Backend::Cpu).unwrap();
    let got = float_array::<f64, _>(x.clone().matmul(x.clone().transpose())).unwrap();
    for (g, w) in got.iter().zip(a.dot(&a.t()).iter()) {
        assert!(allowed.admits(*g, *w), "{g} {w}");
    }

    let leaf = x.autodiff().require_grad();
    let (value, gradients) = gradients::backward((leaf.clone() * leaf.clone()).sum()).unwrap();
    assert!((value - a.mapv(|v| v * v).sum()).abs() < 1e-4);
    let gradient = float_array::<f64, _>(leaf.grad(&gradients).unwrap()).unwrap();
    assert_eq!(gradient, a * 2.0);

    let key = random::Key::new(5, "remote", 0);
    let there: Tensor<1> = random::normal([100], key, 0.0, 1.0, FloatDType::F32, &device).unwrap();
    let cpu = DeviceSpec::Cpu.open().unwrap().device;
    let here: Tensor<1> = random::normal([100], key, 0.0, 1.0, FloatDType::F32, &cpu).unwrap();
    assert_eq!(float_array::<f32, _>(there).unwrap(), float_array::<f32, _>(here).unwrap());
}

#[test]
fn nobody_at_the_address_is_absent_and_no_devices_cannot_be_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let spec: DeviceSpec = format!("remote:ws://{address}").parse().unwrap();
    let error = spec.open().unwrap_err();
    assert!(matches!(error, Error::Absent { .. }), "{error:?}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(matches!(tensor_backend::remote::serve(listener, &[]), Err(Error::Absent { .. })));
}
