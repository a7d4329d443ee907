//! The decisions that follow from one set of coordinates. Pure; touches nothing else.

use std::ops::RangeInclusive;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::choice::{Choices, Coords, Ratio, Stream};

/// Decisions in a row from one generator. Nothing is computed before the first is asked for.
#[derive(Debug, Clone)]
pub struct Draw {
    generator: ChaCha8Rng,
    /// The given outcome of the first decision.
    given: Option<u64>,
    /// Who writes the first decision down, and its name.
    told: Option<(Choices, Stream, Coords)>,
}

impl Draw {
    #[inline]
    pub(super) fn new(
        seed: [u8; 32],
        given: Option<u64>,
        told: Option<(Choices, Stream, Coords)>,
    ) -> Self {
        Self {
            generator: ChaCha8Rng::from_seed(seed),
            given,
            told,
        }
    }

    /// The first decision has this outcome.
    #[inline]
    fn tell(&mut self, value: u64) {
        if let Some((choices, stream, at)) = self.told.take() {
            choices.note(stream, at, value);
        }
    }

    /// 64 random bits. They are no decision yet: whoever makes one of them writes it down
    /// ([`Choices::note`]).
    #[must_use]
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        // Drawn in any case, so that a given outcome does not move the decisions after it.
        let drawn = self.generator.next_u64();
        self.told = None;
        self.given.take().unwrap_or(drawn)
    }

    /// A number in `0..n`, each equally likely.
    ///
    /// # Panics
    /// If `n` is 0.
    #[must_use]
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        // Lemire, "Fast random integer generation in an interval", 2019: of the 2^64 words, the
        // first 2^64 mod n of each residue are refused, and the rest are spread evenly.
        let (mut low, mut high) = self.generator.next_u64().carrying_mul(n, 0);
        if low < n {
            let refused = n.wrapping_neg() % n;
            while low < refused {
                (low, high) = self.generator.next_u64().carrying_mul(n, 0);
            }
        }
        let decided = self.given.take().map_or(high, |given| given.min(n - 1));
        self.tell(decided);
        decided
    }

    /// A number in `range`, each equally likely.
    ///
    /// # Panics
    /// If the range is empty.
    #[must_use]
    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start(), *range.end());
        assert!(low <= high, "the range {low}..={high} is empty");
        // A given outcome is the number itself, not its distance from `low`.
        self.given = self.given.map(|given| given.saturating_sub(low));
        let told = self.told.take();
        let decided = match (high - low).checked_add(1) {
            Some(count) => low + self.below(count),
            None => self.next_u64(),
        };
        self.told = told;
        self.tell(decided);
        decided
    }

    /// Yes with probability `ratio`.
    #[must_use]
    pub fn chance(&mut self, ratio: Ratio) -> bool {
        let (given, told) = (self.given.take(), self.told.take());
        let drawn = self.below(u64::from(ratio.den())) < u64::from(ratio.num());
        let decided = given.map_or(drawn, |given| given != 0);
        self.told = told;
        self.tell(u64::from(decided));
        decided
    }

    /// One of `items`, `None` if there are none.
    #[must_use]
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            return None;
        }
        items.get(self.index(items.len()))
    }

    /// Puts `items` into any order, each equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// An index below `len`.
    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("it is below a usize")
    }
}

/// `word` of 2^64, scaled to `0..n`. Uneven by less than n in 2^64, and always one word: for
/// places where every decision has its fixed word.
#[inline]
pub(crate) fn scale(word: u64, n: u64) -> u64 {
    word.carrying_mul(n, 0).1
}
