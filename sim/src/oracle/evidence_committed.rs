//! Proof of an offence is found, passed on, and gets into the next block of whoever has it.
//!
//! Statement, of a correct node and the time since it started last:
//! 1. in the stable phase, when a member of the core that takes part at a height has logged a vote
//!    and is given another of the same validator in the same place, it says so to the others at
//!    once, unless it has come across this offence before;
//! 2. the same when it is given valid evidence that it has not come across before;
//! 3. at any time, a new block that it proposes holds all evidence that it has itself said before
//!    and that is neither in the chain nor too old, as far as 16 pieces hold it.
//!
//! Together they are E3: links of the stable phase lose nothing, so by 1 and 2 every member of the
//! core that is there has the evidence, and by 3 the next new block of any of them that is decided
//! proves the offence. That no block proves it again is judged by `evidence`.
//!
//! Source: E3; `DetectionCompleteness` of the light client's specification; `PendingEvidence` and
//! `CreateProposalBlock` of Tendermint.
//!
//! Not judged: what was found before a crash, for what waits lives in memory, and what the log of
//! an open height proves, for a start finds it there and has it without a word; votes of heights
//! that the node has behind it; the second of two votes that came before the node took part. More
//! than 100 pieces about one validator: nodes may refuse more than 128.
//!
//! Cost: a note per vote logged and one look-up per vote delivered; the verification of two votes
//! for each offence and node.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    codec::Frame,
    node::Record,
    types::{
        Address, BlockId, DuplicateVote, MAX_EVIDENCE, Message, PeerId, Step, Time, Vote, VoteKind,
    },
};

use super::{
    Ghost, Oracle, Violation, block,
    facts::{self, Rule},
    own::Value,
    quorum::only,
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "evidence_committed",
    rule: "E3: two conflicting votes that a correct node has got in time are proved by a block",
};
/// Nodes hold at least so many pieces about one validator, and so many times that in all.
const PER_VALIDATOR: usize = 100;
const IN_ALL: usize = 1_000;

/// Who did what, ordered by age.
type Offence = (u64, u32, VoteKind, Address);

/// What a node must say before anything else happens to it.
#[derive(Debug, Clone, Copy)]
struct Owed {
    offence: Offence,
    since: Time,
    from: PeerId,
}

/// One node since it started last.
#[derive(Debug, Clone, Default)]
struct Notebook {
    /// The height it takes part in, by its log.
    taking_part: Option<u64>,
    /// The votes of that height that it has logged.
    votes: BTreeMap<Offence, Option<BlockId>>,
    /// Every vote in its log that a start may read again, crashes or not.
    log: BTreeMap<Offence, Option<BlockId>>,
    /// The offences that those votes prove.
    in_log: BTreeSet<Offence>,
    /// Every offence that it has come across.
    met: BTreeSet<Offence>,
    /// Offences it has said evidence about.
    said: BTreeSet<Offence>,
    owed: Vec<Owed>,
}

/// Watches evidence on its way to a block.
#[derive(Debug, Default)]
pub(super) struct EvidenceCommitted {
    nodes: Vec<Notebook>,
    /// The offences that the chain has proved, and by which block.
    proved: BTreeMap<Offence, u64>,
    /// The last height whose block was looked at.
    height: u64,
    checks: u64,
}

impl Oracle for EvidenceCommitted {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        self.learn_chain(ghost);
        if self.nodes.len() <= node {
            self.nodes.resize(node + 1, Notebook::default());
        }
        match &event.what {
            What::Crashed | What::Started { .. } | What::Halted { .. } => {
                self.nodes[node].start_again();
            }
            What::Decided { height, .. } => self.nodes[node].turn_the_page(height.0),
            What::Sent { frame, .. } => self.nodes[node].say(frame),
            What::Appended { entry, .. } => return self.log(ghost, event, node, &entry.record),
            What::Delivered { frame, from, .. } => {
                self.pay(event.time, node)?;
                self.get(ghost, event.time, node, (*from, frame));
            }
            What::Fired { .. } => return self.pay(event.time, node),
            What::StartRefused { .. }
            | What::Dropped { .. }
            | What::Synced { .. }
            | What::Stored { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::Disk(_)
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => {}
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl Notebook {
    /// Only what the log proves is still known.
    fn start_again(&mut self) {
        let before = std::mem::take(self);
        self.met.clone_from(&before.in_log);
        (self.log, self.in_log) = (before.log, before.in_log);
    }

    /// A height is behind the node: a start reads what was logged since.
    fn turn_the_page(&mut self, height: u64) {
        self.taking_part = None;
        self.votes.clear();
        self.log.retain(|offence, _| offence.0 >= height);
        self.in_log.retain(|offence| offence.0 >= height);
    }

    /// A vote of somebody else is logged.
    fn log(&mut self, vote: &Vote) {
        let offence = offence(vote);
        if *self.log.entry(offence).or_insert(vote.block) != vote.block {
            self.in_log.insert(offence);
        }
        if self.taking_part == Some(vote.height.0) {
            self.votes.entry(offence).or_insert(vote.block);
        }
    }

    /// Evidence leaves the node.
    fn say(&mut self, frame: &Frame) {
        let Ok(contents) = frame.contents() else {
            return;
        };
        for message in contents.messages.iter() {
            if let Message::Evidence(evidence) = message {
                let offence = offence(&evidence.first);
                self.met.insert(offence);
                self.said.insert(offence);
                self.owed.retain(|owed| owed.offence != offence);
            }
        }
    }

    fn has_room(&self, address: Address) -> bool {
        let about = |offence: &&Offence| offence.3 == address;
        self.met.len() < IN_ALL && self.met.iter().filter(about).count() < PER_VALIDATOR
    }
}

impl EvidenceCommitted {
    fn learn_chain(&mut self, ghost: &Ghost) {
        while self.height + 1 < ghost.newest() {
            self.height += 1;
            let block = ghost.block(self.height);
            for evidence in block.iter().flat_map(|block| block.evidence.iter()) {
                self.proved.insert(offence(&evidence.first), self.height);
            }
        }
    }

    /// Whether a block after `done` heights may prove an offence.
    fn is_open(&self, ghost: &Ghost, done: u64, offence: &Offence) -> bool {
        let proved = self.proved.get(offence).is_some_and(|by| *by <= done);
        let oldest = ghost.rules(done + 1).oldest_evidence;
        !proved && (oldest..=done + 1).contains(&offence.0)
    }

    /// Something reaches a node: it has had its say about what came before.
    fn pay(&mut self, now: Time, node: usize) -> Result<(), Box<Violation>> {
        let Some(owed) = self.nodes[node].owed.first().copied() else {
            return Ok(());
        };
        let (height, round, kind, _) = owed.offence;
        let name = facts::node(node);
        let what = format!(
            "{name} has kept to itself that somebody voted for two things (height {height})"
        );
        let facts = vec![
            format!(
                "{} {name} got from {} what proves that {} voted for two things: {kind}s of \
                 round {round}",
                facts::at(owed.since),
                owed.from,
                owed.offence.3
            ),
            format!("{} {name} has said nothing of it", facts::at(now)),
        ];
        Err(RULE.broken(what, (height, &[node]), facts))
    }

    fn log(
        &mut self,
        ghost: &Ghost,
        event: &Event,
        node: usize,
        record: &Record,
    ) -> Result<(), Box<Violation>> {
        let notebook = &mut self.nodes[node];
        match record {
            Record::Step(at) => {
                // A node that fetches blocks comes to a height, but begins no round.
                if at.step > Step::NewHeight {
                    notebook.taking_part = Some(at.height.0);
                }
                Ok(())
            }
            Record::Synced { .. } => {
                notebook.taking_part = None;
                notebook.votes.clear();
                Ok(())
            }
            Record::Received {
                message: Message::Vote(vote),
                ..
            } => {
                notebook.log(vote);
                Ok(())
            }
            Record::Own { .. } => self.proposed(ghost, event, node),
            Record::Received { .. }
            | Record::Released(_)
            | Record::Created { .. }
            | Record::Timeout(_)
            | Record::TxsAvailable(_) => Ok(()),
        }
    }

    /// Votes and evidence come to a node. In the stable phase it has to say what they prove.
    fn get(&mut self, ghost: &Ghost, now: Time, node: usize, (from, frame): (PeerId, &Frame)) {
        let Ok(contents) = frame.contents() else {
            return;
        };
        let core = ghost.stable().map_or(0, |stable| stable.members());
        // Somebody else than who has told it must be there to be told.
        let judged = core & only(node) != 0 && core.count_ones() > 2;
        for message in contents.messages.iter() {
            let (offence, proves) = match message {
                Message::Vote(vote) => (offence(vote), self.contradicts(ghost, node, vote)),
                Message::Evidence(evidence) => {
                    let offence = offence(&evidence.first);
                    let first = !self.nodes[node].met.contains(&offence);
                    (offence, first && judged && holds(ghost, evidence))
                }
                Message::NewRoundStep { .. }
                | Message::NewValidBlock { .. }
                | Message::Proposal(_)
                | Message::ProposalPol { .. }
                | Message::BlockPart { .. }
                | Message::HasVote { .. }
                | Message::VoteSetMaj23 { .. }
                | Message::VoteSetBits { .. }
                | Message::Txs(_)
                | Message::BlockSync(_) => continue,
            };
            let done = ghost.life(node).height;
            let notebook = &self.nodes[node];
            let there = notebook.taking_part == Some(done + 1);
            let room = notebook.has_room(offence.3);
            let new = !notebook.met.contains(&offence);
            if proves && judged && there && room && new && self.is_open(ghost, done, &offence) {
                self.checks += 1;
                let since = now;
                let owed = Owed {
                    offence,
                    since,
                    from,
                };
                self.nodes[node].owed.push(owed);
            }
            if proves || matches!(message, Message::Evidence(_)) {
                self.nodes[node].met.insert(offence);
            }
        }
    }

    /// Whether a node has logged another vote of this voter in the same place. It is authentic if
    /// the ghost state, which has seen it already, knows it.
    fn contradicts(&self, ghost: &Ghost, node: usize, vote: &Vote) -> bool {
        let other = self.nodes[node].votes.get(&offence(vote));
        let (kind, round) = (vote.kind, vote.round.0);
        let authentic = |voter| {
            ghost.height(vote.height.0).is_some_and(|seen| {
                seen.knows_vote((kind, round), voter, (vote.block, &vote.signature))
            })
        };
        other.is_some_and(|other| *other != vote.block) && ghost.voter(vote).is_some_and(authentic)
    }

    /// A node has signed something; if it is a new block, the evidence must be in it.
    fn proposed(
        &mut self,
        ghost: &Ghost,
        event: &Event,
        node: usize,
    ) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let Value::Proposal {
                block: id,
                pol_round: None,
            } = news.own.value
            else {
                continue;
            };
            let height = news.slot.height;
            let done = ghost.life(node).height;
            if news.made.is_none() || height != done + 1 {
                continue;
            }
            let Some(bytes) = ghost.block_bytes(height, id.parts) else {
                continue;
            };
            let Some(read) = block::read(&bytes) else {
                continue;
            };
            let evidence = &read.block.evidence;
            let proves: BTreeSet<Offence> = evidence.iter().map(|e| offence(&e.first)).collect();
            let mut said = self.nodes[node].said.iter();
            let missing = said.find(|o| !proves.contains(*o) && self.is_open(ghost, done, o));
            self.checks += 1;
            if let Some(missing) = missing
                && evidence.len() < MAX_EVIDENCE
            {
                return Err(left_out(event.time, (node, height), missing));
            }
        }
        Ok(())
    }
}

fn left_out(now: Time, (node, height): (usize, u64), missing: &Offence) -> Box<Violation> {
    let (at, round, kind, address) = missing;
    let name = facts::node(node);
    let what = format!("{name} proposes a block of height {height} without evidence that it has");
    let facts = vec![
        format!("{name} had said that {address} sent two {kind}s of round {round}, height {at}"),
        format!("{} {name} made the block", facts::at(now)),
    ];
    RULE.broken(what, (height, &[node]), facts)
}

fn offence(vote: &Vote) -> Offence {
    (vote.height.0, vote.round.0, vote.kind, vote.address)
}

/// Whether two votes prove an offence.
fn holds(ghost: &Ghost, evidence: &DuplicateVote) -> bool {
    let (first, second) = (&evidence.first, &evidence.second);
    let same = offence(first) == offence(second) && first.index == second.index;
    let order = ghost.validators(first.height.0).map(|set| set.order());
    let voter = order.and_then(|order| order.get(first.index.get()).copied());
    let voter = voter.filter(|member| ghost.address(*member) == Some(&first.address));
    let signed = |vote: &Vote| {
        let bytes = vote.sign_bytes(&ghost.setup().chain);
        voter.is_some_and(|member| ghost.verify(member, &bytes, &vote.signature))
    };
    // The lesser stands first, or nobody need take it.
    same && block::rank(first.block) < block::rank(second.block)
        && [first, second].into_iter().all(signed)
}
