//! Heights, rounds, steps, times and the small names of things.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::types::BoundedBytes;

/// A block height. Blocks start at 1; 0 means "before the first block".
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Height(pub u64);

impl Height {
    /// Before the first block.
    pub const ZERO: Self = Self(0);
    /// The first block.
    pub const FIRST: Self = Self(1);

    /// The height after this one. Saturates, so that a peer's number can never overflow.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The height before this one, `None` below zero.
    #[must_use]
    pub const fn prev(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(h) => Some(Self(h)),
            None => None,
        }
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A round inside a height, from 0. "No round" is `None`, never a negative number.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Round(pub u32);

impl Round {
    /// The first round of a height.
    pub const ZERO: Self = Self(0);

    /// The round after this one. Saturates, so that a peer's number can never overflow.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The steps of a round with Tendermint's numbers, which are also their wire form.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Step {
    /// Waiting for the commit timeout of the last height.
    NewHeight = 1,
    /// Waiting for something to decide, before round 0.
    NewRound = 2,
    /// Waiting for a proposal.
    Propose = 3,
    /// Prevoted, waiting for prevotes.
    Prevote = 4,
    /// More than 2/3 prevoted anything; the prevote timeout runs.
    PrevoteWait = 5,
    /// Precommitted, waiting for precommits.
    Precommit = 6,
    /// More than 2/3 precommitted anything; the precommit timeout runs.
    PrecommitWait = 7,
    /// More than 2/3 precommitted one block.
    Commit = 8,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewHeight => "RoundStepNewHeight",
            Self::NewRound => "RoundStepNewRound",
            Self::Propose => "RoundStepPropose",
            Self::Prevote => "RoundStepPrevote",
            Self::PrevoteWait => "RoundStepPrevoteWait",
            Self::Precommit => "RoundStepPrecommit",
            Self::PrecommitWait => "RoundStepPrecommitWait",
            Self::Commit => "RoundStepCommit",
        })
    }
}

/// A point in the protocol, ordered by height, then round, then step.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Hrs {
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The step.
    pub step: Step,
}

impl fmt::Display for Hrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.height, self.round, self.step)
    }
}

/// Compares two points of the protocol (`CompareHRS` of Tendermint v0.10).
#[must_use]
pub fn compare_hrs(a: Hrs, b: Hrs) -> std::cmp::Ordering {
    a.cmp(&b)
}

/// A point in time in nanoseconds. Each node has its own clock; the engine only compares its own
/// times.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Time(pub u64);

/// A length of time in nanoseconds.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Span(pub u64);

impl Span {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A span of whole microseconds.
    #[must_use]
    pub const fn micros(us: u64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// `times` of this span.
    #[must_use]
    pub const fn times(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }

    /// This span and another.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Time {
    /// This time and a span later.
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to this time, zero if it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// The position of a record in a node's log. A record is durable once the host says so for its
/// `Lsn` or a later one.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Lsn(pub u64);

/// Another node. The number is the host's, the same after each reconnection; the engine never
/// derives meaning from it. What a peer may open or claim is counted by it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct PeerId(pub u16);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A validator's place in the validator set of a height.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct ValidatorIndex(pub u16);

impl ValidatorIndex {
    /// The place as an array index.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// From an array index.
    ///
    /// # Panics
    /// If `index` is not below [`crate::types::MAX_VALIDATORS`].
    #[must_use]
    #[expect(clippy::expect_used, reason = "sets are bounded far below u16::MAX")]
    pub fn new(index: usize) -> Self {
        Self(u16::try_from(index).expect("validator sets are smaller than 65,536"))
    }
}

/// The name of a chain, signed with every vote so that no signature is valid on two chains. At most
/// 50 bytes.
pub type ChainId = BoundedBytes<50>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_ordered_by_height_then_round_then_step() {
        let at = |h, r, step| Hrs {
            height: Height(h),
            round: Round(r),
            step,
        };
        let ordered = [
            at(1, 0, Step::Commit),
            at(2, 0, Step::NewHeight),
            at(2, 0, Step::Prevote),
            at(2, 1, Step::NewRound),
            at(3, 0, Step::NewHeight),
        ];
        assert!(ordered.windows(2).all(|w| compare_hrs(w[0], w[1]).is_lt()));
    }

    #[test]
    fn steps_have_tendermints_numbers_and_names() {
        let steps = [
            (Step::NewHeight, "RoundStepNewHeight"),
            (Step::NewRound, "RoundStepNewRound"),
            (Step::Propose, "RoundStepPropose"),
            (Step::Prevote, "RoundStepPrevote"),
            (Step::PrevoteWait, "RoundStepPrevoteWait"),
            (Step::Precommit, "RoundStepPrecommit"),
            (Step::PrecommitWait, "RoundStepPrecommitWait"),
            (Step::Commit, "RoundStepCommit"),
        ];
        for ((step, name), number) in steps.into_iter().zip(1..) {
            assert_eq!((step as u8, step.to_string().as_str()), (number, name));
        }
        assert!(steps.is_sorted());
    }

    #[test]
    fn comparing_points_is_comparing_their_numbers() {
        let (heights, rounds) = ([0, 1, u64::MAX], [0, 1, u32::MAX]);
        let steps = [Step::NewHeight, Step::Propose, Step::Commit];
        let point = |h: usize, r: usize, s: usize| Hrs {
            height: Height(heights[h]),
            round: Round(rounds[r]),
            step: steps[s],
        };
        let places =
            || (0..3).flat_map(|h| (0..3).flat_map(move |r| (0..3).map(move |s| (h, r, s))));
        for a in places() {
            for b in places() {
                let compared = compare_hrs(point(a.0, a.1, a.2), point(b.0, b.1, b.2));
                assert_eq!(compared, a.cmp(&b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn numbers_from_peers_cannot_overflow() {
        assert_eq!(Height(u64::MAX).next(), Height(u64::MAX));
        assert_eq!(Round(u32::MAX).next(), Round(u32::MAX));
        assert_eq!(Time(5).since(Time(9)), Span::ZERO);
    }
}
