//! The bounds every message must keep, checked before it reaches a machine (`ValidateBasic` of
//! CometBFT).
//!
//! Signs, lengths and tags are already excluded by the types; what is left are relations between
//! fields.

use crate::types::{
    BitArray, BlockId, Height, MAX_PARTS, Message, Part, PartSetHeader, Proposal, Round, Vote,
};

/// A message that contradicts itself or exceeds a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid {message}: {what}")]
pub struct Invalid {
    /// The message's name.
    pub message: &'static str,
    /// What is wrong.
    pub what: &'static str,
}

/// Checks a message's bounds.
///
/// # Errors
/// The first bound that is broken.
pub fn validate(message: &Message) -> Result<(), Invalid> {
    let checked = match message {
        Message::NewRoundStep {
            height,
            last_commit_round,
            ..
        } => new_round_step(*height, *last_commit_round),
        Message::NewValidBlock {
            height,
            parts,
            have,
            ..
        } => new_valid_block(*height, *parts, have),
        Message::Proposal(proposal) => proposal_bounds(proposal),
        Message::ProposalPol { height, have, .. } => {
            exists(*height).and_then(|()| ensure(!have.is_empty(), "no bits"))
        }
        Message::BlockPart { height, part, .. } => exists(*height).and_then(|()| part_bounds(part)),
        Message::Vote(vote) => vote_bounds(vote),
        Message::HasVote { height, .. } => exists(*height),
        Message::VoteSetMaj23 { height, block, .. }
        | Message::VoteSetBits { height, block, .. } => {
            exists(*height).and_then(|()| block_bounds(block.as_ref()))
        }
    };
    checked.map_err(|what| Invalid {
        message: message.name(),
        what,
    })
}

type Checked = Result<(), &'static str>;

fn ensure(holds: bool, what: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(what) }
}

fn exists(height: Height) -> Checked {
    ensure(height >= Height::FIRST, "heights start at 1")
}

fn new_round_step(height: Height, last_commit_round: Option<Round>) -> Checked {
    exists(height)?;
    ensure(
        (height == Height::FIRST) == last_commit_round.is_none(),
        "the first height, and only it, has no commit before it",
    )
}

fn new_valid_block(height: Height, parts: PartSetHeader, have: &BitArray) -> Checked {
    exists(height)?;
    parts_bounds(parts)?;
    ensure(
        have.len() == parts.total as usize,
        "as many bits as parts are needed",
    )
}

fn parts_bounds(parts: PartSetHeader) -> Checked {
    ensure(parts.total >= 1, "a block has at least one part")?;
    ensure(
        parts.total <= MAX_PARTS,
        "more parts than the largest block has",
    )
}

fn block_bounds(block: Option<&BlockId>) -> Checked {
    block.map_or(Ok(()), |id| parts_bounds(id.parts))
}

fn proposal_bounds(proposal: &Proposal) -> Checked {
    exists(proposal.height)?;
    block_bounds(Some(&proposal.block))?;
    let pol_before = proposal.pol_round.is_none_or(|pol| pol < proposal.round);
    ensure(
        pol_before,
        "the proof-of-lock round must lie before the round",
    )
}

fn part_bounds(part: &Part) -> Checked {
    let proof = &part.proof;
    ensure(
        proof.total >= 1 && proof.total <= MAX_PARTS,
        "impossible number of parts",
    )?;
    ensure(proof.index < proof.total, "index beyond the last part")?;
    ensure(!part.bytes.is_empty(), "empty part")
}

fn vote_bounds(vote: &Vote) -> Checked {
    exists(vote.height)?;
    block_bounds(vote.block.as_ref())
}
