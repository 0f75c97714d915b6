//! Membership inference: numbers of the published code and of scikit-learn (fixtures/02-document-membership/README.md says
//! which), what must hold of every document, and input that nobody should send.

#[path = "membership/golden.rs"]
mod golden;
#[path = "membership/hostile.rs"]
mod hostile;
#[path = "membership/properties.rs"]
mod properties;
#[path = "membership/sequences.rs"]
mod sequences;
#[path = "membership/zlib.rs"]
mod zlib;
