//! The clock of one node: how its local time follows from the world's. Pure; touches nothing.
//!
//! A clock runs evenly between changes: at the world's rate, too fast or too slow by some parts per
//! million, or not at all. A change begins a new stretch at what the clock shows; only a step makes
//! it jump. `local` is never a guess, and `world` is the inverse that never answers with the past.

use engine::types::{PeerId, Span, Time};
use serde::{Deserialize, Serialize};

use crate::choice::{Choices, Stream};

/// When the world begins: a million seconds, so that no clock which lags behind goes below zero.
pub const START: Time = Time(1_000_000_000_000_000);

const MILLION: i64 = 1_000_000;

/// The clock of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeClock {
    /// Local time minus world time in nanoseconds, at the beginning of this stretch.
    offset_ns: i64,
    /// When this stretch began, in world time.
    since: Time,
    /// How much faster than the world's it runs, in parts per million.
    drift_ppm: i64,
    /// How many faults hold it.
    held: u32,
}

impl Default for NodeClock {
    fn default() -> Self {
        Self::EXACT
    }
}

impl NodeClock {
    /// A clock that shows the world's time.
    pub const EXACT: Self = Self::new(0);

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
        Self {
            offset_ns,
            since: START,
            drift_ppm: 0,
            held: 0,
        }
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

    /// Local time minus world time in nanoseconds, when it was last changed.
    #[must_use]
    pub const fn offset_ns(&self) -> i64 {
        self.offset_ns
    }

    /// What the clock shows when it is `world` in the world. Runs backwards only where it steps.
    #[must_use]
    pub fn local(&self, world: Time) -> Time {
        let shown = self.since.0.saturating_add_signed(self.offset_ns);
        let passed = world.since(self.since).0;
        if self.rate() == rate(0) {
            return Time(shown.saturating_add(passed));
        }
        let passed = u128::from(passed) * u128::from(self.rate()) / u128::from(rate(0));
        Time(shown.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    /// When the clock will show `local` or more: the first such time of the world that is not
    /// before `now`, if nobody changes it; `None` while it stands. A deadline in the local past is
    /// due at once.
    #[must_use]
    pub fn world(&self, local: Time, now: Time) -> Option<Time> {
        if self.local(now) >= local {
            return Some(now);
        }
        if self.held > 0 {
            return None;
        }
        let shown = self.since.0.saturating_add_signed(self.offset_ns);
        let missing = u128::from(local.0.saturating_sub(shown)) * u128::from(rate(0));
        let missing = missing.div_ceil(u128::from(self.rate()));
        let missing = u64::try_from(missing).unwrap_or(u64::MAX);
        Some(now.max(Time(self.since.0.saturating_add(missing))))
    }

    /// Its speed in millionths of the world's.
    const fn rate(&self) -> u64 {
        if self.held > 0 {
            0
        } else {
            rate(self.drift_ppm)
        }
    }

    /// A new stretch begins at what the clock shows now.
    fn settle(&mut self, now: Time) {
        let local = self.local(now);
        self.offset_ns = local.0.wrapping_sub(now.0).cast_signed();
        self.since = now;
    }

    /// The clock jumps by so many nanoseconds, not below zero.
    pub fn step(&mut self, now: Time, by_ns: i64) {
        self.settle(now);
        let local = now.0.saturating_add_signed(self.offset_ns);
        let local = local.saturating_add_signed(by_ns);
        self.offset_ns = local.wrapping_sub(now.0).cast_signed();
    }

    /// It gains so many parts per million from now on, beside what it gains already.
    pub fn drift(&mut self, now: Time, ppm: i64) {
        self.settle(now);
        self.drift_ppm = self.drift_ppm.saturating_add(ppm);
    }

    /// It stands still, until as many [`NodeClock::release`].
    pub fn hold(&mut self, now: Time) {
        self.settle(now);
        self.held += 1;
    }

    /// It goes on from where it stood.
    pub fn release(&mut self, now: Time) {
        self.settle(now);
        self.held = self.held.saturating_sub(1);
    }

    /// It runs as the world's clock does, from what it shows now.
    pub fn heal(&mut self, now: Time) {
        self.settle(now);
        self.drift_ppm = 0;
        self.held = 0;
    }
}

/// The speed of a clock with this drift in millionths of the world's: it never quite stands.
const fn rate(drift_ppm: i64) -> u64 {
    let rate = MILLION.saturating_add(drift_ppm);
    if rate < 1 { 1 } else { rate.unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_clock_shows_the_worlds_time() {
        let later = START.after(Span::millis(5));
        assert_eq!(NodeClock::EXACT.local(START), START);
        assert_eq!(NodeClock::EXACT.world(later, START), Some(later));
        assert_eq!(NodeClock::default(), NodeClock::EXACT);
    }

    #[test]
    fn a_deadline_is_due_exactly_when_the_local_clock_shows_it() {
        for offset in [-1_000_000_000, -1, 0, 1, 77_000_000] {
            let clock = NodeClock::new(offset);
            let deadline = clock.local(START).after(Span::millis(300));
            let due = clock.world(deadline, START).expect("it runs");
            assert_eq!(due, START.after(Span::millis(300)));
            assert_eq!(clock.local(due), deadline);
            assert!(clock.local(Time(due.0 - 1)) < deadline);
        }
    }

    #[test]
    fn a_deadline_in_the_past_is_due_now() {
        let clock = NodeClock::new(-5_000_000_000);
        assert_eq!(clock.world(Time(0), START), Some(START));
        assert_eq!(clock.world(clock.local(START), START), Some(START));
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

    fn at(ms: u64) -> Time {
        START.after(Span::millis(ms))
    }

    #[test]
    fn a_step_moves_the_clock_and_what_is_due() {
        let mut clock = NodeClock::new(5_000_000);
        clock.step(at(10), -8_000_000);
        assert_eq!(clock.local(at(10)), at(7));
        assert_eq!(clock.world(at(15), at(10)), Some(at(18)));
        clock.step(at(20), 100_000_000);
        assert_eq!(clock.local(at(21)), at(118));
        assert_eq!(clock.world(at(100), at(21)), Some(at(21)));
        clock.step(at(21), i64::MIN);
        assert_eq!(clock.local(at(21)), Time(0));
    }

    #[test]
    fn a_drifting_clock_gains_or_loses_its_parts_per_million() {
        for (ppm, shown) in [(500_000, 150), (-500_000, 50), (-10_000_000, 0)] {
            let mut clock = NodeClock::new(0);
            clock.drift(START, ppm);
            assert_eq!(clock.local(at(100)).since(START).0 / 1_000_000, shown);
            let due = clock.world(at(7), START).expect("it runs");
            assert!(clock.local(due) >= at(7) && clock.local(Time(due.0 - 1)) < at(7));
            clock.drift(at(100), -ppm);
            let gap = clock.local(at(100)).0.abs_diff(clock.local(at(101)).0);
            assert_eq!(gap, 1_000_000, "the drift is over");
        }
    }

    #[test]
    fn a_held_clock_stands_and_nothing_is_due_before_it_goes_on() {
        let mut clock = NodeClock::new(0);
        clock.hold(at(1));
        clock.hold(at(2));
        assert_eq!(clock.local(at(50)), at(1));
        assert_eq!(clock.world(at(2), at(50)), None);
        assert_eq!(
            clock.world(at(1), at(50)),
            Some(at(50)),
            "the past is due at once"
        );
        clock.release(at(50));
        assert_eq!(clock.local(at(60)), at(1), "one still holds it");
        clock.release(at(60));
        assert_eq!(clock.local(at(63)), at(4));
        clock.hold(at(63));
        clock.drift(at(64), 1_000);
        clock.heal(at(70));
        assert_eq!(clock.local(at(71)), at(5));
    }
}
