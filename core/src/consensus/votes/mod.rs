//! Counting votes: one [`VoteSet`] per round and kind, all rounds of a height in a
//! [`HeightVoteSet`].

mod height;
mod set;
mod show;

pub use height::{
    HeightVoteSet, MAX_CATCHUP_ROUNDS, MAX_LEFT_ROUNDS, RoundRegression, RoundVoteSet,
};
pub use set::{Added, VoteError, VoteSet};

#[cfg(test)]
mod tests;
