//! Loading a model of any kind: transformer, RWKV-4, character LSTM.

use llm_neurons::{AnyModel, Codec};

use super::model::{ModelArguments, failure};
use crate::context::Context;
use crate::failure::Result;

impl ModelArguments {
    /// The folder's model, on the device of the context.
    pub(crate) fn load_any(&self, context: &Context) -> Result<AnyModel> {
        let files = AnyModel::examine(&self.model).map_err(failure)?;
        context.admit("the model", files.elements().saturating_mul(self.dtype.bytes()))?;
        let device = &context.open_device()?.device;
        AnyModel::load(&self.model, self.dtype.tensor(), device).map_err(failure)
    }

    /// What makes its tokens of texts.
    pub(crate) fn codec(&self, model: &AnyModel) -> Result<Codec> {
        Codec::load(&self.model, model).map_err(failure)
    }
}
