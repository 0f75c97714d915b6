//! From a model to a Hugging Face folder.

use std::collections::HashMap;
use std::path::Path;

use burn::module::Param;
use burn::tensor::Tensor;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

use super::block::Block;
use super::config::Family;
use super::families::{Names, Qkv, names};
use super::layers::{Linear, Norm};
use super::lm::HookedLm;
use crate::{Error, Result};

impl HookedLm {
    /// Writes `config.json`, `model.safetensors` (32-bit floats, the family's own names and layouts) and the given
    /// `tokenizer.json` to a new folder; [`HookedLm::load`] and other programs read it.
    ///
    /// The folder is made under a temporary name beside `folder` and renamed when it is whole.
    ///
    /// # Errors
    /// [`Error::File`] for a folder that holds something already, or what the operating system says; [`Error::Weights`]
    /// for a weight that is not finite; [`Error::Config`] for a model that the family's files cannot express.
    pub fn save(&self, folder: &Path, tokenizer: Option<&[u8]>) -> Result<()> {
        let tokenizer = tokenizer.map(|bytes| ("tokenizer.json", bytes));
        self.save_with(folder, tokenizer.as_slice())
    }

    /// [`HookedLm::save`] with any files beside the model's, by their names.
    ///
    /// # Errors
    /// Those of [`HookedLm::save`].
    pub fn save_with(&self, folder: &Path, others: &[(&str, &[u8])]) -> Result<()> {
        check_free(folder)?;
        let config = self.config.to_json()?;
        let config = serde_json::to_vec_pretty(&config).map_err(|e| Error::file(folder, e))?;
        let weights = self.weights()?;
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(parent).map_err(|e| Error::file(parent, e))?;
        let temporary = tempfile::Builder::new().prefix(".neuropil-").tempdir_in(parent);
        // What went wrong concerns the folder: the temporary name would tell nobody anything.
        let temporary = temporary.map_err(|e| Error::file(parent, e.kind()))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = temporary.path().join(name);
            recordings::atomic::write(&path, |file| std::io::Write::write_all(file, bytes))
                .map_err(|e| Error::file(&folder.join(name), e))
        };
        write("config.json", &config)?;
        write("model.safetensors", &weights)?;
        others.iter().try_for_each(|(name, bytes)| write(name, bytes))?;
        open_to_others(temporary.path()).map_err(|e| Error::file(folder, e))?;
        std::fs::rename(temporary.path(), folder).map_err(|e| Error::file(folder, e))?;
        // It has its name now: there is nothing left to remove.
        let _ = temporary.keep();
        Ok(())
    }

    /// The bytes of `model.safetensors`.
    fn weights(&self) -> Result<Vec<u8>> {
        let names = names(self.config.family);
        let mut writer = Writer { tensors: Vec::new() };
        let outer = |name: &str| format!("{}{name}", names.prefix);
        writer.put(outer(names.embed), &self.embed)?;
        if let (Some(name), Some(table)) = (names.positions, &self.positions) {
            writer.put(outer(name), table)?;
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            let at = format!("{}{}{layer}.", names.prefix, names.block);
            self.put_block(&mut writer, &names, &at, block)?;
        }
        writer.put_norm(&outer(names.norm), &self.norm)?;
        if let Some(head) = &self.head {
            writer.put(names.head.to_owned(), head)?;
        }
        writer.bytes()
    }

    fn put_block(&self, writer: &mut Writer, names: &Names, at: &str, block: &Block) -> Result<()> {
        let turned = self.config.family == Family::Gpt2;
        let name = |part: &str| format!("{at}{part}");
        writer.put_norm(&name(names.norm1), &block.norm1)?;
        writer.put_norm(&name(names.norm2), &block.norm2)?;
        let attention = &block.attention;
        let parts = [&attention.query, &attention.key, &attention.value];
        match &names.qkv {
            Qkv::Apart(parted) => {
                for (part, linear) in parted.iter().zip(parts) {
                    writer.put_linear(&name(part), linear, false)?;
                }
            }
            Qkv::PerHead(part) => {
                let (heads, dim) = (attention.heads, attention.head_dim);
                let fused = fuse(parts, Some((heads, dim)));
                writer.put_linear(&name(part), &fused, false)?;
            }
            Qkv::Thirds(part) => writer.put_linear(&name(part), &fuse(parts, None), turned)?,
        }
        writer.put_linear(&name(names.out), &attention.out, turned)?;
        if let (Some(part), Some(gate)) = (names.gate, &block.mlp.gate) {
            writer.put_linear(&name(part), gate, turned)?;
        }
        writer.put_linear(&name(names.up), &block.mlp.up, turned)?;
        writer.put_linear(&name(names.down), &block.mlp.down, turned)
    }
}

/// Refuses a folder that holds something, to which [`HookedLm::save`] would not write: to know before training.
///
/// # Errors
/// [`Error::File`].
pub fn check_free(folder: &Path) -> Result<()> {
    match std::fs::read_dir(folder) {
        Ok(entries) => match entries.count() {
            0 => Ok(()),
            _ => Err(Error::file(folder, "it holds files already: a model is written to a new folder")),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::file(folder, e)),
    }
}

/// Query, key and value in one map: rows `[3, heads, dim]`, or with `heads` `[heads, 3, dim]`.
fn fuse(parts: [&Linear; 3], per_head: Option<(usize, usize)>) -> Linear {
    let weights: Vec<Tensor<2>> = parts.iter().map(|l| l.weight.val().inner()).collect();
    let inputs = weights[0].dims()[1];
    let weight = match per_head {
        None => Tensor::cat(weights, 0),
        Some((heads, dim)) => {
            let split = weights.into_iter().map(|w| w.reshape([heads, 1, dim, inputs])).collect();
            Tensor::<4>::cat(split, 1).reshape([3 * heads * dim, inputs])
        }
    };
    let biases: Option<Vec<Tensor<1>>> =
        parts.iter().map(|l| l.bias.as_ref().map(|b| b.val().inner())).collect();
    let bias = biases.map(|biases| match per_head {
        None => Tensor::cat(biases, 0),
        Some((heads, dim)) => {
            let split = biases.into_iter().map(|b| b.reshape([heads, 1, dim])).collect();
            Tensor::<3>::cat(split, 1).reshape([3 * heads * dim])
        }
    });
    Linear { weight: Param::from_tensor(weight), bias: bias.map(Param::from_tensor) }
}

/// The tensors of a file.
struct Writer {
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl Writer {
    fn put<const D: usize>(&mut self, name: String, param: &Param<Tensor<D>>) -> Result<()> {
        self.put_tensor(name, param.val().inner())
    }

    fn put_tensor<const D: usize>(&mut self, name: String, tensor: Tensor<D>) -> Result<()> {
        let shape = tensor.dims().to_vec();
        let data = tensor.try_into_data().map_err(|e| Error::Tensor { message: format!("{name}: {e:?}") })?;
        let mut bytes = Vec::with_capacity(4 * data.num_elements());
        for (i, value) in data.iter::<f32>().enumerate() {
            if !value.is_finite() {
                let expected = "finite values".to_owned();
                return Err(Error::Weights { name, expected, found: format!("{value} at element {i}") });
            }
            bytes.extend(value.to_le_bytes());
        }
        self.tensors.push((name, shape, bytes));
        Ok(())
    }

    /// `turned` for a family that stores `[in, out]`.
    fn put_linear(&mut self, name: &str, linear: &Linear, turned: bool) -> Result<()> {
        let weight = linear.weight.val().inner();
        self.put_tensor(format!("{name}.weight"), if turned { weight.transpose() } else { weight })?;
        match &linear.bias {
            Some(bias) => self.put(format!("{name}.bias"), bias),
            None => Ok(()),
        }
    }

    fn put_norm(&mut self, name: &str, norm: &Norm) -> Result<()> {
        self.put(format!("{name}.weight"), &norm.weight)?;
        match &norm.bias {
            Some(bias) => self.put(format!("{name}.bias"), bias),
            None => Ok(()),
        }
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let message = |e: safetensors::SafeTensorError| Error::Recording { message: e.to_string() };
        let mut views = Vec::with_capacity(self.tensors.len());
        for (name, shape, bytes) in &self.tensors {
            views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(message)?));
        }
        // One entry, so that equal models have equal bytes; other readers ask for it.
        let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        serialize(views, Some(about)).map_err(message)
    }
}

/// Temporary folders are private; a model has the usual permissions.
#[cfg(unix)]
fn open_to_others(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn open_to_others(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
