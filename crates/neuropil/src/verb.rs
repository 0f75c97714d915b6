//! What a verb is, and how its answer becomes a document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::document::{self, RunCard};
use crate::failure::{Failure, Result};

/// One verb: its arguments are the implementor's fields.
pub(crate) trait Verb {
    /// `domain.verb`, as in the schema name `neuropil.<domain>.<verb>/1`.
    const NAME: &'static str;
    /// The figures it answers with.
    type Answer: Serialize + JsonSchema;
    /// Whether it computes on the device of [`Context::open_device`]; other verbs refuse `--device` but for `cpu` and
    /// `auto`.
    const TENSORS: bool = false;

    /// Does the work.
    ///
    /// # Errors
    /// A [`Failure`] with a line for the user.
    fn run(&self, context: &Context) -> Result<Self::Answer>;

    /// NaN and infinities in what it wrote that the answer does not hold too.
    fn nonfinite_written(&self, _answer: &Self::Answer) -> usize {
        0
    }

    /// The device and number type the answer was computed with.
    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), if Self::TENSORS { "f32" } else { "f64" })
    }
}

/// Runs a verb and prints its document or its table; the exit status.
pub(crate) fn execute<V: Verb>(verb: &V, context: &Context) -> u8 {
    let clock = std::time::Instant::now();
    let schema = format!("neuropil.{}/1", V::NAME);
    let allowed = if V::TENSORS { Ok(()) } else { context.host_only(V::NAME) };
    match allowed
        .and_then(|()| verb.run(context))
        .and_then(|answer| document(verb, context, &schema, &answer, clock))
    {
        Ok(body) => document::print_answer(&body, context.json),
        Err(failure) => document::print_failure(&schema, &failure, context.json),
    }
}

fn document<V: Verb>(
    verb: &V,
    context: &Context,
    schema: &str,
    answer: &V::Answer,
    clock: std::time::Instant,
) -> Result<Value> {
    let format = |e: serde_json::Error| Failure::new("format", e);
    let mut body = Map::new();
    body.insert("schema".to_owned(), json!(schema));
    if let Value::Object(fields) = serde_json::to_value(answer).map_err(format)? {
        body.extend(fields);
    }
    body.insert("nonfinite".to_owned(), json!(document::nonfinite(answer) + verb.nonfinite_written(answer)));
    let (device, dtype) = verb.placement(context);
    let card = RunCard::new(context, device, dtype, clock.elapsed());
    body.insert("run".to_owned(), serde_json::to_value(card).map_err(format)?);
    Ok(Value::Object(body))
}

/// What `nonfinite` counts.
pub(crate) const NONFINITE: &str =
    "how many values were NaN or infinite: null here, and as they are in a file that was written";

/// The JSON schema of every verb, by name.
pub(crate) type Schemas = BTreeMap<&'static str, Value>;

/// Adds one verb's schema.
pub(crate) fn describe<V: Verb>(schemas: &mut Schemas) {
    let mut schema = schemars::schema_for!(V::Answer).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), json!(format!("neuropil.{}/1", V::NAME)));
        if let Some(properties) = object.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
            properties.insert("schema".to_owned(), json!({"const": format!("neuropil.{}/1", V::NAME)}));
            properties.insert("nonfinite".to_owned(), json!({"type": "integer", "description": NONFINITE}));
            properties.insert("run".to_owned(), schemars::schema_for!(RunCard).to_value());
        }
        if let Some(required) = object.entry("required").or_insert_with(|| json!([])).as_array_mut() {
            required.extend(["schema", "nonfinite", "run"].map(|key| json!(key)));
        }
    }
    schemas.insert(V::NAME, schema);
}
