//! Whose turn it is to propose, worked out without the engine.
//!
//! Weighted round robin: in every turn each validator gains its power, the one with the most
//! proposes (the lowest index among equals) and pays the power of all. Height `h` starts with turn
//! `h`, and each round takes one more turn, so the turn of a round is simply `h + r`. Powers do not
//! change during a run.

/// Rounds beyond this one have no known proposer. No honest run comes near it.
pub(super) const MAX_ROUND: u32 = 10_000;

/// The order of proposers, as far as it was needed.
#[derive(Debug)]
pub(super) struct Rotation {
    powers: Vec<i128>,
    waited: Vec<i128>,
    /// The proposer of turn 1, 2, 3 and so on.
    turns: Vec<usize>,
}

impl Rotation {
    /// The rotation of validators with these powers.
    pub(super) fn new(powers: &[u64]) -> Self {
        Self {
            powers: powers.iter().map(|power| i128::from(*power)).collect(),
            waited: vec![0; powers.len()],
            turns: Vec::new(),
        }
    }

    /// Works out the turns up to this round, so that [`Rotation::proposer`] knows it.
    pub(super) fn reach(&mut self, height: u64, round: u32) {
        let wanted = turn(height, round).unwrap_or(0);
        while self.turns.len() < wanted && !self.powers.is_empty() {
            let next = self.take_turn();
            self.turns.push(next);
        }
    }

    /// The proposer of a round; `None` if the turn was not worked out.
    pub(super) fn proposer(&self, height: u64, round: u32) -> Option<usize> {
        let at = turn(height, round)?.checked_sub(1)?;
        self.turns.get(at).copied()
    }

    fn take_turn(&mut self) -> usize {
        let mut chosen = 0;
        for i in 0..self.waited.len() {
            self.waited[i] += self.powers[i];
            if self.waited[i] > self.waited[chosen] {
                chosen = i;
            }
        }
        self.waited[chosen] -= self.powers.iter().sum::<i128>();
        chosen
    }
}

fn turn(height: u64, round: u32) -> Option<usize> {
    if round > MAX_ROUND {
        return None;
    }
    usize::try_from(height.checked_add(u64::from(round))?).ok()
}

#[cfg(test)]
mod tests {
    use engine::types::{PublicKey, Round, ValidatorSet, ValidatorUpdate};

    use super::*;

    #[test]
    fn equals_take_turns_in_order() {
        let mut rotation = Rotation::new(&[1, 1, 1]);
        rotation.reach(1, 6);
        let order: Vec<_> = (0..6).filter_map(|r| rotation.proposer(1, r)).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
        assert_eq!(rotation.proposer(2, 0), Some(1));
        assert_eq!(rotation.proposer(1, MAX_ROUND + 1), None);
    }

    #[test]
    fn the_strong_come_more_often() {
        let mut rotation = Rotation::new(&[1, 2, 1]);
        rotation.reach(1, 7);
        let order: Vec<_> = (0..8).filter_map(|r| rotation.proposer(1, r)).collect();
        assert_eq!(order, [1, 0, 2, 1, 1, 0, 2, 1]);
    }

    /// The one place where the two implementations meet: over a few hundred turns they agree.
    #[test]
    fn the_engine_takes_the_same_turns() {
        for powers in [vec![1, 1, 1, 1], vec![5, 1, 3, 8, 2], vec![10, 1], vec![7]] {
            let mut keys: Vec<PublicKey> = (0u8..)
                .zip(&powers)
                .map(|(i, _)| PublicKey([i + 1; 32]))
                .collect();
            keys.sort_by_key(PublicKey::address);
            let members = keys.iter().zip(&powers);
            let members: Vec<_> = members
                .map(|(&key, &power)| ValidatorUpdate { key, power })
                .collect();
            let mut engine = ValidatorSet::new(&members).unwrap();
            let mut rotation = Rotation::new(&powers);
            for height in 1..60 {
                for round in 0..7 {
                    rotation.reach(height, round);
                    let theirs = engine.proposer_at(Round(round)).get();
                    assert_eq!(rotation.proposer(height, round), Some(theirs));
                }
                engine.advance();
            }
        }
    }
}
