//! Scenarios: situations by name, as TOML files, each with what must come of it.
//!
//! A scenario is a plan with defaults for what does not matter, why it exists, and what to expect:
//! not only the verdict, but also that the situation really occurred. Reads files; prints nothing.

mod broken_by;
mod exact;
mod expect;
mod file;
mod invalid;
mod moment;
mod schedule;
mod situation;
mod stored;

use std::path::{Path, PathBuf};

pub use broken_by::BrokenBy;
pub use exact::{Content, Decided, Signed};
pub use expect::{Expect, Wanted};
pub use file::{load, load_schedule, parse};
pub use invalid::Invalid;
pub(crate) use schedule::TRACE;
pub use schedule::{Recorded, SOURCE, Schedule, schedule};
pub use situation::Situation;

use crate::{
    explore::{Ending, Finished, run_one},
    nemesis::Plan,
    outcome::RunOptions,
};

/// A situation and what must come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Why it exists, in one sentence.
    pub why: String,
    /// Where it comes from, if from somewhere.
    pub origin: Option<String>,
    /// The known bugs that it must fail with.
    pub broken_by: Vec<BrokenBy>,
    /// What is run.
    pub plan: Plan,
    /// What must come of it.
    pub expect: Expect,
}

/// A scenario that was run.
#[derive(Debug, Clone)]
pub struct Played {
    /// The run.
    pub finished: Finished,
    /// Expectations that were not met.
    pub unmet: Vec<String>,
}

impl Played {
    /// [`Ending::Pass`] if everything was as expected. Otherwise how the run ended, or
    /// [`Ending::Harness`] if it passed without being the situation that it should have been.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let ending = self.finished.ending();
        match (self.unmet.is_empty(), ending) {
            (_, Ending::NotDeterministic | Ending::Harness) => ending,
            (true, _) => Ending::Pass,
            (false, Ending::Pass) => Ending::Harness,
            (false, Ending::Liveness | Ending::Panic | Ending::Safety) => ending,
        }
    }
}

impl Scenario {
    /// Runs it.
    #[must_use]
    pub fn play(&self, check: bool) -> Played {
        let options = RunOptions {
            trace: self.expect.asks_the_trace(),
            ..RunOptions::default()
        };
        let finished = run_one(&self.plan, options, check);
        let unmet = self.expect.unmet(&finished.outcome);
        Played { finished, unmet }
    }
}

/// The scenario files in and below a directory, by path.
///
/// # Errors
/// If the directory cannot be read.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>, Invalid> {
    let read = |error: std::io::Error| Invalid::whole(directory, &error.to_string());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
