//! `neuropil reproduce`: published claims, measured; one JSON line a system, and a report.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use reproductions::report::{Section, html};
use reproductions::{Card, Measurement, Plan, Reproduction, Target, Tier, registry};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::arguments::nearest;
use crate::context::Context;
use crate::document::{self, RunCard};
use crate::failure::{Failure, Result};
use crate::progress;
use crate::verb::Schemas;

const SCHEMA: &str = "neuropil.reproduce/1";
const LIST_SCHEMA: &str = "neuropil.reproduce.list/1";

/// Measure published claims beside their baselines
#[derive(Debug, Args, Default)]
pub(crate) struct Reproduce {
    /// Sheet names or numbers, for example 26-trsa or 26; all when left out
    ids: Vec<String>,
    /// Name the systems and their claims, measure nothing
    #[arg(long)]
    list: bool,
    /// One seed, about 3 s a system; verdicts are indicative
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Full sizes
    #[arg(long)]
    full: bool,
    /// Run only every n-th system, beginning with number i (from 0)
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Write the report index.html into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Exit with status 1 when a claim does not hold
    #[arg(long)]
    strict: bool,
}

/// `i/n` with `i < n`.
fn shard(text: &str) -> std::result::Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    parts.filter(|(i, n)| i < n).ok_or_else(|| "expected i/n with 0 <= i < n, such as 0/4".to_owned())
}

/// One system's line.
#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    schema: &'static str,
    id: &'static str,
    title: &'static str,
    #[serde(rename = "crate")]
    krate: &'static str,
    claim: &'static str,
    tier: Tier,
    measurements: Vec<Measurement>,
    holds: bool,
    indicative: bool,
    data: Vec<String>,
    nonfinite: usize,
    run: RunCard,
}

/// One system of `--list`.
#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    schema: &'static str,
    /// What `reproduce` takes as ID.
    id: &'static str,
    title: &'static str,
    /// The crate that holds the method.
    #[serde(rename = "crate")]
    krate: &'static str,
    /// What the paper claims.
    claim: &'static str,
    /// Always 0: a list has no figures.
    nonfinite: usize,
    run: RunCard,
}

impl Reproduce {
    /// What the bare program does.
    pub(crate) fn quick() -> Self {
        Self { quick: true, out: Some(PathBuf::from("report")), ..Self::default() }
    }

    /// Runs the chosen reproductions; the exit status.
    pub(crate) fn run(&self, context: &Context) -> u8 {
        match self.chosen().and_then(|systems| self.measure(&systems, context)) {
            Ok(status) => status,
            Err(failure) => {
                let schema = if self.list { LIST_SCHEMA } else { SCHEMA };
                document::print_failure(schema, &failure, context.json)
            }
        }
    }

    fn tier(&self) -> Tier {
        match (self.quick, self.full) {
            (true, _) => Tier::Quick,
            (_, true) => Tier::Full,
            _ => Tier::Ci,
        }
    }

    fn chosen(&self) -> Result<Vec<&'static dyn Reproduction>> {
        let systems = if self.ids.is_empty() {
            registry::all()
        } else {
            self.ids.iter().map(|id| find(id)).collect::<Result<_>>()?
        };
        let (i, n) = self.shard.unwrap_or((0, 1));
        Ok(systems.into_iter().enumerate().filter_map(|(k, s)| (k % n == i).then_some(s)).collect())
    }

    fn measure(&self, systems: &[&'static dyn Reproduction], context: &Context) -> Result<u8> {
        if self.list {
            let clock = Instant::now();
            for Card { id, title, krate, claim } in systems.iter().map(|s| s.card()) {
                if context.json {
                    let run = RunCard::new(context, "cpu".to_owned(), "f64", clock.elapsed());
                    let entry = Entry { schema: LIST_SCHEMA, id, title, krate, claim, nonfinite: 0, run };
                    document::print_line(&to_text(&entry)?);
                } else {
                    document::print_line(&format!("{id}  {title}\n    {claim}"));
                }
            }
            return Ok(0);
        }
        let plan = Plan {
            tier: self.tier(),
            seed: context.seed,
            data: reproductions::data::root(),
            device: device(systems, context)?,
        };
        let bar = progress::bar(systems.len() as u64, "reproducing");
        let (mut sections, mut all_hold, mut ran) = (Vec::new(), true, true);
        for system in systems {
            let section = one(*system, &plan, context, &bar)?;
            all_hold &= section.outcome.as_ref().is_ok_and(reproductions::Outcome::holds);
            ran &= section.outcome.is_ok();
            sections.push(section);
            bar.inc(1);
        }
        bar.finish_and_clear();
        if let Some(folder) = &self.out {
            let page = write(folder, &html(&sections, plan.tier))?;
            if !context.json {
                document::print_line(&format!("report: {}", page.display()));
                if plan.tier == Tier::Quick {
                    document::print_line(
                        "indicative: one seed and small sizes; `neuropil reproduce` measures at those of continuous \
                         integration, `--full` at full size",
                    );
                }
            }
        }
        Ok(u8::from(!ran || (self.strict && !all_hold)))
    }
}

/// The system of an id; an unknown one is answered with the ids near to it.
fn find(id: &str) -> Result<&'static dyn Reproduction> {
    registry::find(id).map_err(|error| {
        let known: Vec<&str> = registry::all().iter().map(|s| s.card().id).collect();
        match nearest(id, known) {
            near if near.is_empty() => Failure::usage(error),
            near => Failure::usage(format!("no reproduction {id:?}; nearest: {}", near.join(", "))),
        }
    })
}

/// The device for the systems that compute on tensors, opened; the others stay on the processor and are named.
fn device(systems: &[&'static dyn Reproduction], context: &Context) -> Result<String> {
    let hosted: Vec<&str> = systems.iter().filter(|s| !s.tensors()).map(|s| s.card().id).collect();
    if hosted.len() == systems.len() {
        context.host_only(&format!("reproducing {}", hosted.join(", ")))?;
        return Ok("cpu".to_owned());
    }
    if !hosted.is_empty() && context.host_only("").is_err() {
        document::warn(&format!("not on {}, but on the processor: {}", context.device, hosted.join(", ")));
    }
    Ok(context.open_device()?.capabilities.id.to_string())
}

/// Runs one system and prints its line.
fn one(
    system: &dyn Reproduction,
    plan: &Plan,
    context: &Context,
    bar: &indicatif::ProgressBar,
) -> Result<Section> {
    let (card, clock) = (system.card(), Instant::now());
    let outcome = system.run(plan);
    let (device, dtype) =
        if system.tensors() { (plan.device.clone(), "f32") } else { ("cpu".to_owned(), "f64") };
    let run = RunCard::new(context, device, dtype, clock.elapsed());
    let facts = [
        ("version", run.version.to_owned()),
        ("commit", run.commit.to_owned()),
        ("device", run.device.clone()),
        ("seed", run.seed.to_string()),
        ("threads", run.threads.to_string()),
        ("seconds", format!("{:.2}", run.seconds)),
    ];
    let facts = facts.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let outcome = match outcome {
        Err(error) => {
            let failure = Failure::input(&error);
            bar.suspend(|| document::print_failure(SCHEMA, &failure, context.json));
            Err(failure.message)
        }
        Ok(outcome) => {
            let line = Line {
                schema: SCHEMA,
                id: card.id,
                title: card.title,
                krate: card.krate,
                claim: card.claim,
                tier: plan.tier,
                measurements: outcome.measurements.clone(),
                holds: outcome.holds(),
                indicative: plan.tier == Tier::Quick,
                data: outcome.data.clone(),
                nonfinite: document::nonfinite(&outcome.measurements),
                run,
            };
            let text = if context.json { to_text(&line)? } else { summary(&line) };
            bar.suspend(|| document::print_line(&text));
            Ok(outcome)
        }
    };
    Ok(Section { card, outcome, run: facts })
}

fn summary(line: &Line) -> String {
    let verdict = match (line.holds, line.indicative) {
        (true, false) => "holds",
        (true, true) => "holds (indicative)",
        (false, false) => "DOES NOT HOLD",
        (false, true) => "DOES NOT HOLD (indicative)",
    };
    let mut out = format!("{}  {}  [{:.1} s]\n  {}\n", line.id, verdict, line.run.seconds, line.claim);
    for m in &line.measurements {
        let mark = if m.holds { "+" } else { "-" };
        let baseline = m.baseline.map_or(String::new(), |b| format!(", baseline {b:.4}"));
        let relation = json!(m.relation);
        let target = match m.target {
            Target::Value(x) => format!("{x}"),
            Target::Interval([low, high]) => format!("[{low:.4}, {high:.4}]"),
        };
        out.push_str(&format!(
            "  {mark} {}: {:.4} {} {target}{baseline}\n",
            m.name,
            m.value,
            relation.as_str().unwrap_or_default()
        ));
    }
    out.trim_end().to_owned()
}

fn to_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Failure::new("format", e))
}

fn write(folder: &Path, page: &str) -> Result<PathBuf> {
    let path = folder.join("index.html");
    std::fs::create_dir_all(folder)
        .and_then(|()| {
            recordings::atomic::write(&path, |file| std::io::Write::write_all(file, page.as_bytes()))
        })
        .map_err(|e| Failure::new("io", e).at(&path))?;
    Ok(path)
}

/// Adds the schemas of a report line and of a line of the list.
pub(crate) fn schemas(schemas: &mut Schemas) {
    let both = [
        ("reproduce", SCHEMA, schemars::schema_for!(Line)),
        ("reproduce.list", LIST_SCHEMA, schemars::schema_for!(Entry)),
    ];
    for (name, title, schema) in both {
        let mut schema = schema.to_value();
        if let Some(object) = schema.as_object_mut() {
            object.insert("title".to_owned(), json!(title));
        }
        schemas.insert(name, schema);
    }
}
