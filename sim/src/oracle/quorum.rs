//! Quorum arithmetic, written again on purpose: a judge that borrows the ruler of the judged
//! finds every line straight.
//!
//! Sets of members are bit masks: bit `i` is member `i`, so at most 128 take part.

use engine::types::PeerId;

/// The most validators the judges can tell apart.
pub(super) const MAX_MEMBERS: usize = 128;

/// A set of validators, or of nodes.
pub(super) type Mask = u128;

/// Whether `power` is strictly more than two thirds of `total`.
pub(super) fn more_than_two_thirds(power: u64, total: u64) -> bool {
    u128::from(power) * 3 > u128::from(total) * 2
}

/// The set with only `member` in it.
pub(super) fn only(member: usize) -> Mask {
    debug_assert!(member < MAX_MEMBERS, "a mask holds {MAX_MEMBERS} members");
    1 << member
}

/// The members of a set, ascending.
pub(super) fn members(set: Mask) -> impl Iterator<Item = usize> {
    (0..MAX_MEMBERS).filter(move |i| set >> i & 1 == 1)
}

/// The members of a set as nodes.
pub(super) fn peers(set: Mask) -> Vec<PeerId> {
    members(set)
        .filter_map(|i| u16::try_from(i).ok())
        .map(PeerId)
        .collect()
}

/// Everybody's power at some height.
#[derive(Debug)]
pub(super) struct Powers {
    each: Vec<u64>,
    total: u64,
}

impl Powers {
    /// The powers of members 0, 1, 2 and so on.
    pub(super) fn new(each: Vec<u64>) -> Self {
        let total = each.iter().sum();
        Self { each, total }
    }

    /// All power together.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The power of one. Strangers have none.
    pub(super) fn of_member(&self, member: usize) -> u64 {
        self.each.get(member).copied().unwrap_or(0)
    }

    /// The power of a set. Strangers have none.
    pub(super) fn of(&self, set: Mask) -> u64 {
        let there = self.each.iter().enumerate();
        there
            .filter(|(i, _)| set >> i & 1 == 1)
            .map(|(_, power)| power)
            .sum()
    }

    /// Whether a set holds at least one third of the power: what is left is no quorum.
    pub(super) fn is_one_third(&self, set: Mask) -> bool {
        u128::from(self.of(set)) * 3 >= u128::from(self.total)
    }

    /// Whether a set holds more than one third of the power: with less than that byzantine, one of
    /// them is correct.
    pub(super) fn is_more_than_one_third(&self, set: Mask) -> bool {
        u128::from(self.of(set)) * 3 > u128::from(self.total)
    }

    /// Whether a set holds more than two thirds of the power.
    pub(super) fn has_quorum(&self, set: Mask) -> bool {
        more_than_two_thirds(self.of(set), self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_two_thirds_was_worked_out_by_hand() {
        let table = [
            (0, 0, false),
            (0, 1, false),
            (1, 1, true),
            (1, 2, false),
            (2, 2, true),
            (2, 3, false),
            (3, 3, true),
            (2, 4, false),
            (3, 4, true),
            (3, 5, false),
            (4, 5, true),
            (4, 6, false),
            (5, 6, true),
            (4, 7, false),
            (5, 7, true),
            (6, 9, false),
            (7, 9, true),
            (6, 10, false),
            (7, 10, true),
            (66, 100, false),
            (67, 100, true),
            (85, 128, false),
            (86, 128, true),
            (u64::MAX / 3 * 2, u64::MAX, false),
            (u64::MAX / 3 * 2 + 1, u64::MAX, true),
            (u64::MAX, u64::MAX, true),
        ];
        for (power, total, expected) in table {
            assert_eq!(
                more_than_two_thirds(power, total),
                expected,
                "{power} of {total}"
            );
        }
    }

    #[test]
    fn power_counts_and_not_heads() {
        let powers = Powers::new(vec![5, 1, 1, 1]);
        assert_eq!(powers.total(), 8);
        assert!(!powers.has_quorum(0b1110));
        assert!(!powers.has_quorum(0b0001));
        assert!(powers.has_quorum(0b0011));
        assert_eq!(powers.of(1 << 100), 0);
    }

    #[test]
    fn a_third_exactly_keeps_the_others_from_a_quorum_but_may_be_byzantine() {
        let powers = Powers::new(vec![3, 2, 2, 2]);
        assert!(powers.is_one_third(0b0001) && !powers.is_more_than_one_third(0b0001));
        assert!(!powers.has_quorum(0b1110));
        assert!(!powers.is_one_third(0b0010));
        assert!(powers.is_more_than_one_third(0b0110));
    }

    #[test]
    fn two_quorums_of_four_share_more_than_one_faulty_node_can_be() {
        let powers = Powers::new(vec![1; 4]);
        let quorums: Vec<Mask> = (0..16).filter(|set| powers.has_quorum(*set)).collect();
        assert_eq!(quorums, [0b0111, 0b1011, 0b1101, 0b1110, 0b1111]);
        for a in &quorums {
            assert!(quorums.iter().all(|b| powers.of(a & b) >= 2));
        }
        assert_eq!(peers(0b1010), [PeerId(1), PeerId(3)]);
    }
}
