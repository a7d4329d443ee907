//! The clock of one node: how its local time follows from the world's. Pure; touches nothing.
//!
//! Local time is only offset from world time as yet. What comes later (drift, steps, freezes)
//! changes the two functions of [`NodeClock`] and nothing of their contract: `local` is never a
//! guess, and `world` is the inverse that never answers with the past.

use engine::types::{PeerId, Span, Time};
use serde::{Deserialize, Serialize};

use crate::choice::{Choices, Stream};

/// When the world begins: a million seconds, so that no clock which lags behind goes below zero.
pub const START: Time = Time(1_000_000_000_000_000);

/// The clock of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeClock {
    /// Local time minus world time in nanoseconds.
    offset_ns: i64,
}

impl NodeClock {
    /// A clock that shows the world's time.
    pub const EXACT: Self = Self { offset_ns: 0 };

    /// A clock that is ahead of the world by `offset_ns` nanoseconds, or behind if negative.
    ///
    /// # Panics
    /// If the offset is more than the million seconds of [`START`], either way.
    #[must_use]
    pub const fn new(offset_ns: i64) -> Self {
        assert!(
            offset_ns.unsigned_abs() <= START.0,
            "a clock is at most a million seconds off"
        );
        Self { offset_ns }
    }

    /// The clock of `node` in a run where clocks are off by at most `most`, either way.
    ///
    /// # Panics
    /// If `most` is more than the million seconds of [`START`].
    #[must_use]
    pub fn drawn(choices: &Choices, node: PeerId, most: Span) -> Self {
        assert!(
            most <= Span(START.0),
            "a clock is at most a million seconds off"
        );
        let coords = [u64::from(node.0), 0, 0, 0];
        let shift = choices
            .draw(Stream::ClockOffset, coords)
            .between(0..=2 * most.0);
        Self::new(most.0.wrapping_sub(shift).cast_signed())
    }

    /// Local time minus world time in nanoseconds, at any time of the world.
    #[must_use]
    pub const fn offset_ns(&self) -> i64 {
        self.offset_ns
    }

    /// What the clock shows when it is `world` in the world. Never runs backwards.
    #[must_use]
    pub const fn local(&self, world: Time) -> Time {
        Time(world.0.saturating_add_signed(self.offset_ns))
    }

    /// When the clock shows `local` or more: the first such time of the world that is not before
    /// `now`. A deadline in the local past is due at once.
    #[must_use]
    pub fn world(&self, local: Time, now: Time) -> Time {
        now.max(Time(local.0.saturating_sub_signed(self.offset_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_clock_shows_the_worlds_time() {
        let later = START.after(Span::millis(5));
        assert_eq!(NodeClock::EXACT.local(START), START);
        assert_eq!(NodeClock::EXACT.world(later, START), later);
        assert_eq!(NodeClock::default(), NodeClock::EXACT);
    }

    #[test]
    fn a_deadline_is_due_exactly_when_the_local_clock_shows_it() {
        for offset in [-1_000_000_000, -1, 0, 1, 77_000_000] {
            let clock = NodeClock::new(offset);
            let deadline = clock.local(START).after(Span::millis(300));
            let due = clock.world(deadline, START);
            assert_eq!(due, START.after(Span::millis(300)));
            assert_eq!(clock.local(due), deadline);
            assert!(clock.local(Time(due.0 - 1)) < deadline);
        }
    }

    #[test]
    fn a_deadline_in_the_past_is_due_now() {
        let clock = NodeClock::new(-5_000_000_000);
        assert_eq!(clock.world(Time(0), START), START);
        assert_eq!(clock.world(clock.local(START), START), START);
    }

    #[test]
    fn the_largest_lag_does_not_go_below_zero() {
        let clock = NodeClock::new(-START.0.cast_signed());
        assert_eq!(clock.local(START), Time(0));
        assert_eq!(clock.local(START.after(Span(7))), Time(7));
    }

    #[test]
    #[should_panic(expected = "at most a million seconds")]
    fn an_offset_beyond_the_start_is_refused() {
        let _ = NodeClock::new(i64::MIN);
    }

    #[test]
    fn drawn_offsets_go_both_ways_and_stay_in_bounds() {
        let choices = Choices::new(3);
        let most = Span::millis(250);
        let offsets: Vec<i64> = (0..200)
            .map(|n| NodeClock::drawn(&choices, PeerId(n), most).offset_ns())
            .collect();
        assert!(offsets.iter().all(|o| o.unsigned_abs() <= most.0));
        assert!(offsets.iter().any(|o| *o < -200_000_000));
        assert!(offsets.iter().any(|o| *o > 200_000_000));
        assert_eq!(
            NodeClock::drawn(&choices, PeerId(1), Span::ZERO),
            NodeClock::EXACT
        );
    }
}
