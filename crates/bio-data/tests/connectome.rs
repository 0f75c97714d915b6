//! Every published connectome file: counts as they stand, counts after merging, the consensus, and likeness.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they measured and what they skipped"
)]

use std::path::{Path, PathBuf};

use bio_data::connectome::{
    Connectome, Consensus, Edge, Format, Kind, Layer, Merge, Nodes, RawConnectome, ReadOptions, Role, Rows,
    Source, Synapses, cell_correlation, consensus, disagree, relabelled, weight_correlation,
};
use bio_data::neurons::{LABELS, slot};
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/32-homogenized-worm");

/// A folder of real data, or `None`, said aloud; with `NEUROPIL_REQUIRE_DATA=1` its absence is a failure.
fn data(inside: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join(inside);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("NEUROPIL_REQUIRE_DATA").is_none_or(|v| v != "1"),
        "{} is missing and NEUROPIL_REQUIRE_DATA=1",
        folder.display()
    );
    eprintln!("skipped: {} is missing", folder.display());
    None
}

fn tables() -> Option<PathBuf> {
    data("worm-connectomes")
}

fn sources_folder() -> Option<PathBuf> {
    data("../fixtures/32-homogenized-worm/connectomes")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn read(path: &Path) -> RawConnectome {
    RawConnectome::read(path, &ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn sources() -> Option<Vec<Source>> {
    let folder = sources_folder()?;
    let all = [
        ("white1986_whole", "white_1986_whole.csv"),
        ("white1986_n2u", "white_1986_n2u.csv"),
        ("white1986_jsh", "white_1986_jsh.csv"),
        ("witvliet2020_7", "witvliet_2020_7.csv"),
        ("witvliet2020_8", "witvliet_2020_8.csv"),
    ];
    Some(
        all.into_iter()
            .map(|(name, file)| Source::new(name, read(&folder.join(file)).merge(Merge::WormGraph)))
            .collect(),
    )
}

#[test]
fn edge_lists_have_the_counts_of_an_independent_reader() {
    let Some(folder) = tables() else { return };
    let summary = json(&folder.join("summary.json"));
    let mut checked = 0;
    for (file, expected) in summary.as_object().unwrap() {
        if file.starts_with("SI 5") {
            continue;
        }
        let raw = read(&folder.join(file));
        let types = raw.types();
        for (word, counts) in expected.as_object().unwrap() {
            let Some(rows) = counts["rows"].as_u64() else { continue };
            let found =
                types.iter().find(|t| t.label == *word).unwrap_or_else(|| panic!("{file}: no {word}"));
            assert_eq!(found.rows as u64, rows, "{file} {word}");
            assert_eq!(found.sum, counts["weight"].as_f64().unwrap(), "{file} {word}");
            assert_eq!(found.nodes as u64, counts["neurons"].as_u64().unwrap(), "{file} {word}");
            assert_eq!(found.self_loops as u64, counts["self_loops"].as_u64().unwrap(), "{file} {word}");
            assert_eq!(found.max, counts["max"].as_f64().unwrap(), "{file} {word}");
            checked += 1;
        }
        assert_eq!(raw.counts().nodes as u64, expected["all_nodes"].as_u64().unwrap(), "{file}");
        assert_eq!(raw.counts().rows, types.iter().map(|t| t.rows).sum::<usize>());
    }
    assert_eq!(checked, 26);
    let formats: Vec<Format> = [
        "witvliet_2020_1.xlsx",
        "aconnectome_white_1986_A.csv",
        "NeuronConnectFormatted.xlsx",
        "herm_full_edgelist.csv",
        "CElegansNeuronTables.xls",
    ]
    .iter()
    .map(|f| read(&folder.join(f)).format())
    .collect();
    let expected = [Format::Witvliet, Format::White, Format::Varshney, Format::EdgeList, Format::OpenWorm];
    assert_eq!(formats, expected);
}

#[test]
fn every_sheet_of_the_adjacency_matrices_has_its_counts() {
    let Some(folder) = tables() else { return };
    let file = "SI 5 Connectome adjacency matrices.xlsx";
    let summary = json(&folder.join("summary.json"));
    let bytes = std::fs::read(folder.join(file)).unwrap();
    for (sheet, expected) in summary[file].as_object().unwrap() {
        let options = ReadOptions { sheet: Some(sheet.clone()), ..ReadOptions::default() };
        let raw = RawConnectome::from_bytes(&folder.join(file), bytes.clone(), &options).unwrap();
        let counts = raw.counts();
        let (rows, sum) = if sheet.contains("chemical") {
            (counts.chemical_rows, counts.chemical_sum)
        } else {
            (counts.gap_rows, counts.gap_sum)
        };
        assert_eq!(rows as u64, expected["entries"].as_u64().unwrap(), "{sheet}");
        assert_eq!(sum, expected["weight"].as_f64().unwrap(), "{sheet}");
        assert_eq!(raw.matrices().len(), 1);
        assert_eq!(raw.matrices()[0].rows as u64, expected["rows"].as_u64().unwrap(), "{sheet}");
        assert_eq!(raw.matrices()[0].columns as u64, expected["cols"].as_u64().unwrap(), "{sheet}");
        for first in expected["first"].as_array().unwrap() {
            let name = |k: usize| first[k].as_str().unwrap();
            let hit = raw.connections().iter().any(|c| {
                raw.names()[c.pre as usize] == name(0)
                    && raw.names()[c.post as usize] == name(1)
                    && c.weight == first[2].as_f64().unwrap()
            });
            assert!(hit, "{sheet} {first}");
        }
    }
    // Without a sheet: the hermaphrodite's chemical and symmetric gap matrices together.
    let both = RawConnectome::from_bytes(&folder.join(file), bytes, &ReadOptions::default()).unwrap();
    let counts = both.counts();
    assert_eq!((counts.chemical_rows, counts.chemical_sum), (4879, 28113.0));
    assert_eq!((counts.gap_rows, counts.gap_sum), (2881, 21801.0));
    // The flattened tables say the same, and so the merged graphs agree.
    let chemical = read(&folder.join("cook2019_hermaphrodite_chemical.csv"));
    let gap = read(&folder.join("cook2019_herm_gap_jn_symmetric.csv"));
    assert_eq!((chemical.counts().chemical_rows, chemical.counts().chemical_sum), (4879, 28113.0));
    assert_eq!((gap.counts().gap_rows, gap.counts().gap_sum), (2881, 21801.0));
    assert_eq!(read(&folder.join("cook2019_herm_gap_jn_asymmetric.csv")).counts().gap_rows, 1447);
    let merged = both.merge(Merge::Standard);
    assert_eq!(merged.adjacency(Layer::Chemical), chemical.merge(Merge::Standard).adjacency(Layer::Chemical));
    assert_eq!(merged.adjacency(Layer::Gap), gap.merge(Merge::Standard).adjacency(Layer::Gap));
    // VB01 of this table is VB1 of the labels; worm-graph, which does not know that, loses the motor neurons.
    let vb1 = slot("VB1").unwrap();
    assert!(merged.slots().contains(&vb1));
    assert!(!both.merge(Merge::WormGraph).slots().contains(&vb1));
}

#[test]
fn tables_without_a_summary_load_too() {
    let Some(folder) = tables() else { return };
    let openworm = read(&folder.join("CElegansNeuronTables.xls")).counts();
    assert_eq!((openworm.rows, openworm.chemical_rows, openworm.gap_rows), (3363, 2279, 1084));
    assert_eq!((openworm.chemical_sum, openworm.gap_sum), (6465.0, 1847.0));
    let expression = read(&folder.join("Bentley_et_al_2016_expression.csv"));
    assert_eq!(expression.format(), Format::Expression);
    let rows: Vec<(String, usize)> = expression.types().into_iter().map(|t| (t.label, t.rows)).collect();
    assert_eq!(rows.iter().map(|r| r.1).sum::<usize>(), 1223);
    assert!(rows.contains(&("Receptor".to_owned(), 807)) && rows.contains(&("Neuropeptide".to_owned(), 384)));
    assert!(expression.merge(Merge::Standard).edges().is_empty());
}

#[test]
fn our_xls_reader_agrees_with_calamine() {
    use calamine::{Data, Reader, Xls};
    let Some(folder) = tables() else { return };
    let path = folder.join("CElegansNeuronTables.xls");
    let raw = read(&path);
    let mut book: Xls<_> = calamine::open_workbook(&path).unwrap();
    let range = book.worksheet_range("Connectome").unwrap();
    let rows: Vec<_> = range.rows().skip(1).collect();
    assert_eq!(rows.len(), raw.connections().len());
    for (row, c) in rows.iter().zip(raw.connections()) {
        assert_eq!(row[0], Data::String(raw.names()[c.pre as usize].clone()));
        assert_eq!(row[1], Data::String(raw.names()[c.post as usize].clone()));
        assert_eq!(row[2], Data::String(raw.labels()[usize::from(c.label)].0.clone()));
        let number = match &row[3] {
            Data::Float(x) => *x,
            Data::Int(x) => *x as f64,
            other => panic!("{other:?}"),
        };
        assert_eq!(number, c.weight);
    }
}

#[test]
fn varshney_counts_send_rows_and_compat_sp_rows_alone() {
    let Some(folder) = tables() else { return };
    let raw = read(&folder.join("NeuronConnectFormatted.xlsx"));
    let counts = raw.counts();
    assert_eq!((counts.rows, counts.chemical_rows, counts.chemical_sum), (6417, 950 + 1625, 2430.0 + 3964.0));
    assert_eq!((counts.gap_rows, counts.gap_sum), (1031, 1777.0));
    let (all, sp) = (raw.merge(Merge::Standard), raw.merge(Merge::WormGraph));
    // 381 pairs have both an S and an Sp row.
    assert_eq!(all.count(Layer::Chemical), 950 + 1625 - 381);
    assert_eq!(all.sum(Layer::Chemical), 2430.0 + 3964.0);
    // Two of the 1625 Sp rows weigh nothing.
    assert_eq!((sp.count(Layer::Chemical), sp.zeros(), sp.sum(Layer::Chemical)), (1623, 2, 3964.0));
    assert_eq!(all.adjacency(Layer::Gap), sp.adjacency(Layer::Gap));
}

#[test]
fn merged_counts_are_those_of_the_published_pipeline() {
    let Some(sources) = sources() else { return };
    let goldens = json(&Path::new(FIXTURES).join("connectome_goldens.json"));
    for source in &sources {
        let g = &goldens[format!("graph_tensors_{}.pt", source.name)];
        let c = &source.connectome;
        assert_eq!(c.neurons() as u64, g["nodes"].as_u64().unwrap(), "{}", source.name);
        assert_eq!(c.edges().len() as u64, g["edges"].as_u64().unwrap(), "{}", source.name);
        assert_eq!(c.count(Layer::Gap) as u64, g["gap_directed_edges"].as_u64().unwrap(), "{}", source.name);
        assert_eq!(c.count(Layer::Chemical) as u64, g["chem_edges"].as_u64().unwrap(), "{}", source.name);
        assert_eq!(c.sum(Layer::Gap), g["gap_sum"].as_f64().unwrap(), "{}", source.name);
        assert_eq!(c.sum(Layer::Chemical), g["chem_sum"].as_f64().unwrap(), "{}", source.name);
        assert_eq!(c.completed().count(), 90_000);
        assert_eq!(c.completed().filter(|e| e.synapses != Synapses::default()).count(), c.edges().len());
    }
    // These tables have no padded names, so the default rule changes nothing.
    let folder = sources_folder().unwrap();
    let standard = read(&folder.join("white_1986_whole.csv")).merge(Merge::Standard);
    assert_eq!(standard.edges(), sources[0].connectome.edges());
}

#[test]
fn the_consensus_is_that_of_the_published_pipeline() {
    let Some(sources) = sources() else { return };
    let goldens = json(&Path::new(FIXTURES).join("connectome_goldens.json"));
    let g = &goldens["consensus"];
    let trimmed = consensus(&sources, Rows::Trimmed).unwrap();
    assert_eq!(trimmed.rows.len() as u64, g["rows_trimmed"].as_u64().unwrap());
    assert_eq!(trimmed.gap_rows() as u64, g["n_gap"].as_u64().unwrap());
    assert_eq!(trimmed.chemical_rows() as u64, g["n_chem"].as_u64().unwrap());
    let near = |name: &str, value: f64| {
        assert!((value - g[name].as_f64().unwrap()).abs() < 1e-12, "{name}: {value}")
    };
    near("mean_gap", trimmed.mean_of(|r| r.gap));
    near("mean_chem", trimmed.mean_of(|r| r.chemical));
    near("mean_uncertainty", trimmed.mean_of(|r| r.uncertainty));
    let uncertain = trimmed.rows.iter().filter(|r| r.uncertainty.is_some()).count();
    assert_eq!(uncertain as u64, g["n_uncertainty"].as_u64().unwrap());
    let full = consensus(&sources, Rows::Full).unwrap();
    assert_eq!(full.rows.len() as u64, g["rows_full"].as_u64().unwrap());
    // Every 97th row, whole.
    for (row, sample) in trimmed.rows.iter().step_by(97).zip(goldens["consensus_sample"].as_array().unwrap())
    {
        assert_eq!(LABELS[row.from], sample["from_neuron"]);
        assert_eq!(LABELS[row.to], sample["to_neuron"]);
        for (name, value) in [
            ("mean_gap_weight", row.gap),
            ("mean_chem_weight", row.chemical),
            ("uncertainty", row.uncertainty),
        ] {
            match (value, sample[name].as_f64()) {
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-9, "{sample}"),
                (a, b) => assert_eq!(a, b, "{sample}"),
            }
        }
        assert_eq!(serde_json::json!(row.sources), sample["data_sources"]);
    }
    // The published file's first rows, read, agree; what we write is read back unchanged.
    let published = Consensus::read_csv(&Path::new(FIXTURES).join("consensus_connectome_tiny.csv")).unwrap();
    assert_eq!(published.rows.len(), 40);
    for (ours, theirs) in trimmed.rows.iter().zip(&published.rows) {
        assert_eq!((ours.from, ours.to, &ours.sources), (theirs.from, theirs.to, &theirs.sources));
        for (a, b) in
            [(ours.gap, theirs.gap), (ours.chemical, theirs.chemical), (ours.uncertainty, theirs.uncertainty)]
        {
            assert!(a.is_some() == b.is_some() && (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < 1e-9);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("consensus.csv");
    full.write_csv(&path, &Nodes::default()).unwrap();
    assert_eq!(Consensus::read_csv(&path).unwrap(), full);
    let again = read(&path);
    assert_eq!(again.format(), Format::Consensus);
    assert_eq!(again.merge(Merge::Standard).count(Layer::Gap), trimmed.gap_rows());
}

#[test]
fn a_functional_source_stays_out_of_the_synapses() {
    let edge = |pre, post, gap, chemical| Edge { pre, post, synapses: Synapses { gap, chemical } };
    let a = Connectome::from_edges("a", "", vec![edge(0, 1, 2.0, 3.0), edge(1, 0, 2.0, 0.0)]).unwrap();
    let b = Connectome::from_edges("b", "", vec![edge(0, 1, 4.0, 5.0), edge(1, 0, 4.0, 0.0)]).unwrap();
    let f = Connectome::from_edges("f", "", vec![edge(0, 1, 0.0, -0.5), edge(2, 2, 0.0, 0.25)]).unwrap();
    let sources = [Source::new("b", b), Source::new("a'", a), Source::new("funconn", f)];
    assert_eq!(sources[2].role, Role::Function);
    let got = consensus(&sources, Rows::Trimmed).unwrap();
    assert_eq!(got.rows.len(), 3);
    let first = &got.rows[0];
    assert_eq!((first.gap, first.chemical, first.functional), (Some(3.0), Some(4.0), Some(-0.5)));
    assert_eq!(first.uncertainty, Some(0.9 * 1.0 + 0.1 * 1.0));
    assert_eq!(first.sources, ["a'", "b", "funconn"]);
    assert_eq!((got.rows[2].chemical, got.rows[2].functional), (None, Some(0.25)));
    let folder = tempfile::tempdir().unwrap();
    let (path, nodes) = (folder.path().join("c.csv"), folder.path().join("nodes.csv"));
    std::fs::write(&nodes, "neuron,x,y,z,type\nADAL,1,2.5,-3,interneuron\n").unwrap();
    got.write_csv(&path, &Nodes::read(&nodes).unwrap()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "from_neuron,to_neuron,from_pos,to_pos,from_type,to_type,mean_gap_weight,mean_chem_weight,uncertainty,functional_weight,data_sources"
    );
    assert_eq!(
        lines.next().unwrap(),
        "ADAL,ADAR,\"(1.0, 2.5, -3.0)\",\"(nan, nan, nan)\",interneuron,unknown,3.0,4.0,1.0,-0.5,\"[\"\"a'\"\", 'b', 'funconn']\""
    );
    assert_eq!(Consensus::read_csv(&path).unwrap(), got);
    assert!(consensus(&[], Rows::Full).is_err());
    assert!(consensus(&[sources[0].clone(), sources[0].clone()], Rows::Full).is_err());
}

#[test]
fn published_tensors_are_read_and_merge_to_the_published_edges() {
    let path = Path::new(FIXTURES).join("graph_tensors_tiny.pt");
    let expected = json(&Path::new(FIXTURES).join("connectome_edges.json"));
    let raw = read(&path);
    assert_eq!(raw.format(), Format::GraphTensors);
    let merged = raw.merge(Merge::Standard);
    let found: Vec<Value> = merged
        .edges()
        .iter()
        .map(|e| serde_json::json!([LABELS[e.pre], LABELS[e.post], e.synapses.gap, e.synapses.chemical]))
        .collect();
    assert_eq!(Value::from(found), expected["coalesced"]);
    assert_eq!(merged.completed().count() as u64, expected["completed_num_edges"].as_u64().unwrap());
    // The raw triples, written as a table, merge to the same edges.
    let mut table = String::from("pre,post,type,synapses\n");
    for (word, key) in [("chemical", "chem"), ("electrical", "gap")] {
        for row in expected[key].as_array().unwrap() {
            let text = |k: usize| row[k].as_str().unwrap();
            table += &format!("{},{},{word},{}\n", text(0), text(1), row[2]);
        }
    }
    let read =
        |t: &str| RawConnectome::from_bytes(Path::new("t.csv"), t.into(), &ReadOptions::default()).unwrap();
    let from_table = read(&table).merge(Merge::Standard);
    assert_eq!(from_table.edges(), merged.edges());
    assert_eq!(from_table.zeros(), 1);
    let graph = merged.to_graph();
    assert_eq!((graph.node_count(), graph.edge_count()), (300, merged.edges().len()));
    let at = |l: &str| petgraph::graph::NodeIndex::new(slot(l).unwrap());
    let edge = graph.find_edge(at("AVAR"), at("AVAL")).unwrap();
    assert_eq!(graph[edge], Synapses { gap: 3.0, chemical: 1.0 });
    // What we write we read.
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("edges.csv");
    merged.write_csv(&out).unwrap();
    let again = RawConnectome::read(&out, &ReadOptions::default()).unwrap().merge(Merge::Standard);
    assert_eq!(again.edges(), merged.edges());
}

#[test]
fn structure_is_shared_between_adult_worms_and_lost_by_relabelling() {
    let Some(sources) = sources() else { return };
    let of = |name: &str| &sources.iter().find(|s| s.name == name).unwrap().connectome;
    let (seven, eight) = (of("witvliet2020_7"), of("witvliet2020_8"));
    let folder = sources_folder().unwrap();
    let (a, b) = (read(&folder.join("witvliet_2020_7.csv")), read(&folder.join("witvliet_2020_8.csv")));
    let rho = cell_correlation(&a, &b, None).unwrap();
    assert!((rho - 0.6678).abs() <= 0.002, "{rho}");
    let controls: Vec<f64> = (0..20).map(|k| cell_correlation(&a, &b, Some((1, k))).unwrap()).collect();
    assert!(controls.iter().all(|r| r.abs() < 0.03), "{controls:?}");
    println!("Spearman of 223 cells {rho:.6}; relabelled {controls:.4?}");
    // Muscles and glia left out: the 180 neurons of the 300 labels. The figure is SciPy's.
    let rho = weight_correlation(seven, eight, Layer::Chemical).unwrap();
    assert!((rho - 0.656_484_036_466_106_3).abs() < 1e-9, "{rho}");
    let other = relabelled(eight, 1, 0).unwrap();
    assert_eq!(other.edges().len(), eight.edges().len());
    assert!(weight_correlation(seven, &other, Layer::Chemical).unwrap().abs() < 0.03);
    assert!((weight_correlation(seven, seven, Layer::Gap).unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn conflicts_name_their_sources_and_weights() {
    let edge = |pre, post, gap, chemical| Edge { pre, post, synapses: Synapses { gap, chemical } };
    let make = |name: &str, edges| Source::new(name, Connectome::from_edges(name, "", edges).unwrap());
    let sources = [
        make("b", vec![edge(0, 1, 0.0, 3.0), edge(1, 2, 0.0, 1.0), edge(2, 1, 0.0, 2.0)]),
        make("a", vec![edge(0, 1, 0.0, 7.0), edge(2, 1, 0.0, 2.0)]),
        make("c", vec![edge(8, 9, 1.0, 0.0), edge(9, 8, 1.0, 0.0)]),
    ];
    let got = disagree(&sources).unwrap();
    assert_eq!((got.compared, got.agreed, got.conflicts.len()), (3, 1, 2));
    assert_eq!((got.presence_conflicts(), got.weight_conflicts()), (1, 1));
    let widest = &got.conflicts[0];
    assert_eq!((widest.from, widest.to, widest.range, widest.presence), (0, 1, 4.0, false));
    let said: Vec<(&str, f64)> = widest.reported.iter().map(|r| (r.source.as_str(), r.weight)).collect();
    assert_eq!(said, [("a", 7.0), ("b", 3.0)]);
    assert!(disagree(&sources[..1]).is_err());
    if let Some(real) = self::sources() {
        let got = disagree(&real).unwrap();
        // The figures are those of a separate count in Python.
        assert_eq!((got.compared, got.agreed, got.presence_conflicts()), (3715, 22, 2893));
        assert_eq!(got.conflicts.len() + got.agreed, got.compared);
    }
}

#[test]
fn responses_count_below_their_q_value() {
    let weights = "x,AVAL,AVAR\nAVAL,1.5,-2\nAVAR,,3\n";
    let matrix = RawConnectome::from_bytes(
        Path::new("herm_gap.csv"),
        weights.replace("-2", "2").into(),
        &ReadOptions { format: Some(Format::Matrix), sheet: None },
    )
    .unwrap();
    let kinds: Vec<Kind> = matrix.connections().iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [Kind::Gap; 3]);
    // A negative anatomical weight is an error that names the cell.
    let options = ReadOptions { format: Some(Format::Matrix), sheet: None };
    let error =
        RawConnectome::from_bytes(Path::new("m.csv"), weights.into(), &options).unwrap_err().to_string();
    assert!(error.contains("m.csv") && error.contains("row 2") && error.contains("AVAR"), "{error}");
    let book = workbook(&[("weights", weights), ("q", "x,AVAL,AVAR\nAVAL,0.2,0.01\nAVAR,0.01,0.049\n")]);
    for format in [Some(Format::Randi2023), None] {
        let options = ReadOptions { format, sheet: None };
        let raw = RawConnectome::from_bytes(Path::new("f.xlsx"), book.clone(), &options).unwrap();
        assert_eq!(raw.format(), Format::Randi2023);
        let merged = raw.merge(Merge::Standard);
        let (l, r) = (slot("AVAL").unwrap(), slot("AVAR").unwrap());
        assert_eq!(merged.edges().len(), 2);
        assert_eq!((merged.get(l, r).chemical, merged.get(r, r).chemical), (-2.0, 3.0));
    }
}

/// A minimal xlsx workbook of comma-separated sheets.
fn workbook(sheets: &[(&str, &str)]) -> Vec<u8> {
    use std::fmt::Write as _;
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut add = |name: &str, text: &str| {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    };
    let (mut list, mut relations) = (String::new(), String::new());
    for (k, (name, text)) in sheets.iter().enumerate() {
        let k = k + 1;
        write!(list, r#"<sheet name="{name}" sheetId="{k}" r:id="rId{k}"/>"#).unwrap();
        write!(relations, r#"<Relationship Id="rId{k}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{k}.xml"/>"#).unwrap();
        let mut rows = String::new();
        for (i, line) in text.lines().enumerate() {
            write!(rows, r#"<row r="{}">"#, i + 1).unwrap();
            for (j, cell) in line.split(',').enumerate().filter(|c| !c.1.is_empty()) {
                let at = format!("{}{}", char::from(b'A' + j as u8), i + 1);
                match cell.parse::<f64>() {
                    Ok(x) => write!(rows, r#"<c r="{at}"><v>{x}</v></c>"#).unwrap(),
                    Err(_) => {
                        write!(rows, r#"<c r="{at}" t="inlineStr"><is><t>{cell}</t></is></c>"#).unwrap()
                    }
                }
            }
            rows += "</row>";
        }
        add(
            &format!("xl/worksheets/sheet{k}.xml"),
            &format!(
                r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
            ),
        );
    }
    add(
        "xl/workbook.xml",
        &format!(
            r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{list}</sheets></workbook>"#
        ),
    );
    add(
        "xl/_rels/workbook.xml.rels",
        &format!(
            r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}</Relationships>"#
        ),
    );
    add(
        "_rels/.rels",
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    );
    zip.finish().unwrap().into_inner()
}
