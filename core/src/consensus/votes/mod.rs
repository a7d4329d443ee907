//! Counting votes: one [`VoteSet`] per round and kind, all rounds of a height in a
//! [`HeightVoteSet`].

mod height;
mod set;

pub use height::{HeightVoteSet, MAX_CATCHUP_ROUNDS, RoundVoteSet};
pub use set::{Added, VoteError, VoteSet};

#[cfg(test)]
mod tests;
