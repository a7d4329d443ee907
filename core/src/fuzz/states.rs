//! Which ways a validator went between the states of the protocol, so that libFuzzer keeps inputs
//! that lead somewhere new even if no new code runs there.
//!
//! A state is where the validator stands, without names and large numbers. Each way from one state
//! to another has a place in a table of marks; two ways may share one. `fuzz/` shows the table to
//! libFuzzer as extra counters. Elsewhere nobody reads it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::{
    consensus::{Consensus, VoteSet},
    types::{BlockId, Height, Round},
};

/// Places in the table.
pub const MARKS: usize = 4_096;

static TABLE: [AtomicU8; MARKS] = [const { AtomicU8::new(0) }; MARKS];

/// Gives the places that were marked since the last call, and wipes the table.
pub fn take(mut place: impl FnMut(usize)) {
    for (at, mark) in TABLE.iter().enumerate() {
        if mark.swap(0, Ordering::Relaxed) != 0 {
            place(at);
        }
    }
}

/// A state as a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State(u32);

impl State {
    pub(super) fn of(machine: &Consensus) -> Self {
        let at = machine.at();
        let height = at.height.0.saturating_sub(Height::FIRST.0).min(3);
        let round = u64::from(at.round.0.min(3));
        // Nothing, something of this round, something older.
        let held = |held: Option<(Round, BlockId)>| match held {
            None => 0,
            Some((round, _)) if round == at.round => 1,
            Some(_) => 2,
        };
        let id = |held: Option<(Round, BlockId)>| held.map(|(_, id)| id);
        let of_one_block = id(machine.locked()) == id(machine.valid());
        // No majority, one for nil, one for a block.
        let majority = |of: Option<&VoteSet>| match of.and_then(VoteSet::majority) {
            None => 0,
            Some(None) => 1,
            Some(Some(_)) => 2,
        };
        let votes = machine.votes();
        let (prevotes, precommits) = (votes.prevotes(at.round), votes.precommits(at.round));
        let parts = [
            (height, 4),
            (round, 4),
            (u64::from(at.step as u8) % 16, 16),
            (held(machine.locked()), 3),
            (held(machine.valid()), 3),
            (u64::from(of_one_block), 2),
            (u64::from(machine.proposal(at.round).is_some()), 2),
            (majority(prevotes), 3),
            (majority(precommits), 3),
        ];
        let number = parts.iter().fold(0, |sum, (part, of)| sum * of + part);
        Self(u32::try_from(number).unwrap_or(u32::MAX))
    }
}

/// The place of a way from one state to another; staying is no way.
fn place(from: State, to: State) -> Option<usize> {
    // Knuth's multiplicative hash: the upper bits of the product.
    let both = u64::from(from.0) << 32 | u64::from(to.0);
    let place = both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - MARKS.ilog2());
    usize::try_from(place).ok().filter(|_| from != to)
}

/// Marks the way from one state to another, which are numbers of any meaning.
pub fn mark_way(from: u32, to: u32) {
    went(State(from), State(to));
}

/// Marks the way from one state to another.
pub(super) fn went(from: State, to: State) {
    if let Some(mark) = place(from, to).and_then(|at| TABLE.get(at)) {
        mark.store(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_have_places_of_their_own_and_staying_has_none() {
        let states: Vec<State> = (0..60).map(State).collect();
        let ways = states.iter().flat_map(|a| states.iter().map(|b| (*a, *b)));
        let places: Vec<usize> = ways.filter_map(|(a, b)| place(a, b)).collect();
        assert_eq!(places.len(), 60 * 59);
        assert!(places.iter().all(|at| *at < MARKS));
        let apart: std::collections::BTreeSet<_> = places.iter().collect();
        assert!(apart.len() > 2_000, "{} of 3,540", apart.len());
    }

    #[test]
    fn a_live_validator_leaves_marks() {
        // The height begins, and nobody proposes.
        let mut stage = crate::fuzz::stage::Stage::new();
        stage.next_round();
        let mut marks = 0;
        take(|_| marks += 1);
        assert!(marks >= 1, "{marks}");
    }
}
