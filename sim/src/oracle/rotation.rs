//! Whose turn it is to propose, worked out without the engine.
//!
//! Weighted round robin: in every turn each validator gains its power, the one with the most
//! proposes (the lowest place among equals) and pays the power of all. A height begins with a turn,
//! and each of its rounds takes one more; the next height goes on from where this one began,
//! however many rounds it took.
//!
//! When the set changes between two heights, whoever stays keeps what it waited, whoever comes owes
//! nine eighths of the new power of all, then all waits are divided so that no two are further
//! apart than twice that power, and shifted so that they balance.

/// Rounds beyond this one have no known proposer. No honest run comes near it.
pub(super) const MAX_ROUND: u32 = 10_000;

/// The turns of one height. Validators are named by their places in the set.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    /// What everybody has waited after the first turn.
    waited: Vec<i128>,
    /// The same after the last turn worked out.
    last: Vec<i128>,
    /// The proposers of rounds 0, 1, 2 and so on.
    rounds: Vec<usize>,
}

impl Turns {
    /// The turns of the first height.
    pub(super) fn first(powers: &[u64]) -> Self {
        Self::begin(vec![0; powers.len()], powers)
    }

    /// The turns of the next height, whose validators have these powers. `stayed` says for each of
    /// them what its place was; `None` stands for a set that did not change.
    pub(super) fn next(&self, powers: &[u64], stayed: Option<&[Option<usize>]>) -> Self {
        let Some(stayed) = stayed else {
            return Self::begin(self.waited.clone(), powers);
        };
        let total: i128 = powers.iter().map(|power| i128::from(*power)).sum();
        let owed = -(total + total / 8);
        let waited = stayed.iter().map(|place| match place {
            Some(place) => self.waited[*place],
            None => owed,
        });
        let mut waited: Vec<i128> = waited.collect();
        narrow(&mut waited, 2 * total);
        balance(&mut waited);
        Self::begin(waited, powers)
    }

    /// Works out the turns up to this round, so that [`Turns::proposer`] knows it.
    pub(super) fn reach(&mut self, powers: &[u64], round: u32) {
        if round > MAX_ROUND || powers.is_empty() {
            return;
        }
        while self.rounds.len() <= round as usize {
            let next = take_turn(&mut self.last, powers);
            self.rounds.push(next);
        }
    }

    /// The proposer of a round; `None` if the turn was not worked out.
    pub(super) fn proposer(&self, round: u32) -> Option<usize> {
        self.rounds.get(usize::try_from(round).ok()?).copied()
    }

    fn begin(mut waited: Vec<i128>, powers: &[u64]) -> Self {
        let mut rounds = Vec::new();
        if !powers.is_empty() {
            rounds.push(take_turn(&mut waited, powers));
        }
        let last = waited.clone();
        Self {
            waited,
            last,
            rounds,
        }
    }
}

fn take_turn(waited: &mut [i128], powers: &[u64]) -> usize {
    let (mut chosen, mut total) = (0, 0);
    for (i, power) in powers.iter().enumerate() {
        waited[i] += i128::from(*power);
        total += i128::from(*power);
        if waited[i] > waited[chosen] {
            chosen = i;
        }
    }
    waited[chosen] -= total;
    chosen
}

/// Divides all waits by the smallest number that leaves no two more than `window` apart. Fractions
/// are dropped.
fn narrow(waited: &mut [i128], window: i128) {
    let (Some(most), Some(least)) = (waited.iter().max(), waited.iter().min()) else {
        return;
    };
    let apart = most - least;
    if apart > window {
        let by = (apart + window - 1) / window;
        waited.iter_mut().for_each(|wait| *wait /= by);
    }
}

/// Takes the average, rounded down, from everybody.
fn balance(waited: &mut [i128]) {
    let count = i128::try_from(waited.len()).unwrap_or(1).max(1);
    let average = waited.iter().sum::<i128>().div_euclid(count);
    waited.iter_mut().for_each(|wait| *wait -= average);
}

#[cfg(test)]
mod tests {
    use engine::types::{PublicKey, Round, ValidatorSet, ValidatorUpdate};
    use proptest::prelude::*;

    use super::*;

    fn order(powers: &[u64], rounds: u32) -> Vec<usize> {
        let mut turns = Turns::first(powers);
        turns.reach(powers, rounds - 1);
        (0..rounds).filter_map(|r| turns.proposer(r)).collect()
    }

    #[test]
    fn equals_take_turns_in_order() {
        assert_eq!(order(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        let mut turns = Turns::first(&[1, 1, 1]).next(&[1, 1, 1], None);
        assert_eq!(turns.proposer(0), Some(1));
        turns.reach(&[1, 1, 1], MAX_ROUND + 1);
        assert_eq!(turns.proposer(1), None);
    }

    #[test]
    fn the_strong_come_more_often() {
        assert_eq!(order(&[1, 2, 1], 8), [1, 0, 2, 1, 1, 0, 2, 1]);
    }

    #[test]
    fn who_comes_waits_longer_than_everybody_else() {
        // After the turn of height 1 the waits are -2, 1, 1. The one that comes owes 4 + 4 / 8.
        let stayed = [Some(0), Some(1), Some(2), None];
        let turns = Turns::first(&[1, 1, 1]).next(&[1; 4], Some(&stayed));
        // -2, 1, 1, -4 balance to -1, 2, 2, -3; then everybody gains 1 and the second pays 4.
        assert_eq!(turns.waited, [0, -1, 3, -2]);
        assert_eq!(turns.proposer(0), Some(1));
    }

    fn keys() -> Vec<PublicKey> {
        let mut keys: Vec<PublicKey> = (0..8u8).map(|i| PublicKey([i + 1; 32])).collect();
        keys.sort_by_key(PublicKey::address);
        keys
    }

    proptest! {
        /// The one place where the two implementations meet: whatever the changes, they agree.
        #[test]
        fn the_engine_takes_the_same_turns(
            first in prop::collection::vec(1u64..30, 1..8),
            changes in prop::collection::vec((0u8..4, 0usize..8, 0u64..200), 0..60),
        ) {
            let keys = keys();
            let mut powers: Vec<u64> = first;
            powers.resize(8, 0);
            let update = |i: usize, power| ValidatorUpdate { key: keys[i], power };
            let there = |powers: &[u64]| -> Vec<usize> {
                (0..8).filter(|i| powers[*i] > 0).collect()
            };
            let strong = |powers: &[u64]| -> Vec<u64> {
                powers.iter().copied().filter(|power| *power > 0).collect()
            };
            let members: Vec<_> = there(&powers).iter().map(|i| update(*i, powers[*i])).collect();
            let mut engine = ValidatorSet::new(&members).unwrap();
            let mut turns = Turns::first(&strong(&powers));
            for (kind, who, power) in changes {
                for round in 0..4 {
                    turns.reach(&strong(&powers), round);
                    let theirs = engine.proposer_at(Round(round)).get();
                    prop_assert_eq!(turns.proposer(round), Some(theirs));
                }
                let changed = engine.with_updates(&[update(who, power)]);
                let before = there(&powers);
                let mut stayed: Option<Vec<Option<usize>>> = None;
                if let (0, Ok(changed)) = (kind, changed) {
                    powers[who] = power;
                    engine = changed;
                    let place = |i: &usize| before.iter().position(|b| b == i);
                    stayed = Some(there(&powers).iter().map(place).collect());
                }
                engine.advance();
                turns = turns.next(&strong(&powers), stayed.as_deref());
            }
        }
    }
}
