//! Forgets its lock: once it has precommitted a block it votes for other blocks in later rounds,
//! without any proof that it may.
//!
//! It signs one vote per slot only, so nobody can prove anything against it from one round.

use std::collections::BTreeMap;

use engine::{
    codec::Frame,
    types::{BlockId, PeerId, Vote},
};

use crate::byzantine::{
    Filter, Leaving,
    hand::{At, Hand, instead, slot_of},
    heard::Heard,
};

/// How many slots are remembered.
const REMEMBERED: usize = 256;

/// A validator that forgets its lock.
#[derive(Debug)]
pub(super) struct Amnesia {
    hand: Hand,
    /// The first round of a height in which it precommitted a block.
    locked: BTreeMap<u64, (u32, BlockId)>,
    /// What it has told in a slot.
    told: BTreeMap<(u64, At), Option<BlockId>>,
    forgot: bool,
}

impl Amnesia {
    pub(super) fn new(hand: Hand) -> Self {
        Self {
            hand,
            locked: BTreeMap::new(),
            told: BTreeMap::new(),
            forgot: false,
        }
    }

    /// What it votes for, the same whenever it is asked.
    fn choice(&mut self, vote: &Vote, heard: &Heard) -> Option<BlockId> {
        let (height, round) = (vote.height.0, vote.round.0);
        let at = At {
            slot: slot_of(vote.kind),
            height,
            round,
        };
        if let Some(told) = self.told.get(&(height, at)) {
            return *told;
        }
        let choice = match self.locked.get(&height) {
            Some((locked, block)) if *locked < round => {
                let proposed = heard.proposed(height, round).iter();
                let other = proposed.copied().find(|other| other != block);
                // Without another block it forgets all the same.
                other.or(vote.block.filter(|voted| voted != block))
            }
            Some(_) | None => vote.block,
        };
        self.told.insert((height, at), choice);
        while self.told.len() > REMEMBERED {
            self.told.pop_first();
        }
        choice
    }

    fn lock(&mut self, vote: &Vote) {
        if let (engine::types::VoteKind::Precommit, Some(block)) = (vote.kind, vote.block) {
            let first = (vote.round.0, block);
            self.locked.entry(vote.height.0).or_insert(first);
            while self.locked.len() > REMEMBERED {
                self.locked.pop_first();
            }
        }
    }
}

impl Filter for Amnesia {
    fn filter(&mut self, _to: PeerId, frame: Frame, heard: &mut Heard) -> Vec<Leaving> {
        let told = instead(&frame, |message| {
            let vote = self.hand.own_vote(message)?.clone();
            let choice = self.choice(&vote, heard);
            self.lock(&vote);
            (choice != vote.block).then(|| vec![self.hand.revote(&vote, choice)])
        });
        self.forgot = told.is_some();
        told.unwrap_or_else(|| vec![frame.into()])
    }

    fn count(&mut self) -> Option<&'static str> {
        self.forgot.then_some("amnesia")
    }
}

#[cfg(test)]
mod tests {
    use engine::types::VoteKind;

    use super::*;
    use crate::{
        byzantine::testing::{block, filtered, other_frames, own_vote, proposal, stage, untouched},
        nemesis::Behaviour,
    };

    #[test]
    fn who_precommitted_a_block_votes_for_another_in_a_later_round() {
        let (mut filters, hand) = stage(Behaviour::Amnesia);
        let vote = |kind, round, block| own_vote(&hand, kind, 1, round, block);
        let first = vote(VoteKind::Precommit, 0, Some(block(1)));
        assert_eq!(filtered(&mut filters, 0, &first), vec![first.clone()]);
        filters.send(PeerId(3), PeerId(0), &proposal(&hand, 1, 2, block(2)));
        let locked = vote(VoteKind::Prevote, 2, Some(block(1)));
        let forgot = vote(VoteKind::Prevote, 2, Some(block(2)));
        for to in [0, 1, 2, 0] {
            let told = filtered(&mut filters, to, &locked);
            assert_eq!(told, vec![forgot.clone()], "the same to everybody");
        }
        let same_round = vote(VoteKind::Prevote, 0, Some(block(1)));
        assert_eq!(filtered(&mut filters, 0, &same_round), vec![same_round]);
    }

    #[test]
    fn it_tells_the_truth_about_everything_else() {
        let (mut filters, hand) = stage(Behaviour::Amnesia);
        untouched(&mut filters, &other_frames(&hand));
    }
}
