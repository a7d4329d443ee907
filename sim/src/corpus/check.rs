//! Whether a known bug is still caught: builds a patched copy and runs what found the bug.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use super::{CorpusError, KnownBug, Scratch, scratch::succeeded};
use crate::explore::Ending;

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The bug.
    pub id: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What the recorded command gave: whether it exits as recorded. Not asked without an oracle.
    pub command_holds: bool,
    /// What the sweep found, if the note names one.
    pub sweep: Option<Fired>,
    /// The scenarios that must fail with the bug and pass.
    pub green: Vec<PathBuf>,
}

/// Whether the bug was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// By what the note names.
    Caught,
    /// By another oracle, another seed or another command than the note says.
    Moved,
    /// By nothing, or not by a scenario that must fail with it.
    Escaped,
    /// The patch no longer fits the source.
    Stale,
}

impl Verdict {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Moved => "moved",
            Self::Escaped => "ESCAPED",
            Self::Stale => "STALE",
        }
    }

    /// The exit code: an escaped bug is a failure of the harness, a stale patch an invalid file.
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::Caught | Self::Moved => 0,
            Self::Escaped => 1,
            Self::Stale => 7,
        }
    }
}

/// What a sweep of a patched simulator found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The oracle that fired; of several, the one of most seeds.
    pub oracle: String,
    /// The exit code of a run of that seed.
    pub exit: u8,
    /// The first seed at which it fired.
    pub seed: u64,
    /// How many seeds failed.
    pub failed: u64,
    /// How many were run.
    pub seeds: u64,
    /// Processor milliseconds of the sweep.
    pub cpu_ms: u64,
}

/// What is swept to see whether a bug is noticed without an oracle, if its note names no sweep.
const SEEDS: &str = "0..1000";

/// Checks a bug in a scratch copy: runs its command, then its sweep (or `seeds` instead), then the
/// scenarios that must fail with it, whose paths are relative to the workspace. Without some
/// oracles only the sweep: whether the others notice the bug.
///
/// # Errors
/// If the copy cannot be made or built, or its simulator fails.
pub fn check(
    bug: &KnownBug,
    scratch: &Scratch,
    (seeds, without): (Option<&str>, &[&str]),
    scenarios: &[PathBuf],
) -> Result<Checked, CorpusError> {
    scratch.create()?;
    scratch.refresh()?;
    let mut checked = Checked {
        id: bug.id.clone(),
        verdict: Verdict::Stale,
        command_holds: false,
        sweep: None,
        green: Vec::new(),
    };
    if !scratch.apply(&bug.patch())? {
        return Ok(checked);
    }
    let sim = scratch.build()?;
    checked.command_holds = !without.is_empty() || holds(bug, scratch, &sim)?;
    let default = (!without.is_empty()).then_some(SEEDS);
    let seeds = seeds.or(bug.note.sweep.as_deref()).or(default);
    checked.sweep = match seeds {
        Some(seeds) => swept(&sim, scratch, seeds, without)?,
        None => None,
    };
    if without.is_empty() {
        checked.green = green(&sim, scratch, scenarios)?;
    }
    let note = &bug.note;
    let as_recorded = match (&checked.sweep, note.seed) {
        (Some(fired), Some(seed)) => fired.oracle == note.oracle && fired.seed == seed,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    checked.verdict = match (checked.command_holds, &checked.sweep) {
        _ if !checked.green.is_empty() => Verdict::Escaped,
        (true, _) if as_recorded => Verdict::Caught,
        (_, None) if !without.is_empty() => Verdict::Escaped,
        (false, None) => Verdict::Escaped,
        (true, _) | (false, Some(_)) => Verdict::Moved,
    };
    Ok(checked)
}

/// Whether the recorded command exits as recorded.
fn holds(bug: &KnownBug, scratch: &Scratch, sim: &Path) -> Result<bool, CorpusError> {
    let mut command = command(&bug.note.command, scratch, sim)?;
    let output = command.output().map_err(|error| CorpusError::Io {
        what: bug.note.command.clone(),
        error,
    })?;
    Ok(output.status.code() == Some(i32::from(bug.note.exit)))
}

/// The command of a note: the simulator of the copy, or cargo in the copy.
fn command(text: &str, scratch: &Scratch, sim: &Path) -> Result<Command, CorpusError> {
    if let Some(arguments) = text.strip_prefix("cargo run -p sim -- ") {
        let sim = std::fs::canonicalize(sim).unwrap_or_else(|_| sim.to_owned());
        let mut command = Command::new(sim);
        command
            .args(arguments.split_whitespace())
            .arg("--quiet")
            .current_dir(scratch.tree());
        return Ok(command);
    }
    match text.strip_prefix("cargo ") {
        Some(arguments) => {
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            Ok(scratch.cargo(&arguments))
        }
        None => Err(CorpusError::Build(format!(
            "`{text}` is not a command of cargo"
        ))),
    }
}

/// What a sweep finds; `None` if nothing.
fn swept(
    sim: &Path,
    scratch: &Scratch,
    seeds: &str,
    without: &[&str],
) -> Result<Option<Fired>, CorpusError> {
    let sim = std::fs::canonicalize(sim).unwrap_or_else(|_| sim.to_owned());
    let output = Command::new(sim)
        .args(["sweep", "--json", "--quiet", "--seeds", seeds])
        .args(without.iter().map(|oracle| format!("--without={oracle}")))
        .current_dir(scratch.tree())
        .output();
    let output: Output = output.map_err(|error| CorpusError::Io {
        what: "the patched simulator".to_owned(),
        error,
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let summary = text.lines().last().unwrap_or_default();
    match serde_json::from_str(summary) {
        Ok(summary) => Ok(fired(&summary)),
        Err(_) => Err(succeeded("the patched simulator", Ok(output)).map_or_else(
            |error| error,
            |_| CorpusError::Build("no summary".to_owned()),
        )),
    }
}

/// The scenarios that a patched simulator passes.
fn green(sim: &Path, scratch: &Scratch, files: &[PathBuf]) -> Result<Vec<PathBuf>, CorpusError> {
    let sim = std::fs::canonicalize(sim).unwrap_or_else(|_| sim.to_owned());
    let mut green = Vec::new();
    for file in files {
        let output = Command::new(&sim)
            .args(["scenario", "run", "--quiet"])
            .arg(file)
            .current_dir(scratch.tree())
            .output();
        let output = output.map_err(|error| CorpusError::Io {
            what: file.display().to_string(),
            error,
        })?;
        let unusable = |code| matches!(code, None | Some(2 | 7));
        match output.status.code() {
            Some(0) => green.push(file.clone()),
            code if unusable(code) => {
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(CorpusError::Build(told));
            }
            _ => {}
        }
    }
    Ok(green)
}

/// The exit code of a verdict.
fn exit(verdict: &str) -> u8 {
    let known = [
        Ending::Safety,
        Ending::Liveness,
        Ending::Panic,
        Ending::NotDeterministic,
    ];
    let found = known.into_iter().find(|ending| ending.name() == verdict);
    found.unwrap_or(Ending::Harness).exit()
}

/// Reads the summary of a sweep.
fn fired(summary: &Value) -> Option<Fired> {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let kinds = summary.get("kinds")?.as_object()?;
    let (oracle, kind) = kinds.iter().max_by_key(|(_, kind)| number(kind, "seeds"))?;
    Some(Fired {
        oracle: oracle.clone(),
        exit: kind.get("verdict").and_then(Value::as_str).map_or(1, exit),
        seed: number(kind, "first"),
        failed: number(summary, "failed"),
        seeds: number(summary, "seeds"),
        cpu_ms: number(summary, "cpu_ms"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_oracle_of_most_seeds_and_its_first_seed() {
        let text = r#"{"seeds":2000,"failed":9,"cpu_ms":31,"kinds":{
            "agreement":{"verdict":"safety","first":70,"seeds":2},
            "lock_safety":{"verdict":"safety","first":73,"seeds":7}}}"#;
        let found = fired(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!((found.oracle.as_str(), found.seed), ("lock_safety", 73));
        assert_eq!((found.failed, found.seeds, found.cpu_ms), (9, 2_000, 31));
        let nothing = r#"{"seeds":2000,"failed":0,"kinds":{}}"#;
        assert_eq!(fired(&serde_json::from_str(nothing).unwrap()), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_scenario_that_passes_with_the_bug_is_named_and_one_that_cannot_be_read_is_no_failure() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let sim = directory.path().join("sim");
        let exits = "case \"$4\" in *green*) exit 0;; *bad*) exit 7;; *) exit 3;; esac";
        std::fs::write(&sim, format!("#!/bin/sh\n{exits}\n")).unwrap();
        std::fs::set_permissions(&sim, PermissionsExt::from_mode(0o755)).unwrap();
        let scratch = Scratch::new(directory.path(), directory.path());
        scratch.create().unwrap();
        let of = |names: &[&str]| {
            let files: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            green(&sim, &scratch, &files)
        };
        assert_eq!(of(&["red.toml"]).unwrap(), Vec::<PathBuf>::new());
        let passes = PathBuf::from("green.toml");
        assert_eq!(of(&["red.toml", "green.toml"]).unwrap(), [passes]);
        assert!(of(&["bad.toml"]).is_err());
    }
}
