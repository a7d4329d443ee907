//! Whom the messages that correct nodes have heard convict, at one height: of two statements where
//! one is allowed, or of amnesia. What follows from it is judged in `accountability.rs`.
//!
//! Amnesia is a precommit for one block and a prevote for another in a later round, with no polka
//! for the other that would allow it in any round from the lock's up to the prevote's. The two
//! votes alone prove nothing: whoever saw a polka in between was free to move. Correct nodes have
//! heard every polka that a correct node moved by, so the gap is real.
//!
//! A statement counts if it has come to another node than its author: what a crash took from a disk
//! before anybody heard it was never said. A polka counts with all votes that anybody has.

use engine::types::{BlockId, VoteKind};

use super::{
    Ghost, facts,
    quorum::{Mask, members, only},
    seen::{HeightSeen, VotesSeen},
};

/// What a validator is convicted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offence {
    /// Two proposals for one round.
    TwoProposals { round: u32, blocks: [BlockId; 2] },
    /// Two votes for one slot; `None` is nil.
    TwoVotes {
        kind: VoteKind,
        round: u32,
        choices: [Option<BlockId>; 2],
    },
    /// A precommit, and a later prevote that no polka allows.
    Amnesia {
        locked: (u32, BlockId),
        voted: (u32, BlockId),
    },
}

/// A convicted validator, and one of its offences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conviction {
    pub(super) member: usize,
    pub(super) offence: Offence,
}

impl Conviction {
    /// The offence in words.
    pub(super) fn words(&self) -> String {
        let name = facts::node(self.member);
        let block = |id: &BlockId| facts::block(Some(*id));
        match &self.offence {
            Offence::TwoProposals { round, blocks } => {
                let [a, b] = blocks.each_ref().map(block);
                format!("{name} proposed {a} and {b} in round {round}")
            }
            Offence::TwoVotes {
                kind,
                round,
                choices,
            } => {
                let [a, b] = choices.map(facts::block);
                format!("{name} sent {kind}s for {a} and for {b} in round {round}")
            }
            Offence::Amnesia { locked, voted } => {
                let (a, b) = (block(&locked.1), block(&voted.1));
                let (from, to) = (locked.0, voted.0);
                format!(
                    "{name} precommitted {a} in round {from} and prevoted {b} in round {to}, and \
                     nobody has heard of a polka for {b} in rounds {from} to {}",
                    to.saturating_sub(1)
                )
            }
        }
    }
}

/// The convicted of a height, each with the first offence found, by member.
pub(super) fn convictions(ghost: &Ghost, height: u64) -> Vec<Conviction> {
    let Some(seen) = ghost.height(height) else {
        return Vec::new();
    };
    let mut found = Found::default();
    for round in seen.rounds() {
        two_proposals(ghost, (height, round), &mut found);
        for kind in [VoteKind::Prevote, VoteKind::Precommit] {
            two_votes(seen, kind, round, &mut found);
        }
    }
    amnesia(ghost, height, seen, &mut found);
    found.all.sort_by_key(|conviction| conviction.member);
    found.all
}

/// The convicted so far.
#[derive(Default)]
struct Found {
    who: Mask,
    all: Vec<Conviction>,
}

impl Found {
    fn add(&mut self, guilty: Mask, offence: Offence) {
        for member in members(guilty & !self.who) {
            self.all.push(Conviction { member, offence });
        }
        self.who |= guilty;
    }
}

fn two_proposals(ghost: &Ghost, (height, round): (u64, u32), found: &mut Found) {
    let Some(proposer) = ghost.proposer(height, round) else {
        return;
    };
    let heard = ghost.proposals(height, round).iter();
    let mut heard = heard.filter(|seen| seen.nodes & !only(proposer) != 0);
    let Some(first) = heard.next().map(|seen| &seen.proposal) else {
        return;
    };
    let said = (first.block, first.pol_round);
    if let Some(other) = heard.find(|seen| (seen.proposal.block, seen.proposal.pol_round) != said) {
        let blocks = [first.block, other.proposal.block];
        found.add(only(proposer), Offence::TwoProposals { round, blocks });
    }
}

fn two_votes(seen: &HeightSeen, kind: VoteKind, round: u32, found: &mut Found) {
    let votes = seen.votes(kind, round);
    for (place, a) in votes.iter().enumerate() {
        for b in &votes[place + 1..] {
            let choices = [a.choice, b.choice];
            let offence = Offence::TwoVotes {
                kind,
                round,
                choices,
            };
            found.add(a.told & b.told, offence);
        }
    }
}

fn amnesia(ghost: &Ghost, height: u64, seen: &HeightSeen, found: &mut Found) {
    let powers = ghost.powers(height);
    let blocks = |kind| {
        let votes = move |round| seen.votes(kind, round).into_iter().map(move |v| (round, v));
        let all = seen.rounds().flat_map(votes);
        all.filter_map(|(round, votes)| Some((round, votes.choice?, votes)))
    };
    let prevotes: Vec<_> = blocks(VoteKind::Prevote).collect();
    for (locked, lock, precommits) in blocks(VoteKind::Precommit) {
        for (round, block, votes) in &prevotes {
            let guilty = precommits.told & votes.told & !found.who;
            if *round <= locked || *block == lock || guilty == 0 {
                continue;
            }
            let allows = |(at, polka, by): &(u32, BlockId, VotesSeen)| {
                polka == block && (locked..*round).contains(at) && powers.has_quorum(by.all)
            };
            if !prevotes.iter().any(allows) {
                let offence = Offence::Amnesia {
                    locked: (locked, lock),
                    voted: (*round, *block),
                };
                found.add(guilty, offence);
            }
        }
    }
}
