//! Situations that a trace can be asked for, so that a scenario passes only for the reason that it
//! states. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use engine::{
    app::{App, Call},
    node::{Entry, Record},
    types::{
        Address, Block, BlockId, ConfigChange, Height, Lsn, Message, Offence, PeerId, PublicKey,
        Round, Tx, VoteKind,
    },
};
use serde::Deserialize;

use super::stored;
use crate::{
    disk::Side,
    nemesis::{Behaviour, FaultKind},
    outcome::Outcome,
    trace::{Event, What},
    world::Cast,
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
    /// The last decided blocks were built by nodes that were no validators at the beginning.
    ValidatorsReplaced,
    /// A block took all power from the validator that had built it, and others came after it.
    ProposerRemoved,
    /// Blocks without transactions were decided, but none without another reason: each is the first
    /// one, proves an offence, or follows a block with transactions, whose result it certifies.
    EmptyBlocksOnlyProve,
    /// A decided block proves an offence, and no offence is proved by two blocks.
    EvidenceCommitted,
    /// A correct node said that a message of a node that lies in gossip proves a broken protocol.
    GossipLiarBlamed,
    /// A node crashed in a cut of its log when the new segment was durable but had no name, and
    /// started again.
    CrashInCutBeforeRename,
    /// A node crashed in a cut of its log when the new segment had its name but the directory was
    /// not synced, and started again.
    CrashInCutAfterRename,
    /// A node crashed when its log held a durable record with a kilobyte of zeros.
    ZerosInLogAtCrash,
    /// A node crashed with durable records of a height that it had not decided, started again, and
    /// decided it.
    PendingAtCrash,
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
            Self::ValidatorsReplaced => "validators_replaced",
            Self::ProposerRemoved => "proposer_removed",
            Self::EmptyBlocksOnlyProve => "empty_blocks_only_prove",
            Self::EvidenceCommitted => "evidence_committed",
            Self::GossipLiarBlamed => "gossip_liar_blamed",
            Self::CrashInCutBeforeRename => "crash_in_cut_before_rename",
            Self::CrashInCutAfterRename => "crash_in_cut_after_rename",
            Self::ZerosInLogAtCrash => "zeros_in_log_at_crash",
            Self::PendingAtCrash => "pending_at_crash",
        }
    }

    /// Whether it occurred in a run whose trace was kept.
    ///
    /// # Errors
    /// Why not.
    pub fn occurred(self, outcome: &Outcome) -> Result<(), String> {
        let (trace, nodes) = (&outcome.trace, &Nodes::of(outcome));
        match self {
            Self::Undisturbed => undisturbed(outcome),
            Self::DecisionsWaitForHealing => waited(trace),
            Self::ProposerCrashed => proposer_crashed(trace, nodes),
            Self::ToldTwoStories => two_stories(trace, nodes),
            Self::TwoProposals => two_proposals(trace),
            Self::UnsyncedAtCrash => unsynced_at_crash(trace, nodes),
            Self::SyncedFromSeveralPeers => synced_from_several(trace),
            Self::SyncedManyBlocks => synced_many(trace),
            Self::LiarBanned => liar_banned(trace),
            Self::ValidatorsReplaced => validators_replaced(outcome, nodes),
            Self::ProposerRemoved => proposer_removed(trace, nodes),
            Self::EmptyBlocksOnlyProve => empty_blocks_only_prove(trace),
            Self::EvidenceCommitted => evidence_committed(trace),
            Self::GossipLiarBlamed => gossip_liar_blamed(outcome),
            Self::CrashInCutBeforeRename => stored::crashed_in_cut(outcome, Side::Before),
            Self::CrashInCutAfterRename => stored::crashed_in_cut(outcome, Side::After),
            Self::ZerosInLogAtCrash => stored::zeros_at_crash(trace),
            Self::PendingAtCrash => stored::pending_at_crash(trace),
        }
    }
}

/// The nodes by their addresses.
struct Nodes(BTreeMap<Address, PeerId>);

impl Nodes {
    fn of(outcome: &Outcome) -> Self {
        let plan = &outcome.plan;
        let cast = Cast::new(plan.powers.len(), plan.crypto);
        let addresses = cast.signers.iter().map(|key| key.public_key().address());
        Self(addresses.zip((0..).map(PeerId)).collect())
    }

    fn find(&self, address: &Address) -> Option<PeerId> {
        self.0.get(address).copied()
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

fn signed_by(nodes: &Nodes, node: PeerId, message: &Message) -> Option<(Slot, Option<BlockId>)> {
    if let Message::Proposal(p) = message {
        return Some(((None, p.height, p.round), Some(p.block)));
    }
    if let Message::Vote(v) = message
        && nodes.find(&v.address) == Some(node)
    {
        return Some(((Some(v.kind), v.height, v.round), v.block));
    }
    None
}

fn two_stories(trace: &[Event], nodes: &Nodes) -> Result<(), String> {
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
            .filter_map(|message| signed_by(nodes, *from, message))
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
    fn observe(&mut self, nodes: &Nodes, node: PeerId, what: &What) {
        if let What::Appended { lsn, entry } = what {
            self.own.insert(*lsn, own_slots(nodes, node, entry));
        } else if let What::Synced { lsn, .. } = what {
            self.durable = *lsn;
        } else if let What::Sent { frame, .. } = what {
            let messages = frame.contents().map(|contents| contents.messages.iter());
            let slots = messages.into_iter().flatten();
            self.sent.extend(
                slots
                    .filter_map(|m| signed_by(nodes, node, m))
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

fn own_slots(nodes: &Nodes, node: PeerId, entry: &Entry) -> Vec<Slot> {
    match &entry.record {
        Record::Own { messages } => {
            let signed = messages.iter().filter_map(|m| signed_by(nodes, node, m));
            signed.map(|(slot, _)| slot).collect()
        }
        Record::Created { .. }
        | Record::Received { .. }
        | Record::Timeout(_)
        | Record::TxsAvailable(_)
        | Record::Step(_)
        | Record::Released(_)
        | Record::Synced { .. } => Vec::new(),
    }
}

/// Whether some node crashed while `found` held for something of its own that had not left it.
fn crashed_with(
    trace: &[Event],
    nodes: &Nodes,
    found: impl Fn(&Unsent, Lsn, Slot) -> bool,
) -> Result<(), String> {
    let mut states: BTreeMap<PeerId, Unsent> = BTreeMap::new();
    let mut crashes = 0;
    for event in trace {
        let Some(node) = event.node else {
            continue;
        };
        if matches!(event.what, What::Crashed) {
            crashes += 1;
            let state = states.remove(&node).unwrap_or_default();
            if state.unsent().any(|(lsn, slot)| found(&state, lsn, slot)) {
                return Ok(());
            }
        } else {
            states
                .entry(node)
                .or_default()
                .observe(nodes, node, &event.what);
        }
    }
    Err(format!("none of {crashes} crashes came at that moment"))
}

fn proposer_crashed(trace: &[Event], nodes: &Nodes) -> Result<(), String> {
    crashed_with(trace, nodes, |_, _, (kind, ..)| kind.is_none())
}

fn unsynced_at_crash(trace: &[Event], nodes: &Nodes) -> Result<(), String> {
    crashed_with(trace, nodes, |state, lsn, _| lsn > state.durable)
}

/// So many blocks at the end count as the last ones.
const LAST: usize = 4;

/// The decided blocks, in order of height.
fn chain(trace: &[Event]) -> Vec<&Block> {
    let mut blocks: BTreeMap<Height, &Block> = BTreeMap::new();
    for Event { what, .. } in trace {
        if let What::Decided {
            height, decision, ..
        } = what
        {
            blocks.entry(*height).or_insert(&*decision.block);
        }
    }
    blocks.into_values().collect()
}

fn validators_replaced(outcome: &Outcome, nodes: &Nodes) -> Result<(), String> {
    let chain = chain(&outcome.trace);
    let last = chain.iter().rev().take(LAST);
    let builders: Vec<PeerId> = last
        .filter_map(|block| nodes.find(&block.header.proposer))
        .collect();
    let powers = &outcome.plan.powers;
    let old = builders.iter().find(|node| powers[usize::from(node.0)] > 0);
    match old {
        _ if builders.len() < LAST => Err("too few blocks were decided".to_owned()),
        Some(node) => Err(format!("{node} still builds blocks at the end")),
        None => Ok(()),
    }
}

/// Whose power a transaction takes.
fn removed(tx: &Tx) -> Option<PublicKey> {
    match App::check(tx) {
        Ok(
            Call::Power { key, power: 0 }
            | Call::Configure {
                change: ConfigChange::Power { key, power: 0 },
                ..
            },
        ) => Some(key),
        Ok(Call::Set { .. } | Call::Power { .. } | Call::Configure { .. }) | Err(_) => None,
    }
}

fn proposer_removed(trace: &[Event], nodes: &Nodes) -> Result<(), String> {
    let chain = chain(trace);
    let mut removals = 0;
    for pair in chain.windows(2) {
        let (block, next) = (&pair[0], &pair[1]);
        let builder = block.header.proposer;
        let gone: Vec<Address> = (block.txs.iter().filter_map(removed))
            .map(|key| key.address())
            .collect();
        removals += gone.len();
        let changed = block.header.validators_hash != next.header.validators_hash;
        if changed && gone.contains(&builder) && nodes.find(&builder).is_some() {
            return Ok(());
        }
    }
    Err(format!(
        "none of {removals} removals was in a block of the removed"
    ))
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

fn empty_blocks_only_prove(trace: &[Event]) -> Result<(), String> {
    let mut blocks: BTreeMap<Height, &Arc<Block>> = BTreeMap::new();
    for event in trace {
        if let What::Decided {
            height, decision, ..
        } = &event.what
        {
            blocks.insert(*height, &decision.block);
        }
    }
    let is_empty = |block: &Block| block.txs.is_empty() && block.evidence.is_empty();
    let empty = blocks.iter().filter(|(_, block)| is_empty(block));
    let mut followed = empty.filter_map(|(height, _)| blocks.get(&height.prev()?));
    let needless = followed.find(|before| before.txs.is_empty());
    match (needless, blocks.values().any(|block| is_empty(block))) {
        (Some(before), _) => Err(format!(
            "nothing called for the block after {}",
            before.header.height
        )),
        (None, false) => Err("no block was empty".to_owned()),
        (None, true) => Ok(()),
    }
}

fn evidence_committed(trace: &[Event]) -> Result<(), String> {
    let mut proved: BTreeMap<Offence, BTreeSet<Height>> = BTreeMap::new();
    for event in trace {
        if let What::Decided {
            height, decision, ..
        } = &event.what
        {
            for evidence in decision.block.evidence.iter() {
                proved
                    .entry(evidence.offence())
                    .or_default()
                    .insert(*height);
            }
        }
    }
    if let Some((offence, heights)) = proved.iter().find(|(_, heights)| heights.len() > 1) {
        let (of, times) = (offence.height, heights.len());
        return Err(format!(
            "an offence of height {of} was proved {times} times"
        ));
    }
    let found = !proved.is_empty();
    found
        .then_some(())
        .ok_or_else(|| "no block carries evidence".to_owned())
}

fn gossip_liar_blamed(outcome: &Outcome) -> Result<(), String> {
    let byzantine = &outcome.plan.byzantine;
    let behaviour = |node: PeerId| {
        let found = byzantine.iter().find(|b| PeerId(b.node) == node);
        found.map(|b| b.behaviour)
    };
    let lies = [Behaviour::LyingGossip, Behaviour::AlwaysLyingGossip].map(Some);
    let blamed = |event: &Event| {
        matches!(&event.what, What::Rejected { peer, blames: true, .. }
            if lies.contains(&behaviour(*peer))
                && event.node.is_some_and(|by| behaviour(by).is_none()))
    };
    let blamed = outcome.trace.iter().any(blamed);
    blamed
        .then_some(())
        .ok_or_else(|| "nobody was blamed for lies in gossip".to_owned())
}
