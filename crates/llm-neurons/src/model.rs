//! One decoder-only transformer with a family's configuration, hookable at every [`Site`](recordings::Site).

mod attention;
mod block;
mod cache;
mod config;
mod families;
mod layers;
mod lm;
mod load;
mod mlp;
mod rope;
mod weights;

pub use cache::KvCache;
pub use config::{Activation, Family, LmConfig, NormKind, Position, Residual, RopeScaling};
pub use lm::{Forward, Head, HookedLm, Tokens};
pub use mlp::Mlp;
pub use weights::WeightFiles;
#[cfg(feature = "hub")]
pub(crate) use weights::shards;
