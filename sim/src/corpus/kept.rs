//! Runs that were worth keeping: `corpus/seeds.toml` says what each once found, and when.
//!
//! A run is named by a seed and the arguments that were set instead of drawn, or by a schedule in
//! `corpus/schedules`. One whose bug is fixed must pass from then on; an open one must still fail
//! in the same way.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::CorpusError;

/// The list of this workspace.
pub const SEEDS: &str = "corpus/seeds.toml";

const HEAD: &str = "\
# Runs that once found a bug of the engine, the oracles or the world: `sim corpus run` runs them,
# `sim corpus add` and `sim corpus import` add to them. One is open until `fixed_at` says where its
# bug was fixed.

";

/// A run that once failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRun {
    /// The bug in one sentence.
    pub title: String,
    /// What the run was found by: the oracle, or `panic`.
    pub oracle: String,
    /// What it said, without numbers: runs with the same show the same bug. Empty if it was not
    /// written down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// The version or commit that it was found in.
    pub found_at: String,
    /// The version or commit that fixed it; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_at: Option<String>,
    /// The seed, unless it is a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The arguments of `sim run` beside the seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The schedule, in the directory `schedules` beside the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}

impl KeptRun {
    /// Where its schedule is, if it is one of the list at `list`.
    #[must_use]
    pub fn schedule_path(&self, list: &Path) -> Option<PathBuf> {
        let name = self.schedule.as_ref()?;
        Some(schedules(list).join(name))
    }
}

/// What a kept run shows today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptVerdict {
    /// It passes: its bug stays fixed.
    Fixed,
    /// It fails although its bug was fixed, or in another way than it did.
    Back,
    /// Its bug is open: it fails as it did.
    Open,
    /// Its bug is open, and it passes: `fixed_at` is to be written, or it shows nothing any more.
    Gone,
}

impl KeptVerdict {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Back => "back",
            Self::Open => "open",
            Self::Gone => "gone",
        }
    }
}

/// Where the schedules of a list are.
#[must_use]
pub fn schedules(list: &Path) -> PathBuf {
    list.parent().unwrap_or(Path::new("")).join("schedules")
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    kept: Vec<KeptRun>,
}

/// The runs of a list, in its order.
///
/// # Errors
/// If it cannot be read, or a run names neither a seed nor a schedule, or both.
pub fn kept(list: &Path) -> Result<Vec<KeptRun>, CorpusError> {
    let wrong = |what: String| CorpusError::Note {
        path: list.display().to_string(),
        what,
    };
    let text = fs::read_to_string(list).map_err(|error| wrong(error.to_string()))?;
    let List { kept } = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    for run in &kept {
        let flags_alone = run.seed.is_none() && !run.flags.is_empty();
        if run.seed.is_some() == run.schedule.is_some() || flags_alone {
            let what = format!("\"{}\" needs either seed and flags, or schedule", run.title);
            return Err(wrong(what));
        }
    }
    Ok(kept)
}

/// Writes a list again.
///
/// # Errors
/// What the file system says.
pub fn save(list: &Path, kept: Vec<KeptRun>) -> Result<(), CorpusError> {
    let wrong = |what: String| CorpusError::Note {
        path: list.display().to_string(),
        what,
    };
    let text = toml::to_string(&List { kept }).map_err(|error| wrong(error.to_string()))?;
    fs::write(list, format!("{HEAD}{text}")).map_err(|error| wrong(error.to_string()))
}

/// What runs that show the same bug have in common: which judge spoke, and its sentence with `#`
/// for numbers, hashes and nodes.
#[must_use]
pub fn fingerprint(kind: &str, sentence: &str) -> String {
    let mut print = format!("{kind}: ");
    for word in sentence.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let end = word
            .trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
            .len();
        let (word, rest) = word.split_at(end);
        let is_hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = word.bytes().any(|byte| byte.is_ascii_digit());
        print.push_str(if is_hex || is_number { "#" } else { word });
        print.push_str(rest);
    }
    print
}

/// A file name for a schedule with this title.
#[must_use]
pub fn file_name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .take(8)
        .map(str::to_ascii_lowercase)
        .collect();
    format!("{}.toml", words.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_say_the_same_of_other_nodes_and_blocks_have_one_fingerprint() {
        let one = "n3 prevoted 8954 at height 11, round 1, although it was locked on c54d";
        let other = "n0 prevoted nil at height 2, round 12, although it was locked on beef";
        let said = "lock_safety: # prevoted # at height #, round #, although it was locked on #";
        assert_eq!(fingerprint("lock_safety", one), said);
        assert_ne!(
            fingerprint("lock_safety", other),
            said,
            "nil is another case"
        );
        assert_ne!(fingerprint("agreement", one), said);
    }

    #[test]
    fn a_list_survives_being_written_and_read() {
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("seeds.toml");
        let run = KeptRun {
            title: "A bug.".to_owned(),
            oracle: "liveness".to_owned(),
            fingerprint: "liveness: # stands".to_owned(),
            found_at: "0.1.0".to_owned(),
            fixed_at: None,
            seed: Some(7),
            flags: vec!["--validators".to_owned(), "4".to_owned()],
            schedule: None,
        };
        save(&list, vec![run.clone()]).unwrap();
        assert_eq!(kept(&list).unwrap(), [run]);
    }

    #[test]
    fn a_run_without_a_seed_or_with_an_unknown_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("seeds.toml");
        let entry = "[[kept]]\ntitle = 'A'\noracle = 'x'\nfingerprint = 'x: y'\nfound_at = '1'\n";
        for (more, complaint) in [
            ("", "needs either seed and flags, or schedule"),
            ("seed = 1\nschedule = 'a.toml'\n", "needs either"),
            ("flags = ['--check']\nschedule = 'a.toml'\n", "needs either"),
            ("sed = 1\n", "unknown field"),
        ] {
            fs::write(&list, format!("{entry}{more}")).unwrap();
            let error = kept(&list).unwrap_err().to_string();
            assert!(error.contains(complaint), "{more}: {error}");
        }
    }

    #[test]
    fn a_title_gives_a_file_name() {
        assert_eq!(file_name("A lock, lost at n0."), "a_lock_lost_at_n0.toml");
    }
}
