//! What a language model is, whatever computes it: next-token logits, and sites at which neurons are read and changed.

use burn::tensor::{Device, Tensor};
use probes::Taps;
use recordings::Site;

use crate::Result;
use crate::model::{Forward, HookedLm, KvCache, Tokens};

/// A model that reads tokens and says what may come next.
///
/// Perplexity ([`crate::perplexity`]), token scores ([`crate::score`]) and document membership
/// ([`crate::membership::TokenScorer`]) take any such model: a transformer ([`HookedLm`]), RWKV-4
/// ([`Rwkv`](crate::recurrent::Rwkv)), a character LSTM ([`CharLstm`](crate::recurrent::CharLstm)), or, where the kind is
/// known at run time only, an [`AnyModel`](crate::AnyModel).
pub trait LanguageModel {
    /// What it keeps of the tokens that it has read: keys and values, or the state of a recurrence.
    type Memory;

    /// Tokens of the vocabulary; every id is below it.
    fn vocabulary(&self) -> usize;

    /// The most tokens that it reads of one text; none for a recurrence, which goes on for ever.
    fn context(&self) -> Option<usize>;

    /// Blocks or layers.
    fn layers(&self) -> usize;

    /// Where it is.
    fn device(&self) -> Device;

    /// How many units a site has; `None` where the model does not have it.
    fn width(&self, site: &Site) -> Option<usize>;

    /// A memory of nothing.
    ///
    /// # Errors
    /// The implementation's.
    fn memory(&self) -> Result<Self::Memory>;

    /// Reads tokens: logits `[batch, time, vocabulary]` of what follows each of them, or nothing where the taps stop the
    /// model before its head. With a memory it goes on from there and remembers; without one texts begin.
    ///
    /// # Errors
    /// [`Prompt`](crate::Error::Prompt) for no token or more than the context holds;
    /// [`TokenOutOfVocabulary`](crate::Error::TokenOutOfVocabulary); [`Shape`](crate::Error::Shape) for padding or a memory that
    /// does not fit; [`Probes`](crate::Error::Probes) from a tap; [`Tensor`](crate::Error::Tensor).
    fn read<T: Taps>(
        &self,
        tokens: &Tokens,
        memory: Option<&mut Self::Memory>,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>>;
}

impl LanguageModel for HookedLm {
    type Memory = KvCache;

    fn vocabulary(&self) -> usize {
        self.config().vocab
    }

    fn context(&self) -> Option<usize> {
        Some(self.config().context)
    }

    fn layers(&self) -> usize {
        self.config().layers
    }

    fn device(&self) -> Device {
        Self::device(self)
    }

    fn width(&self, site: &Site) -> Option<usize> {
        Self::width(self, site)
    }

    fn memory(&self) -> Result<KvCache> {
        KvCache::new(self.config(), self.config().context)
    }

    fn read<T: Taps>(
        &self,
        tokens: &Tokens,
        memory: Option<&mut KvCache>,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        self.forward(tokens, Forward { cache: memory, ..Forward::default() }, taps)
    }
}
