//! `sim trace` of what was recorded, and `sim diff`, as a person meets them.

use std::{fs, path::Path, process::Command};

fn sim(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.args(arguments).current_dir(directory).output();
    let output = output.expect("the binary starts");
    let code = output.status.code().expect("it was not killed");
    let [out, err] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).expect("text"));
    (code, out, err)
}

/// Records a run that crashes nodes, with its decisions.
fn record(directory: &Path, name: &str, seed: &str) {
    let run = [
        "trace",
        "--seed",
        seed,
        "--crypto",
        "ideal",
        "--heights",
        "3",
    ];
    let form = ["--format", "ndjson", "--choices"];
    let (_, out, _) = sim(directory, &[&run[..], &form].concat());
    fs::write(directory.join(name), out).expect("writable");
}

#[test]
fn a_recorded_trace_is_shown_as_its_run_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    record(at, "a.ndjson", "3");
    for filter in [
        &["--choices"][..],
        &[],
        &["--nodes", "n1,n2", "--from", "1s", "--to", "3s"],
        &["--format", "ndjson", "--nodes", "n0"],
    ] {
        let run = [
            "trace",
            "--seed",
            "3",
            "--crypto",
            "ideal",
            "--heights",
            "3",
        ];
        let (_, live, _) = sim(at, &[&run[..], filter].concat());
        let (code, shown, _) = sim(at, &[&["trace", "--file", "a.ndjson"][..], filter].concat());
        assert_eq!(code, 0);
        assert!(live.lines().count() > 10, "{filter:?}: {live}");
        assert!(live == shown, "{filter:?}");
    }
}

#[test]
fn traces_are_the_same_or_differ_at_a_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    record(at, "a.ndjson", "3");
    record(at, "b.ndjson", "3");
    let (code, out, _) = sim(at, &["diff", "a.ndjson", "b.ndjson"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("SAME   "), "{out}");

    let text = fs::read_to_string(at.join("b.ndjson")).expect("readable");
    let ninth = text.lines().nth(8).expect("a ninth line");
    let other = text.replacen(ninth, &ninth.replace("\"time_ns\":0", "\"time_ns\":7"), 1);
    let later = other.split_once(ninth).is_none();
    assert!(later && other != text, "{ninth}");
    // Whatever comes after must not be before.
    let (first, rest) = other.split_at(other.find("\"time_ns\":7").expect("it is there"));
    let other = first.to_owned() + &rest.replace("\"time_ns\":0,", "\"time_ns\":7,");
    fs::write(at.join("b.ndjson"), other).expect("writable");
    let (code, out, _) = sim(at, &["diff", "a.ndjson", "b.ndjson"]);
    assert_eq!(code, 6);
    assert!(out.starts_with("DIFFERENT   at line 9 "), "{out}");
    let (code, out, _) = sim(at, &["diff", "a.ndjson", "b.ndjson", "--json"]);
    assert_eq!(code, 6);
    assert!(
        out.contains("\"same\":false") && out.contains("\"line\":9"),
        "{out}"
    );

    record(at, "c.ndjson", "4");
    let (code, out, _) = sim(at, &["diff", "a.ndjson", "c.ndjson"]);
    assert_eq!(code, 6, "{out}");
}

#[test]
fn what_is_no_trace_is_refused_with_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    record(at, "a.ndjson", "3");
    let text = fs::read_to_string(at.join("a.ndjson")).expect("readable");
    fs::write(at.join("short.ndjson"), &text[..text.len() / 2]).expect("writable");
    fs::write(at.join("empty.ndjson"), "").expect("writable");
    for (arguments, complaint) in [
        (["diff", "a.ndjson", "short.ndjson"], "error: short.ndjson:"),
        (
            ["trace", "--file", "empty.ndjson"],
            "error: empty.ndjson:1:1: empty",
        ),
        (["trace", "--file", "none.ndjson"], "error: none.ndjson: "),
    ] {
        let (code, out, err) = sim(at, &arguments);
        assert_eq!((code, &*out), (7, ""), "{arguments:?}");
        assert!(err.starts_with(complaint), "{err}");
    }
    let nobody = ["trace", "--file", "a.ndjson", "--nodes", "n99"];
    let (code, _, err) = sim(at, &nobody);
    assert_eq!(code, 2);
    assert!(err.contains("there is no n99"), "{err}");
}
