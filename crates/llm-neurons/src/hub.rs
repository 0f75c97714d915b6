//! Models of the Hugging Face hub: from a repository's name to a folder of its files, and to the model.
//!
//! Files go into a cache of the layout that other programs of the hub share: a folder a revision, whose files are links to
//! blobs. What the cache holds is not asked for again. The commit is fixed before the first file, so that all files are of
//! one; each file has the length that was announced, and the SHA-256 where the hub gives one.
//!
//! Behind the feature `hub`, which is off by default: the client, `hf-hub`, speaks TLS by rustls with ring, which compiles C.
//!
//! ```no_run
//! use burn::tensor::FloatDType;
//! use llm_neurons::hub::{Hub, HubConfig};
//! use tensor_backend::DeviceSpec;
//!
//! let device = DeviceSpec::Cpu.open()?.device;
//! let hub = Hub::new(&HubConfig::from_env()?)?;
//! let folder = hub.snapshot("EleutherAI/pythia-70m", "main")?;
//! let model = llm_neurons::model::HookedLm::load(&folder, FloatDType::F32, &device)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType};
use hf_hub::api::sync::{Api, ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use crate::model::{HookedLm, shards};
use crate::{Error, Result, file_sha256};

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// Files that not every repository has.
const OPTIONAL: [&str; 2] = [TOKENIZER, "tokenizer_config.json"];

/// Where models come from and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// Address of the hub (`https://huggingface.co`).
    pub endpoint: String,
    /// Folder of the cache.
    pub cache: PathBuf,
    /// Token for repositories that are not open to all.
    pub token: Option<String>,
    /// How often a download that broke off is taken up again (3).
    pub retries: usize,
}

impl HubConfig {
    /// The public hub, without a token, with files kept in `cache`.
    #[must_use]
    pub fn new(cache: PathBuf) -> Self {
        Self { endpoint: "https://huggingface.co".to_owned(), cache, token: None, retries: 3 }
    }

    /// What `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN` say; the cache is `$HF_HOME/hub`, or else
    /// `.cache/huggingface/hub` in the home folder, as in other programs of the hub.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is neither `HF_HOME` nor a home folder.
    pub fn from_env() -> Result<Self> {
        let home = match std::env::var_os("HF_HOME").filter(|home| !home.is_empty()) {
            Some(home) => PathBuf::from(home),
            None => std::env::home_dir()
                .map(|home| home.join(".cache").join("huggingface"))
                .ok_or(Error::Missing { what: "a folder for the cache of the hub: HF_HOME" })?,
        };
        let said = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let plain = Self::new(home.join("hub"));
        let endpoint = said("HF_ENDPOINT").unwrap_or(plain.endpoint);
        Ok(Self { endpoint, token: said("HF_TOKEN"), ..plain })
    }
}

/// A hub of models.
#[derive(Debug)]
pub struct Hub {
    api: Api,
    cache: Cache,
}

impl Hub {
    /// A hub; nothing is asked of it yet.
    ///
    /// # Errors
    /// [`Error::Hub`] for an address that is none.
    pub fn new(config: &HubConfig) -> Result<Self> {
        let endpoint = config.endpoint.trim_end_matches('/');
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            return Err(Error::hub(&config.endpoint, "no address that begins with https:// or http://"));
        }
        let cache = Cache::new(config.cache.clone());
        let builder = ApiBuilder::from_cache(cache.clone())
            .with_endpoint(endpoint.to_owned())
            .with_token(config.token.clone())
            .with_retries(config.retries)
            .with_progress(false);
        let api = guarded(endpoint, || builder.build())?;
        Ok(Self { api, cache })
    }

    /// The folder of a model's files: `config.json`, its weights, and its tokenizer where it has one. `revision` is a
    /// branch (`main`), a tag or a commit.
    ///
    /// # Errors
    /// [`Error::Hub`] for a name that is none, a repository, revision or file that is not there or not open to the token,
    /// a hub that cannot be reached, a file that came in part or damaged, or an answer that makes no sense;
    /// [`Error::File`] for an index of shards that is damaged. The cache then holds whole files alone, and parts under
    /// names of their own from which the next try goes on.
    pub fn snapshot(&self, model: &str, revision: &str) -> Result<PathBuf> {
        plain_name(model, "name of a model", model.matches('/').count() <= 1)?;
        plain_name(revision, "revision", true)?;
        let by = |revision: &str| Repo::with_revision(model.to_owned(), RepoType::Model, revision.to_owned());
        let held = self.held(&by(revision));
        match held {
            // Another program may have fetched no more than the weights; some models have no tokenizer.
            Some(folder) if !folder.join(TOKENIZER).is_file() => {
                self.fetched(model, revision, by).or(Ok(folder))
            }
            Some(folder) => Ok(folder),
            None => self.fetched(model, revision, by),
        }
    }

    /// The same from the hub, into the cache.
    fn fetched(&self, model: &str, revision: &str, by: impl Fn(&str) -> Repo) -> Result<PathBuf> {
        let named = self.api.repo(by(revision));
        let info = guarded(model, || named.info())?;
        if info.sha.len() != 40 || !info.sha.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Error::hub(model, format!("commit {:?} is none", info.sha)));
        }
        let fetched = Snapshot {
            api: &self.api,
            model,
            commit: &info.sha,
            listed: info.siblings.into_iter().map(|s| s.rfilename).collect(),
            repo: self.api.repo(by(&info.sha)),
            folder: self.cache.repo(by(&info.sha)).pointer_path(&info.sha),
        };
        fetched.fetch_all()?;
        self.cache.repo(by(revision)).create_ref(&info.sha).map_err(|e| Error::file(self.cache.path(), e))?;
        Ok(fetched.folder)
    }

    /// Loads a model as `dtype` on `device`.
    ///
    /// # Errors
    /// Those of [`Hub::snapshot`] and [`HookedLm::load`].
    pub fn load(&self, model: &str, revision: &str, dtype: FloatDType, device: &Device) -> Result<HookedLm> {
        HookedLm::load(&self.snapshot(model, revision)?, dtype, device)
    }

    /// The folder of a revision whose weights and configuration the cache holds; they are fetched last.
    fn held(&self, repo: &Repo) -> Option<PathBuf> {
        let kept = self.cache.repo(repo.clone());
        let folder = kept.get(CONFIG)?.parent()?.to_owned();
        let whole = match kept.get(WEIGHTS) {
            Some(_) => true,
            None => {
                let names = shards(&kept.get(INDEX)?).ok()?;
                names.iter().all(|shard| folder.join(shard).is_file())
            }
        };
        whole.then_some(folder)
    }
}

/// The files of one commit.
struct Snapshot<'a> {
    api: &'a Api,
    model: &'a str,
    commit: &'a str,
    listed: BTreeSet<String>,
    repo: ApiRepo,
    folder: PathBuf,
}

impl Snapshot<'_> {
    fn fetch_all(&self) -> Result<()> {
        for file in OPTIONAL.into_iter().filter(|file| self.listed.contains(*file)) {
            self.fetch(file)?;
        }
        if self.listed.contains(WEIGHTS) {
            self.fetch(WEIGHTS)?;
        } else if self.listed.contains(INDEX) {
            self.fetch(INDEX)?;
            for shard in shards(&self.folder.join(INDEX))? {
                self.fetch(&shard)?;
            }
        } else {
            return Err(self.wrong(WEIGHTS, "not in the repository, nor is an index of shards"));
        }
        self.fetch(CONFIG)
    }

    fn fetch(&self, file: &str) -> Result<()> {
        let path = self.folder.join(file);
        if path.is_file() {
            return Ok(());
        }
        if !self.listed.contains(file) {
            return Err(self.wrong(file, "not in the repository"));
        }
        let what = format!("{}: {file}", self.model);
        let announced = guarded(&what, || self.api.metadata(&self.repo.url(file)))?;
        // Both become names of files.
        if announced.commit_hash() != self.commit {
            return Err(
                self.wrong(file, format!("of commit {:?}, not {}", announced.commit_hash(), self.commit))
            );
        }
        let tag = announced.etag();
        if tag.is_empty() || !tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return Err(self.wrong(file, format!("tag {tag:?} is none")));
        }
        let got = guarded(&what, || self.repo.download(file))?;
        let sound = self.check(&got, file, announced.size() as u64, tag);
        if sound.is_err() {
            // The next try is to fetch it anew.
            for name in got.canonicalize().into_iter().chain([got]) {
                let _ = std::fs::remove_file(name);
            }
        }
        sound
    }

    fn check(&self, path: &Path, file: &str, size: u64, tag: &str) -> Result<()> {
        let io = |e| Error::file(path, e);
        let found = std::fs::metadata(path).map_err(io)?.len();
        if found != size {
            return Err(self.wrong(file, format!("{found} bytes came of {size}")));
        }
        // Large files are tagged by their hash.
        if tag.len() == 64 && tag.chars().all(|c| c.is_ascii_hexdigit()) {
            let found = file_sha256(path)?;
            if !found.eq_ignore_ascii_case(tag) {
                return Err(self.wrong(file, format!("damaged: its SHA-256 is {found}, not {tag}")));
            }
        }
        Ok(())
    }

    fn wrong(&self, file: &str, message: impl std::fmt::Display) -> Error {
        Error::hub(&format!("{}: {file}", self.model), message)
    }
}

/// Refuses what would lead out of the cache, or to another page of the hub.
fn plain_name(name: &str, what: &str, fits: bool) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part = |part: &str| !part.is_empty() && part.chars().all(known) && !part.chars().all(|c| c == '.');
    if fits && name.len() <= 200 && name.split('/').all(part) {
        return Ok(());
    }
    Err(Error::hub(name, format!("not a {what}: letters, digits, - _ . and / between them")))
}

/// A call of the hub's client. It panics on some answers that no hub should give; those are errors of the hub.
fn guarded<T, E: std::fmt::Display>(
    what: &str,
    call: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::hub(what, error)),
        Err(_) => Err(Error::hub(what, "the hub's answer makes no sense")),
    }
}
