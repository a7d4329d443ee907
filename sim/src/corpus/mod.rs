//! What was learned: known bugs, kept as patches that bring them back, and runs that once failed.
//!
//! `corpus/bugs/<id>/bug.patch` re-introduces a bug, `bug.toml` beside it says what breaks and what
//! finds it. Checking one builds a patched copy of this workspace, so this room starts processes;
//! nothing of it reaches a run. `corpus/seeds.toml` lists the runs.

mod check;
mod kept;
mod scratch;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use check::{Checked, Fired, Verdict, check};
pub use kept::{
    KeptRun, KeptVerdict, SEEDS, file_name, fingerprint, kept, save as save_kept, schedules,
};
pub use scratch::Scratch;

/// Where the bugs of this workspace are.
pub const DIRECTORY: &str = "corpus/bugs";

/// A known bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBug {
    /// The name of its directory.
    pub id: String,
    /// Where it is.
    pub directory: PathBuf,
    /// What is written about it.
    pub note: Note,
}

/// `bug.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The bug in one sentence.
    pub title: String,
    /// Where it comes from: a rule of the paper, another engine's history, this simulator.
    pub origin: String,
    /// The property it breaks.
    pub property: String,
    /// The oracle that reports it; "test" if a test does.
    pub oracle: String,
    /// The exit code of `command`.
    pub exit: u8,
    /// The first seed of `sweep` that finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// A range of seeds, `A..B`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<String>,
    /// How many seeds of `sweep` find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// The command that shows it in a patched copy: of `sim`, or a test.
    pub command: String,
}

/// Why something of the corpus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// There is no such bug.
    #[error("there is no bug {id} in {directory}: `sim bugs list` names them")]
    Unknown {
        /// What was asked for.
        id: String,
        /// Where.
        directory: String,
    },
    /// A note cannot be read.
    #[error("{path}: {what}")]
    Note {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The file system or a process failed.
    #[error("{what}: {error}")]
    Io {
        /// What was being done.
        what: String,
        /// What happened.
        error: io::Error,
    },
    /// The patched copy cannot be built or run.
    #[error("{0}")]
    Build(String),
}

/// All known bugs of a directory, by name.
///
/// # Errors
/// If the directory or a note cannot be read.
pub fn bugs(directory: &Path) -> Result<Vec<KnownBug>, CorpusError> {
    let io = |error| CorpusError::Io {
        what: directory.display().to_string(),
        error,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !entry.path().is_dir() {
            continue;
        }
        let path = entry.path().join("bug.toml");
        let wrong = |what: String| CorpusError::Note {
            path: path.display().to_string(),
            what,
        };
        let text = fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        found.push(KnownBug {
            id: entry.file_name().to_string_lossy().into_owned(),
            directory: entry.path(),
            note: toml::from_str(&text).map_err(|e| wrong(e.to_string()))?,
        });
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

impl KnownBug {
    /// The patch that brings it back.
    #[must_use]
    pub fn patch(&self) -> PathBuf {
        self.directory.join("bug.patch")
    }

    /// Takes over what a sweep of `seeds` (or of the note's range) found.
    pub fn record(&mut self, fired: &Fired, seeds: Option<&str>) {
        let note = &mut self.note;
        note.oracle.clone_from(&fired.oracle);
        note.exit = fired.exit;
        note.seed = Some(fired.seed);
        note.failed = Some(fired.failed);
        if let Some(seeds) = seeds {
            note.sweep = Some(seeds.to_owned());
        }
        note.command = format!("cargo run -p sim -- --seed {} --crypto ideal", fired.seed);
    }

    /// Writes the note again.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self) -> Result<(), CorpusError> {
        let path = self.directory.join("bug.toml");
        let wrong = |what: String| CorpusError::Note {
            path: path.display().to_string(),
            what,
        };
        let text = toml::to_string(&self.note).map_err(|e| wrong(e.to_string()))?;
        fs::write(&path, text).map_err(|e| wrong(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::scenario;

    #[test]
    fn every_known_bug_has_a_note_and_a_patch_that_applies() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let bugs = bugs(&root.join(DIRECTORY)).unwrap();
        assert!(bugs.len() >= 16, "{} bugs", bugs.len());
        for bug in &bugs {
            let mut git = Command::new("git");
            let checked = git.args(["apply", "--check"]).arg(bug.patch());
            let checked = checked.current_dir(&root).output().unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "renew {}: {said}", bug.id);
            let text = toml::to_string(&bug.note).unwrap();
            assert_eq!(toml::from_str::<Note>(&text).unwrap(), bug.note);
        }
    }

    #[test]
    fn the_bugs_that_kept_scenarios_name_are_known() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let bugs = bugs(&root.join(DIRECTORY)).unwrap();
        let known: Vec<&str> = bugs.iter().map(|bug| bug.id.as_str()).collect();
        for path in scenario::files(&root.join("scenarios")).unwrap() {
            let scenario = scenario::load(&path).unwrap();
            assert_eq!(scenario.check_bugs(&known), Ok(()));
        }
    }

    #[test]
    fn a_note_with_an_unknown_key_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("odd")).unwrap();
        fs::write(dir.path().join("odd/bug.toml"), "colour = 1").unwrap();
        let error = bugs(dir.path()).unwrap_err().to_string();
        assert!(error.contains("odd/bug.toml"), "{error}");
    }
}
