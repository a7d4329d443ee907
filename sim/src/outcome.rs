//! What a run found: the value that reports print and sweeps count.

use std::collections::BTreeMap;

use engine::types::Time;
use serde::Serialize;

use crate::{
    choice::Decision, disk::SimDisk, markers::Reached, nemesis::Plan, oracle::Violation,
    trace::Event,
};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All oracles held.
    Pass,
    /// A safety oracle fired.
    Safety,
    /// A liveness oracle fired.
    Liveness,
    /// The engine panicked.
    Panic,
    /// The harness itself failed.
    Harness,
}

impl Verdict {
    /// The verdict on what was found.
    #[must_use]
    pub fn of(panic: Option<&str>, violation: Option<&Violation>) -> Self {
        match (panic, violation) {
            (Some(_), _) => Self::Panic,
            (None, Some(violation)) if violation.liveness => Self::Liveness,
            (None, Some(_)) => Self::Safety,
            (None, None) => Self::Pass,
        }
    }

    /// The exit code of the command line.
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Harness => 1,
            Self::Safety => 3,
            Self::Liveness => 4,
            Self::Panic => 5,
        }
    }
}

/// What a run found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was run.
    pub plan: Plan,
    /// How it ended.
    pub verdict: Verdict,
    /// SHA-256 over all events, in hex.
    pub digest: String,
    /// The highest height that some correct node decided.
    pub heights: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Number of events.
    pub events: u64,
    /// Packets delivered.
    pub messages_delivered: u64,
    /// Rounds in which heights were decided: round to count.
    pub rounds: BTreeMap<u32, u64>,
    /// What went wrong: kind to count ("partition", "one_way", "crash", "restart", "loss",
    /// "duplicate", "cut", "equivocate", ...).
    pub faults: BTreeMap<String, u64>,
    /// How many storage calls each node's disk had taken when the faults ended.
    pub storage_calls: Vec<u64>,
    /// Oracle name to checks made.
    pub oracles: BTreeMap<String, u64>,
    /// What broke; at most one, for a run stops at the first.
    pub violations: Vec<Violation>,
    /// The panic message, if the engine panicked.
    pub panic: Option<String>,
    /// The situations that it reached.
    pub reached: Reached,
    /// All events, if they were asked for.
    pub trace: Vec<Event>,
    /// All decisions that mattered, if the trace was asked for: each with the number and the time
    /// of the next event.
    pub decisions: Vec<(u64, Time, Decision)>,
    /// Overrides of the plan that no decision ever asked for.
    pub idle_overrides: Vec<Decision>,
    /// Each node's disk as the run left it.
    pub disks: Vec<SimDisk>,
}

impl Outcome {
    /// Nothing was found yet but, perhaps, a panic, which is the harness's until somebody knows
    /// better.
    #[must_use]
    pub fn nothing(plan: Plan, panic: Option<String>) -> Self {
        Self {
            plan,
            verdict: Verdict::Harness,
            digest: String::new(),
            heights: 0,
            virtual_ms: 0,
            events: 0,
            messages_delivered: 0,
            rounds: BTreeMap::new(),
            faults: BTreeMap::new(),
            storage_calls: Vec::new(),
            oracles: BTreeMap::new(),
            violations: Vec::new(),
            panic,
            reached: Reached::default(),
            trace: Vec::new(),
            decisions: Vec::new(),
            idle_overrides: Vec::new(),
            disks: Vec::new(),
        }
    }
}

/// How a run is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Keep all events in [`Outcome::trace`].
    pub trace: bool,
    /// Run without the madsim containment (always so where madsim is not compiled in).
    pub plain: bool,
    /// Oracles that stay away: to see what the others notice without them.
    pub without: &'static [&'static str],
}
