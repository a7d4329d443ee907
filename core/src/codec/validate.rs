//! The bounds every message must keep, checked before it reaches a machine (`ValidateBasic` of
//! CometBFT).
//!
//! Signs, lengths and tags are already excluded by the types; what is left are relations between
//! fields.

use crate::types::{
    BitArray, BlockId, DuplicateVote, Height, MAX_PARTS, Message, Part, PartSetHeader, Proposal,
    Round, SyncMessage, Vote,
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
        Message::Txs(txs) => ensure(!txs.is_empty(), "no transactions"),
        Message::Evidence(evidence) => evidence_bounds(evidence),
        Message::BlockSync(message) => sync_bounds(message),
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

fn evidence_bounds(evidence: &DuplicateVote) -> Checked {
    vote_bounds(&evidence.first)?;
    vote_bounds(&evidence.second)?;
    ensure(
        evidence.contradicts(),
        "the votes do not contradict each other in order",
    )
}

fn sync_bounds(message: &SyncMessage) -> Checked {
    match message {
        SyncMessage::StatusRequest => Ok(()),
        SyncMessage::StatusResponse { base, height } => {
            let none = *base == Height::ZERO && *height == Height::ZERO;
            let some = *base >= Height::FIRST && base <= height;
            ensure(none || some, "impossible range of blocks")
        }
        SyncMessage::BlockRequest { height } | SyncMessage::NoBlockResponse { height } => {
            exists(*height)
        }
        SyncMessage::BlockResponse { block, commit } => {
            exists(block.header.height)?;
            ensure(
                block.header.height == commit.height,
                "the commit is of another height",
            )
        }
    }
}

fn vote_bounds(vote: &Vote) -> Checked {
    exists(vote.height)?;
    block_bounds(vote.block.as_ref())
}
