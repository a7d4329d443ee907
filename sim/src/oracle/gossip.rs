//! What one member of the core has, the others get.
//!
//! Statement: in the stable phase, let a member of the core stand still, announcing one height,
//! round and step, and let another have stood in the same or a later round of that height. Of the
//! votes of both their rounds that the other has taken in, all have come to the first once
//! everything has been so for the time that gossip may take. Left out are votes of who voted
//! for two things in one place, or signed one vote in two ways: a node keeps one of them, and says
//! only that it has one.
//!
//! Source: T2; `GossipProperty` of arXiv 1807.04938: what a correct process has sent or received is
//! received by all. There it holds for every message for ever; here for those that a node at that
//! place still needs. Votes of heights that the other has decided are the matter of `catch_up`. A
//! proposal is of use only until its round's timeout, and a block is asked for by name: what comes
//! of a lack of either is judged by `liveness`.
//!
//! What a node has taken in is what its log says since it started last. The time is the world's:
//! see "The liveness bound".
//!
//! Cost: a note per vote logged; a comparison per announcement; a look at all those notes while a
//! node stands still for long.

use engine::{
    node::{Entry, Record},
    types::{BlockId, Lsn, Message, Time, Vote, VoteKind},
};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    quorum::{members, only},
    stable::{Place, Stable},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "gossip",
    rule: "T2: what a correct node has received all correct nodes receive that still need it",
};

/// A vote that a node has taken in.
#[derive(Debug, Clone, Copy)]
struct Held {
    at: (u64, u32, VoteKind),
    voter: usize,
    block: Option<BlockId>,
    since: Time,
}

/// What a node has taken in since it started, or decided, last.
#[derive(Debug, Clone, Default)]
struct Memory {
    held: Vec<Held>,
    /// Own votes that wait for their record.
    own: Vec<(Lsn, Vote)>,
}

/// Watches who lacks what.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    nodes: Vec<Memory>,
    checks: u64,
}

impl Oracle for Gossip {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        if self.nodes.len() <= node {
            self.nodes.resize(node + 1, Memory::default());
        }
        match &event.what {
            What::Appended { lsn, entry } => {
                self.nodes[node].note(ghost, event.time, *lsn, entry);
                Ok(())
            }
            What::Crashed | What::Started { .. } | What::Decided { .. } => {
                self.nodes[node] = Memory::default();
                Ok(())
            }
            What::Sent { .. } if ghost.announced() => self.judge(ghost, event.time, node),
            What::Sent { .. }
            | What::StartRefused { .. }
            | What::Halted { .. }
            | What::Dropped { .. }
            | What::Delivered { .. }
            | What::Fired { .. }
            | What::Synced { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Disk(_)
            | What::Stored { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => Ok(()),
        }
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl Memory {
    /// Own votes count when they are released, others when they are logged.
    fn note(&mut self, ghost: &Ghost, now: Time, lsn: Lsn, entry: &Entry) {
        match &entry.record {
            Record::Received {
                message: Message::Vote(vote),
                ..
            } => self.hold(ghost, now, vote),
            Record::Own { messages } => {
                let votes = messages.iter().filter_map(|message| {
                    if let Message::Vote(vote) = message {
                        Some((lsn, vote.clone()))
                    } else {
                        None
                    }
                });
                self.own.extend(votes);
            }
            Record::Released(own) => {
                let released = self.own.iter().position(|(lsn, _)| lsn == own);
                if let Some(at) = released {
                    let (_, vote) = self.own.remove(at);
                    self.hold(ghost, now, &vote);
                }
            }
            Record::Received { .. }
            | Record::Created { .. }
            | Record::Timeout(_)
            | Record::TxsAvailable(_)
            | Record::Synced { .. }
            | Record::Step(_) => {}
        }
    }

    fn hold(&mut self, ghost: &Ghost, since: Time, vote: &Vote) {
        if let Some(voter) = ghost.voter(vote) {
            self.held.push(Held {
                at: (vote.height.0, vote.round.0, vote.kind),
                voter,
                block: vote.block,
                since,
            });
        }
    }
}

impl Gossip {
    /// A node says once more where it stands.
    fn judge(&mut self, ghost: &Ghost, now: Time, node: usize) -> Result<(), Box<Violation>> {
        let (Some(stable), Some(place)) = (ghost.stable(), ghost.place(node)) else {
            return Ok(());
        };
        let core = stable.members();
        let stands_still = place.since.max(stable.from).after(stable.gossip) <= now;
        if core & only(node) == 0 || !stands_still {
            return Ok(());
        }
        for other in members(core & !only(node)) {
            let there = |other: &&Place| other.height == place.height && other.round >= place.round;
            let Some(other_place) = ghost.place(other).filter(there) else {
                continue;
            };
            if other_place.round_since.after(stable.gossip) > now {
                continue;
            }
            let rounds = [place.round, other_place.round];
            let Some(memory) = self.nodes.get(other) else {
                continue;
            };
            for held in &memory.held {
                let (height, round, _) = held.at;
                let old = held.since.after(stable.gossip) <= now;
                if height == place.height && rounds.contains(&round) && old && held.voter != node {
                    self.checks += 1;
                    lacks(ghost, now, (node, place), (other, held), stable)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a vote has come to who stands still.
fn lacks(
    ghost: &Ghost,
    now: Time,
    (node, place): (usize, &Place),
    (other, held): (usize, &Held),
    stable: &Stable,
) -> Result<(), Box<Violation>> {
    let (height, round, kind) = held.at;
    let seen = ghost.voters(node, held.at, held.block) & only(held.voter) != 0;
    let once = ghost
        .height(height)
        .is_some_and(|seen| seen.signatures((kind, round), held.voter) == 1);
    if seen || !once {
        return Ok(());
    }
    let (name, has, voter) = (
        facts::node(node),
        facts::node(other),
        facts::node(held.voter),
    );
    let what = format!(
        "{name} stands in round {} of height {height} and has never got {voter}'s {kind} of round \
         {round}, which {has} has",
        place.round
    );
    let facts = vec![
        format!("{} {has} took in the {kind}", facts::at(held.since)),
        format!("{} {name} came to where it stands", facts::at(place.since)),
        format!(
            "{} {name} still says that it is there; gossip may take {} ms",
            facts::at(now),
            stable.gossip.0 / 1_000_000
        ),
    ];
    let mut broken = RULE.broken(what, (height, &[node, other]), facts);
    broken.liveness = true;
    Err(broken)
}
