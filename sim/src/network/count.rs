//! How many packets of each name a link has carried, in bounded space. Touches nothing else.

/// What is counted: height, round, kind.
type Key = (u64, u32, u8);

/// So many heights below the newest one are still counted by name.
const HEIGHTS_KEPT: u64 = 1;
/// So many names are counted at most; beyond, the lower half is forgotten.
const KEYS_KEPT: usize = 64;

/// Counts per name, for recent names. Older names share one counter, which runs ahead of all that
/// was forgotten, so that no number is ever given out twice for one name. A packet that is sent
/// again and again therefore always gets a new chance to arrive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SentCounts {
    /// Sorted by key.
    counts: Vec<(Key, u32)>,
    /// Names below this one are forgotten.
    forgotten_below: Key,
    /// The next number for a forgotten name.
    next_forgotten: u32,
}

impl SentCounts {
    /// How many packets of this name came before; counts this one.
    pub(super) fn next(&mut self, key: Key) -> u32 {
        if key < self.forgotten_below {
            let nth = self.next_forgotten;
            self.next_forgotten = nth.saturating_add(1);
            return nth;
        }
        match self.counts.binary_search_by_key(&key, |entry| entry.0) {
            Ok(place) => {
                let nth = self.counts[place].1;
                self.counts[place].1 = nth.saturating_add(1);
                nth
            }
            Err(place) => {
                self.counts.insert(place, (key, 1));
                self.forget_old();
                0
            }
        }
    }

    fn forget_old(&mut self) {
        let Some(&((newest, ..), _)) = self.counts.last() else {
            return;
        };
        let mut below = (newest.saturating_sub(HEIGHTS_KEPT), 0, 0);
        if self.counts.len() > KEYS_KEPT {
            below = below.max(self.counts[KEYS_KEPT / 2].0);
        }
        if below <= self.forgotten_below {
            return;
        }
        self.forgotten_below = below;
        let end = self.counts.partition_point(|(key, _)| *key < below);
        for (_, count) in self.counts.drain(..end) {
            self.next_forgotten = self.next_forgotten.max(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn packets_of_one_name_are_numbered_from_zero() {
        let mut sent = SentCounts::default();
        assert_eq!([1, 1, 2].map(|kind| sent.next((5, 0, kind))), [0, 1, 0]);
        assert_eq!(sent.next((5, 1, 1)), 0);
        assert_eq!(sent.next((6, 0, 1)), 0);
        assert_eq!(sent.next((5, 0, 1)), 2);
    }

    #[test]
    fn no_number_is_given_out_twice_for_a_name_however_heights_jump() {
        let mut sent = SentCounts::default();
        let mut seen = BTreeSet::new();
        let mut state = 1_u64;
        for i in 0..20_000_u64 {
            // A simple generator is enough to mix old, new and absurd heights.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(i);
            let bits = state >> 40;
            let height = if bits.is_multiple_of(1000) {
                bits
            } else {
                i / 500 + bits % 4
            };
            let key = (height, u32::from((bits >> 8).is_multiple_of(8)), 1);
            assert!(seen.insert((key, sent.next(key))), "{key:?} at {i}");
        }
    }

    #[test]
    fn space_is_bounded_over_heights_and_over_rounds() {
        let mut sent = SentCounts::default();
        for height in 0..10_000 {
            for kind in 0..9 {
                assert_eq!(sent.next((height, 0, kind)), 0);
            }
        }
        assert!(sent.counts.len() <= 18);
        for round in 0..10_000 {
            for kind in 0..9 {
                assert_eq!(sent.next((20_000, round, kind)), 0);
            }
        }
        assert!(sent.counts.len() <= KEYS_KEPT);
        assert!(sent.counts.capacity() <= 2 * KEYS_KEPT);
    }
}
