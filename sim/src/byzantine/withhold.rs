//! Keeps proposals, parts, prevotes and precommits from sets of nodes that it chooses for each
//! round and kind.

use engine::{codec::Frame, types::PeerId};

use crate::byzantine::{
    Filter, Leaving,
    hand::{At, Hand, instead},
    heard::Heard,
};

/// A validator that keeps things to itself.
#[derive(Debug)]
pub(super) struct Withhold {
    hand: Hand,
    kept: bool,
}

impl Withhold {
    pub(super) fn new(hand: Hand) -> Self {
        Self { hand, kept: false }
    }

    /// In half of the slots nobody is left out, in an eighth everybody is, else every second node.
    fn keeps(&self, at: At, to: PeerId) -> bool {
        let mut draw = self.hand.together(at.height, at.round, at.slot as u64);
        match draw.below(8) {
            0..4 => false,
            4 => true,
            _ => (draw.next_u64() >> (to.0 % 64)) & 1 == 1,
        }
    }
}

impl Filter for Withhold {
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        let told = instead(&frame, |message| {
            let at = self.hand.at(message)?;
            self.keeps(at, to).then(Vec::new)
        });
        self.kept = told.is_some();
        told.unwrap_or_else(|| vec![frame.into()])
    }

    fn count(&mut self) -> Option<&'static str> {
        self.kept.then_some("withhold")
    }
}

#[cfg(test)]
mod tests {
    use engine::types::VoteKind;

    use crate::{
        byzantine::testing::{block, filtered, other_frames, own_vote, proposal, stage, untouched},
        nemesis::Behaviour,
    };

    #[test]
    fn each_kind_is_kept_from_some_nodes_in_some_rounds_and_always_from_the_same() {
        let (mut filters, hand) = stage(Behaviour::Withhold);
        let frame = |kind: u32, round| match kind {
            0 => proposal(&hand, 1, round, block(1)),
            1 => own_vote(&hand, VoteKind::Prevote, 1, round, None),
            _ => own_vote(&hand, VoteKind::Precommit, 1, round, Some(block(1))),
        };
        for kind in 0..3 {
            let mut kept = 0;
            for round in 0..40 {
                let frame = frame(kind, round);
                for to in 0..3 {
                    let told = filtered(&mut filters, to, &frame);
                    assert_eq!(told, filtered(&mut filters, to, &frame));
                    assert!(told.is_empty() || told == vec![frame.clone()]);
                    kept += usize::from(told.is_empty());
                }
            }
            assert!((10..80).contains(&kept), "{kept} of 120");
        }
    }

    #[test]
    fn hints_transactions_and_the_votes_of_others_pass() {
        let (mut filters, hand) = stage(Behaviour::Withhold);
        untouched(&mut filters, &other_frames(&hand));
    }
}
