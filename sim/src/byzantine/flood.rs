//! Says the same over and over, in bursts that stay inside every limit of the protocol: the frame
//! many times, or many hints about votes that may exist.

use engine::{
    codec::Frame,
    types::{Channel, Message, PeerId, Span, ValidatorIndex, VoteKind},
};

use crate::byzantine::{Filter, Leaving, hand::Hand, heard::Heard};

/// The most copies in a burst.
const COPIES: u64 = 12;
/// How many hints a frame of hints holds.
const HINTS: u16 = 64;

/// A validator that does not stop talking.
#[derive(Debug)]
pub(super) struct Flood {
    hand: Hand,
    told: u64,
    flooded: bool,
}

impl Flood {
    pub(super) fn new(hand: Hand) -> Self {
        Self {
            hand,
            told: 0,
            flooded: false,
        }
    }
}

/// Hints about the votes around what a frame says of its sender.
fn hints(frame: &Frame) -> Option<Frame> {
    let first = frame.contents().ok()?.messages.first()?.clone();
    let Message::NewRoundStep { height, round, .. } = first else {
        return None;
    };
    let hint = |index| Message::HasVote {
        height,
        round,
        kind: VoteKind::Prevote,
        index: ValidatorIndex(index % 4),
    };
    Some(Frame::encode(
        Channel::State,
        (0..HINTS).map(hint).collect(),
    ))
}

impl Filter for Flood {
    /// Every eighth frame comes many times, each a little later, and an announcement with hints.
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        self.told += 1;
        let mut draw = self.hand.alone(to, self.told);
        self.flooded = draw.below(8) == 0;
        let count = if self.flooded {
            draw.between(1..=COPIES)
        } else {
            0
        };
        let more = hints(&frame).filter(|_| self.flooded);
        let copy = |number| Leaving {
            frame: frame.clone(),
            after: Span::micros(number * 50),
        };
        let copies = (0..=count).map(copy);
        copies.chain(more.map(Leaving::from)).collect()
    }

    fn count(&mut self) -> Option<&'static str> {
        self.flooded.then_some("flood")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        byzantine::testing::{block, filtered, own_vote, stage},
        nemesis::Behaviour,
    };

    #[test]
    fn a_burst_holds_the_frame_up_to_thirteen_times_and_nothing_else() {
        let (mut filters, hand) = stage(Behaviour::Flood);
        let frame = own_vote(&hand, VoteKind::Prevote, 1, 0, Some(block(1)));
        let mut longest = 0;
        for _ in 0..400 {
            let told = filtered(&mut filters, 1, &frame);
            assert!(!told.is_empty() && told.iter().all(|copy| *copy == frame));
            longest = longest.max(told.len());
        }
        assert_eq!(longest, 13);
    }
}
