//! Gives its votes of a round to one correct validator only, so that this one alone sees a polka
//! or a decision, or is alone with its lock. To the others it says nothing.

use engine::{codec::Frame, types::PeerId};

use crate::{
    byzantine::{
        Filter, Leaving,
        hand::{At, Hand, instead},
        heard::Heard,
    },
    nemesis::Slot,
};

/// A validator whose votes one node hears.
#[derive(Debug)]
pub(super) struct HiddenLock {
    hand: Hand,
    hid: bool,
}

impl HiddenLock {
    pub(super) fn new(hand: Hand) -> Self {
        Self { hand, hid: false }
    }

    /// Whether a vote is hidden from a node: in a quarter of the rounds prevotes are, in a quarter
    /// precommits, in a quarter both, and at one height always from all but one.
    fn hides(&self, at: At, to: PeerId) -> bool {
        let mut draw = self.hand.together(at.height, 0, 0);
        let chosen = draw.pick(&self.hand.correct).copied();
        let mode = self.hand.together(at.height, at.round, 1).below(4);
        let hidden = match at.slot {
            Slot::Prevote => mode == 0 || mode == 2,
            Slot::Precommit => mode == 1 || mode == 2,
            Slot::Proposal | Slot::Part => false,
        };
        hidden && chosen != Some(to.0)
    }
}

impl Filter for HiddenLock {
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        let told = instead(&frame, |message| {
            let at = self.hand.own_vote(message).and(self.hand.at(message))?;
            self.hides(at, to).then(Vec::new)
        });
        self.hid = told.is_some();
        told.unwrap_or_else(|| vec![frame.into()])
    }

    fn count(&mut self) -> Option<&'static str> {
        self.hid.then_some("hidden_lock")
    }
}

#[cfg(test)]
mod tests {
    use engine::types::VoteKind;

    use crate::{
        byzantine::testing::{block, filtered, other_frames, own_vote, stage, untouched},
        nemesis::Behaviour,
    };

    #[test]
    fn at_each_height_one_and_the_same_node_hears_every_vote() {
        let (mut filters, hand) = stage(Behaviour::HiddenLock);
        for height in 1..10 {
            let mut deaf = [0; 3];
            let slots = (0..20).flat_map(|round| {
                [VoteKind::Prevote, VoteKind::Precommit].map(|kind| (round, kind))
            });
            for ((round, kind), to) in slots.flat_map(|slot| [0, 1, 2].map(|to| (slot, to))) {
                let vote = own_vote(&hand, kind, height, round, Some(block(1)));
                let told = filtered(&mut filters, to, &vote);
                assert!(told.is_empty() || told == vec![vote]);
                deaf[usize::from(to)] += usize::from(told.is_empty());
            }
            let mut sorted = deaf;
            sorted.sort_unstable();
            assert!(sorted[0] == 0 && sorted[1] > 0, "{deaf:?}");
            assert_eq!(sorted[1], sorted[2], "the others hear alike");
        }
    }

    #[test]
    fn nothing_but_its_votes_is_hidden() {
        let (mut filters, hand) = stage(Behaviour::HiddenLock);
        untouched(&mut filters, &other_frames(&hand));
    }
}
