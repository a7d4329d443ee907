//! The binary as a person or a script meets it: exit codes, results on stdout, complaints on
//! stderr.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

fn sim(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1");
    command
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs in a directory of its own, for failures leave files.
fn call(arguments: &[&str]) -> Said {
    let directory = tempfile::tempdir().expect("a directory");
    let output = sim(directory.path(), arguments).output();
    said(&output.expect("the binary starts"))
}

fn call_at_root(arguments: &[&str]) -> Said {
    let output = sim(&root(), arguments).output();
    said(&output.expect("the binary starts"))
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the workspace").to_owned()
}

/// A run that is over soon.
const SHORT: [&str; 5] = ["--no-faults", "--heights", "3", "--validators", "4"];

fn with(first: &[&str], rest: &[&str]) -> Said {
    call(&[first, &SHORT, rest].concat())
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn help_says_what_there_is() {
    let help = call(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    insta::assert_snapshot!("help", help.out);
    for command in ["run", "sweep", "trace", "scenario", "wal", "replay"] {
        let help = call(&[command, "--help"]);
        assert_eq!(help.code, 0);
        insta::assert_snapshot!(format!("help_{command}"), help.out);
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_to_do() {
    let wrong: [(&[&str], &str); 12] = [
        (&[], "try sim --seed 1"),
        (&["--sed", "1"], "--seed"),
        (&["swep", "--seeds", "0..1"], "'sweep'"),
        (&["run"], "--seed"),
        (&["--seed", "abc"], "a seed is a decimal number"),
        (&["--seed", "-1"], "'-1'"),
        (&["--seed", "1", "--validators", "0"], "--validators"),
        (
            &["--seed", "1", "--validators", "4", "--byzantine", "2"],
            "--beyond-one-third",
        ),
        (&["--seed", "1", "run", "--seed", "2"], "after the command"),
        (&["sweep"], "--for 30s"),
        (&["sweep", "--seeds", "5"], "A..B"),
        (
            &["trace", "--seed", "1", "--nodes", "n200"],
            "there is no n200",
        ),
    ];
    for (arguments, remedy) in wrong {
        let said = call(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.err);
        assert!(said.err.contains(remedy), "{arguments:?}: {}", said.err);
        assert_eq!(said.out, "", "{arguments:?}");
    }
}

#[test]
fn a_bare_seed_is_a_run() {
    let without_wall = |text: &str| {
        let mut value = object(text);
        value["wall_ms"] = Value::Null;
        value
    };
    let bare = with(&["--json", "--seed", "7"], &[]);
    let run = with(&["run", "--seed", "0x7"], &["--json"]);
    assert_eq!((bare.code, run.code), (0, 0), "{} {}", bare.err, run.err);
    assert_eq!(without_wall(&bare.out), without_wall(&run.out));
    assert_eq!(object(&run.out)["schema"], "sim.run/1");
    assert_eq!(object(&run.out)["validators"], 4);
}

#[test]
fn a_run_says_what_it_drew_and_what_it_found() {
    let said = with(&["--seed", "7"], &["--check"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(
        said.out.starts_with("seed 7   4 validators"),
        "{}",
        said.out
    );
    assert!(said.out.contains("\nPASS   "), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "no colour off a terminal");
}

#[test]
fn the_engines_log_goes_to_stderr_and_changes_no_result() {
    let digest = |said: &Said| object(&said.out)["digest"].clone();
    let silent = with(&["run", "--seed", "3", "--json"], &[]);
    let told = with(&["run", "--seed", "3", "--json", "--log", "info"], &[]);
    assert_eq!((told.code, digest(&told)), (0, digest(&silent)));
    let decided: Vec<&str> = told
        .err
        .lines()
        .filter(|l| l.contains(" decided "))
        .collect();
    assert!(decided.len() >= 12, "{}", told.err);
    for part in [
        " INFO node{node=n",
        " at_us=",
        "step{input=\"Committed\"",
        " height=1 ",
    ] {
        assert!(decided[0].contains(part), "{part}: {}", decided[0]);
    }
    assert!(!told.err.contains("new round step"), "that is debug");
    assert!(!told.err.contains('\u{1b}'), "no colours");
    let again = with(&["run", "--seed", "3", "--json", "--log", "info"], &[]);
    assert_eq!(
        told.err, again.err,
        "the log of a run is the same every time"
    );
    let quiet = with(&["run", "--seed", "3", "--json", "--log", "error"], &[]);
    assert_eq!(quiet.err, silent.err);
}

#[test]
fn a_sweep_says_the_same_with_any_number_of_threads() {
    let sweep = |jobs| {
        let said = with(&["sweep", "--seeds", "0..40", "--jobs", jobs], &[]);
        assert_eq!(said.code, 0, "{}", said.err);
        let lines = said.out.lines().filter(|line| !line.contains("wall"));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(sweep("1"), sweep("3"));
}

#[test]
fn a_sweep_in_json_ends_with_its_summary() {
    let said = with(&["sweep", "--seeds", "0..20", "--json"], &[]);
    let summary = object(said.out.lines().last().unwrap());
    assert_eq!(summary["schema"], "sim.sweep/2");
    assert_eq!(
        (&summary["seeds"], &summary["failed"]),
        (&20.into(), &0.into())
    );
    assert!(summary["seeds_per_cpu_s"].is_u64());
    // Seeds 0 and 16 ran with both kinds of signatures.
    let counts = &summary["counts"];
    assert_eq!(counts["crypto.ideal"], 20);
    assert_eq!(counts["crypto.ed25519"], 2);
    let markers = &summary["markers"];
    assert_eq!(markers["ed25519"]["seeds"], 2);
    assert_eq!(markers["ed25519"]["first"], 0);
    assert_eq!(markers["crash"]["first"], Value::Null);
    let missed = summary["missed"].as_array().unwrap();
    assert!(missed.contains(&"crash".into()) && !missed.contains(&"ed25519".into()));
}

#[test]
fn nothing_to_run_exits_with_8() {
    for arguments in [
        ["sweep", "--seeds", "5..5"],
        ["sweep", "--for", "0s"],
        ["scenario", "run", "--all"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("scenarios")).unwrap();
        let output = sim(directory.path(), &arguments).output().unwrap();
        let said = said(&output);
        assert_eq!(said.code, 8, "{arguments:?}: {}", said.err);
    }
}

#[test]
fn a_sweep_that_is_interrupted_prints_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = sim(directory.path(), &["sweep", "--for", "60s", "--jobs", "1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = command.spawn().unwrap();
    // Wait for the handler of the signal: the kernel shows it in the mask of caught signals.
    let status = format!("/proc/{}/status", child.id());
    while !catches_interrupts(&std::fs::read_to_string(&status).unwrap()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
    }
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(killed.success());
    let said = said(&child.wait_with_output().unwrap());
    assert_eq!(said.code, 130, "{}", said.err);
    assert!(said.out.contains("INTERRUPTED"), "{}", said.out);
}

fn catches_interrupts(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 0b10 != 0)
}

#[test]
fn a_closed_pipe_is_no_failure() {
    for arguments in [
        vec!["completions", "bash"],
        [&["trace", "--seed", "1"], SHORT.as_slice()].concat(),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = sim(directory.path(), &arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut reader = BufReader::with_capacity(16, child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        drop(reader);
        assert!(!line.is_empty());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_trace_is_text_or_objects() {
    let text = with(&["trace", "--seed", "1"], &["--nodes", "n1,2"]);
    assert_eq!(text.code, 0, "{}", text.err);
    assert!(text.out.trim_start().starts_with("time"), "{}", text.out);
    let objects = with(&["trace", "--seed", "1", "--format", "ndjson"], &[]);
    let header = object(objects.out.lines().next().unwrap());
    assert_eq!(header["schema"], "sim.trace/1");
    let lines = objects.out.lines().skip(1).map(object).count();
    assert_eq!(header["events"], lines);
    let late = with(&["trace", "--seed", "1", "--from", "1h"], &["--json"]);
    assert_eq!(late.out.lines().count(), 1);
}

#[test]
fn broken_and_missing_scenarios_exit_with_7_and_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let text = "why = \"x\"\nbyzantine = [{ node = 1, behaviour = \"equivocat\" }]\n";
    std::fs::write(directory.path().join("bad.toml"), text).unwrap();
    let text = "why = \"x\"\nbroken_by = [\"no_luck\"]\n";
    std::fs::write(directory.path().join("bug.toml"), text).unwrap();
    std::fs::create_dir_all(directory.path().join("corpus/bugs")).unwrap();
    let place = "bad.toml:2:38: unknown behaviour \"equivocat\"; did you mean \"equivocate\"?";
    for (command, file, answer) in [
        ("check", "bad.toml", place),
        ("run", "bad.toml", place),
        (
            "check",
            "bug.toml",
            "bug.toml:2:14: unknown bug \"no_luck\"",
        ),
        ("check", "none.toml", "none.toml: "),
        ("run", "none.toml", "none.toml: "),
    ] {
        let output = sim(directory.path(), &["scenario", command, file]).output();
        let said = said(&output.unwrap());
        assert_eq!(said.code, 7, "{command} {file}: {}", said.err);
        assert!(said.err.contains(answer), "{command} {file}: {}", said.err);
    }
}

#[test]
fn the_kept_scenarios_are_valid_and_listed() {
    let listed = call_at_root(&["scenario", "list"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    insta::assert_snapshot!("scenarios", listed.out);
}

#[test]
fn every_kept_scenario_shows_the_situation_that_it_is_for() {
    let played = call_at_root(&["scenario", "run", "--all", "--check"]);
    assert_eq!(played.code, 0, "{}{}", played.out, played.err);
}

/// Writes the schedule of a short run into a directory; its text.
fn saved(directory: &Path, seed: &str) -> String {
    let run = ["run", "--seed", seed, "--heights", "4", "--quiet"];
    let save = ["--save-schedule", "s.toml"];
    let output = sim(directory, &[run.as_slice(), &save].concat()).output();
    let said = said(&output.expect("the binary starts"));
    assert_eq!(said.code, 0, "{}", said.err);
    std::fs::read_to_string(directory.join("s.toml")).expect("it was saved")
}

#[test]
fn a_schedule_is_replayed_to_the_digest_that_it_records() {
    let directory = tempfile::tempdir().unwrap();
    for seed in ["3", "0xffffffffffffffff"] {
        let text = saved(directory.path(), seed);
        assert!(text.contains("\n[recorded]\ndigest = \""), "{text}");
        let call = |arguments: &[&str]| said(&sim(directory.path(), arguments).output().unwrap());
        let replayed = call(&["replay", "s.toml"]);
        assert_eq!(replayed.code, 0, "{}", replayed.err);
        let same = "recorded   the same digest, by the same code";
        assert!(replayed.out.contains(same), "{}", replayed.out);
        let replayed = object(&call(&["replay", "s.toml", "--json"]).out);
        assert_eq!(replayed["schema"], "sim.schedule/1");
        assert_eq!(
            (&replayed["same"], &replayed["exit"]),
            (&true.into(), &0.into())
        );
        assert_eq!(replayed["recorded"]["digest"], replayed["run"]["digest"]);
    }
}

#[test]
fn a_schedule_that_another_code_wrote_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let text = saved(directory.path(), "3");
    let source = text
        .lines()
        .find(|line| line.starts_with("source = "))
        .unwrap();
    let other = text.replace(source, "source = \"0123456789abcdef\"");
    std::fs::write(directory.path().join("s.toml"), other).unwrap();
    let said = said(
        &sim(directory.path(), &["replay", "s.toml"])
            .output()
            .unwrap(),
    );
    assert_eq!(said.code, 0, "{}", said.err);
    let answer = "the same digest, though by other code: 0123456789abcdef then, ";
    assert!(said.out.contains(answer), "{}", said.out);
}

#[test]
fn another_digest_than_the_recorded_one_exits_with_6_and_names_the_first_different_event() {
    let directory = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| said(&sim(directory.path(), arguments).output().unwrap());
    let text = saved(directory.path(), "3");
    let trace = call(&["trace", "--file", "s.toml", "--format", "ndjson"]);
    let digest = object(trace.out.lines().next().unwrap())["digest"].clone();
    // Other times between two transactions: another run from the second of them on.
    let every = text
        .lines()
        .find(|line| line.starts_with("tx_every_ms"))
        .unwrap();
    std::fs::write(
        directory.path().join("s.toml"),
        text.replace(every, "tx_every_ms = 3"),
    )
    .unwrap();

    let blind = call(&["replay", "s.toml"]);
    assert_eq!(blind.code, 6, "{}", blind.out);
    for part in [
        "determinism",
        "events then",
        "no trace.ndjson of that run",
        "recorded   NOT the digest",
    ] {
        assert!(blind.out.contains(part), "{part}: {}", blind.out);
    }

    std::fs::write(directory.path().join("trace.ndjson"), &trace.out).unwrap();
    let seeing = call(&["replay", "s.toml"]);
    assert_eq!(seeing.code, 6, "{}", seeing.out);
    for part in ["first different event: number ", "then: {", "now: {"] {
        assert!(seeing.out.contains(part), "{part}: {}", seeing.out);
    }
    let json = object(&call(&["replay", "s.toml", "--json"]).out);
    assert_eq!((&json["same"], &json["exit"]), (&false.into(), &6.into()));
    assert_eq!(json["recorded"]["digest"], digest);
}

#[test]
fn a_decision_that_a_trace_names_can_be_overridden() {
    let directory = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| said(&sim(directory.path(), arguments).output().unwrap());
    let text = saved(directory.path(), "3");
    let trace = call(&["trace", "--file", "s.toml", "--choices", "--json"]);
    let chosen: Vec<Value> = trace
        .out
        .lines()
        .map(object)
        .filter(|line| line["event"] == "chosen")
        .collect();
    let latency = chosen.iter().find(|line| line["stream"] == "net.latency");
    let (at, value) = {
        let latency = latency.expect("a packet takes its time");
        (
            latency["at"].to_string(),
            latency["value"].as_u64().unwrap(),
        )
    };
    let with = |at: &str, value: u64| {
        let given = format!("[[override]]\nstream = \"net.latency\"\nat = {at}\nvalue = {value}\n");
        let recorded = text.find("[recorded]").unwrap();
        let (plan, tail) = text.split_at(recorded);
        std::fs::write(
            directory.path().join("o.toml"),
            format!("{plan}{given}\n{tail}"),
        )
        .unwrap();
        call(&["replay", "o.toml"])
    };
    // Given what was drawn, nothing changes; given anything else, everything after it does.
    let same = with(&at, value);
    assert_eq!((same.code, same.err.as_str()), (0, ""), "{}", same.out);
    assert!(same.out.contains("the same digest"), "{}", same.out);
    let other = with(&at, value + 1);
    assert_eq!(other.code, 6, "{}", other.out);
    let never = with("[1, 2, 3, 4]", 5);
    assert_eq!(never.code, 0, "{}", never.out);
    let warning = "nothing was decided about net.latency at [1, 2, 3, 4]";
    assert!(never.err.contains(warning), "{}", never.err);
    assert!(never.err.contains("warning: o.toml:"), "{}", never.err);
}

#[test]
fn a_schedule_that_is_broken_missing_or_no_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(directory.path().join("s.toml"), text).unwrap();
    write("[[override]]\nstream = \"net.los\"\nat = [0, 0, 0, 0]\nvalue = 1\n");
    let call = |arguments: &[&str]| said(&sim(directory.path(), arguments).output().unwrap());
    let broken = call(&["replay", "s.toml"]);
    let place = "s.toml:2:10: unknown stream \"net.los\"; did you mean \"net.loss\"?";
    assert_eq!(broken.code, 7);
    assert!(broken.err.contains(place), "{}", broken.err);
    let missing = call(&["replay", "none.toml"]);
    assert_eq!(missing.code, 7);
    assert!(missing.err.contains("none.toml: "), "{}", missing.err);
    let console = call(&["replay", "s.toml", "--console"]);
    assert_eq!(console.code, 2);
    assert!(console.err.contains("is no directory"), "{}", console.err);
}

#[test]
fn a_sweep_that_misses_a_required_marker_exits_with_1_and_names_it() {
    let said = with(&["sweep", "--seeds", "0..3", "--require-markers"], &[]);
    let out = &said.out;
    assert_eq!(said.code, 1, "{out}");
    assert!(out.starts_with("FAIL   3 seeds passed, but "), "{out}");
    let line = |name: &str| out.lines().find(|l| l.trim_start().starts_with(name));
    let (missed, never) = (line("missed ").unwrap(), line("never ").unwrap());
    assert!(missed.contains("evidence_committed"), "{out}");
    assert!(never.contains("old_disk"), "{out}");
    assert_eq!(with(&["sweep", "--seeds", "0..3"], &[]).code, 0);
}

#[test]
fn help_lists_what_is_judged_and_what_must_be_reached() {
    let invariants = call(&["help", "invariants"]);
    assert_eq!((invariants.code, invariants.err.as_str()), (0, ""));
    for (name, statement, source) in sim::oracle::ORACLES {
        for part in [name, statement, source] {
            assert!(invariants.out.contains(part), "{part}");
        }
    }
    let written = std::fs::read_to_string(root().join("docs/INVARIANTS.md")).unwrap();
    assert!(written.contains(&call(&["help", "invariants", "--markdown"]).out));
    let markers = call(&["help", "markers"]);
    for marker in sim::markers::Marker::ALL {
        assert!(markers.out.contains(marker.sentence()), "{marker}");
    }
    let written = std::fs::read_to_string(root().join("docs/MARKERS.md")).unwrap();
    assert_eq!(call(&["help", "markers", "--markdown"]).out, written);
    let first = object(
        call(&["help", "markers", "--json"])
            .out
            .lines()
            .next()
            .unwrap(),
    );
    assert_eq!(
        (&first["schema"], &first["name"]),
        (&"sim.marker/1".into(), &"round_1".into())
    );

    let own = call(&["scenario", "run", "--help"]);
    assert_eq!(call(&["help", "scenario", "run"]).out, own.out);
    let unknown = call(&["help", "invariant"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("topics: invariants, markers"),
        "{}",
        unknown.err
    );
}
