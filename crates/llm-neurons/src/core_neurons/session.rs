//! Decoding with a prompt's core neurons alone.

use burn::tensor::Tensor;
use probes::NoTaps;

use super::watch::Watch;
use super::{ClusterBank, CoreConfig, CoreSource, Ranked, core_neurons};
use crate::model::{Forward, Head, HookedLm, KvCache, Mlp, Tokens};
use crate::{Error, Result};

/// Where a session's neurons come from.
#[derive(Debug, Clone, Copy)]
pub enum Strategy<'a> {
    /// The prompt's own core neurons; they settle while a long prompt is read.
    Stable,
    /// Those of the cluster whose pattern the prompt's lies nearest to, for short prompts; the prompt is read in one layer
    /// alone.
    Similar(&'a ClusterBank),
}

/// One sequence, its prompt read by the whole model and its answer written by core neurons.
///
/// The prompt passes every neuron; what ranks them comes to the host layer by layer, `[tokens, neurons]` in one transfer
/// each, and is not kept. Of each sparse layer the rows and columns of the neurons chosen are then gathered once into small
/// matrices ([`Mlp::restricted`]), and every step until the next prompt reads those instead of the layer's own: a share of
/// [`active_fraction`](Self::active_fraction) of the MLPs' weights. There is no predictor and no mask for each token.
///
/// One sequence a session: those of a batch would differ in their neurons. Sessions share their model, and cloning one
/// copies no weights.
///
/// ```no_run
/// use burn::tensor::FloatDType;
/// use llm_neurons::core_neurons::{CoreConfig, CoreInferSession, Strategy};
/// use llm_neurons::model::HookedLm;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = tensor_backend::DeviceSpec::Cpu.open()?.device;
/// let model = HookedLm::load("opt-125m".as_ref(), FloatDType::F32, &device)?;
/// let config = CoreConfig::for_model(model.config());
/// let mut session = CoreInferSession::prefill(&model, &[2, 133, 812, 9, 1470, 16], 64, config, Strategy::Stable)?;
/// let mut logits = session.next_logits();
/// for _ in 0..20 {
///     let best = tensor_backend::bridge::int_array(logits.argmax(0))?;
///     logits = session.decode_step(u32::try_from(best[0])?)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CoreInferSession<'a> {
    model: &'a HookedLm,
    config: CoreConfig,
    strategy: Strategy<'a>,
    cache: KvCache,
    prompt: Prompt,
}

/// What reading a prompt settled.
#[derive(Debug, Clone)]
struct Prompt {
    rankings: Vec<Option<Ranked>>,
    cluster: Option<usize>,
    sets: Vec<Option<Vec<usize>>>,
    mlps: Vec<Option<Mlp>>,
    next: Tensor<1>,
}

impl<'a> CoreInferSession<'a> {
    /// Reads a prompt with every neuron and gathers the weights of those chosen; `capacity` is the most tokens that the
    /// session may hold, the prompt's included.
    ///
    /// # Errors
    /// Those of [`CoreConfig::validate`]; [`Error::Mismatch`] for a source that the model's MLP does not have, or a bank of
    /// another model; [`Error::Prompt`] for no token, or more than the capacity or the context hold;
    /// [`Error::TokenOutOfVocabulary`]; [`Error::NotFinite`] for activations that cannot be ranked; [`Error::Tensor`] from
    /// the device, or where the model records gradients.
    pub fn prefill(
        model: &'a HookedLm,
        ids: &[u32],
        capacity: usize,
        config: CoreConfig,
        strategy: Strategy<'a>,
    ) -> Result<Self> {
        let shape = model.config();
        config.validate(shape.layers, shape.mlp)?;
        let fits = CoreConfig::for_model(shape).source;
        // The down projection's input ranks the neurons of any MLP; up alone ranks those without a gate.
        if config.source == CoreSource::PreActivation && fits != CoreSource::PreActivation {
            return Err(Error::Mismatch {
                what: "what ranks neurons",
                expected: format!("{fits:?}, as the MLP is gated"),
                found: format!("{:?}", config.source),
            });
        }
        if let Strategy::Similar(bank) = strategy
            && (bank.layers(), bank.width()) != (shape.layers, shape.mlp)
        {
            return Err(Error::Mismatch {
                what: "bank of clusters",
                expected: format!("{} layers of {} neurons", shape.layers, shape.mlp),
                found: format!("{} of {}", bank.layers(), bank.width()),
            });
        }
        if model.device().is_autodiff() {
            let message = "core neurons are gathered from a model that records no gradients".to_owned();
            return Err(Error::Tensor { message });
        }
        let mut cache = KvCache::new(shape, capacity)?;
        let prompt = Prompt::read(model, ids, &mut cache, &config, strategy)?;
        Ok(Self { model, config, strategy, cache, prompt })
    }

    /// Reads a further prompt after what was read and written, with every neuron; it alone chooses the neurons from now on.
    ///
    /// # Errors
    /// Those of [`CoreInferSession::prefill`]; the session is then as it was.
    pub fn read(&mut self, ids: &[u32]) -> Result<()> {
        self.prompt = Prompt::read(self.model, ids, &mut self.cache, &self.config, self.strategy)?;
        Ok(())
    }

    /// The same text, to be gone on with by other neurons: those of a control, or of another share. `sets[l]` are the
    /// neurons of layer l, in any order; `None` leaves the layer whole.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of layers or a neuron twice; [`Error::TooFew`] for an empty set;
    /// [`Error::Parameter`] for a neuron that there is not.
    pub fn with_sets(&self, sets: &[Option<Vec<usize>>]) -> Result<Self> {
        let layers = self.model.config().layers;
        if sets.len() != layers {
            return Err(Error::shape("layers with neurons", layers, sets.len()));
        }
        let mut sets = sets.to_vec();
        for (layer, set) in sets.iter_mut().enumerate() {
            let Some(set) = set else { continue };
            set.sort_unstable();
            if let Some(twice) = set.windows(2).find(|w| w[0] == w[1]) {
                let found = format!("{} twice in layer {layer}", twice[0]);
                return Err(Error::shape("core neurons", "distinct ones", found));
            }
        }
        let mlps = gathered(self.model, &sets)?;
        let prompt = Prompt { sets, mlps, ..self.prompt.clone() };
        Ok(Self { prompt, ..self.clone() })
    }

    /// One token more, by the chosen neurons: the logits `[vocab]` of what follows it.
    ///
    /// # Errors
    /// [`Error::Prompt`] where the capacity is used up; [`Error::TokenOutOfVocabulary`].
    pub fn decode_step(&mut self, id: u32) -> Result<Tensor<1>> {
        let logits = self.decode(&[id])?;
        let vocab = logits.dims()[1];
        Ok(logits.reshape([vocab]))
    }

    /// Several tokens that are known, in one pass: the logits `[tokens, vocab]` that as many steps would give.
    ///
    /// # Errors
    /// Those of [`CoreInferSession::decode_step`]; [`Error::Prompt`] for no token.
    pub fn decode(&mut self, ids: &[u32]) -> Result<Tensor<2>> {
        let with = Forward { cache: Some(&mut self.cache), head: Head::All, mlps: Some(&self.prompt.mlps) };
        let logits = self.model.forward(&Tokens::one(ids), with, &mut NoTaps)?;
        rows(logits)
    }

    /// The logits `[vocab]` of what follows the prompt, which every neuron had a part in.
    #[must_use]
    pub fn next_logits(&self) -> Tensor<1> {
        self.prompt.next.clone()
    }

    /// The neurons of each layer, in ascending order; `None` where the layer is whole.
    #[must_use]
    pub fn sets(&self) -> &[Option<Vec<usize>>] {
        &self.prompt.sets
    }

    /// How the prompt ranked the neurons of a layer: of every sparse one, or of the clustering layer.
    #[must_use]
    pub fn ranking(&self, layer: usize) -> Option<&Ranked> {
        self.prompt.rankings.get(layer)?.as_ref()
    }

    /// The cluster that the prompt fell into, where clusters choose.
    #[must_use]
    pub fn cluster(&self) -> Option<usize> {
        self.prompt.cluster
    }

    /// Share of the MLPs' weight rows that a step reads, whole layers included.
    #[must_use]
    pub fn active_fraction(&self) -> f64 {
        let width = self.model.config().mlp;
        let read: usize = self.prompt.sets.iter().map(|s| s.as_ref().map_or(width, Vec::len)).sum();
        read as f64 / (width * self.prompt.sets.len()) as f64
    }

    /// Tokens read and written so far.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.cache.len()
    }
}

impl Prompt {
    fn read(
        model: &HookedLm,
        ids: &[u32],
        cache: &mut KvCache,
        config: &CoreConfig,
        strategy: Strategy<'_>,
    ) -> Result<Self> {
        let (layers, keep) = (model.config().layers, config.keep(model.config().mlp));
        let watched = |layer: usize| match strategy {
            Strategy::Stable => config.is_sparse(layer),
            Strategy::Similar(bank) => layer == bank.layer(),
        };
        let watch = Watch { source: config.source, layers: watched, stop_after: None };
        let with = Forward { cache: Some(cache), head: Head::Last, mlps: None };
        let mut rankings = vec![None; layers];
        let logits = watch.read(model, ids, with, |layer, a| {
            rankings[layer] = Some(match strategy {
                Strategy::Stable => core_neurons(a, config.alpha, keep)?,
                Strategy::Similar(bank) => bank.pattern(a)?,
            });
            Ok(())
        })?;
        let cluster = match strategy {
            Strategy::Stable => None,
            Strategy::Similar(bank) => {
                let pattern = rankings[bank.layer()].as_ref();
                Some(bank.assign(pattern.ok_or(Error::Missing { what: "pattern of the prompt" })?)?)
            }
        };
        let chosen = |layer: usize| -> Result<Option<Vec<usize>>> {
            if !config.is_sparse(layer) {
                return Ok(None);
            }
            match (strategy, cluster) {
                (Strategy::Similar(bank), Some(cluster)) => {
                    let mut units = bank.units(cluster, layer, keep)?.to_vec();
                    units.sort_unstable();
                    Ok(Some(units))
                }
                _ => Ok(rankings[layer].as_ref().map(Ranked::sorted)),
            }
        };
        let sets = (0..layers).map(chosen).collect::<Result<Vec<_>>>()?;
        let next = rows(logits)?;
        let vocab = next.dims()[1];
        let mlps = gathered(model, &sets)?;
        Ok(Self { rankings, cluster, sets, mlps, next: next.reshape([vocab]) })
    }
}

/// Small matrices of the layers with a set.
fn gathered(model: &HookedLm, sets: &[Option<Vec<usize>>]) -> Result<Vec<Option<Mlp>>> {
    sets.iter()
        .enumerate()
        .map(|(layer, set)| match (set, model.mlp(layer)) {
            (Some(units), Some(mlp)) => mlp.restricted(units).map(Some),
            _ => Ok(None),
        })
        .collect()
}

/// The tokens' logits `[tokens, vocab]` of one sequence.
fn rows(logits: Option<Tensor<3>>) -> Result<Tensor<2>> {
    let logits = logits.ok_or(Error::Missing { what: "logits" })?;
    let [batch, time, vocab] = logits.dims();
    Ok(logits.reshape([batch * time, vocab]))
}
