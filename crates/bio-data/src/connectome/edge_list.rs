//! Edge lists: one connection per row, columns found by their headers.

use std::path::Path;

use super::raw::{Builder, Kind};
use super::sheet::{Cell, Row, Sheet, shorten};
use super::{Format, RawConnectome, matrix};
use crate::{Error, Result};

/// The headers of a published layout: presynaptic, postsynaptic, type, weight.
struct Layout {
    format: Format,
    columns: [&'static str; 4],
}

const LAYOUTS: [Layout; 4] = [
    Layout { format: Format::White, columns: ["pre", "post", "type", "synapses"] },
    Layout { format: Format::Varshney, columns: ["neuron 1", "neuron 2", "type", "nbr"] },
    Layout { format: Format::OpenWorm, columns: ["origin", "target", "type", "number of connections"] },
    Layout { format: Format::EdgeList, columns: ["source", "target", "type", "weight"] },
];
const CONSENSUS: [&str; 4] = ["from_neuron", "to_neuron", "mean_gap_weight", "mean_chem_weight"];
const EXPRESSION: [&str; 3] = ["entity1", "relationship", "entity2"];

/// Headers that the general formats understand.
const PRE: [&str; 6] = ["pre", "source", "from", "origin", "neuron 1", "from_neuron"];
const POST: [&str; 5] = ["post", "target", "to", "neuron 2", "to_neuron"];
const TYPE: [&str; 2] = ["type", "synapse type"];
const WEIGHT: [&str; 5] = ["weight", "synapses", "nbr", "number of connections", "number"];
const GAP: [&str; 2] = ["gap", "mean_gap_weight"];
const CHEMICAL: [&str; 2] = ["chemical", "mean_chem_weight"];

/// In place of a column of weights where there is none.
const NO_COLUMN: usize = usize::MAX;

/// Where the columns of a table are.
struct Columns {
    pre: usize,
    post: usize,
    kind: Option<usize>,
    /// Each column of weights, and the type it stands for where the table has no column of types.
    weights: Vec<(usize, Option<&'static str>)>,
    headers: Vec<(usize, String)>,
    fields: Option<usize>,
}

/// Whether two of the roles are named in the first row.
pub(crate) fn is_edge_list(sheet: &Sheet) -> bool {
    let headers = headers(sheet);
    let has = |names: &[&str]| headers.iter().any(|h| names.contains(&h.1.as_str()));
    let roles =
        [has(&PRE), has(&POST), has(&TYPE), has(&WEIGHT), has(&GAP) || has(&CHEMICAL), has(&EXPRESSION)];
    roles.iter().filter(|r| **r).count() >= 2 || EXPRESSION.iter().all(|c| has(&[c]))
}

/// Whether the first row holds the columns that `format` needs.
pub(crate) fn fits(sheet: &Sheet, format: Option<Format>) -> bool {
    is_edge_list(sheet) && columns(Path::new(""), sheet, format).is_ok()
}

/// Reads an edge list.
pub(crate) fn read(path: &Path, sheet: &Sheet, format: Option<Format>) -> Result<RawConnectome> {
    let (format, columns) = columns(path, sheet, format)?;
    let mut builder = Builder::new(path, format);
    let default = if matrix::named_gap(path, &sheet.name) { "electrical" } else { "chemical" };
    for row in sheet.rows.iter().skip(1) {
        one_row(&mut builder, row, &columns, format, default)?;
    }
    Ok(builder.finish())
}

fn one_row(
    builder: &mut Builder<'_>,
    row: &Row,
    columns: &Columns,
    format: Format,
    default: &'static str,
) -> Result<()> {
    let path = builder.path();
    if let (Some(found), Some(expected)) = (row.fields, columns.fields)
        && found < expected
    {
        let column = columns.headers.iter().find(|h| h.0 == found).map_or("", |h| h.1.as_str());
        let reason = format!("the row ends after {found} of {expected} fields (cut short?)");
        return Err(cell(path, row, column, reason));
    }
    let header =
        |at: usize| columns.headers.iter().find(|h| h.0 == at).map_or_else(String::new, |h| h.1.clone());
    let name = |at: usize| row.label(at).ok_or_else(|| cell(path, row, &header(at), "blank".to_owned()));
    let (pre, post) = (name(columns.pre)?, name(columns.post)?);
    let word = match columns.kind {
        Some(at) => Some((at, name(at)?)),
        None => None,
    };
    let (pre, post) = (builder.intern(&pre), builder.intern(&post));
    if format == Format::Expression {
        let label = builder.label(&word.map_or_else(String::new, |w| w.1), Kind::Other)?;
        builder.push(pre, post, label, 1.0, row.number);
        return Ok(());
    }
    // A table without weights says only that there is a connection: one each.
    let weights =
        if columns.weights.is_empty() { &[(NO_COLUMN, None)][..] } else { columns.weights.as_slice() };
    for (at, stands_for) in weights {
        let word = stands_for.unwrap_or_else(|| word.as_ref().map_or(default, |w| w.1.as_str()));
        let kind = kind_of(word).ok_or_else(|| {
            let at = word_column(columns);
            let expected =
                "not a type of connection (chemical, electrical, Send, GapJunction, S, Sp, R, Rp, EJ, NMJ)";
            cell(path, row, &header(at), format!("{} is {expected}", shorten(word)))
        })?;
        let weight = match row.get(*at).map(Cell::number) {
            None if *at == NO_COLUMN => 1.0,
            None | Some(Ok(None)) => f64::NAN,
            Some(Ok(Some(w))) if w.is_finite() && w >= 0.0 => w,
            Some(Ok(Some(w))) => {
                return Err(cell(path, row, &header(*at), format!("{w} is not a weight of zero or more")));
            }
            Some(Err(found)) => {
                return Err(cell(path, row, &header(*at), format!("{found} is not a number")));
            }
        };
        if stands_for.is_some() && (weight.is_nan() || weight == 0.0) {
            continue;
        }
        let label = builder.label(word, kind)?;
        builder.push(pre, post, label, weight, row.number);
    }
    Ok(())
}

fn word_column(columns: &Columns) -> usize {
    columns.kind.unwrap_or(columns.pre)
}

/// What the published words for a type mean.
fn kind_of(word: &str) -> Option<Kind> {
    match word {
        "S" | "Sp" => return Some(Kind::Chemical),
        "R" | "Rp" | "NMJ" => return Some(Kind::Other),
        "EJ" => return Some(Kind::Gap),
        _ => {}
    }
    match word.to_lowercase().as_str() {
        "chemical" | "send" => Some(Kind::Chemical),
        "electrical" | "gapjunction" | "gap junction" | "gap" => Some(Kind::Gap),
        "receive" => Some(Kind::Other),
        _ => None,
    }
}

fn headers(sheet: &Sheet) -> Vec<(usize, String)> {
    let first = sheet.rows.first();
    let cells = first.map_or(&[][..], |r| r.cells.as_slice());
    cells.iter().filter_map(|(at, c)| Some((*at, c.label()?.to_lowercase()))).collect()
}

fn columns(path: &Path, sheet: &Sheet, format: Option<Format>) -> Result<(Format, Columns)> {
    let headers = headers(sheet);
    let find = |names: &[&str]| headers.iter().find(|h| names.contains(&h.1.as_str())).map(|h| h.0);
    let fields = sheet.rows.first().and_then(|r| r.fields);
    let all = |names: &[&str]| names.iter().all(|n| find(&[n]).is_some());
    let make =
        |pre, post, kind, weights| Columns { pre, post, kind, weights, headers: headers.clone(), fields };
    let need = |names: &[&str], role: &str| {
        find(names).ok_or_else(|| {
            let list: Vec<&str> = headers.iter().map(|h| h.1.as_str()).take(12).collect();
            let row = sheet.rows.first().map_or(1, |r| r.number);
            Error::format(
                path,
                format!(
                    "row {row}: no column {} ({role}); the header is: {}",
                    names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(" or "),
                    list.iter().map(|n| shorten(n)).collect::<Vec<_>>().join(", ")
                ),
            )
        })
    };
    if format == Some(Format::Expression) || format.is_none() && all(&EXPRESSION) {
        let (pre, kind, post) = (
            need(&EXPRESSION[..1], "neuron")?,
            need(&EXPRESSION[1..2], "relation")?,
            need(&EXPRESSION[2..], "molecule")?,
        );
        return Ok((Format::Expression, make(pre, post, Some(kind), Vec::new())));
    }
    if format == Some(Format::Consensus) || format.is_none() && all(&CONSENSUS) {
        let (pre, post) = (need(&CONSENSUS[..1], "from")?, need(&CONSENSUS[1..2], "to")?);
        let weights = vec![
            (need(&CONSENSUS[2..3], "gap weight")?, Some("electrical")),
            (need(&CONSENSUS[3..], "chemical weight")?, Some("chemical")),
        ];
        return Ok((Format::Consensus, make(pre, post, None, weights)));
    }
    let same = |l: Format, f: Format| {
        l == f || matches!((l, f), (Format::White, Format::Witvliet) | (Format::Varshney, Format::Chklovskii))
    };
    let layout = LAYOUTS.iter().find(|l| match format {
        Some(f) => same(l.format, f),
        None => all(&l.columns),
    });
    if let Some(layout) = layout
        && (format != Some(Format::EdgeList) || all(&layout.columns))
    {
        let [pre, post, kind, weight] = layout.columns;
        let (pre, post) = (need(&[pre], "presynaptic neuron")?, need(&[post], "postsynaptic neuron")?);
        let (kind, weight) = (need(&[kind], "type of connection")?, need(&[weight], "weight")?);
        let format = format.unwrap_or_else(|| by_file(path, sheet, layout.format));
        return Ok((format, make(pre, post, Some(kind), vec![(weight, None)])));
    }
    general(format, &headers, &need, &find, make)
}

/// White's and Witvliet's tables share their headers, and so do the two editions of NeuronConnect.
fn by_file(path: &Path, sheet: &Sheet, format: Format) -> Format {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().to_lowercase());
    let says = |word: &str| name.contains(word) || sheet.name.to_lowercase().contains(word);
    match format {
        Format::White if says("witvliet") => Format::Witvliet,
        Format::Varshney if sheet.name == "NeuronConnect.csv" => Format::Chklovskii,
        _ => format,
    }
}

/// Any table with two columns of neurons. Without a column of types, a column that is not understood is refused: it
/// may be the type under another name, and electrical rows would pass for chemical ones.
fn general(
    format: Option<Format>,
    headers: &[(usize, String)],
    need: &dyn Fn(&[&str], &str) -> Result<usize>,
    find: &dyn Fn(&[&str]) -> Option<usize>,
    make: impl Fn(usize, usize, Option<usize>, Vec<(usize, Option<&'static str>)>) -> Columns,
) -> Result<(Format, Columns)> {
    let (pre, post) = (need(&PRE, "presynaptic neuron")?, need(&POST, "postsynaptic neuron")?);
    let format = format.unwrap_or(Format::Csv);
    let wide: Vec<(usize, Option<&'static str>)> =
        [(find(&GAP), "electrical"), (find(&CHEMICAL), "chemical")]
            .into_iter()
            .filter_map(|(at, word)| Some((at?, Some(word))))
            .collect();
    if !wide.is_empty() {
        return Ok((format, make(pre, post, None, wide)));
    }
    let (kind, weight) = (find(&TYPE), find(&WEIGHT));
    let known = 2 + usize::from(kind.is_some()) + usize::from(weight.is_some());
    if kind.is_none() && headers.len() > known {
        need(&TYPE, "type of connection")?;
    }
    if weight.is_none() && headers.len() > known {
        need(&WEIGHT, "weight")?;
    }
    Ok((format, make(pre, post, kind, weight.into_iter().map(|w| (w, None)).collect())))
}

fn cell(path: &Path, row: &Row, column: &str, reason: String) -> Error {
    Error::Cell { path: path.to_owned(), row: row.number, column: column.to_owned(), reason }
}
