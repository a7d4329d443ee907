//! The faults of a plan: what happens, and when it begins.

use serde::{Deserialize, Serialize};

use crate::{
    disk::{Side, Trouble},
    nemesis::{
        clocks::{ClockDrift, ClockFreeze, ClockStep, Pause},
        crashes::{CrashLoop, CrashMany, EmptyDisk, ForeignDisk, OldDisk, SecondInstance},
        links::{Clog, Flap, Isolate, Partial, Topology},
    },
};

/// Something that goes wrong.
///
/// Unknown keys are refused by [`FaultKind`]: what is left after `at` and `off` belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins.
    pub at: When,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Switched off: kept in the file, not carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
}

/// When a fault begins: at a time, or when a node reaches a point of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum When {
    /// Milliseconds since the start of the run.
    Time {
        /// The milliseconds.
        ms: u64,
    },
    /// When this node first sends its own message of this kind, height and round.
    Own {
        /// The node.
        node: u16,
        /// What it sends.
        sends: OwnMessage,
        /// The height.
        height: u64,
        /// The round.
        round: u32,
    },
    /// When the proposer of this height and round first sends its proposal.
    Proposed {
        /// The height.
        proposal_height: u64,
        /// The round.
        proposal_round: u32,
    },
    /// When this node first appends its own message of this kind to its log, before it is synced.
    Append {
        /// The node.
        node: u16,
        /// What it appends.
        appends: OwnMessage,
        /// The height.
        height: u64,
        /// The round.
        round: u32,
    },
    /// At a storage call of a node while it makes a decision durable. Only for crashes.
    Commit {
        /// The node.
        node: u16,
        /// The decided height.
        commits: u64,
        /// The call, counted from 0 since the work began.
        call: u64,
        /// Before or after the call's effect.
        #[serde(default)]
        side: Side,
    },
    /// At a storage call of a node while it starts. Only for crashes.
    Starting {
        /// The node.
        node: u16,
        /// How often it has come up before.
        starts: u32,
        /// The call, counted from 0 since the start began.
        call: u64,
        /// Before or after the call's effect.
        #[serde(default)]
        side: Side,
    },
    /// At the call that gives a new segment of a node's log its name. Only for crashes.
    Cut {
        /// The node.
        node: u16,
        /// The segment's number; the first that comes of a cut is 1.
        cuts: u64,
        /// Before or after the call's effect.
        #[serde(default)]
        side: Side,
    },
    /// At a storage call of a node, counted from 0 over its whole life. Only for crashes. Also
    /// understands what variants above write, so it stands behind them.
    Call {
        /// The node.
        node: u16,
        /// The call.
        call: u64,
        /// Before or after the call's effect.
        #[serde(default)]
        side: Side,
    },
}

/// What a validator signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnMessage {
    /// A proposal.
    Proposal,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

/// The kinds of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Nodes of different groups do not hear each other.
    Partition {
        /// The groups; a node in none of them hears nobody.
        groups: Vec<Vec<u16>>,
        /// How long, in milliseconds.
        for_ms: u64,
    },
    /// Messages from some nodes to some others are lost; the other direction works.
    OneWay {
        /// Whose messages.
        from: Vec<u16>,
        /// To whom.
        to: Vec<u16>,
        /// How long, in milliseconds.
        for_ms: u64,
    },
    /// A node stops at once and starts again later from what its disk kept.
    Crash {
        /// The node; absent: the proposer of the moment that triggers the fault.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<u16>,
        /// Milliseconds until it starts again; absent: when the faults end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after_ms: Option<u64>,
        /// What happens to sectors that were not synced.
        #[serde(default)]
        disk: Unsynced,
    },
    /// A part of a node's disk is in trouble. Damage happens once; anything else lasts for so many
    /// calls, for a time, until the faults end, or, if neither is given and calls fail, for ever.
    Disk {
        /// The node.
        node: u16,
        /// What happens.
        trouble: Trouble,
        /// The files whose paths begin with this; all if it is empty.
        #[serde(default)]
        path: String,
        /// For damage: which sector of 512 bytes, or where the file ends; absent: drawn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sector: Option<u64>,
        /// How many calls are hit, of those that can be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calls: Option<u64>,
        /// How long, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        /// For `slow`: how much longer each job takes, in microseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extra_us: Option<u64>,
        /// A node that stops because of its disk is started again after so many milliseconds, each
        /// time; absent: when the faults end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after_ms: Option<u64>,
    },
    /// Pairs of nodes do not hear each other.
    Partial(Partial),
    /// A node is alone.
    Isolate(Isolate),
    /// Only the links of a ring or a star work.
    Topology(Topology),
    /// Messages are held back and let go at once.
    Clog(Clog),
    /// Links go down and up again, in turns.
    Flap(Flap),
    /// A clock jumps.
    ClockStep(ClockStep),
    /// A clock runs too fast or too slow.
    ClockDrift(ClockDrift),
    /// A clock stands still.
    ClockFreeze(ClockFreeze),
    /// A node does nothing for a while.
    Pause(Pause),
    /// Several nodes stop at once.
    CrashMany(CrashMany),
    /// A node stops again and again.
    CrashLoop(CrashLoop),
    /// A node starts from an older copy of its disk.
    OldDisk(OldDisk),
    /// A node starts with an empty disk.
    EmptyDisk(EmptyDisk),
    /// A node starts from another node's disk.
    ForeignDisk(ForeignDisk),
    /// A node runs twice.
    SecondInstance(SecondInstance),
}

impl FaultKind {
    /// The node that may be down for good because of this fault, however correct its engine is:
    /// its disk has lost what a sync promised to keep, or never works again.
    #[must_use]
    pub fn breaks(&self) -> Option<u16> {
        match self {
            Self::Partition { .. }
            | Self::OneWay { .. }
            | Self::Crash { .. }
            | Self::Partial(_)
            | Self::Isolate(_)
            | Self::Topology(_)
            | Self::Clog(_)
            | Self::Flap(_)
            | Self::ClockStep(_)
            | Self::ClockDrift(_)
            | Self::ClockFreeze(_)
            | Self::Pause(_)
            | Self::CrashMany(_)
            | Self::CrashLoop(_)
            | Self::OldDisk(_)
            | Self::EmptyDisk(_)
            | Self::ForeignDisk(_)
            | Self::SecondInstance(_) => None,
            Self::Disk {
                node,
                trouble,
                calls,
                for_ms,
                ..
            } => {
                let for_ever = calls.is_none() && for_ms.is_none();
                let breaks = trouble.is_damage() || (trouble.fails_calls() && for_ever);
                breaks.then_some(*node)
            }
        }
    }

    /// Whether the parameters of a disk fault belong to its trouble.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_parameters(&self) -> Result<(), &'static str> {
        let Self::Disk {
            trouble,
            sector,
            calls,
            for_ms,
            extra_us,
            restart_after_ms,
            ..
        } = self
        else {
            return Ok(());
        };
        let damage = trouble.is_damage();
        if damage && (calls.is_some() || for_ms.is_some() || restart_after_ms.is_some()) {
            return Err("damage happens once and stays: no calls, for_ms or restart_after_ms");
        }
        if !damage && sector.is_some() {
            return Err("only damage has a sector");
        }
        if (*trouble == Trouble::Slow) != extra_us.is_some() {
            return Err("a slow disk, and only that, says how slow: extra_us");
        }
        if calls.is_some() && for_ms.is_some() {
            return Err("a disk is in trouble for so many calls or for a time: calls or for_ms");
        }
        Ok(())
    }
}

/// What a crash does to what was written but not synced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unsynced {
    /// Each sector is kept, lost or zeroed, as drawn.
    #[default]
    Torn,
    /// Everything unsynced is lost.
    Lost,
    /// Everything is kept.
    Kept,
}
