//! Which powers validators can have in the sets that a plan's changes lead to, and who could decide
//! or break what with them.
//!
//! A change may be committed late, after later ones, or never: what counts is the least and the
//! most that each node can have.

use std::collections::BTreeSet;

use crate::nemesis::{MinMax, Plan};

impl Plan {
    /// The least and the most power that a node can ever have, whichever changes are committed, in
    /// whatever order.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn power_range(&self, node: u16) -> MinMax {
        let first = self.powers[usize::from(node)];
        let changes = self.changes.iter().filter(|change| change.node == node);
        let (min, max) = changes.fold((first, first), |(min, max), change| {
            (min.min(change.power), max.max(change.power))
        });
        MinMax { min, max }
    }

    /// The nodes whose disks may break for good.
    #[must_use]
    pub fn broken(&self) -> BTreeSet<u16> {
        let faults = self.faults.iter().filter(|fault| !fault.off);
        faults.filter_map(|fault| fault.kind.breaks()).collect()
    }

    fn not_correct(&self) -> BTreeSet<u16> {
        let nodes = 0..u16::try_from(self.powers.len()).unwrap_or(u16::MAX);
        nodes.filter(|node| !self.is_correct(*node)).collect()
    }

    /// The most power that byzantine validators can have, and the least that all can have then.
    #[must_use]
    pub fn worst_powers(&self) -> (u64, u64) {
        self.worst_powers_of(&self.not_correct())
    }

    /// The most power that these nodes can have, and the least that all can have then.
    #[must_use]
    pub fn worst_powers_of(&self, bad_nodes: &BTreeSet<u16>) -> (u64, u64) {
        let nodes = 0..u16::try_from(self.powers.len()).unwrap_or(u16::MAX);
        nodes.fold((0, 0), |(bad, total): (u64, u64), node| {
            let range = self.power_range(node);
            if bad_nodes.contains(&node) {
                (
                    bad.saturating_add(range.max),
                    total.saturating_add(range.max),
                )
            } else {
                (bad, total.saturating_add(range.min))
            }
        })
    }

    /// Whether byzantine power stays below one third in every set that the changes can lead to.
    #[must_use]
    pub fn is_within_one_third(&self) -> bool {
        let (bad, total) = self.worst_powers();
        bad == 0 || bad.saturating_mul(3) < total
    }

    /// Whether the same holds if nodes whose disks may break count as byzantine: then the others
    /// can still decide.
    #[must_use]
    pub fn can_do_without_broken(&self) -> bool {
        let mut bad = self.broken();
        bad.extend(self.not_correct());
        let (power, total) = self.worst_powers_of(&bad);
        power == 0 || power.saturating_mul(3) < total
    }

    /// Whether the changes can lead to a set in which one node decides without the others.
    #[must_use]
    pub fn one_may_decide_alone(&self) -> bool {
        let nodes = 0..u16::try_from(self.powers.len()).unwrap_or(u16::MAX);
        let ranges: Vec<MinMax> = nodes.map(|node| self.power_range(node)).collect();
        let least: u64 = ranges.iter().map(|range| range.min).sum();
        ranges
            .iter()
            .any(|range| range.max > 2 * (least - range.min))
    }
}
