//! The documents name functions, tests and judges: all of them exist, and no row is missing.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("a workspace").to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("a document")
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|x| x == "rs") {
            found.push(path);
        }
    }
}

/// The names of all functions, and of those that are tests.
fn functions() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut files = Vec::new();
    for room in ["core", "sim/src", "sim/tests"] {
        rust_files(&root().join(room), &mut files);
    }
    let (mut all, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            let Some((before, rest)) = line.split_once("fn ") else {
                is_test |= line.starts_with("#[test]");
                is_test &= line.is_empty() || line.starts_with(['#', '/']);
                continue;
            };
            if !before
                .split_whitespace()
                .all(|word| word.starts_with("pub") || word == "const")
            {
                continue;
            }
            let word = |c: &char| c.is_alphanumeric() || *c == '_';
            let name: String = rest.chars().take_while(word).collect();
            if is_test {
                tests.insert(name.clone());
            }
            all.insert(name);
            is_test = false;
        }
    }
    (all, tests)
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// The rows of the first table whose head begins with these cells, trimmed.
fn table(text: &str, head: &[&str]) -> Vec<Vec<String>> {
    let lines = text
        .lines()
        .skip_while(|line| !cells(line).starts_with(&owned(head)));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(cells).collect()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_rule_of_the_protocol_has_its_function_its_test_and_its_judge() {
    let (functions, tests) = functions();
    let rows = table(
        &read("docs/PROTOCOL.md"),
        &["line", "function", "test", "oracle"],
    );
    assert!(rows.len() >= 18, "{}", rows.len());
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(!quoted(&row[1]).is_empty(), "{}: no function", row[0]);
        for name in quoted(&row[1]) {
            let last = name.rsplit("::").next().expect("a last word");
            assert!(functions.contains(last), "{}: no function {name}", row[0]);
        }
        assert!(!quoted(&row[2]).is_empty(), "{}: no test", row[0]);
        for name in quoted(&row[2]) {
            assert!(tests.contains(name), "{}: no test {name}", row[0]);
        }
        assert!(!quoted(&row[3]).is_empty(), "{}: no oracle", row[0]);
        for name in quoted(&row[3]) {
            let file = root().join(format!("sim/src/oracle/{name}.rs"));
            assert!(file.is_file(), "{}: no oracle {name}", row[0]);
        }
    }
}

#[test]
fn every_row_of_tendermints_package_is_there_and_names_tests_that_exist() {
    let (_, tests) = functions();
    let rows = table(
        &read("docs/TENDERMINT_ROWS.md"),
        &["row", "Tendermint", "ours", "test"],
    );
    let numbers: Vec<String> = rows.iter().map(|row| row[0].clone()).collect();
    let expected: Vec<String> = (1..=95).map(|row| format!("0.{row}")).collect();
    assert_eq!(numbers, expected);
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let open = row.iter().find(|cell| cell.contains("to come"));
        assert_eq!(open, None, "{}: not in the code yet", row[0]);
        let named = quoted(&row[3]);
        assert!(!named.is_empty(), "{}: no test", row[0]);
        for name in named {
            assert!(tests.contains(name), "{}: no test {name}", row[0]);
        }
    }
}

/// What a row calls ours is somewhere in the code: the last word of a path, a command's first.
#[test]
fn the_items_that_the_rows_name_exist() {
    let mut files = Vec::new();
    for room in ["core/src", "sim/src"] {
        rust_files(&root().join(room), &mut files);
    }
    let mut words = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).expect("readable");
        let split = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.extend(split.map(str::to_owned));
    }
    let rows = table(
        &read("docs/TENDERMINT_ROWS.md"),
        &["row", "Tendermint", "ours", "test"],
    );
    for row in rows {
        let names = quoted(&row[2]).into_iter();
        for name in names.filter(|name| !name.ends_with(".rs") && !name.starts_with(['-', '{'])) {
            let path = name.split(' ').next().expect("a first word");
            let last = path.rsplit("::").next().expect("a last word");
            assert!(words.contains(last), "{}: no {name} in the code", row[0]);
        }
    }
}

/// The tables of ported tests: upstream, ours, and a note where there is nothing to port.
#[test]
fn every_ported_test_exists() {
    let (_, tests) = functions();
    let text = read("docs/PORTED_TESTS.md");
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells = cells(line);
        assert_eq!(cells.len(), 3, "{line}");
        if cells[0].starts_with("---") || cells[1] == "our test" {
            continue;
        }
        let names = quoted(&cells[1]);
        assert!(
            !names.is_empty() || cells[1] == "-",
            "{}: no test",
            cells[0]
        );
        assert!(
            !names.is_empty() || !cells[2].is_empty(),
            "{}: why not",
            cells[0]
        );
        for name in names {
            assert!(tests.contains(name), "{}: no test {name}", cells[0]);
        }
        rows += 1;
    }
    assert!(rows >= 100, "{rows} rows");
}

#[test]
fn the_files_that_the_rows_name_exist() {
    for row in table(
        &read("docs/TENDERMINT_ROWS.md"),
        &["row", "Tendermint", "ours", "test"],
    ) {
        for name in quoted(&row[2])
            .into_iter()
            .filter(|name| name.ends_with(".rs"))
        {
            let below = if name.starts_with("sim/") {
                ""
            } else {
                "core/src"
            };
            let file = root().join(below).join(name);
            assert!(file.is_file(), "{}: no file {name}", row[0]);
        }
    }
}
