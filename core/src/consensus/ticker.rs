//! Timeouts: how long each step waits, and the one pending timer.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{Hrs, Round, Span, Time};

/// Whether heights are decided for which nobody has a transaction (`create_empty_blocks` and
/// `create_empty_blocks_interval` of Tendermint).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum EmptyBlocks {
    /// Round 0 begins when the wait for late precommits is over.
    #[default]
    Always,
    /// Round 0 begins when there is something to decide.
    Never,
    /// Round 0 begins when there is something to decide, or after this wait.
    Every(Span),
}

/// How long the steps of a round wait. Each wait grows with the round, so that it exceeds any
/// network delay at last.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Timeouts {
    /// For a proposal in round 0.
    pub propose: Span,
    /// Added per round.
    pub propose_delta: Span,
    /// For more prevotes in round 0, after more than 2/3 have come.
    pub prevote: Span,
    /// Added per round.
    pub prevote_delta: Span,
    /// For more precommits in round 0, after more than 2/3 have come.
    pub precommit: Span,
    /// Added per round.
    pub precommit_delta: Span,
    /// For late precommits after a decision.
    pub commit: Span,
    /// Whether the next height starts at once when all precommits are there.
    pub skip_commit: bool,
    /// What round 0 waits for after that.
    pub empty_blocks: EmptyBlocks,
}

impl Default for Timeouts {
    /// The values of Tendermint v0.10.
    fn default() -> Self {
        Self {
            propose: Span::millis(3_000),
            propose_delta: Span::millis(500),
            prevote: Span::millis(1_000),
            prevote_delta: Span::millis(500),
            precommit: Span::millis(1_000),
            precommit_delta: Span::millis(500),
            commit: Span::millis(1_000),
            skip_commit: false,
            empty_blocks: EmptyBlocks::Always,
        }
    }
}

impl Timeouts {
    /// `timeoutPropose(round)`.
    #[must_use]
    pub fn propose(&self, round: Round) -> Span {
        self.propose
            .plus(self.propose_delta.times(u64::from(round.0)))
    }

    /// `timeoutPrevote(round)`.
    #[must_use]
    pub fn prevote(&self, round: Round) -> Span {
        self.prevote
            .plus(self.prevote_delta.times(u64::from(round.0)))
    }

    /// `timeoutPrecommit(round)`.
    #[must_use]
    pub fn precommit(&self, round: Round) -> Span {
        self.precommit
            .plus(self.precommit_delta.times(u64::from(round.0)))
    }
}

/// One pending timer. A newer wish replaces it only if its height, round and step are later
/// (`TimeoutTicker`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ticker {
    last: Option<Hrs>,
    pending: Option<(Hrs, Time)>,
}

impl Ticker {
    /// Wishes for a timeout of `hrs` at `at`. Returns the new time to wake, `None` if an equal or
    /// later wish was made.
    pub fn schedule(&mut self, hrs: Hrs, at: Time) -> Option<Time> {
        if self.last.is_some_and(|last| hrs <= last) {
            return None;
        }
        self.last = Some(hrs);
        self.pending = Some((hrs, at));
        Some(at)
    }

    /// What has timed out at `now`; at most once.
    pub fn fire(&mut self, now: Time) -> Option<Hrs> {
        let (hrs, at) = self.pending?;
        if now < at {
            return None;
        }
        self.pending = None;
        Some(hrs)
    }

    /// Notes that a timeout has happened, in a replay.
    pub fn fired(&mut self, hrs: Hrs) {
        self.pending = self.pending.filter(|(pending, _)| *pending != hrs);
    }

    /// When the pending timer is due.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.pending.map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Height, Step};

    fn hrs(height: u64, round: u32, step: Step) -> Hrs {
        Hrs {
            height: Height(height),
            round: Round(round),
            step,
        }
    }

    #[test]
    fn only_a_later_point_replaces_the_pending_timer() {
        let mut ticker = Ticker::default();
        assert_eq!(
            ticker.schedule(hrs(1, 1, Step::Propose), Time(50)),
            Some(Time(50))
        );
        for earlier in [hrs(1, 0, Step::PrecommitWait), hrs(1, 1, Step::Propose)] {
            assert_eq!(ticker.schedule(earlier, Time(10)), None);
        }
        let later = hrs(1, 1, Step::PrevoteWait);
        assert_eq!(ticker.schedule(later, Time(20)), Some(Time(20)));
        assert_eq!(ticker.fire(Time(19)), None);
        assert_eq!(ticker.fire(Time(20)), Some(later));
        assert_eq!(ticker.fire(Time(90)), None, "a timer fires once");
    }

    #[test]
    fn a_timeout_of_no_length_is_due_at_once() {
        let mut ticker = Ticker::default();
        let (now, point) = (Time(7), hrs(1, 0, Step::NewHeight));
        assert_eq!(ticker.schedule(point, now.after(Span::ZERO)), Some(now));
        assert_eq!(ticker.fire(now), Some(point));
    }

    #[test]
    fn timeouts_grow_with_rounds() {
        let timeouts = Timeouts::default();
        assert_eq!(timeouts.propose(Round(0)), Span::millis(3_000));
        assert_eq!(timeouts.propose(Round(4)), Span::millis(5_000));
        assert_eq!(timeouts.precommit(Round(2)), Span::millis(2_000));
    }
}
