//! Situations that a trace can be asked for, so that a scenario passes only for the reason that it
//! states. Pure.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    node::{Entry, Record},
    types::{BlockId, Height, Lsn, Message, PeerId, Round, VoteKind},
};
use serde::Deserialize;

use crate::{
    nemesis::FaultKind,
    outcome::Outcome,
    trace::{Event, What},
};

/// Something that must have occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// Nothing went wrong, and every height was decided in round 0.
    Undisturbed,
    /// While a partition lasted no new height was decided (one may have been under way), and
    /// after it some were.
    DecisionsWaitForHealing,
    /// A node crashed when its proposal was in its log and none of it had left.
    ProposerCrashed,
    /// A node told some nodes one thing and others another, in one height, round and step.
    ToldTwoStories,
    /// Two proposals were received for one height and round.
    TwoProposals,
    /// A node crashed when it had appended a message of its own that was not yet durable, and that
    /// message had not left it.
    UnsyncedAtCrash,
    /// A node took blocks by block sync from at least two peers.
    SyncedFromSeveralPeers,
    /// A node took at least forty blocks by block sync, one after the other.
    SyncedManyBlocks,
    /// A node banned a peer for what it did in block sync.
    LiarBanned,
}

impl Situation {
    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Undisturbed => "undisturbed",
            Self::DecisionsWaitForHealing => "decisions_wait_for_healing",
            Self::ProposerCrashed => "proposer_crashed",
            Self::ToldTwoStories => "told_two_stories",
            Self::TwoProposals => "two_proposals",
            Self::UnsyncedAtCrash => "unsynced_at_crash",
            Self::SyncedFromSeveralPeers => "synced_from_several_peers",
            Self::SyncedManyBlocks => "synced_many_blocks",
            Self::LiarBanned => "liar_banned",
        }
    }

    /// Whether it occurred in a run whose trace was kept.
    ///
    /// # Errors
    /// Why not.
    pub fn occurred(self, outcome: &Outcome) -> Result<(), String> {
        let trace = &outcome.trace;
        match self {
            Self::Undisturbed => undisturbed(outcome),
            Self::DecisionsWaitForHealing => waited(trace),
            Self::ProposerCrashed => proposer_crashed(trace),
            Self::ToldTwoStories => two_stories(trace),
            Self::TwoProposals => two_proposals(trace),
            Self::UnsyncedAtCrash => unsynced_at_crash(trace),
            Self::SyncedFromSeveralPeers => synced_from_several(trace),
            Self::SyncedManyBlocks => synced_many(trace),
            Self::LiarBanned => liar_banned(trace),
        }
    }
}

fn undisturbed(outcome: &Outcome) -> Result<(), String> {
    if let Some((kind, count)) = outcome.faults.iter().find(|(_, count)| **count > 0) {
        return Err(format!("{kind} happened {count} times"));
    }
    match outcome.rounds.last_key_value() {
        Some((0, _)) => Ok(()),
        Some((round, heights)) => Err(format!("{heights} heights were decided in round {round}")),
        None => Err("nothing was decided".to_owned()),
    }
}

fn waited(trace: &[Event]) -> Result<(), String> {
    let is_partition = |fault: &FaultKind| matches!(fault, FaultKind::Partition { .. });
    let mut highest = Height(0);
    let mut began: Option<Height> = None;
    let mut ended: Option<Height> = None;
    for Event { what, .. } in trace {
        if let What::Decided { height, .. } = what {
            highest = highest.max(*height);
        } else if matches!(what, What::FaultBegan(fault) if is_partition(fault)) {
            began = Some(highest);
        } else if matches!(what, What::FaultEnded(fault) if is_partition(fault))
            && let Some(before) = began.take()
        {
            if highest > before.next() {
                return Err(format!("heights {before} to {highest} were decided in it"));
            }
            ended = Some(highest);
        }
    }
    match ended {
        None => Err("no partition began and ended".to_owned()),
        Some(at) if highest <= at => Err("nothing was decided after it".to_owned()),
        Some(_) => Ok(()),
    }
}

/// What a node signed, but for what it says: the kind (`None` is a proposal), height and round.
type Slot = (Option<VoteKind>, Height, Round);

fn signed_by(node: PeerId, message: &Message) -> Option<(Slot, Option<BlockId>)> {
    if let Message::Proposal(p) = message {
        return Some(((None, p.height, p.round), Some(p.block)));
    }
    if let Message::Vote(v) = message
        && v.index.0 == node.0
    {
        return Some(((Some(v.kind), v.height, v.round), v.block));
    }
    None
}

fn two_stories(trace: &[Event]) -> Result<(), String> {
    let mut told: BTreeMap<(PeerId, PeerId, Slot), Option<BlockId>> = BTreeMap::new();
    for event in trace {
        let (Some(to), What::Delivered { from, frame, .. }) = (event.node, &event.what) else {
            continue;
        };
        let messages = frame.contents().map(|contents| contents.messages.iter());
        // A proposal does not say who signed it, and nodes pass proposals on: votes decide.
        let votes = messages
            .into_iter()
            .flatten()
            .filter_map(|message| signed_by(*from, message))
            .filter(|((kind, ..), _)| kind.is_some());
        for (slot, block) in votes {
            told.entry((*from, to, slot)).or_insert(block);
        }
    }
    let mut stories: BTreeMap<(PeerId, Slot), BTreeSet<Option<BlockId>>> = BTreeMap::new();
    for ((from, _, slot), block) in told {
        stories.entry((from, slot)).or_default().insert(block);
    }
    let twice = stories.values().any(|blocks| blocks.len() > 1);
    twice
        .then_some(())
        .ok_or_else(|| "every node told all others the same".to_owned())
}

fn two_proposals(trace: &[Event]) -> Result<(), String> {
    let mut proposed: BTreeMap<(Height, Round), BlockId> = BTreeMap::new();
    for Event { what, .. } in trace {
        let What::Delivered { frame, .. } = what else {
            continue;
        };
        let messages = frame.contents().map(|contents| contents.messages.iter());
        for message in messages.into_iter().flatten() {
            if let Message::Proposal(p) = message
                && *proposed.entry((p.height, p.round)).or_insert(p.block) != p.block
            {
                return Ok(());
            }
        }
    }
    Err("each round had one proposal at most".to_owned())
}

/// What a node has of its own in its log and did not yet make durable or send.
#[derive(Debug, Default)]
struct Unsent {
    durable: Lsn,
    own: BTreeMap<Lsn, Vec<Slot>>,
    sent: BTreeSet<Slot>,
}

impl Unsent {
    fn observe(&mut self, node: PeerId, what: &What) {
        if let What::Appended { lsn, entry } = what {
            self.own.insert(*lsn, own_slots(node, entry));
        } else if let What::Synced { lsn, .. } = what {
            self.durable = *lsn;
        } else if let What::Sent { frame, .. } = what {
            let messages = frame.contents().map(|contents| contents.messages.iter());
            let slots = messages.into_iter().flatten();
            self.sent.extend(
                slots
                    .filter_map(|m| signed_by(node, m))
                    .map(|(slot, _)| slot),
            );
        }
    }

    fn unsent(&self) -> impl Iterator<Item = (Lsn, Slot)> {
        let all = self.own.iter();
        all.flat_map(|(lsn, slots)| slots.iter().map(|slot| (*lsn, *slot)))
            .filter(|(_, slot)| !self.sent.contains(slot))
    }
}

fn own_slots(node: PeerId, entry: &Entry) -> Vec<Slot> {
    match &entry.record {
        Record::Own { messages } => {
            let signed = messages.iter().filter_map(|m| signed_by(node, m));
            signed.map(|(slot, _)| slot).collect()
        }
        Record::Created { .. }
        | Record::Received { .. }
        | Record::Timeout(_)
        | Record::TxsAvailable(_)
        | Record::Released(_)
        | Record::Synced { .. } => Vec::new(),
    }
}

/// Whether some node crashed while `found` held for something of its own that had not left it.
fn crashed_with(trace: &[Event], found: impl Fn(&Unsent, Lsn, Slot) -> bool) -> Result<(), String> {
    let mut nodes: BTreeMap<PeerId, Unsent> = BTreeMap::new();
    let mut crashes = 0;
    for event in trace {
        let Some(node) = event.node else {
            continue;
        };
        if matches!(event.what, What::Crashed) {
            crashes += 1;
            let state = nodes.remove(&node).unwrap_or_default();
            if state.unsent().any(|(lsn, slot)| found(&state, lsn, slot)) {
                return Ok(());
            }
        } else {
            nodes.entry(node).or_default().observe(node, &event.what);
        }
    }
    Err(format!("none of {crashes} crashes came at that moment"))
}

fn proposer_crashed(trace: &[Event]) -> Result<(), String> {
    crashed_with(trace, |_, _, (kind, ..)| kind.is_none())
}

fn unsynced_at_crash(trace: &[Event]) -> Result<(), String> {
    crashed_with(trace, |state, lsn, _| lsn > state.durable)
}

/// The blocks that each node took by block sync, in order: height and sender.
fn synced(trace: &[Event]) -> BTreeMap<PeerId, Vec<(Height, PeerId)>> {
    let mut all: BTreeMap<PeerId, Vec<(Height, PeerId)>> = BTreeMap::new();
    for event in trace {
        if let (Some(node), What::Appended { entry, .. }) = (event.node, &event.what)
            && let Record::Synced { height, from } = entry.record
        {
            all.entry(node).or_default().push((height, from));
        }
    }
    all
}

fn synced_from_several(trace: &[Event]) -> Result<(), String> {
    let senders = |blocks: &Vec<(Height, PeerId)>| -> usize {
        let senders: BTreeSet<PeerId> = blocks.iter().map(|(_, from)| *from).collect();
        senders.len()
    };
    match synced(trace).values().map(senders).max().unwrap_or(0) {
        2.. => Ok(()),
        most => Err(format!("no node took blocks from more than {most} peers")),
    }
}

fn synced_many(trace: &[Event]) -> Result<(), String> {
    let longest = |blocks: &Vec<(Height, PeerId)>| -> usize {
        let runs = blocks.chunk_by(|(a, _), (b, _)| a.next() == *b);
        runs.map(<[_]>::len).max().unwrap_or(0)
    };
    match synced(trace).values().map(longest).max().unwrap_or(0) {
        40.. => Ok(()),
        most => Err(format!("no node took more than {most} blocks in a row")),
    }
}

fn liar_banned(trace: &[Event]) -> Result<(), String> {
    let banned = |event: &Event| {
        matches!(&event.what, What::Rejected { reason, .. }
            if reason.starts_with("block sync: banned"))
    };
    trace
        .iter()
        .any(banned)
        .then_some(())
        .ok_or_else(|| "nobody was banned".to_owned())
}
