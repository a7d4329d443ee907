//! Validator sets: who votes, with how much power, and whose turn it is to propose.
//!
//! Proposers take turns by weighted round robin. Every validator has a priority; each turn adds
//! everyone's power to it, the highest priority proposes (the lower address on a tie), and pays the
//! total power. Over any stretch of turns a validator proposes in proportion to its power.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{
    Address, Hash, MAX_BITS, PublicKey, Round, ValidatorIndex, merkle_root, vote::canonical,
};

/// The most validators in a set.
pub const MAX_VALIDATORS: usize = MAX_BITS;
/// The most power in a set. Far below the limit of 64 bits, so that three times it cannot overflow.
pub const MAX_TOTAL_POWER: u64 = 1 << 60;

/// Whether `power` is more than two thirds of `total`.
#[must_use]
pub const fn is_quorum(power: u64, total: u64) -> bool {
    3 * power > 2 * total
}

/// Whether `power` is more than one third of `total`: at least one correct validator is among them.
#[must_use]
pub const fn is_more_than_one_third(power: u64, total: u64) -> bool {
    3 * power > total
}

/// A validator and its turn-taking state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Validator {
    /// First 20 bytes of the SHA-256 of the key.
    pub address: Address,
    /// Verifies its signatures.
    pub key: PublicKey,
    /// Its voting power, at least 1.
    pub power: u64,
    /// How long it has waited to propose, in units of power.
    pub priority: i64,
}

/// A change to the validator set. Power 0 removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct ValidatorUpdate {
    /// Whose power changes.
    pub key: PublicKey,
    /// The new power.
    pub power: u64,
}

/// Why a validator set or a change to one is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorError {
    /// Nobody would be left.
    #[error("a validator set cannot be empty")]
    Empty,
    /// More than [`MAX_VALIDATORS`].
    #[error("{0} validators, at most {MAX_VALIDATORS} are allowed")]
    TooMany(usize),
    /// More than [`MAX_TOTAL_POWER`].
    #[error("the total power exceeds {MAX_TOTAL_POWER}")]
    TooMuchPower,
    /// The same key twice.
    #[error("validator {0} is named twice")]
    Twice(Address),
    /// A validator to remove is not there, or a new one has no power.
    #[error("validator {0} cannot be removed: it is not in the set")]
    Unknown(Address),
}

/// The validators of one height, sorted by address, and the proposer of its first round.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ValidatorSet {
    validators: Vec<Validator>,
    total: u64,
    proposer: ValidatorIndex,
}

impl ValidatorSet {
    /// A set in its first turn.
    ///
    /// # Errors
    /// If it is empty, too large, too powerful, names a key twice, or gives one no power.
    pub fn new(members: &[ValidatorUpdate]) -> Result<Self, ValidatorError> {
        let empty = Self {
            validators: Vec::new(),
            total: 0,
            proposer: ValidatorIndex(0),
        };
        empty.with_updates(members).map(|set| set.next_turn())
    }

    /// The validators, sorted by address.
    #[must_use]
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// Number of validators.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// The sum of all power.
    #[must_use]
    pub fn total_power(&self) -> u64 {
        self.total
    }

    /// The validator at `index`.
    #[must_use]
    pub fn get(&self, index: ValidatorIndex) -> Option<&Validator> {
        self.validators.get(index.get())
    }

    /// Where the validator with this address stands.
    #[must_use]
    pub fn index_of(&self, address: &Address) -> Option<ValidatorIndex> {
        let found = self.validators.binary_search_by(|v| v.address.cmp(address));
        found.ok().map(ValidatorIndex::new)
    }

    /// The proposer of round 0.
    #[must_use]
    pub fn proposer(&self) -> ValidatorIndex {
        self.proposer
    }

    /// The proposer of `round`. Costs one turn per round.
    #[must_use]
    pub fn proposer_at(&self, round: Round) -> ValidatorIndex {
        let mut set = self.clone();
        (0..round.0).for_each(|_| set.advance());
        set.proposer
    }

    /// The digest that headers carry: keys and powers, not priorities.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let leaves: Vec<Vec<u8>> = self
            .validators
            .iter()
            .map(|v| canonical(&(v.key, v.power)))
            .collect();
        merkle_root(&leaves)
    }

    /// This set with its next proposer.
    #[must_use]
    pub fn next_turn(mut self) -> Self {
        self.advance();
        self
    }

    /// Gives the turn to the next proposer.
    pub fn advance(&mut self) {
        for validator in &mut self.validators {
            validator.priority = validator.priority.saturating_add(signed(validator.power));
        }
        let mut best = 0;
        for (i, validator) in self.validators.iter().enumerate() {
            // Sorted by address: the first of equals has the lowest address.
            if validator.priority > self.validators[best].priority {
                best = i;
            }
        }
        let chosen = &mut self.validators[best];
        chosen.priority = chosen.priority.saturating_sub(signed(self.total));
        self.proposer = ValidatorIndex::new(best);
    }

    /// This set with changes applied together. New validators wait about one and an eighth round of
    /// turns, so that leaving and coming back does not jump the queue; priorities are then rescaled
    /// and centred.
    ///
    /// # Errors
    /// If the changes are impossible; see [`ValidatorError`].
    pub fn with_updates(&self, updates: &[ValidatorUpdate]) -> Result<Self, ValidatorError> {
        if updates.is_empty() && !self.validators.is_empty() {
            return Ok(self.clone());
        }
        let mut validators = self.validators.clone();
        let mut seen: Vec<Address> = Vec::new();
        for update in updates {
            let address = update.key.address();
            if seen.contains(&address) {
                return Err(ValidatorError::Twice(address));
            }
            seen.push(address);
            match validators.binary_search_by(|v| v.address.cmp(&address)) {
                Ok(at) if update.power == 0 => drop(validators.remove(at)),
                Ok(at) => validators[at].power = update.power,
                Err(_) if update.power == 0 => return Err(ValidatorError::Unknown(address)),
                Err(at) => {
                    let priority = i64::MIN; // marks a newcomer until the new total is known
                    let new = Validator {
                        address,
                        key: update.key,
                        power: update.power,
                        priority,
                    };
                    validators.insert(at, new);
                }
            }
        }
        Self::from_changed(validators, self.validators.is_empty())
    }

    fn from_changed(mut validators: Vec<Validator>, first: bool) -> Result<Self, ValidatorError> {
        if validators.is_empty() {
            return Err(ValidatorError::Empty);
        }
        if validators.len() > MAX_VALIDATORS {
            return Err(ValidatorError::TooMany(validators.len()));
        }
        let sum = validators
            .iter()
            .try_fold(0u64, |sum, v| sum.checked_add(v.power));
        let total = sum
            .filter(|t| *t <= MAX_TOTAL_POWER)
            .ok_or(ValidatorError::TooMuchPower)?;
        let newcomer = if first {
            0
        } else {
            -(signed(total) + (signed(total) >> 3))
        };
        for validator in validators.iter_mut().filter(|v| v.priority == i64::MIN) {
            validator.priority = newcomer;
        }
        rescale(&mut validators, 2 * signed(total));
        centre(&mut validators);
        Ok(Self {
            validators,
            total,
            proposer: ValidatorIndex(0),
        }
        .with_proposer())
    }

    /// The last proposer may be gone after a change; the one with the lowest priority was chosen
    /// last.
    fn with_proposer(mut self) -> Self {
        let lowest = self
            .validators
            .iter()
            .enumerate()
            .min_by_key(|(_, v)| v.priority);
        self.proposer = ValidatorIndex::new(lowest.map_or(0, |(i, _)| i));
        self
    }
}

/// Keeps the spread of priorities below `window`, so that no validator waits without bound.
fn rescale(validators: &mut [Validator], window: i64) {
    let highest = validators.iter().map(|v| v.priority).max().unwrap_or(0);
    let lowest = validators.iter().map(|v| v.priority).min().unwrap_or(0);
    let spread = highest.saturating_sub(lowest);
    let ratio = spread.saturating_add(window - 1) / window;
    if ratio > 1 {
        validators.iter_mut().for_each(|v| v.priority /= ratio);
    }
}

/// Shifts priorities so that their sum is about zero.
fn centre(validators: &mut [Validator]) {
    let count = i128::try_from(validators.len()).unwrap_or(1);
    let sum: i128 = validators.iter().map(|v| i128::from(v.priority)).sum();
    let average = i64::try_from(sum.div_euclid(count)).unwrap_or(0);
    for validator in validators {
        validator.priority = validator.priority.saturating_sub(average);
    }
}

/// Power as a signed number; sets are bounded far below the sign bit.
fn signed(power: u64) -> i64 {
    i64::try_from(power).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(id: u8, power: u64) -> ValidatorUpdate {
        ValidatorUpdate {
            key: PublicKey([id; 32]),
            power,
        }
    }

    fn set(powers: &[u64]) -> ValidatorSet {
        let members: Vec<_> = powers
            .iter()
            .zip(0u8..)
            .map(|(&power, id)| member(id, power))
            .collect();
        ValidatorSet::new(&members).unwrap()
    }

    #[test]
    fn exactly_two_thirds_is_no_quorum() {
        let table = [
            (2, 3, false),
            (3, 3, true),
            (3, 4, true),
            (2, 4, false),
            (4, 6, false),
        ];
        for (power, total, expected) in table {
            assert_eq!(is_quorum(power, total), expected, "{power} of {total}");
        }
        assert!(is_quorum(MAX_TOTAL_POWER, MAX_TOTAL_POWER));
        assert!(is_more_than_one_third(2, 4) && !is_more_than_one_third(1, 3));
    }

    #[test]
    fn equal_validators_take_turns_by_address() {
        let mut turns = set(&[1, 1, 1, 1]);
        let mut order = Vec::new();
        for _ in 0..8 {
            order.push(turns.proposer().0);
            turns.advance();
        }
        assert_eq!(order, [0, 1, 2, 3, 0, 1, 2, 3]);
    }

    #[test]
    fn the_proposer_of_a_round_does_not_depend_on_how_it_was_reached() {
        let base = set(&[5, 1, 3, 8, 2]);
        let mut walked = base.clone();
        for round in 0..30 {
            assert_eq!(base.proposer_at(Round(round)), walked.proposer());
            walked.advance();
        }
    }

    #[test]
    fn a_removed_proposer_is_followed_by_somebody_else() {
        let before = set(&[1, 1, 1, 1]);
        let gone = before.get(before.proposer()).unwrap().key;
        let after = before
            .with_updates(&[ValidatorUpdate {
                key: gone,
                power: 0,
            }])
            .unwrap();
        assert_eq!(after.len(), 3);
        assert!(after.index_of(&gone.address()).is_none());
        let next = after.next_turn();
        assert!(next.get(next.proposer()).is_some());
    }

    #[test]
    fn coming_back_does_not_jump_the_queue() {
        let before = set(&[10, 10, 10]);
        let last = before.validators()[2].key;
        let without = before
            .with_updates(&[ValidatorUpdate {
                key: last,
                power: 0,
            }])
            .unwrap();
        let back = without
            .with_updates(&[ValidatorUpdate {
                key: last,
                power: 10,
            }])
            .unwrap();
        let index = back.index_of(&last.address()).unwrap();
        let mut turns = back.next_turn();
        assert_ne!(turns.proposer(), index);
        turns.advance();
        assert_ne!(turns.proposer(), index);
    }

    #[test]
    fn impossible_changes_are_refused() {
        let base = set(&[1, 1]);
        let remove = |id| member(id, 0);
        assert_eq!(
            base.with_updates(&[remove(0), remove(1)]),
            Err(ValidatorError::Empty)
        );
        let twice = base.with_updates(&[member(7, 1), member(7, 2)]);
        assert_eq!(
            twice,
            Err(ValidatorError::Twice(PublicKey([7; 32]).address()))
        );
        let unknown = base.with_updates(&[remove(9)]);
        assert_eq!(
            unknown,
            Err(ValidatorError::Unknown(PublicKey([9; 32]).address()))
        );
        let strong = base.with_updates(&[member(7, MAX_TOTAL_POWER)]);
        assert_eq!(strong, Err(ValidatorError::TooMuchPower));
    }

    proptest! {
        #[test]
        fn everybody_proposes_its_share(powers in prop::collection::vec(1u64..50, 1..12)) {
            let mut turns = set(&powers);
            let total: u64 = powers.iter().sum();
            let mut proposed = vec![0u64; powers.len()];
            for _ in 0..total * 2 {
                proposed[turns.proposer().get()] += 1;
                turns.advance();
            }
            for (validator, times) in turns.validators().iter().zip(proposed) {
                let share = validator.power * 2;
                prop_assert!(times.abs_diff(share) <= 1, "{times} turns for a share of {share}");
            }
        }
    }
}
