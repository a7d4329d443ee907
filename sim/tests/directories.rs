//! The commands on real directories: `wal inspect`, `wal verify`, `wal repair` and `replay`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const SEGMENT: &str = "0000000000000000-0000000000000000.wal";

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn sim_fed(directory: &Path, arguments: &[&str], input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that does not read closes the pipe.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    Said {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn sim(directory: &Path, arguments: &[&str]) -> Said {
    sim_fed(directory, arguments, "")
}

/// The disks of a short run without faults, below `disks/`.
fn disks() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let run = ["run", "--seed", "1", "--save-disks", "disks"];
    let short = ["--no-faults", "--heights", "3", "--validators", "4"];
    let said = sim(directory.path(), &[run.as_slice(), &short].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    directory
}

/// A log that etcd wrote, in `log/`.
fn etcd(name: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let root = env!("CARGO_MANIFEST_DIR");
    let fixture = format!("{root}/../../shared/fixtures/etcd/{name}");
    fs::create_dir(directory.path().join("log")).expect("a directory");
    fs::copy(fixture, directory.path().join("log").join(SEGMENT)).expect("a directory");
    directory
}

const CLEAN: &str = "TestNew.wal";
/// Its last record claims more bytes than there are.
const TORN: &str = "last-record-length-exceeds-file.wal";
/// Where that record begins.
const END: usize = 136;

#[test]
fn a_log_of_etcd_is_shown_record_by_record() {
    let directory = etcd(CLEAN);
    let said = sim(directory.path(), &["wal", "inspect", "log"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!("wal_inspect_etcd", said.out);
    let torn = etcd(TORN);
    let said = sim(torn.path(), &["wal", "inspect", "log"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!("wal_inspect_etcd_torn", said.out);
}

#[test]
fn a_consensus_log_is_shown_with_what_its_entries_mean() {
    let directory = disks();
    let arguments = ["wal", "inspect", "disks/n1", "--limit", "12"];
    let said = sim(directory.path(), &arguments);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!("wal_inspect_native", said.out);
    let json = sim(directory.path(), &[&arguments[..], &["--json"]].concat());
    let rows: Vec<Value> = json
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 13);
    assert_eq!(rows[0]["schema"], "sim.wal.record/1");
    assert_eq!(rows[12]["schema"], "sim.wal/1");
    assert_eq!(rows[12]["verdict"], "clean");
    let entry = rows.iter().find(|row| row["record"] == "timeout").unwrap();
    assert_eq!(
        (&entry["type"], &entry["height"]),
        (&"entry".into(), &1.into())
    );
    let from = sim(
        directory.path(),
        &["wal", "inspect", "disks/n1/wal", "--from", "5", "--json"],
    );
    let first: Value = serde_json::from_str(from.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["index"], 5);
}

#[test]
fn a_torn_tail_is_cut_and_kept_beside() {
    let directory = etcd(TORN);
    let path = directory.path().join("log").join(SEGMENT);
    let before = fs::read(&path).unwrap();
    let verified = sim(directory.path(), &["wal", "verify", "log"]);
    assert_eq!(verified.code, 0);
    assert!(verified.out.starts_with("TORN"), "{}", verified.out);
    let dry = sim(directory.path(), &["wal", "repair", "log", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    insta::assert_snapshot!("wal_repair_dry_run", dry.out);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(
        fs::read_dir(directory.path().join("log")).unwrap().count(),
        1
    );
    let repaired = sim(directory.path(), &["wal", "repair", "log"]);
    assert_eq!(repaired.code, 0, "{}", repaired.err);
    insta::assert_snapshot!("wal_repair", repaired.out);
    let broken = path.with_extension("wal.broken");
    assert_eq!(fs::read(broken).unwrap(), before);
    assert_eq!(fs::read(&path).unwrap(), before[..END]);
    let verified = sim(directory.path(), &["wal", "verify", "log", "--json"]);
    let verdict: Value = serde_json::from_str(&verified.out).unwrap();
    assert_eq!(verdict["verdict"], "clean");
}

/// The newest segment of a node's log.
fn segment(directory: &Path, node: &str) -> PathBuf {
    let log = directory.join("disks").join(node).join("wal");
    let names = fs::read_dir(log)
        .expect("a directory")
        .map(|entry| entry.expect("a directory").path());
    // A file that is prepared for the next segment is none yet.
    let segments = names.filter(|path| path.extension().is_some_and(|end| end == "wal"));
    segments.max().expect("a segment")
}

#[test]
fn damage_is_named_and_never_cut() {
    let directory = disks();
    let path = segment(directory.path(), "n0");
    let mut bytes = fs::read(&path).unwrap();
    bytes[1_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for command in ["verify", "repair", "inspect"] {
        let said = sim(directory.path(), &["wal", command, "disks/n0"]);
        assert_eq!((said.code, said.err.as_str()), (7, ""), "{command}");
        let name = path.file_name().unwrap().to_str().unwrap();
        let verdict = said.out.lines().find(|line| line.starts_with("DAMAGED"));
        let verdict = verdict.unwrap_or_else(|| panic!("{command}: {}", said.out));
        assert!(
            verdict.contains(name) && verdict.contains("offset"),
            "{verdict}"
        );
    }
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let replayed = sim(directory.path(), &["replay", "disks/n0"]);
    assert_eq!(replayed.code, 7, "{}", replayed.out);
    assert!(
        replayed.out.starts_with("DAMAGED  log: "),
        "{}",
        replayed.out
    );
}

#[test]
fn wrong_calls_exit_with_2_and_missing_logs_with_7() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file.toml"), "").unwrap();
    for (arguments, code) in [
        (&["wal"][..], 2),
        (&["wal", "inspect"], 2),
        (&["wal", "mend", "x"], 2),
        (&["wal", "inspect", "x", "--limit", "many"], 2),
        (&["replay"], 2),
        (&["replay", "file.toml", "--console"], 2),
        (&["replay", ".", "--console", "--json"], 2),
        (&["wal", "verify", "x"], 7),
        (&["wal", "repair", "."], 7),
        (&["replay", "x"], 7),
        (&["replay", "."], 7),
    ] {
        let said = sim(directory.path(), arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.err);
        assert!(!said.err.is_empty() && said.out.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_a_run_has_stored_replays_to_the_same() {
    let directory = disks();
    for node in ["n0", "n1", "n2", "n3"] {
        let path = format!("disks/{node}");
        let before = fs::read(segment(directory.path(), node)).unwrap();
        let verified = sim(directory.path(), &["wal", "verify", &path]);
        assert_eq!(verified.code, 0, "{}", verified.out);
        let replayed = sim(directory.path(), &["replay", &path, "--json"]);
        assert_eq!(replayed.code, 0, "{}{}", replayed.out, replayed.err);
        let found: Value = serde_json::from_str(&replayed.out).unwrap();
        assert_eq!(found["schema"], "sim.replay/1");
        assert_eq!(found["verdict"], "same");
        assert!(found["height"].as_u64().unwrap() >= 3);
        assert_eq!(fs::read(segment(directory.path(), node)).unwrap(), before);
    }
    // Somebody else's key did not sign these messages.
    let other = sim(directory.path(), &["replay", "disks/n0", "--node", "n1"]);
    assert_eq!(other.code, 6, "{}", other.out);
    assert!(other.out.starts_with("MISMATCH"), "{}", other.out);
    let nobody = sim(directory.path(), &["replay", "disks/n0", "--node", "9"]);
    assert_eq!(nobody.code, 2, "{}", nobody.err);
}

#[test]
fn what_crashed_machines_have_stored_replays_to_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut left = 4;
    for seed in 0..100 {
        let seed = &seed.to_string();
        let mut run = vec!["run", "--seed", seed, "--crypto", "ideal"];
        run.extend(["--save-disks", "disks"]);
        let run = sim(directory.path(), &run);
        assert_eq!(run.code, 0, "{}", run.out);
        let (drawn, _) = run.out.split_once('\n').unwrap();
        // Disks that were in trouble may hold damage that no node started with again.
        if !drawn.contains("crash") || drawn.contains("disk") {
            fs::remove_dir_all(directory.path().join("disks")).unwrap();
            continue;
        }
        let nodes = fs::read_dir(directory.path().join("disks")).unwrap();
        for node in nodes
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
        {
            let path = node.display().to_string();
            let replayed = sim(directory.path(), &["replay", &path]);
            assert_eq!(replayed.code, 0, "seed {seed} {path}: {}", replayed.out);
        }
        fs::remove_dir_all(directory.path().join("disks")).unwrap();
        left -= 1;
        if left == 0 {
            return;
        }
    }
    panic!("seeds draw crashes more often");
}

#[test]
fn the_console_steps_through_a_log() {
    let directory = disks();
    let commands = [
        "rs short\nnext 4\nn\nrs\nrs validators\nrs proposal\nrs proposal_block\nnext 12\n",
        "rs locked_round\nrs locked_block\nrs votes\nback 3\nrs short\nnext\nnext x\n",
        "rs nonsense\nfly\nback 100\nnext 10000\nnext\n",
    ];
    let commands = &commands.concat();
    let arguments = ["replay", "disks/n1", "--console"];
    let said = sim_fed(directory.path(), &arguments, commands);
    assert_eq!(
        (said.code, said.err.as_str()),
        (0, ""),
        "the end of the input ends it"
    );
    insta::assert_snapshot!("replay_console", said.out);
    let quit = sim_fed(directory.path(), &arguments, "n\nquit\nn\n");
    assert_eq!((quit.code, quit.out.as_str()), (0, "0\n"));
}

#[test]
fn a_failure_leaves_disks_that_can_be_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let beyond = "--validators 4 --byzantine 2 --beyond-one-third --heights 10";
    let fails = |seed: &u64| {
        let run = format!("--seed {seed} {beyond}");
        let run: Vec<&str> = run.split_whitespace().collect();
        sim(directory.path(), &run).code != 0
    };
    // With half of the power byzantine, one of these must fail.
    let seed = (0..64).find(fails).unwrap();
    let disk = format!("target/sim/{seed}/wal/n1");
    let verified = sim(directory.path(), &["wal", "verify", &disk]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    let replayed = sim(directory.path(), &["replay", "target/sim/latest/wal/n1"]);
    assert_eq!(replayed.code, 0, "{}{}", replayed.out, replayed.err);
}
