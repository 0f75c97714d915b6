//! One decoder-only transformer with a family's configuration, hookable at every [`Site`](recordings::Site).

mod attention;
mod block;
mod cache;
mod config;
mod config_json;
mod families;
pub(crate) mod layers;
mod lm;

mod load;
mod memory;
mod mlp;
mod one_row;
mod rope;
mod save;
mod weights;

pub(crate) use attention::Attention;
pub(crate) use block::Block;
pub use cache::KvCache;
pub use config::{Activation, Family, LmConfig, NormKind, Position, Residual, RopeScaling};
pub use config_json::LlamaShape;
pub(crate) use layers::{Linear, Norm};
pub use lm::{Forward, Head, HookedLm, Tokens};
pub use mlp::Mlp;
pub(crate) use mlp::indices;
pub(crate) use rope::frequencies;
pub use save::check_free;
pub use weights::WeightFiles;
#[cfg(feature = "hub")]
pub(crate) use weights::shards;
