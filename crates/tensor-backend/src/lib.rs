//! Devices chosen at run time, bridges between host arrays and tensors, and training.
#![forbid(unsafe_code)]
