//! Adds votes for rounds and heights behind and ahead to its own ones, properly signed. They
//! contradict what it signed there before, or try to draw others into rounds where nobody is.

use engine::{
    codec::Frame,
    types::{Height, Message, PeerId, Round, Vote, VoteKind},
};

use crate::{
    byzantine::{
        Filter, Leaving,
        hand::{At, Hand, instead},
        heard::Heard,
    },
    choice::Draw,
};

/// A validator that votes at the wrong time.
#[derive(Debug)]
pub(super) struct Stale {
    hand: Hand,
    voted: bool,
}

impl Stale {
    pub(super) fn new(hand: Hand) -> Self {
        Self { hand, voted: false }
    }

    /// In every second slot up to three votes, for what it votes for, nil, or what it has heard of.
    fn more(&self, at: At, to: PeerId, vote: &Vote, heard: &Heard) -> Vec<Message> {
        let which = at.slot as u64 + (u64::from(to.0) << 8);
        let mut draw = self.hand.together(at.height, at.round, which);
        let count = [0, 0, 0, 1, 2, 3][usize::try_from(draw.below(6)).unwrap_or(0)];
        let of_height: Vec<_> = heard.of_height(at.height, at.round).collect();
        let mut one = |_| {
            let (height, round) = elsewhere(&mut draw, vote);
            let kinds = [VoteKind::Prevote, VoteKind::Precommit];
            let kind = draw.pick(&kinds).copied().unwrap_or(vote.kind);
            let block = match draw.below(3) {
                0 => None,
                1 => vote.block,
                _ => draw.pick(&of_height).map(|known| known.block),
            };
            let vote = vote.clone();
            self.hand.sign(Vote {
                kind,
                height,
                round,
                block,
                ..vote
            })
        };
        (0..count).map(&mut one).collect()
    }
}

/// A round near this one, sometimes far; a height near this one.
fn elsewhere(draw: &mut Draw, vote: &Vote) -> (Height, Round) {
    let near = u32::try_from(draw.between(1..=3)).unwrap_or(1);
    let round = vote.round.0;
    match draw.below(8) {
        0..3 => (vote.height, Round(round.saturating_add(near))),
        3..5 => (vote.height, Round(round.saturating_sub(near))),
        5 => (
            Height(vote.height.0.saturating_sub(1).max(1)),
            Round(near - 1),
        ),
        6 => (vote.height.next(), Round(near - 1)),
        _ => (vote.height, Round(u32::MAX - near)),
    }
}

impl Filter for Stale {
    fn filter(&mut self, to: PeerId, frame: Frame, heard: &mut Heard) -> Vec<Leaving> {
        let told = instead(&frame, |message| {
            let vote = self.hand.own_vote(message)?;
            let more = self.more(self.hand.at(message)?, to, vote, heard);
            (!more.is_empty()).then(|| [vec![message.clone()], more].concat())
        });
        self.voted = told.is_some();
        told.unwrap_or_else(|| vec![frame.into()])
    }

    fn count(&mut self) -> Option<&'static str> {
        self.voted.then_some("stale")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        byzantine::testing::{block, filtered, messages, other_frames, own_vote, stage, untouched},
        nemesis::Behaviour,
    };

    #[test]
    fn its_own_vote_stays_and_others_come_for_rounds_and_heights_around_it() {
        let (mut filters, hand) = stage(Behaviour::Stale);
        let (mut behind, mut ahead, mut heights) = (0, 0, 0);
        for round in 3..60 {
            let frame = own_vote(&hand, VoteKind::Prevote, 5, round, Some(block(1)));
            let told = messages(&filtered(&mut filters, 1, &frame));
            assert_eq!(told[0], messages(&[frame])[0]);
            for message in &told[1..] {
                let vote = hand.own_vote(message).unwrap();
                assert_eq!(hand.sign(vote.clone()), *message, "properly signed");
                behind += usize::from(vote.round.0 < round && vote.height.0 == 5);
                ahead += usize::from(vote.round.0 > round);
                heights += usize::from(vote.height.0 != 5);
            }
        }
        assert!(behind > 5 && ahead > 5 && heights > 5);
    }

    #[test]
    fn what_is_no_vote_of_its_own_gets_no_company() {
        let (mut filters, hand) = stage(Behaviour::Stale);
        untouched(&mut filters, &other_frames(&hand));
    }
}
