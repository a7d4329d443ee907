//! Sends old frames again, byte for byte: its own and those that others sent it.

use std::collections::VecDeque;

use engine::{codec::Frame, types::PeerId};

use crate::byzantine::{Filter, Leaving, hand::Hand, heard::Heard};

/// How many frames it keeps, one of each sixteen that pass.
const KEPT: usize = 128;
const EVERY: u64 = 16;

/// A validator that repeats what was said long ago.
#[derive(Debug)]
pub(super) struct Replay {
    hand: Hand,
    old: VecDeque<Frame>,
    passed: u64,
    told: u64,
    repeated: bool,
}

impl Replay {
    pub(super) fn new(hand: Hand) -> Self {
        Self {
            hand,
            old: VecDeque::new(),
            passed: 0,
            told: 0,
            repeated: false,
        }
    }

    fn keep(&mut self, frame: &Frame) {
        if self.passed.is_multiple_of(EVERY) {
            if self.old.len() == KEPT {
                self.old.pop_front();
            }
            self.old.push_back(frame.clone());
        }
        self.passed += 1;
    }
}

impl Filter for Replay {
    /// With every fourth frame one or two old ones.
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        self.told += 1;
        let mut draw = self.hand.alone(to, self.told);
        let (old, _) = self.old.as_slices();
        let count = if draw.below(4) == 0 {
            1 + draw.below(2)
        } else {
            0
        };
        let again = (0..count).filter_map(|_| draw.pick(old).cloned());
        let again: Vec<Leaving> = again.map(Leaving::from).collect();
        self.repeated = !again.is_empty();
        self.keep(&frame);
        [vec![frame.into()], again].concat()
    }

    fn count(&mut self) -> Option<&'static str> {
        self.repeated.then_some("replay")
    }

    fn takes(&mut self, _from: PeerId, frame: &Frame) -> bool {
        self.keep(frame);
        true
    }
}

#[cfg(test)]
mod tests {
    use engine::types::VoteKind;

    use crate::{
        byzantine::testing::{filtered, own_vote, stage},
        nemesis::Behaviour,
    };

    #[test]
    fn every_frame_leaves_and_with_some_an_old_one() {
        let (mut filters, hand) = stage(Behaviour::Replay);
        let mut sent = Vec::new();
        let mut repeated = 0;
        for round in 0..200 {
            let frame = own_vote(&hand, VoteKind::Prevote, 1, round, None);
            let told = filtered(&mut filters, 1, &frame);
            assert_eq!(told[0], frame);
            for old in &told[1..] {
                assert!(sent.contains(old), "nothing is made up");
                repeated += 1;
            }
            sent.push(frame);
        }
        assert!(repeated > 20, "{repeated}");
    }
}
