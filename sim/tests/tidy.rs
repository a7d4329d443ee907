//! Properties of the source itself, checked as a test, so that `cargo test` is the only gate.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The rooms of the engine, lowest layer first (`docs/ARCHITECTURE.md`).
const ENGINE: &[&[&str]] = &[
    &["types"],
    &["codec", "crypto", "storage"],
    &["wal", "ledger", "app", "privval"],
    &["consensus", "gossip", "blocksync"],
    &["node"],
    &["replay"],
];

/// Imports sideways that have a reason. `ledger` joins the application to the chain's rules: a
/// block's validity and the state after it depend on what the application says of its transactions.
const SIDEWAYS: &[(&str, &str)] = &[("ledger", "app")];

/// Lines a file may have, and columns a line may have.
const LINES: usize = 520;
const COLUMNS: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace")
        .to_owned()
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|x| x == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for room in ["core", "sim/src", "sim/tests", "fuzz/fuzz_targets"] {
        rust_files(&root().join(room), &mut found);
    }
    let shown = |path: &PathBuf| {
        path.strip_prefix(root())
            .expect("below the root")
            .display()
            .to_string()
    };
    found
        .iter()
        .map(|path| (shown(path), fs::read_to_string(path).expect("readable")))
        .collect()
}

fn layer(room: &str) -> Option<usize> {
    ENGINE.iter().position(|layer| layer.contains(&room))
}

/// The rooms that a source names after `crate::`, also in groups.
fn imported(text: &str) -> Vec<(usize, String)> {
    let mut rooms = Vec::new();
    let word = |s: &str| -> String {
        s.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].lines().count().max(1);
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.push((line, word(rest)));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (i, c) in group.char_indices() {
            if start && !c.is_whitespace() {
                rooms.push((line, word(&group[i..])));
                start = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                _ => {}
            }
        }
    }
    rooms
}

fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]").map_or(text, |at| &text[..at])
}

#[test]
fn rooms_of_the_engine_import_only_from_below() {
    let mut errors = Vec::new();
    for (path, text) in sources() {
        let Some(room) = path
            .strip_prefix("core/src/")
            .and_then(|p| p.split(['/', '.']).next())
        else {
            continue;
        };
        let Some(here) = layer(room) else { continue };
        if path.contains("tests") {
            continue;
        }
        for (line, other) in imported(without_tests(&text)) {
            let Some(there) = layer(&other) else { continue };
            let below = there < here || (here == there && other == room);
            let excused = SIDEWAYS.contains(&(room, other.as_str()));
            if !below && !excused {
                errors.push(format!(
                    "{path}:{line}: `{room}` imports `{other}`, which is not below it"
                ));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut errors = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            errors.push(format!("{path}:1: no head that says what the file is"));
        }
        let lines = text.lines().count();
        if lines > LINES {
            errors.push(format!(
                "{path}: {lines} lines; split it, {LINES} is the limit"
            ));
        }
        for (i, line) in text.lines().enumerate() {
            if line.chars().count() > COLUMNS {
                errors.push(format!("{path}:{}: longer than {COLUMNS} columns", i + 1));
            }
            let leftovers = ["TO", "FIX"]
                .map(|half| format!("{half}{}", if half == "TO" { "DO" } else { "ME" }));
            if leftovers.iter().any(|word| line.contains(word.as_str())) {
                errors.push(format!("{path}:{}: a leftover", i + 1));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn the_engine_knows_nothing_of_planted_bugs() {
    for (path, text) in sources() {
        let production = path.starts_with("core/src/");
        assert!(
            !production || !text.contains("feature ="),
            "{path}: no feature switches in the engine"
        );
    }
    let manifest = fs::read_to_string(root().join("core/Cargo.toml")).expect("a manifest");
    assert!(
        !manifest.contains("[features]"),
        "the engine has no features"
    );
}

#[test]
fn oracles_do_not_use_the_engines_rules() {
    let banned = [
        "ValidatorSet",
        "VoteSet::",
        "HeightVoteSet",
        "verify_commit",
        "is_quorum(",
        "State::",
    ];
    for (path, text) in sources() {
        if !path.starts_with("sim/src/oracle/") || path.contains("tests") {
            continue;
        }
        for word in banned {
            let used = without_tests(&text)
                .lines()
                .any(|l| l.contains(word) && !l.trim_start().starts_with("//"));
            assert!(
                !used,
                "{path} uses {word}: an oracle shares no logic with what it judges"
            );
        }
    }
}
