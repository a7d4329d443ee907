//! `docs/PORTED_TESTS.md` against the tree: what it names exists, and nothing on the lists that it
//! answers is left out.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A row: what is ported, the tests that cover it, and the note.
#[derive(Debug)]
struct Row {
    upstream: String,
    tests: Vec<String>,
    note: String,
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("a workspace").to_owned()
}

/// The words between backticks.
fn quoted(cell: &str) -> Vec<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let path = root().join("docs/PORTED_TESTS.md");
    let text = fs::read_to_string(path).expect("the table");
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [upstream, tests, note] = cells[..] else {
            panic!("three cells: {line}")
        };
        if upstream.starts_with("upstream") || upstream.starts_with("---") {
            continue;
        }
        let row = Row {
            upstream: upstream.to_owned(),
            tests: quoted(tests),
            note: note.to_owned(),
        };
        assert!(!row.tests.is_empty() || tests == "-", "{line}");
        rows.push(row);
    }
    rows
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|x| x == "rs") {
            found.push(path);
        }
    }
}

/// The names of all functions that are marked as tests.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    for room in ["core/src", "core/tests", "sim/src", "sim/tests"] {
        rust_files(&root().join(room), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).expect("readable");
        for after in text.split("#[test]").skip(1) {
            // Other attributes and comments may stand between the mark and the function.
            let function = after.split_once("fn ").expect("a test is a function").1;
            let end = function.find('(').expect("a function has parameters");
            names.insert(function[..end].to_owned());
        }
    }
    names
}

#[test]
fn every_test_that_the_table_names_exists() {
    let known = tests();
    for row in rows() {
        for test in &row.tests {
            assert!(known.contains(test), "{}: no test `{test}`", row.upstream);
        }
        for scenario in quoted(&row.note)
            .iter()
            .filter(|word| word.ends_with(".toml"))
        {
            let name = scenario.trim_start_matches("scenarios/");
            assert!(root().join("scenarios").join(name).exists(), "{scenario}");
        }
    }
}

#[test]
fn what_is_not_ported_has_a_reason() {
    for row in rows().iter().filter(|row| row.tests.is_empty()) {
        assert!(!row.note.is_empty(), "{}", row.upstream);
    }
}

#[test]
fn the_numbered_scenarios_and_runs_are_all_answered() {
    let rows = rows();
    let answered = |name: &str| rows.iter().any(|row| row.upstream.starts_with(name));
    let scenarios = (1..=41).map(|n| format!("TM{n:02} "));
    for name in scenarios.chain((1..=12).map(|n| format!("QN{n:02} "))) {
        assert!(answered(&name), "{name}is missing");
    }
    assert!(rows.len() > 120, "{} rows", rows.len());
}
