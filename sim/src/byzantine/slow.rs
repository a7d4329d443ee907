//! Sends its proposals and votes so late that they arrive just before the others give up waiting,
//! or just after.

use engine::{
    codec::Frame,
    types::{PeerId, Round, Span},
};

use crate::{
    byzantine::{
        Filter, Leaving,
        hand::{At, Hand},
        heard::Heard,
    },
    nemesis::{Plan, Slot},
};

/// A validator that takes its time.
#[derive(Debug)]
pub(super) struct Slow {
    hand: Hand,
    timeouts: engine::consensus::Timeouts,
    latency: Span,
    waited: bool,
}

impl Slow {
    pub(super) fn new(hand: Hand, plan: &Plan) -> Self {
        Self {
            hand,
            timeouts: plan.timeouts.to_engine(),
            latency: Span::micros(plan.link.latency_us.min),
            waited: false,
        }
    }

    /// In half of the slots nothing, else 12 to 17 sixteenths of the timeout, less the way.
    fn delay(&self, at: At) -> Span {
        let round = Round(at.round);
        let (slot, timeout) = match at.slot {
            Slot::Proposal | Slot::Part => (Slot::Proposal, self.timeouts.propose(round)),
            Slot::Prevote => (at.slot, self.timeouts.prevote(round)),
            Slot::Precommit => (at.slot, self.timeouts.precommit(round)),
        };
        let mut draw = self.hand.together(at.height, at.round, slot as u64);
        let slow = draw.below(2) == 0;
        let sixteenths = draw.between(12..=17);
        let late = (timeout.0 / 16 * sixteenths).saturating_sub(self.latency.0);
        Span(if slow { late } else { 0 })
    }
}

impl Filter for Slow {
    fn filter(&mut self, _to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        let contents = frame.contents();
        let messages = contents.iter().flat_map(|c| c.messages.iter());
        let slots = messages.filter_map(|message| self.hand.at(message));
        let after = slots.map(|at| self.delay(at)).max().unwrap_or(Span::ZERO);
        self.waited = after > Span::ZERO;
        vec![Leaving { frame, after }]
    }

    fn count(&mut self) -> Option<&'static str> {
        self.waited.then_some("slow")
    }
}

#[cfg(test)]
mod tests {
    use engine::types::VoteKind;

    use super::*;
    use crate::{
        byzantine::testing::{other_frames, own_vote, stage, untouched},
        nemesis::Behaviour,
    };

    #[test]
    fn votes_leave_at_once_or_about_when_the_timeout_ends() {
        let (mut filters, hand) = stage(Behaviour::Slow);
        let (mut late, mut at_once) = (0, 0);
        for height in 1..60 {
            let frame = own_vote(&hand, VoteKind::Prevote, height, 0, None);
            let (told, _) = filters.send(PeerId(3), PeerId(1), &frame).unwrap();
            assert_eq!((told.len(), &told[0].frame), (1, &frame));
            let after = told[0].after;
            // The stage's timeout for prevotes is 160 ms, its shortest way takes 1 ms.
            let about = Span::millis(119)..=Span::millis(169);
            assert!(after == Span::ZERO || about.contains(&after), "{after:?}");
            late += usize::from(after > Span::ZERO);
            at_once += usize::from(after == Span::ZERO);
        }
        assert!(late > 10 && at_once > 10);
    }

    #[test]
    fn nothing_else_is_late() {
        let (mut filters, hand) = stage(Behaviour::Slow);
        untouched(&mut filters, &other_frames(&hand));
    }
}
