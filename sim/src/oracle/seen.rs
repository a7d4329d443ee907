//! Who has seen what at one height: votes, proposals, block parts, decisions.
//!
//! Every authentic message is kept once; who has seen it is one bit per node. The hot path, a vote
//! that is known already, touches no allocator and checks no signature.

use std::{collections::BTreeSet, sync::Arc};

use engine::types::{
    Block, BlockId, Hash, Part, PartSetHeader, Proposal, Round, Signature, Time, Vote, VoteKind,
};

use super::{
    merkle::{root, root_of_part},
    quorum::{Mask, Powers, only},
};

/// How many forged messages of a height are remembered as such; further ones are checked anew.
const MAX_FORGED: usize = 4_096;

/// One height.
#[derive(Debug)]
pub(super) struct HeightSeen {
    nodes: usize,
    members: usize,
    /// What can be voted for, by number; nil is number 0.
    choices: Vec<Option<BlockId>>,
    /// In order of rounds.
    rounds: Vec<RoundSeen>,
    forged: BTreeSet<ForgedVote>,
    parts: Vec<PartSeen>,
    wholes: Vec<WholeSeen>,
    decisions: Vec<DecisionSeen>,
}

type ForgedVote = (VoteKind, Round, usize, Option<BlockId>, Signature);

/// One round.
#[derive(Debug)]
pub(super) struct RoundSeen {
    round: u32,
    prevotes: Tally,
    precommits: Tally,
    proposals: Vec<ProposalSeen>,
}

/// The votes of one kind in one round.
#[derive(Debug)]
struct Tally {
    /// By member: what it voted, and the signature.
    cast: Vec<Vec<(usize, Signature)>>,
    /// By number of the choice, then by node: whose votes it has seen.
    seen: Vec<Vec<Mask>>,
    /// The nodes that a timeout has reached after they had seen a quorum of these votes.
    waited: Mask,
}

/// The votes for one choice of a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct VotesSeen {
    /// The choice; `None` is nil.
    pub(super) choice: Option<BlockId>,
    /// Whose votes some node has seen.
    pub(super) all: Mask,
    /// Whose votes have come to another node.
    pub(super) told: Mask,
}

/// A proposal signed by its round's proposer.
#[derive(Debug)]
pub(super) struct ProposalSeen {
    pub(super) proposal: Proposal,
    /// Who has seen it.
    pub(super) nodes: Mask,
}

/// A block part.
#[derive(Debug)]
struct PartSeen {
    part: Arc<Part>,
    /// The set it belongs to; `None` if its proof is broken.
    set: Option<PartSetHeader>,
    nodes: Mask,
}

/// A block that was sent whole.
#[derive(Debug)]
struct WholeSeen {
    block: Arc<Block>,
    bytes: Vec<u8>,
    /// The parts it would travel in.
    set: PartSetHeader,
    nodes: Mask,
}

/// What a correct node announced.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecisionSeen {
    pub(super) node: usize,
    pub(super) time: Time,
    pub(super) round: u32,
    pub(super) id: BlockId,
    pub(super) app_hash: Hash,
}

impl HeightSeen {
    /// A height of which nothing was seen, among so many nodes, voted on by so many members.
    pub(super) fn new(nodes: usize, members: usize) -> Self {
        Self {
            nodes,
            members,
            choices: vec![None],
            rounds: Vec::new(),
            forged: BTreeSet::new(),
            parts: Vec::new(),
            wholes: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Marks a vote that is known to be authentic. `false` if it is not known.
    pub(super) fn mark_known(&mut self, node: usize, voter: usize, vote: &Vote) -> bool {
        let Ok(at) = self.find(vote.round.0) else {
            return false;
        };
        let choices = &self.choices;
        let tally = self.rounds[at].tally_mut(vote.kind);
        let known = tally.cast.get(voter).and_then(|cast| {
            let same = |(choice, signature): &&(usize, Signature)| {
                *signature == vote.signature && choices[*choice] == vote.block
            };
            cast.iter().find(same)
        });
        let Some(&(choice, _)) = known else {
            return false;
        };
        tally.seen[choice][node] |= only(voter);
        true
    }

    /// Whether a vote is known to be forged.
    pub(super) fn is_forged(&self, voter: usize, vote: &Vote) -> bool {
        !self.forged.is_empty() && self.forged.contains(&forged_key(voter, vote))
    }

    /// Remembers that a vote is forged.
    pub(super) fn add_forged(&mut self, voter: usize, vote: &Vote) {
        if self.forged.len() < MAX_FORGED {
            self.forged.insert(forged_key(voter, vote));
        }
    }

    /// Adds a vote just found authentic. Nobody has seen it yet.
    pub(super) fn add_vote(&mut self, voter: usize, vote: &Vote) {
        let choice = self.intern(vote.block);
        let nodes = self.nodes;
        let tally = self.round_mut(vote.round.0).tally_mut(vote.kind);
        if tally.seen.len() <= choice {
            tally.seen.resize_with(choice + 1, Vec::new);
        }
        if tally.seen[choice].is_empty() {
            tally.seen[choice] = vec![0; nodes];
        }
        if tally.cast.len() <= voter {
            tally.cast.resize_with(voter + 1, Vec::new);
        }
        tally.cast[voter].push((choice, vote.signature));
    }

    /// Marks a node's own vote, which was added before, as seen by itself.
    pub(super) fn mark_own_vote(
        &mut self,
        node: usize,
        (kind, round): (VoteKind, u32),
        block: Option<BlockId>,
    ) {
        let choice = self.choices.iter().position(|known| *known == block);
        if let (Some(choice), Ok(at)) = (choice, self.find(round)) {
            let seen = self.rounds[at].tally_mut(kind).seen.get_mut(choice);
            if let Some(mask) = seen.and_then(|seen| seen.get_mut(node)) {
                *mask |= only(node);
            }
        }
    }

    /// Whether this very vote is known to be authentic, whoever saw it.
    pub(super) fn knows_vote(
        &self,
        (kind, round): (VoteKind, u32),
        voter: usize,
        (block, signature): (Option<BlockId>, &Signature),
    ) -> bool {
        let Ok(at) = self.find(round) else {
            return false;
        };
        let cast = self.rounds[at].tally(kind).cast.get(voter);
        cast.is_some_and(|cast| {
            cast.iter()
                .any(|(choice, s)| s == signature && self.choices[*choice] == block)
        })
    }

    /// How many different authentic votes of a voter are known in a slot, whoever saw them.
    pub(super) fn signatures(&self, (kind, round): (VoteKind, u32), voter: usize) -> usize {
        let tally = self.find(round).ok().map(|at| self.rounds[at].tally(kind));
        let cast = tally.and_then(|tally| tally.cast.get(voter));
        cast.map_or(0, Vec::len)
    }

    /// Whose votes for a choice a node has seen.
    pub(super) fn voters(
        &self,
        node: usize,
        (kind, round): (VoteKind, u32),
        block: Option<BlockId>,
    ) -> Mask {
        let find = || {
            let choice = self.choices.iter().position(|known| *known == block)?;
            let tally = self.rounds[self.find(round).ok()?].tally(kind);
            tally.seen.get(choice)?.get(node).copied()
        };
        find().unwrap_or(0)
    }

    /// Whose votes of either kind, for whatever, a node has seen in a round.
    pub(super) fn voters_at_all(&self, node: usize, round: u32) -> Mask {
        let Ok(at) = self.find(round) else {
            return 0;
        };
        self.rounds[at].prevotes.seen_by(node) | self.rounds[at].precommits.seen_by(node)
    }

    /// Everything voted for in a round, and whose authentic votes for it are known, whoever has
    /// seen them.
    pub(super) fn cast(
        &self,
        (kind, round): (VoteKind, u32),
    ) -> impl Iterator<Item = (Option<BlockId>, Mask)> {
        let tally = self.find(round).ok().map(|at| self.rounds[at].tally(kind));
        let choices = self.choices.iter().enumerate();
        choices.filter_map(move |(number, block)| {
            let voters = tally?.voters(number);
            (voters != 0).then_some((*block, voters))
        })
    }

    /// A timeout has reached a node: from now on it need wait no longer for more of the votes of
    /// which it has seen a quorum.
    pub(super) fn mark_waited(&mut self, node: usize, powers: &Powers) {
        for round in &mut self.rounds {
            for tally in [&mut round.prevotes, &mut round.precommits] {
                if powers.has_quorum(tally.seen_by(node)) {
                    tally.waited |= only(node);
                }
            }
        }
    }

    /// Whether a timeout has reached a node after it had seen a quorum of these votes, whatever
    /// they are for.
    pub(super) fn has_waited(&self, node: usize, (kind, round): (VoteKind, u32)) -> bool {
        self.find(round)
            .is_ok_and(|at| self.rounds[at].tally(kind).waited & only(node) != 0)
    }

    /// What was voted for in a round, as far as some node has seen it.
    pub(super) fn votes(&self, kind: VoteKind, round: u32) -> Vec<VotesSeen> {
        let Ok(at) = self.find(round) else {
            return Vec::new();
        };
        let tally = self.rounds[at].tally(kind);
        let choices = tally.seen.iter().enumerate();
        let votes = choices.map(|(choice, nodes)| {
            let seen = nodes.iter().enumerate();
            let (all, told) = seen.fold((0, 0), |(all, told), (node, voters)| {
                (all | voters, told | (voters & !only(node)))
            });
            let choice = self.choices[choice];
            VotesSeen { choice, all, told }
        });
        votes.filter(|votes| votes.all != 0).collect()
    }

    /// The rounds of which something was seen, ascending.
    pub(super) fn rounds(&self) -> impl Iterator<Item = u32> {
        self.rounds.iter().map(|round| round.round)
    }

    /// The authentic proposals of a round.
    pub(super) fn proposals(&self, round: u32) -> &[ProposalSeen] {
        self.find(round)
            .map_or(&[], |at| &self.rounds[at].proposals)
    }

    /// Marks a proposal that is known to be its proposer's. `false` if it is not known.
    pub(super) fn mark_proposal(&mut self, node: usize, proposal: &Proposal) -> bool {
        let Ok(at) = self.find(proposal.round.0) else {
            return false;
        };
        let known = self.rounds[at]
            .proposals
            .iter_mut()
            .find(|p| p.proposal == *proposal);
        known.map(|seen| seen.nodes |= only(node)).is_some()
    }

    /// Whether a proposal is known to be its proposer's.
    pub(super) fn knows_proposal(&self, proposal: &Proposal) -> bool {
        let known = self.proposals(proposal.round.0);
        known.iter().any(|p| p.proposal == *proposal)
    }

    /// Adds a proposal just found to be its proposer's. Nobody has seen it yet.
    pub(super) fn add_proposal(&mut self, proposal: &Proposal) {
        let round = self.round_mut(proposal.round.0);
        round.proposals.push(ProposalSeen {
            proposal: proposal.clone(),
            nodes: 0,
        });
    }

    /// Marks a node's own proposal, which was added before, as seen by itself.
    pub(super) fn mark_own_proposal(&mut self, node: usize, round: u32, block: BlockId) {
        if let Ok(at) = self.find(round) {
            let all = self.rounds[at].proposals.iter_mut();
            all.filter(|p| p.proposal.block == block)
                .for_each(|p| p.nodes |= only(node));
        }
    }

    /// Marks a block part.
    pub(super) fn mark_part(&mut self, node: usize, part: &Arc<Part>) {
        let same = |known: &&mut PartSeen| Arc::ptr_eq(&known.part, part) || known.part == *part;
        if let Some(known) = self.parts.iter_mut().find(same) {
            known.nodes |= only(node);
            return;
        }
        let total = part.proof.total;
        let set = root_of_part(part).map(|hash| PartSetHeader { total, hash });
        let (part, nodes) = (Arc::clone(part), only(node));
        self.parts.push(PartSeen { part, set, nodes });
    }

    /// The bytes of a block of which somebody of `nodes` has seen each part; `None` if one is
    /// missing.
    pub(super) fn bytes_of(&self, nodes: Mask, set: PartSetHeader) -> Option<Vec<u8>> {
        if let Some(whole) = self.whole(nodes, set) {
            return Some(whole.bytes.clone());
        }
        let mut bytes = Vec::new();
        for index in 0..set.total {
            bytes.extend_from_slice(&self.part(nodes, set, index)?.bytes);
        }
        Some(bytes)
    }

    /// Marks a block that came whole.
    pub(super) fn mark_whole(&mut self, node: usize, block: &Arc<Block>) {
        let same =
            |known: &&mut WholeSeen| Arc::ptr_eq(&known.block, block) || known.block == *block;
        if let Some(known) = self.wholes.iter_mut().find(same) {
            known.nodes |= only(node);
            return;
        }
        let (_, parts) = block.cut();
        let parts: Vec<&[u8]> = (0..)
            .map_while(|i| parts.part(i).map(|p| &*p.bytes))
            .collect();
        let set = PartSetHeader {
            total: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            hash: root(&parts),
        };
        self.wholes.push(WholeSeen {
            block: Arc::clone(block),
            bytes: parts.concat(),
            set,
            nodes: only(node),
        });
    }

    /// Whether a node has seen all parts of a set, or the block whole.
    pub(super) fn is_complete(&self, node: usize, set: PartSetHeader) -> bool {
        if self.whole(only(node), set).is_some() {
            return true;
        }
        (0..set.total).all(|index| self.part(only(node), set, index).is_some())
    }

    fn part(&self, nodes: Mask, set: PartSetHeader, index: u32) -> Option<&Part> {
        let fits = |p: &&PartSeen| {
            p.part.proof.index == index && p.nodes & nodes != 0 && p.set == Some(set)
        };
        self.parts.iter().find(fits).map(|p| &*p.part)
    }

    fn whole(&self, nodes: Mask, set: PartSetHeader) -> Option<&WholeSeen> {
        let mut wholes = self.wholes.iter();
        wholes.find(|whole| whole.set == set && whole.nodes & nodes != 0)
    }

    /// The block for which a quorum is known to have precommitted in one round, whoever saw it.
    pub(super) fn committed(&self, powers: &Powers) -> Option<BlockId> {
        for round in &self.rounds {
            for (number, choice) in self.choices.iter().enumerate() {
                let Some(id) = choice else { continue };
                if powers.has_quorum(round.precommits.voters(number)) {
                    return Some(*id);
                }
            }
        }
        None
    }

    /// What was decided, in order of time.
    pub(super) fn decisions(&self) -> &[DecisionSeen] {
        &self.decisions
    }

    /// Adds a decision.
    pub(super) fn add_decision(&mut self, decision: DecisionSeen) {
        self.decisions.push(decision);
    }

    fn intern(&mut self, block: Option<BlockId>) -> usize {
        let known = self.choices.iter().position(|known| *known == block);
        known.unwrap_or_else(|| {
            self.choices.push(block);
            self.choices.len() - 1
        })
    }

    fn find(&self, round: u32) -> Result<usize, usize> {
        self.rounds.binary_search_by_key(&round, |seen| seen.round)
    }

    fn round_mut(&mut self, round: u32) -> &mut RoundSeen {
        let at = self.find(round).unwrap_or_else(|at| {
            let members = self.members;
            let (prevotes, precommits) = (Tally::new(members), Tally::new(members));
            let proposals = Vec::new();
            let new = RoundSeen {
                round,
                prevotes,
                precommits,
                proposals,
            };
            self.rounds.insert(at, new);
            at
        });
        &mut self.rounds[at]
    }
}

impl RoundSeen {
    fn tally(&self, kind: VoteKind) -> &Tally {
        match kind {
            VoteKind::Prevote => &self.prevotes,
            VoteKind::Precommit => &self.precommits,
        }
    }

    fn tally_mut(&mut self, kind: VoteKind) -> &mut Tally {
        match kind {
            VoteKind::Prevote => &mut self.prevotes,
            VoteKind::Precommit => &mut self.precommits,
        }
    }
}

impl Tally {
    fn new(voters: usize) -> Self {
        Self {
            cast: vec![Vec::new(); voters],
            seen: Vec::new(),
            waited: 0,
        }
    }

    /// Who voted for a choice, by its number.
    fn voters(&self, number: usize) -> Mask {
        let cast = self.cast.iter().enumerate();
        cast.filter(|(_, cast)| cast.iter().any(|(choice, _)| *choice == number))
            .fold(0, |all, (voter, _)| all | only(voter))
    }

    /// Whose votes a node has seen, whatever they are for.
    fn seen_by(&self, node: usize) -> Mask {
        let seen = self.seen.iter().filter_map(|nodes| nodes.get(node));
        seen.fold(0, |all, some| all | some)
    }
}

impl ProposalSeen {
    /// Whether a node has seen it.
    pub(super) fn seen_by(&self, node: usize) -> bool {
        self.nodes >> node & 1 == 1
    }
}

fn forged_key(voter: usize, vote: &Vote) -> ForgedVote {
    (vote.kind, vote.round, voter, vote.block, vote.signature)
}
