//! How a run or many runs ended, and the exit code for it. Pure.

use crate::outcome::Verdict;

/// How something ended; a later variant is worse when many runs are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Everything held.
    Pass,
    /// A liveness oracle fired.
    Liveness,
    /// The engine panicked.
    Panic,
    /// A safety oracle fired.
    Safety,
    /// Two runs of one plan differed.
    NotDeterministic,
    /// The harness itself failed, or a scenario did not show what it is for.
    Harness,
}

impl Ending {
    /// The ending of one run.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Safety => Self::Safety,
            Verdict::Liveness => Self::Liveness,
            Verdict::Panic => Self::Panic,
            Verdict::Harness => Self::Harness,
        }
    }

    /// The exit code of the command line.
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Harness => 1,
            Self::Safety => 3,
            Self::Liveness => 4,
            Self::Panic => 5,
            Self::NotDeterministic => 6,
        }
    }

    /// The word for it in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Harness => "harness",
            Self::Safety => "safety",
            Self::Liveness => "liveness",
            Self::Panic => "panic",
            Self::NotDeterministic => "nondeterministic",
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_and_its_ending_have_one_exit_code() {
        for verdict in [
            Verdict::Pass,
            Verdict::Safety,
            Verdict::Liveness,
            Verdict::Panic,
            Verdict::Harness,
        ] {
            assert_eq!(verdict.exit(), Ending::of(verdict).exit());
        }
    }

    #[test]
    fn the_worst_of_many_wins_in_the_order_1_6_3_5_4() {
        let mut endings = [
            Ending::Pass,
            Ending::Safety,
            Ending::Liveness,
            Ending::Harness,
            Ending::NotDeterministic,
            Ending::Panic,
        ];
        endings.sort();
        let codes: Vec<u8> = endings.iter().rev().map(|ending| ending.exit()).collect();
        assert_eq!(codes, [1, 6, 3, 5, 4, 0]);
        assert_eq!(Ending::Liveness.worse(Ending::Panic), Ending::Panic);
    }
}
