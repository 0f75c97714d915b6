//! Damaged and hostile connectome files: an error that says where and why, no panic, no flood of memory.

use std::io::{Cursor, Write};
use std::path::Path;

use bio_data::connectome::{Consensus, Format, GraphTensors, Merge, Nodes, RawConnectome, ReadOptions};
use bio_data::{Error, neurons::LABELS};
use proptest::prelude::*;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const TINY: &[u8] = include_bytes!("fixtures/32-homogenized-worm/graph_tensors_tiny.pt");
const CONSENSUS: &[u8] = include_bytes!("fixtures/32-homogenized-worm/consensus_connectome_tiny.csv");

fn read(name: &str, bytes: &[u8], format: Option<Format>) -> Result<RawConnectome, Error> {
    RawConnectome::from_bytes(Path::new(name), bytes.to_vec(), &ReadOptions { format, sheet: None })
}

fn why(name: &str, bytes: &[u8], format: Option<Format>) -> String {
    let text = read(name, bytes, format).unwrap_err().to_string();
    assert!(text.starts_with(name), "{text}");
    text
}

fn all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// A workbook of one sheet with these rows.
fn xlsx(rows: &str) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    archive(&[
        (
            "_rels/.rels",
            &format!(
                r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            &format!(
                r#"<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="{relation}"><sheets><sheet name="worm" sheetId="1" r:id="rId1"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            &format!(
                r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            &format!(
                r#"<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#
            ),
        ),
    ])
}

fn archive(members: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn xlsx_row(number: usize, cells: &[&str]) -> String {
    let cell = |(j, c): (usize, &&str)| {
        let at = format!("{}{number}", char::from(b'A' + j as u8));
        match c.parse::<f64>() {
            Ok(x) => format!(r#"<c r="{at}"><v>{x}</v></c>"#),
            Err(_) => format!(r#"<c r="{at}" t="inlineStr"><is><t>{c}</t></is></c>"#),
        }
    };
    format!(r#"<row r="{number}">{}</row>"#, cells.iter().enumerate().map(cell).collect::<String>())
}

fn table_xlsx() -> String {
    xlsx_row(1, &["pre", "post", "type", "synapses"])
        + &xlsx_row(2, &["ADAL", "ADAR", "chemical", "3"])
        + &xlsx_row(3, &["ADAL", "AVAL", "electrical", "2"])
}

/// A BIFF8 workbook of one sheet: shared strings for text, records of every number type in turn.
fn xls(rows: &[&[&str]]) -> Vec<u8> {
    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }
    let mut strings: Vec<&str> = Vec::new();
    let mut cells = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        for (j, text) in row.iter().enumerate() {
            let place = [(i as u16).to_le_bytes(), (j as u16).to_le_bytes(), [0; 2]].concat();
            match text.parse::<f64>() {
                Ok(x) if i % 2 == 0 => cells.extend(record(0x0203, &[&place[..], &x.to_le_bytes()].concat())),
                Ok(x) => {
                    let word = ((x as i32) << 2 | 2) as u32;
                    cells.extend(record(0x027e, &[&place[..], &word.to_le_bytes()].concat()));
                }
                Err(_) => {
                    let index = strings.iter().position(|s| s == text).unwrap_or_else(|| {
                        strings.push(text);
                        strings.len() - 1
                    });
                    cells.extend(record(0x00fd, &[&place[..], &(index as u32).to_le_bytes()].concat()));
                }
            }
        }
    }
    let count = (strings.len() as u32).to_le_bytes();
    let mut table = [count, count].concat();
    for s in strings {
        table.extend((s.len() as u16).to_le_bytes());
        table.push(0);
        table.extend(s.bytes());
    }
    let begin =
        |kind: u16| record(0x0809, &[0x0600_u16.to_le_bytes(), kind.to_le_bytes(), [0; 2], [0; 2]].concat());
    let head = [begin(5), record(0x00fc, &table)].concat();
    let sheet_at = (head.len() + 4 + 12 + 4) as u32;
    let entry = [&sheet_at.to_le_bytes()[..], &[0, 0, 4, 0], b"worm"].concat();
    let mut stream =
        [head, record(0x0085, &entry), record(0x000a, &[]), begin(0x10), cells, record(0x000a, &[])].concat();
    // Streams below 4096 bytes would live in the mini stream.
    stream.resize(stream.len().max(4096).next_multiple_of(512), 0);
    let sectors = stream.len() / 512;
    let mut header = vec![0_u8; 512];
    header[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    header[30] = 9;
    header[32] = 6;
    let mut put = |at: usize, x: u32| header[at..at + 4].copy_from_slice(&x.to_le_bytes());
    put(44, 1);
    put(48, 1);
    put(56, 4096);
    put(60, 0xffff_fffe);
    put(68, 0xffff_fffe);
    (0..109).for_each(|i| put(76 + 4 * i, if i == 0 { 0 } else { 0xffff_ffff }));
    let mut fat = vec![0xffff_fffd_u32, 0xffff_fffe];
    fat.extend((0..sectors as u32).map(|k| if k as usize + 1 == sectors { 0xffff_fffe } else { k + 3 }));
    fat.resize(128, 0xffff_ffff);
    let entry = |name: &str, kind: u8, start: u32, size: u32| {
        let mut e = vec![0_u8; 128];
        for (k, c) in name.encode_utf16().enumerate() {
            e[2 * k..2 * k + 2].copy_from_slice(&c.to_le_bytes());
        }
        e[64] = (2 * name.len() + 2) as u8;
        e[66] = kind;
        e[116..120].copy_from_slice(&start.to_le_bytes());
        e[120..124].copy_from_slice(&size.to_le_bytes());
        e
    };
    let mut directory = entry("Root Entry", 5, 0xffff_fffe, 0);
    directory.extend(entry("Workbook", 2, 2, stream.len() as u32));
    directory.resize(512, 0);
    let fat: Vec<u8> = fat.iter().flat_map(|x| x.to_le_bytes()).collect();
    [header, fat, directory, stream].concat()
}

fn openworm_xls() -> Vec<u8> {
    xls(&[
        &["Origin", "Target", "Type", "Number of Connections"],
        &["ADAL", "ADAR", "Send", "3"],
        &["ADAL", "AVAL", "GapJunction", "2"],
    ])
}

#[test]
fn a_truncated_file_is_named_with_its_place() {
    let table = "pre\tpost\ttype\tsynapses\nADAL\tADAR\tchemical\t3\nADAL\tAVAL\tele";
    all(&why("w.csv", table.as_bytes(), None), &["row 3", "synapses", "3 of 4", "cut short"]);
    all(&why("w.csv", b"pre,post,type,synapses\nADAL,ADAR,chem,3\n", None), &["row 2", "type", "chem"]);
    all(&why("w.csv", b"", None), &["row 1", "empty"]);
    all(&why("w.csv", b"pre,post,type,synapses\n", None), &["row 2", "no connection"]);
    let matrix = format!(",{}\nADAL,{}\nADAR,1,2\n", LABELS[..5].join(","), "0,1,0,2,0");
    all(&why("m.csv", matrix.as_bytes(), None), &["row 3", "3 of 6", "cut short"]);
    let book = xlsx(&table_xlsx());
    all(&why("w.xlsx", &book[..book.len() / 2], None), &["zip"]);
    let book = openworm_xls();
    for keep in [100, 600, 1100, 1600, book.len() - 512] {
        all(&why("w.xls", &book[..keep], None), &["cut short"]);
    }
    all(&why("w.pt", &TINY[..TINY.len() - 1000], None), &["zip"]);
    all(&why("w.xlsx", b"pre,post", None), &["byte 1"]);
}

#[test]
fn a_renamed_column_is_named() {
    let table = |header: &str| format!("{header}\nADAL\tADAR\tchemical\t3\n");
    for (header, missing) in [
        ("before\tpost\ttype\tsynapses", "\"pre\""),
        ("pre\tafter\ttype\tsynapses", "\"post\""),
        ("pre\tpost\tkind of\tsynapses", "\"type\""),
        ("pre\tpost\ttype\tsyn", "\"synapses\""),
    ] {
        for format in [None, Some(Format::White), Some(Format::Csv)] {
            all(&why("w.csv", table(header).as_bytes(), format), &["row 1", "no column", missing, "header"]);
        }
    }
    let renamed = xlsx(&table_xlsx().replace("synapses", "syn"));
    all(&why("w.xlsx", &renamed, None), &["row 1", "\"synapses\"", "syn"]);
    let book =
        xls(&[&["Origin", "Destination", "Type", "Number of Connections"], &["ADAL", "ADAR", "Send", "1"]]);
    all(&why("w.xls", &book, None), &["row 1", "\"target\"", "destination"]);
    let consensus = String::from_utf8(CONSENSUS.to_vec()).unwrap().replacen("mean_chem_weight", "chem", 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.csv");
    std::fs::write(&path, consensus).unwrap();
    all(&Consensus::read_csv(&path).unwrap_err().to_string(), &["c.csv", "row 1", "mean_chem_weight"]);
    let text = "neuron,x,y,z\nADAL,1,2,three\n";
    std::fs::write(&path, text).unwrap();
    all(&Nodes::read(&path).unwrap_err().to_string(), &["c.csv", "row 2", "column z", "three"]);
}

#[test]
fn a_file_of_no_worm_is_named_with_its_first_stranger() {
    let fly = "pre\tpost\ttype\tsynapses\nDM1\tDM2\tchemical\t3\n";
    all(&why("fly.csv", fly.as_bytes(), None), &["row 2", "presynaptic", "none of the 2 names", "DM1"]);
    all(
        &why("notes.txt", b"Dear reader, this is a letter.\nIt has two lines.\n", None),
        &["row 1", "no column"],
    );
    all(&why("photo.csv", &[0x89, b'P', b'N', b'G', 0, 1, 2], None), &["row 1", "not text"]);
    all(&why("m.csv", b",AA,BB\nAA,1,2\nBB,3,4\n", Some(Format::Matrix)), &["row 1", "AA"]);
    all(&why("x.xlsx", &xlsx(&xlsx_row(1, &["name", "age"])), None), &["row 1", "no column"]);
    all(&why("x.xlsx", &archive(&[("a.txt", "hello")]), None), &["workbook"]);
    for text in ["inf", "-1", "-inf", "1e999"] {
        let table = format!("pre\tpost\ttype\tsynapses\nADAL\tADAR\tchemical\t{text}\n");
        all(&why("w.csv", table.as_bytes(), None), &["row 2", "synapses"]);
    }
    assert!(read("w.csv", b"pre\tpost\ttype\tsynapses\nADAL\tADAR\tchemical\tnan\n", None).is_ok());
    all(&why("x.csv", b"pre,post\nADAL,AVAL\n", Some(Format::GraphTensors)), &["pt"]);
}

#[test]
fn our_own_small_workbooks_are_read() {
    for raw in
        [read("w.xlsx", &xlsx(&table_xlsx()), None).unwrap(), read("w.xls", &openworm_xls(), None).unwrap()]
    {
        let counts = raw.counts();
        assert_eq!(
            (counts.rows, counts.chemical_sum, counts.gap_sum),
            (2, 3.0, 2.0),
            "{}",
            raw.path().display()
        );
        assert_eq!(raw.merge(Merge::Standard).edges().len(), 3);
    }
}

/// Peak memory of this process, where the system tells.
fn peak() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(1024 * line.split_whitespace().next()?.parse::<usize>().ok()?)
}

#[test]
fn size_bombs_are_refused_before_they_unfold() {
    let before = peak();
    // 300 MB of blanks in 300 KB.
    let bomb = blanks("xl/worksheets/sheet1.xml", 300);
    for (name, format) in [("b.xlsx", None), ("b.pt", Some(Format::GraphTensors))] {
        assert!(matches!(read(name, &bomb, format), Err(Error::Limit { .. })), "{name}");
    }
    let torch = blanks("g/data.pkl", 300);
    assert!(matches!(read("b.pt", &torch, None), Err(Error::Limit { .. })));
    // Two cells in opposite corners are two cells.
    let corners = table_xlsx() + r#"<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>"#;
    let text = why("c.xlsx", &xlsx(&corners), None);
    all(&text, &["row 1048576", "pre", "blank"]);
    // A tensor whose shape is far beyond its storage: 7 edges become 2^31.
    let pickle = tiny_member("data.pkl");
    let at = pickle.windows(5).position(|w| w == b"K\x02K\x07\x86").unwrap();
    let mut huge = pickle[..at + 2].to_vec();
    huge.extend(b"J\xff\xff\xff\x7f");
    huge.extend(&pickle[at + 4..]);
    let text = GraphTensors::from_bytes(Path::new("t.pt"), &tiny_with(&huge)).unwrap_err().to_string();
    all(&text, &["edge_index", "limit"]);
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < 64 << 20, "{} bytes more", after - before);
    }
}

/// A zip archive of one member of so many MiB of blanks.
fn blanks(name: &str, mebibytes: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
        .unwrap();
    let chunk = vec![b' '; 1 << 20];
    (0..mebibytes).for_each(|_| zip.write_all(&chunk).unwrap());
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_pickle_that_would_run_a_program_is_refused() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("g/data.pkl", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"\x80\x02cposix\nsystem\nX\x06\0\0\0reboot\x85R.").unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    all(&why("evil.pt", &bytes, None), &["pickle", "posix.system", "not allowed"]);
}

/// A valid file with some bytes changed, taken out or put in, perhaps cut.
fn damaged(base: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 0..12);
    (edits, any::<prop::sample::Index>(), any::<bool>()).prop_map(move |(edits, cut, whole)| {
        let mut bytes = base.clone();
        for (at, what, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes[at] ^= 1 << (byte % 8),
            }
        }
        if !whole && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    })
}

fn try_all(name: &str, bytes: &[u8]) {
    for format in std::iter::once(None).chain(Format::ALL.map(Some)) {
        if let Ok(raw) = read(name, bytes, format) {
            let merged = raw.merge(Merge::Standard);
            assert!(merged.edges().len() <= 2 * raw.connections().len());
            assert!(raw.counts().rows <= bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn damaged_text_never_panics(
        bytes in prop_oneof![
            damaged(b"pre post type synapses\nADAL\tADAR\tchemical\t3\nADAL,AVAL\telectrical\t1.5\n".to_vec()),
            damaged(b"Source,Target,Weight,Type\nADAL , ADAR   ,3,chemical\n\"AVAL\",AVAR,2,electrical\n".to_vec()),
            damaged(b",ADAL,ADAR,AVAL\nADAL,0,1,2\nADAR,,3,4\n".to_vec()),
            damaged(b"Entity1,Relationship,Entity2\nADAL,Receptor,\"X, Y\"\n".to_vec()),
            damaged(CONSENSUS.to_vec()),
        ],
    ) {
        try_all("f.csv", &bytes);
    }

    #[test]
    fn damaged_tables_of_consensus_and_nodes_never_panic(
        bytes in prop_oneof![damaged(CONSENSUS.to_vec()), damaged(b"neuron,x,y,z,type\nADAL,1,2,3,motor\n".to_vec())],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.csv");
        std::fs::write(&path, &bytes).unwrap();
        let (_, _) = (Consensus::read_csv(&path), Nodes::read(&path));
    }

    #[test]
    fn damaged_workbooks_never_panic(
        bytes in damaged(xlsx(&table_xlsx())),
        sheet in damaged(table_xlsx().into_bytes()),
    ) {
        try_all("f.xlsx", &bytes);
        try_all("f.xlsx", &xlsx(&String::from_utf8_lossy(&sheet)));
    }

    #[test]
    fn damaged_old_workbooks_never_panic(bytes in damaged(openworm_xls())) {
        try_all("f.xls", &bytes);
    }

    #[test]
    fn damaged_tensors_never_panic(bytes in damaged(TINY.to_vec()), pickle in damaged(tiny_member("data.pkl"))) {
        try_all("f.pt", &bytes);
        // Whole archive, damaged program: the checksum is right, so the pickle is really read.
        let whole = tiny_with(&pickle);
        let _ = GraphTensors::from_bytes(Path::new("f.pt"), &whole);
    }
}

/// A member of the tiny published graph.
fn tiny_member(name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(TINY)).unwrap();
    let mut out = Vec::new();
    std::io::copy(&mut archive.by_name(&format!("graph_tensors_tiny/{name}")).unwrap(), &mut out).unwrap();
    out
}

/// The tiny published graph with another pickle.
fn tiny_with(pickle: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let storages = (0..5).map(|k| (format!("data/{k}"), tiny_member(&format!("data/{k}"))));
    for (name, body) in std::iter::once(("data.pkl".to_owned(), pickle.to_vec())).chain(storages) {
        zip.start_file(format!("g/{name}"), SimpleFileOptions::default()).unwrap();
        zip.write_all(&body).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
