//! What docs/CLI.md shows is what comes out.
//!
//! An example is an indented line `$ sim ...` and the indented lines below it. In these `...`
//! stands for anything, and white space does not matter: lines may be wrapped. A number in brackets
//! behind the command is its exit code; `> FILE` keeps what it prints for the commands below.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

/// Takes longer than a test should; the gate runs it.
const SLOW: &str = "--crash-everywhere";

struct Example {
    command: String,
    code: Option<i32>,
    shown: String,
}

fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("    $ sim ") {
            let (command, code) = match command.rsplit_once(" (") {
                Some((command, code)) => (command, code.trim_end_matches(')').parse().ok()),
                None => (command, None),
            };
            found.push(Example {
                command: command.trim().to_owned(),
                code,
                shown: String::new(),
            });
            inside = true;
        } else if let (true, Some(example)) = (inside, found.last_mut()) {
            inside = line.is_empty() || line.starts_with("    ");
            if inside {
                example.shown.push_str(line);
            }
        }
    }
    found
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The first piece of what is shown that does not come, in order.
fn missing(shown: &str, came: &str) -> Option<String> {
    let (shown, came) = (squeezed(shown), squeezed(came));
    let mut rest = came.as_str();
    for piece in shown.split("...") {
        let at = rest.find(piece);
        let Some(at) = at else {
            return Some(piece.to_owned());
        };
        rest = &rest[at + piece.len()..];
    }
    None
}

#[test]
fn the_examples_of_the_documentation_come_out_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/CLI.md")).unwrap();
    let place = tempfile::tempdir().unwrap();
    for folder in ["scenarios", "corpus"] {
        let from = fs::canonicalize(root.join(folder)).unwrap();
        symlink(from, place.path().join(folder)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("broken.toml", "why = \"x\"\n\nheights = \"many\"\n");
    write(
        "typo.toml",
        "why = \"x\"\n\nbroken_by = [\"no_lock_on_precomit\"]\n",
    );
    let examples = examples(&text);
    assert!(examples.len() > 20, "{}", examples.len());
    let mut wrong = Vec::new();
    for Example {
        command,
        code,
        shown,
    } in examples
    {
        if command.contains(SLOW) {
            continue;
        }
        let (arguments, file) = match command.split_once(" > ") {
            Some((arguments, file)) => (arguments, Some(file)),
            None => (&*command, None),
        };
        let ran = Command::new(env!("CARGO_BIN_EXE_sim"))
            .args(arguments.split_whitespace())
            .current_dir(place.path())
            .output()
            .unwrap();
        if let Some(file) = file {
            fs::write(place.path().join(file), &ran.stdout).unwrap();
        }
        let came = [ran.stdout, ran.stderr].concat();
        let came = String::from_utf8_lossy(&came).into_owned();
        if code.is_some_and(|code| ran.status.code() != Some(code)) {
            wrong.push(format!("sim {command}: {}", ran.status));
        }
        if let Some(piece) = missing(&shown, &came) {
            let head: String = came.chars().take(600).collect();
            wrong.push(format!("sim {command}\n  does not say {piece}\n{head}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
