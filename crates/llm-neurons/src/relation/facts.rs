//! Facts and their prompts, from JSON lines or from the files of the LRE data set.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// One fact and the prompt that asks for its object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// The relation's name.
    pub relation: String,
    /// What the fact is about.
    pub subject: String,
    /// The answer.
    pub object: String,
    /// The question, without the answer.
    pub prompt: String,
}

/// How prompts are made from LRE's templates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LreOptions {
    /// Which of a relation's zero-shot templates, from 0 (0).
    pub template: usize,
    /// What follows the filled template, such as ` Answer:` (nothing).
    pub cue: String,
}

/// Facts of any number of relations, each with at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationSet {
    facts: Vec<Fact>,
    repeated: usize,
}

impl RelationSet {
    /// Takes facts.
    ///
    /// # Errors
    /// [`Error::TooFew`] for none, [`Error::Shape`] for an empty field or a fact that comes twice.
    pub fn new(facts: Vec<Fact>) -> Result<Self> {
        if facts.is_empty() {
            return Err(Error::TooFew { what: "facts", needed: 1, found: 0 });
        }
        let mut seen = HashSet::new();
        for (i, fact) in facts.iter().enumerate() {
            if let Some(field) = empty_field(fact) {
                let found = format!("fact {i} has an empty {field}");
                return Err(Error::shape("facts", "relation, subject, object and prompt", found));
            }
            if !seen.insert(fact) {
                return Err(Error::shape("facts", "each fact once", format!("fact {i} again")));
            }
        }
        Ok(Self { facts, repeated: 0 })
    }

    /// Reads a folder or `.json` file of the LRE data set, or else JSON lines.
    ///
    /// # Errors
    /// Those of [`RelationSet::from_lre_dir`], [`RelationSet::from_lre_file`] and [`RelationSet::from_jsonl`].
    pub fn read(path: &Path, options: &LreOptions) -> Result<Self> {
        if path.is_dir() {
            return Self::from_lre_dir(path, options);
        }
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            return Self::from_lre_file(path, options);
        }
        Self::from_jsonl(path)
    }

    /// Reads one fact a line, `{relation, subject, object, prompt}`, in UTF-8. Blank lines and further keys are passed
    /// over.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read or holds no fact; [`Error::Line`] for a line that is not UTF-8, no
    /// such object, has an empty field, or repeats an earlier one.
    pub fn from_jsonl(path: &Path) -> Result<Self> {
        let text = read_utf8(path)?;
        let mut lines: HashMap<Fact, usize> = HashMap::new();
        let mut facts = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let fact: Fact = serde_json::from_str(line).map_err(|e| Error::line(path, number, e))?;
            if let Some(field) = empty_field(&fact) {
                return Err(Error::line(path, number, format!("{field} is empty")));
            }
            if let Some(first) = lines.insert(fact.clone(), number) {
                return Err(Error::line(path, number, format!("the fact of line {first} again")));
            }
            facts.push(fact);
        }
        if facts.is_empty() {
            return Err(Error::file(path, "no fact"));
        }
        Ok(Self { facts, repeated: 0 })
    }

    /// Reads one relation of the LRE data set, `{name, prompt_templates_zs, samples: [{subject, object}]}`. The relation
    /// is called by the file's name without extension. Samples that the data set holds twice are kept once
    /// ([`RelationSet::repeated`]).
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, has no such template, a template without exactly one `{}`, no
    /// sample, or an empty subject or object; [`Error::Line`] where it is not UTF-8 or not such JSON.
    pub fn from_lre_file(path: &Path, options: &LreOptions) -> Result<Self> {
        let text = read_utf8(path)?;
        let relation: LreRelation =
            serde_json::from_str(&text).map_err(|e| Error::line(path, e.line(), e))?;
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        relation.facts(path, &stem, options)
    }

    /// Reads every `.json` file of a folder and its folders but `index.json`, in the order of their paths.
    ///
    /// # Errors
    /// Those of [`RelationSet::from_lre_file`]; [`Error::File`] for a folder without relations, or two of one name.
    pub fn from_lre_dir(path: &Path, options: &LreOptions) -> Result<Self> {
        let files = lre_files(path)?;
        let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut all = Self { facts: Vec::new(), repeated: 0 };
        for file in files {
            let one = Self::from_lre_file(&file, options)?;
            let name = one.facts[0].relation.clone();
            if let Some(first) = names.insert(name, file.clone()) {
                return Err(Error::file(&file, format!("a relation of the name of {}", first.display())));
            }
            all.repeated += one.repeated;
            all.facts.extend(one.facts);
        }
        if all.facts.is_empty() {
            return Err(Error::file(path, "no relation (.json file)"));
        }
        Ok(all)
    }

    /// The facts, in the order in which they were read.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// How many samples of the LRE files were left out because they came before.
    #[must_use]
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// The relations' names, sorted.
    #[must_use]
    pub fn relations(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.facts.iter().map(|f| f.relation.as_str()).collect();
        names.into_iter().collect()
    }

    /// The facts of some relations.
    ///
    /// # Errors
    /// [`Error::Shape`] for a relation that there is not, with those there are.
    pub fn only(&self, relations: &[&str]) -> Result<Self> {
        let known = self.relations();
        if let Some(missing) = relations.iter().find(|r| known.binary_search(r).is_err()) {
            return Err(Error::shape("relation", format!("one of {}", known.join(", ")), missing));
        }
        let facts: Vec<Fact> =
            self.facts.iter().filter(|f| relations.contains(&f.relation.as_str())).cloned().collect();
        if facts.is_empty() {
            return Err(Error::TooFew { what: "relations", needed: 1, found: 0 });
        }
        Ok(Self { facts, repeated: self.repeated })
    }

    /// The relations with at least so many facts; `None` if there is none.
    #[must_use]
    pub fn at_least(&self, facts: usize) -> Option<Self> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        self.facts.iter().for_each(|f| *counts.entry(&f.relation).or_default() += 1);
        let large: Vec<Fact> =
            self.facts.iter().filter(|f| counts[f.relation.as_str()] >= facts).cloned().collect();
        (!large.is_empty()).then_some(Self { facts: large, repeated: self.repeated })
    }
}

/// The files that [`RelationSet::from_lre_dir`] reads, in its order.
///
/// # Errors
/// [`Error::File`] for a folder that cannot be listed.
pub fn lre_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    json_files(folder, 0, &mut files)?;
    Ok(files)
}

/// One file of the LRE data set; what is not needed is not read.
#[derive(Deserialize)]
struct LreRelation {
    prompt_templates_zs: Vec<String>,
    samples: Vec<LreSample>,
}

#[derive(Deserialize)]
struct LreSample {
    subject: String,
    object: String,
}

impl LreRelation {
    fn facts(self, path: &Path, name: &str, options: &LreOptions) -> Result<RelationSet> {
        let templates = &self.prompt_templates_zs;
        let template = templates.get(options.template).ok_or_else(|| {
            let found = format!("no zero-shot template {}, it has {}", options.template, templates.len());
            Error::file(path, found)
        })?;
        let (before, after) = match template.split("{}").collect::<Vec<_>>().as_slice() {
            [before, after] => (*before, *after),
            parts => {
                let found =
                    format!("template {template:?} has {} places for the subject, not 1", parts.len() - 1);
                return Err(Error::file(path, found));
            }
        };
        let samples = self.samples.len();
        let mut seen = HashSet::new();
        let mut facts = Vec::with_capacity(samples);
        for (i, LreSample { subject, object }) in self.samples.into_iter().enumerate() {
            let prompt = format!("{before}{subject}{after}{}", options.cue);
            let fact = Fact { relation: name.to_owned(), subject, object, prompt };
            if let Some(field) = empty_field(&fact) {
                return Err(Error::file(path, format!("sample {i} has an empty {field}")));
            }
            if seen.insert(fact.clone()) {
                facts.push(fact);
            }
        }
        if facts.is_empty() {
            return Err(Error::file(path, "no sample"));
        }
        let repeated = samples - facts.len();
        Ok(RelationSet { facts, repeated })
    }
}

fn empty_field(fact: &Fact) -> Option<&'static str> {
    let fields = [
        ("relation", &fact.relation),
        ("subject", &fact.subject),
        ("object", &fact.object),
        ("prompt", &fact.prompt),
    ];
    fields.into_iter().find(|(_, text)| text.trim().is_empty()).map(|(name, _)| name)
}

/// The text of a file; a byte-order mark is taken off.
fn read_utf8(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(why) => {
            let valid = why.utf8_error().valid_up_to();
            let line = 1 + why.as_bytes()[..valid].iter().filter(|b| **b == b'\n').count();
            Err(Error::line(path, line, format!("not UTF-8 at byte {valid} of the file")))
        }
    }
}

/// The `.json` files of a folder, sorted by path.
fn json_files(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    /// Folders in folders, so that a loop of links ends.
    const DEEPEST: usize = 8;
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(|e| Error::file(folder, e))?;
    entries.sort_unstable();
    for path in entries {
        if path.is_dir() {
            if depth < DEEPEST {
                json_files(&path, depth + 1, files)?;
            }
            continue;
        }
        let is_json = path.extension().is_some_and(|e| e == "json");
        if is_json && path.file_name().is_some_and(|n| n != "index.json") {
            files.push(path);
        }
    }
    Ok(())
}
