//! Downloads from a hub of models that this test serves on the loopback.
#![cfg(feature = "hub")]

#[path = "cases/random_model.rs"]
mod random_model;
#[path = "cases/weight_file.rs"]
mod weight_file;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::{FloatDType, Tensor};
use llm_neurons::hub::{Hub, HubConfig};
use llm_neurons::model::{HookedLm, Tokens};
use llm_neurons::{Error, TextTokenizer};
use random_model::Size;
use safetensors::Dtype;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::float_array;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const MODEL: &str = "someone/small-llama";
const SIZE: Size = Size { vocab: 40, hidden: 16, layers: 2, heads: 4, kv_heads: 2, mlp: 24, context: 16 };

/// What is wrong with the hub.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The file's body ends in the middle.
    CutOff(&'static str),
    /// A complete answer, shorter than announced.
    Short(&'static str),
    /// Other bytes than those whose hash is the tag.
    Damaged(&'static str),
    /// A tag that would be a path.
    Tag(&'static str),
    /// Another commit than the repository's.
    Commit(&'static str),
    /// A file that is listed and is not there.
    Absent(&'static str),
    /// A commit that is none.
    Info,
    /// No header says how large the file is.
    NoRange,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    fault: Mutex<Fault>,
    requests: Mutex<Vec<String>>,
    token: Option<&'static str>,
}

/// A hub with one repository; it serves as long as the test runs.
struct Server {
    endpoint: String,
    state: Arc<State>,
}

impl Server {
    fn new(files: BTreeMap<String, Vec<u8>>, token: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Mutex::new(Vec::new());
        let state = Arc::new(State { files, fault: Mutex::new(Fault::None), requests, token });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that hangs up is no failure of the server.
                std::thread::spawn(move || {
                    let _ = answer(stream, &shared);
                });
            }
        });
        Self { endpoint, state }
    }

    fn break_by(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }

    fn hub(&self, cache: &Path) -> Hub {
        let plain = HubConfig::new(cache.to_owned());
        Hub::new(&HubConfig { endpoint: self.endpoint.clone(), retries: 0, ..plain }).unwrap()
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn answer(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let (mut range, mut authorised) = (None, state.token.is_none());
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => range = value.strip_prefix("bytes=").map(str::to_owned),
            "authorization" => authorised = state.token.is_some_and(|t| value == format!("Bearer {t}")),
            _ => {}
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    state.requests.lock().unwrap().push(path.clone());
    let fault = *state.fault.lock().unwrap();
    let mut stream = stream;
    let mut say = |status: &str, headers: &str, announced: usize, body: &[u8]| -> std::io::Result<()> {
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {announced}\r\nConnection: close\r\n{headers}\r\n"
        )?;
        stream.write_all(body)?;
        stream.flush()
    };
    if !authorised {
        return say("401 Unauthorized", "", 0, b"");
    }
    if [format!("/api/models/{MODEL}/revision/main"), format!("/api/models/{MODEL}/revision/v%2F1")]
        .contains(&path)
    {
        let listed: Vec<Value> = state.files.keys().map(|f| json!({ "rfilename": f })).collect();
        let sha = if fault == Fault::Info { "../../elsewhere" } else { COMMIT };
        let text = json!({ "sha": sha, "siblings": listed }).to_string();
        return say("200 OK", "Content-Type: application/json\r\n", text.len(), text.as_bytes());
    }
    let file = path.strip_prefix(&format!("/{MODEL}/resolve/{COMMIT}/")).unwrap_or_default();
    let Some(bytes) = state.files.get(file).filter(|_| fault != Fault::Absent(leak(file))) else {
        return say("404 Not Found", "", 0, b"");
    };
    let is = |made: fn(&'static str) -> Fault| fault == made(leak(file));
    let tag = if is(Fault::Tag) { "../../../outside".to_owned() } else { hash(bytes) };
    let commit = if is(Fault::Commit) { "f".repeat(40) } else { COMMIT.to_owned() };
    let range = range.unwrap_or_else(|| "0-".to_owned());
    let (from, to) = range.split_once('-').unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let probe = to == "0";
    let mut body = if probe { bytes[..1].to_vec() } else { bytes[from.min(bytes.len())..].to_vec() };
    if !probe && is(Fault::Damaged) {
        let middle = body.len() / 2;
        body[middle] ^= 1;
    }
    if !probe && is(Fault::Short) {
        body.truncate(body.len() / 2);
    }
    let announced = body.len();
    if !probe && is(Fault::CutOff) {
        body.truncate(body.len() / 2);
    }
    let size = bytes.len();
    let range = match fault {
        Fault::NoRange => String::new(),
        _ => format!("Content-Range: bytes {from}-{}/{size}\r\n", size - 1),
    };
    let headers = format!("ETag: \"{tag}\"\r\nX-Repo-Commit: {commit}\r\n{range}");
    say("206 Partial Content", &headers, announced, &body)
}

/// The few names of a test, to compare with those of a fault.
fn leak(name: &str) -> &'static str {
    name.to_owned().leak()
}

fn tokenizer() -> String {
    let vocab: Map<String, Value> = (0..SIZE.vocab).map(|i| (format!("w{i}"), json!(i))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    })
    .to_string()
}

/// The files of the model, in one file of weights.
fn whole() -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    random_model::write(folder.path(), &SIZE, Dtype::F32, 11);
    let read = |name: &str| (name.to_owned(), std::fs::read(folder.path().join(name)).unwrap());
    let mut files: BTreeMap<String, Vec<u8>> =
        ["config.json", "model.safetensors"].into_iter().map(read).collect();
    files.insert("tokenizer.json".to_owned(), tokenizer().into_bytes());
    // Never asked for.
    files.insert("pytorch_model.bin".to_owned(), vec![0; 64]);
    files
}

/// The same in two shards of an index.
fn sharded() -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let mut files = whole();
    files.remove("model.safetensors");
    let tensors = SIZE.tensors().into_iter().enumerate().map(|(number, (name, shape))| {
        let bytes = weight_file::bytes(&random_model::values(11, number, &shape), Dtype::F32);
        (name, shape, bytes)
    });
    let (first, second): (Vec<_>, Vec<_>) = tensors.partition(|(name, _, _)| !name.contains("layers.1"));
    let mut map = Map::new();
    for (shard, tensors) in
        [("model-00001-of-00002.safetensors", first), ("model-00002-of-00002.safetensors", second)]
    {
        let path = folder.path().join(shard);
        weight_file::write_tensors(&path, &tensors, Dtype::F32);
        files.insert(shard.to_owned(), std::fs::read(path).unwrap());
        map.extend(tensors.into_iter().map(|(name, _, _)| (name, json!(shard))));
    }
    let index = json!({ "metadata": {}, "weight_map": map }).to_string();
    files.insert("model.safetensors.index.json".to_owned(), index.into_bytes());
    files
}

fn logits(model: &HookedLm) -> Vec<f64> {
    let logits: Tensor<3> = model.logits(&Tokens::one(&[1, 7, 3, 9])).unwrap();
    float_array::<f64, 3>(logits).unwrap().into_iter().collect()
}

/// Every file in a cache that is no part, lock or note of a revision.
fn blobs(cache: &Path) -> usize {
    let folder = cache.join("models--someone--small-llama").join("blobs");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|e| e.path().extension().is_none()).count()
}

#[test]
fn a_model_is_fetched_once_and_loads_from_its_snapshot() {
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let mut seen = Vec::new();
    for files in [whole(), sharded()] {
        let count = files.len();
        let server = Server::new(files, None);
        let cache = tempfile::tempdir().unwrap();
        let hub = server.hub(cache.path());
        let folder = hub.snapshot(MODEL, "main").unwrap();
        assert!(folder.ends_with(Path::new("snapshots").join(COMMIT)), "{}", folder.display());
        assert!(!folder.join("pytorch_model.bin").exists());
        assert_eq!(blobs(cache.path()), count - 1);
        let asked = server.requests();
        // The repository, and each file three times: its size and tag for us and for the client, and itself.
        assert_eq!(asked.len(), 1 + 3 * (count - 1), "{asked:?}");
        let model = hub.load(MODEL, "main", FloatDType::F32, &device).unwrap();
        seen.push(logits(&model));
        let tokenizer = TextTokenizer::load(&folder, model.config()).unwrap();
        assert_eq!(tokenizer.encode("w3 w5", false).unwrap(), [3, 5]);
        assert!(server.requests().is_empty(), "what the cache holds is not asked for again");
        // The same commit by another name: one question, no file.
        assert_eq!(hub.snapshot(MODEL, "v/1").unwrap(), folder);
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(seen[0], seen[1], "shards are one model");
}

/// The error of a first try, of which the cache holds no whole file of that name.
#[test]
fn a_tokenizer_that_the_cache_lacks_is_asked_for() {
    let server = Server::new(whole(), None);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let folder = hub.snapshot(MODEL, "main").unwrap();
    let tokenizer = folder.join("tokenizer.json");
    // As another program leaves it that needs the weights alone.
    std::fs::remove_file(&tokenizer).unwrap();
    server.requests();
    assert_eq!(hub.snapshot(MODEL, "main").unwrap(), folder);
    assert!(tokenizer.is_file());
    let asked = server.requests();
    assert!(asked.iter().all(|a| !a.contains("safetensors")), "{asked:?}");
    // Where the hub fails, the weights do.
    std::fs::remove_file(&tokenizer).unwrap();
    server.break_by(Fault::Info);
    assert_eq!(hub.snapshot(MODEL, "main").unwrap(), folder);
}

fn refused(server: &Server, cache: &Path, file: &str, reason: &str) {
    let error = server.hub(cache).snapshot(MODEL, "main").expect_err(reason);
    let said = error.to_string();
    assert!(matches!(error, Error::Hub { .. }), "{said}");
    assert!(said.contains(MODEL) && said.contains(file) && said.contains(reason), "{said}");
    let kept = cache.join("models--someone--small-llama").join("snapshots").join(COMMIT).join(file);
    assert!(file.is_empty() || !kept.exists(), "{} is left", kept.display());
}

#[test]
fn what_a_hub_does_wrong_is_said_and_put_right_by_the_next_try() {
    let second = "model-00002-of-00002.safetensors";
    for (fault, file, reason) in [
        (Fault::CutOff(second), second, ""),
        (Fault::Short(second), second, "bytes came of"),
        (Fault::Damaged(second), second, "SHA-256"),
        (Fault::Damaged("config.json"), "config.json", "SHA-256"),
        (Fault::Tag("tokenizer.json"), "tokenizer.json", "tag"),
        (Fault::Commit(second), second, "commit"),
        (Fault::Absent(second), second, "404"),
        (Fault::NoRange, "tokenizer.json", "Content-Range"),
        (Fault::Info, "", "commit"),
    ] {
        let server = Server::new(sharded(), None);
        let cache = tempfile::tempdir().unwrap();
        server.break_by(fault);
        refused(&server, cache.path(), file, reason);
        // Nothing outside the repository's own folder.
        let mut names = std::fs::read_dir(cache.path()).unwrap().flatten();
        assert!(names.all(|e| e.file_name() == "models--someone--small-llama"), "{fault:?}");
        server.break_by(Fault::None);
        let hub = server.hub(cache.path());
        let device = DeviceSpec::Cpu.open().unwrap().device;
        hub.load(MODEL, "main", FloatDType::F32, &device).unwrap_or_else(|e| panic!("{fault:?}: {e}"));
    }
}

#[test]
fn repositories_that_are_not_there_or_hold_no_model_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::new(whole(), None);
    let said = |server: &Server, model: &str, revision: &str, reason: &str| {
        let error = server.hub(cache.path()).snapshot(model, revision).expect_err(reason);
        assert!(matches!(error, Error::Hub { .. }) && error.to_string().contains(reason), "{error}");
    };
    said(&server, "someone/else", "main", "404");
    said(&server, MODEL, "other", "404");
    assert_eq!(server.requests().len(), 2);
    for model in ["", "a/b/c", "../x", "a/..", "a b", "/a", "a/", "a?b", "é"] {
        said(&server, model, "main", "name of a model");
    }
    for revision in ["", "../main", "a//b", "a b", "refs/../x", "."] {
        said(&server, MODEL, revision, "revision");
    }
    assert!(server.requests().is_empty(), "such names are not sent");
    for missing in ["config.json", "model.safetensors"] {
        let mut files = whole();
        files.remove(missing);
        said(&Server::new(files, None), MODEL, "main", missing);
    }
    // An index that names a shard outside, and one that is not in the repository.
    for (shard, reason) in [("../../x", "plain file name"), ("absent.safetensors", "absent.safetensors")] {
        let mut files = sharded();
        let index = json!({ "weight_map": { "lm_head.weight": shard } }).to_string();
        files.insert("model.safetensors.index.json".to_owned(), index.into_bytes());
        let cache = tempfile::tempdir().unwrap();
        let error = Server::new(files, None).hub(cache.path()).snapshot(MODEL, "main").expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_token_opens_what_is_not_open_to_all() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::new(whole(), Some("secret"));
    let said = server.hub(cache.path()).snapshot(MODEL, "main").unwrap_err().to_string();
    assert!(said.contains("401"), "{said}");
    let with = HubConfig {
        endpoint: format!("{}/", server.endpoint),
        token: Some("secret".to_owned()),
        ..HubConfig::new(cache.path().to_owned())
    };
    Hub::new(&with).unwrap().snapshot(MODEL, "main").unwrap();
}

#[test]
fn a_hub_that_is_no_hub_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    for endpoint in ["", "huggingface.co", "ftp://x", "http://", "http:// x"] {
        let config = HubConfig { endpoint: endpoint.to_owned(), ..HubConfig::new(cache.path().to_owned()) };
        assert!(matches!(Hub::new(&config), Err(Error::Hub { .. })), "{endpoint}");
    }
    // Nobody listens.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = HubConfig {
        endpoint: format!("http://{closed}"),
        retries: 0,
        ..HubConfig::new(cache.path().to_owned())
    };
    let error = Hub::new(&config).unwrap().snapshot(MODEL, "main").unwrap_err();
    assert!(matches!(error, Error::Hub { .. }), "{error}");
}
