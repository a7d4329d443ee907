//! Schedules: the complete plan of a run, with what came of it, as a file that replays it.
//!
//! A schedule is written as a scenario file without defaults, so it is read by the same code. What
//! it states is all that a run depends on: streams of choice that are added later, or a seed that
//! draws another plan, change nothing about it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    explore::{Difference, Finished, run_one},
    nemesis::Plan,
    outcome::{Outcome, RunOptions},
    trace::{Line, Recording, first_different_line, lines},
};

/// The name of this code: 16 hexadecimal digits that follow from all sources a run depends on.
pub const SOURCE: &str = env!("SIM_SOURCE");

/// A plan from a file, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The file.
    pub path: PathBuf,
    /// What is run.
    pub plan: Plan,
    /// What came of it when the file was written.
    pub recorded: Option<Recorded>,
    /// Line and column of each override of the plan, in order, both from 1.
    pub places: Vec<(usize, usize)>,
}

/// What came of a schedule when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The digest of the run.
    pub digest: String,
    /// How many events it had.
    pub events: u64,
    /// The code that ran it: its [`SOURCE`].
    pub source: String,
}

impl Recorded {
    /// What came of a run of this code.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        Self {
            digest: outcome.digest.clone(),
            events: outcome.events,
            source: SOURCE.to_owned(),
        }
    }

    /// Whether this code wrote it.
    #[must_use]
    pub fn is_of_this_code(&self) -> bool {
        self.source == SOURCE
    }
}

/// The events of a failed run, beside its schedule.
pub(crate) const TRACE: &str = "trace.ndjson";

impl Schedule {
    /// Runs it, and compares the digest with the recorded one.
    #[must_use]
    pub fn play(&self) -> Finished {
        let mut finished = run_one(&self.plan, RunOptions::default(), false);
        let recorded = self.recorded.as_ref();
        finished.difference = recorded
            .filter(|recorded| recorded.digest != finished.outcome.digest)
            .map(|recorded| self.difference(recorded, &finished.outcome));
        finished
    }

    fn difference(&self, recorded: &Recorded, now: &Outcome) -> Difference {
        let (then, code) = (recorded.events, &recorded.source);
        let mut facts = vec![format!("{then} events then, {} now", now.events)];
        facts.push(if recorded.is_of_this_code() {
            format!("this code, {SOURCE}, wrote the file")
        } else {
            format!("code {code} wrote the file; this is {SOURCE}")
        });
        let event = match self.first_difference(recorded) {
            Ok((event, [then, now])) => {
                facts.extend([format!("then: {then}"), format!("now: {now}")]);
                Some(event)
            }
            Err(why) => {
                facts.push(why);
                None
            }
        };
        Difference {
            digests: [recorded.digest.clone(), now.digest.clone()],
            event,
            facts,
        }
    }

    /// The first event that is not as in the trace beside the file, and both its lines; or why it
    /// is not known.
    fn first_difference(&self, recorded: &Recorded) -> Result<(u64, [String; 2]), String> {
        let none = || format!("no {TRACE} of that run is beside the file");
        let then = std::fs::read(self.path.with_file_name(TRACE)).map_err(|_| none())?;
        let then = Recording::read(&then).map_err(|error| format!("{TRACE}:{error}"))?;
        if then.header.digest != recorded.digest {
            return Err(none());
        }
        let traced = RunOptions {
            trace: true,
            ..RunOptions::default()
        };
        let outcome = run_one(&self.plan, traced, false).outcome;
        let now: Vec<Line> = lines(&outcome).filter(|line| !line.is_decision()).collect();
        let event = first_different_line(&then.lines, &now);
        let event = event.ok_or_else(|| format!("all lines of {TRACE} are the same"))?;
        let word = |line: Option<&Line>| line.map_or("nothing more".to_owned(), Line::json);
        let words = [word(then.lines.get(event)), word(now.get(event))];
        Ok((event as u64, words))
    }
}

/// The text of a schedule: what was run and what came of it. `title` says where it comes from.
///
/// # Errors
/// If the plan cannot be written.
pub fn schedule(title: &str, outcome: &Outcome) -> Result<String, toml::ser::Error> {
    #[derive(Serialize)]
    struct Tail {
        recorded: Recorded,
    }
    let plan = toml::to_string(&outcome.plan)?;
    let recorded = Recorded::of(outcome);
    let tail = toml::to_string(&Tail { recorded })?;
    Ok(format!(
        "# The plan of {title}: the same plan gives the same run. `sim replay` runs it.\n\
         {plan}\n{tail}"
    ))
}
