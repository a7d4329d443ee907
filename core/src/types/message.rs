//! What nodes say to each other: Tendermint's nine consensus messages and the four channels they
//! travel on.

use std::{fmt, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::types::{
    BitArray, BlockId, Height, Part, PartSetHeader, Proposal, Round, Step, ValidatorIndex, Vote,
    VoteKind,
};

/// The most messages in one frame.
pub const MAX_FRAME_MESSAGES: usize = 256;

/// The four channels of the consensus reactor, with Tendermint's numbers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Channel {
    /// Hints about a node's own state.
    State = 0x20,
    /// Proposals and block parts.
    Data = 0x21,
    /// Votes.
    Vote = 0x22,
    /// Answers to majority queries.
    VoteSetBits = 0x23,
}

/// A consensus message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Message {
    /// Where the sender stands.
    NewRoundStep {
        /// Its height.
        height: Height,
        /// Its round.
        round: Round,
        /// Its step.
        step: Step,
        /// The round that committed the height before; `None` at the first height.
        last_commit_round: Option<Round>,
    } = 0x01,
    /// The sender knows that more than 2/3 voted for a block, and says which of its parts it has.
    NewValidBlock {
        /// Its height.
        height: Height,
        /// Its round.
        round: Round,
        /// The block's parts.
        parts: PartSetHeader,
        /// Which of them it has.
        have: BitArray,
        /// Whether the 2/3 are precommits (`CommitStep` of Tendermint v0.10).
        is_commit: bool,
    } = 0x02,
    /// A proposal.
    Proposal(Proposal) = 0x11,
    /// Which prevotes of a proposal's proof-of-lock round the sender has.
    ProposalPol {
        /// The height.
        height: Height,
        /// The proof-of-lock round.
        pol_round: Round,
        /// The prevotes it has.
        have: BitArray,
    } = 0x12,
    /// A part of a proposed or decided block.
    BlockPart {
        /// The height.
        height: Height,
        /// The sender's round.
        round: Round,
        /// The part.
        part: Arc<Part>,
    } = 0x13,
    /// A vote.
    Vote(Vote) = 0x14,
    /// The sender has a certain vote.
    HasVote {
        /// The vote's height.
        height: Height,
        /// The vote's round.
        round: Round,
        /// The vote's kind.
        kind: VoteKind,
        /// The voter.
        index: ValidatorIndex,
    } = 0x15,
    /// The sender has seen more than 2/3 vote for a block; asks which of these votes the receiver
    /// has.
    VoteSetMaj23 {
        /// The height.
        height: Height,
        /// The round.
        round: Round,
        /// The kind of votes.
        kind: VoteKind,
        /// The majority's choice; `None` is nil.
        block: Option<BlockId>,
    } = 0x16,
    /// Which votes for a block the sender has.
    VoteSetBits {
        /// The height.
        height: Height,
        /// The round.
        round: Round,
        /// The kind of votes.
        kind: VoteKind,
        /// The block voted for; `None` is nil.
        block: Option<BlockId>,
        /// The votes it has.
        have: BitArray,
    } = 0x17,
}

impl Message {
    /// The only channel on which this message may travel.
    #[must_use]
    pub fn channel(&self) -> Channel {
        match self {
            Self::NewRoundStep { .. }
            | Self::NewValidBlock { .. }
            | Self::HasVote { .. }
            | Self::VoteSetMaj23 { .. } => Channel::State,
            Self::Proposal(_) | Self::ProposalPol { .. } | Self::BlockPart { .. } => Channel::Data,
            Self::Vote(_) => Channel::Vote,
            Self::VoteSetBits { .. } => Channel::VoteSetBits,
        }
    }

    /// The message's name in the protocol.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NewRoundStep { .. } => "NewRoundStep",
            Self::NewValidBlock { .. } => "NewValidBlock",
            Self::Proposal(_) => "Proposal",
            Self::ProposalPol { .. } => "ProposalPOL",
            Self::BlockPart { .. } => "BlockPart",
            Self::Vote(_) => "Vote",
            Self::HasVote { .. } => "HasVote",
            Self::VoteSetMaj23 { .. } => "VoteSetMaj23",
            Self::VoteSetBits { .. } => "VoteSetBits",
        }
    }
}

fn choice(block: &Option<BlockId>) -> String {
    block.map_or_else(|| "nil".to_owned(), |b| b.to_string())
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewRoundStep {
                height,
                round,
                step,
                ..
            } => {
                write!(f, "at {height}/{round}/{step}")
            }
            Self::NewValidBlock {
                height,
                round,
                parts,
                have,
                is_commit,
            } => {
                let what = if *is_commit { "committed" } else { "valid" };
                write!(f, "{what} parts {} {height}/{round} has {have}", parts.hash)
            }
            Self::Proposal(p) => p.fmt(f),
            Self::ProposalPol {
                height,
                pol_round,
                have,
            } => {
                write!(f, "pol {height}/{pol_round} has {have}")
            }
            Self::BlockPart {
                height,
                round,
                part,
            } => {
                let (index, total) = (part.proof.index, part.proof.total);
                write!(f, "part {height}/{round} {}/{total}", u64::from(index) + 1)
            }
            Self::Vote(v) => v.fmt(f),
            Self::HasVote {
                height,
                round,
                kind,
                index,
            } => {
                write!(f, "has {kind} {height}/{round} v{}", index.0)
            }
            Self::VoteSetMaj23 {
                height,
                round,
                kind,
                block,
            } => {
                write!(f, "maj23 {kind} {height}/{round} {}", choice(block))
            }
            Self::VoteSetBits {
                height,
                round,
                kind,
                block,
                have,
            } => {
                write!(f, "bits {kind} {height}/{round} {} {have}", choice(block))
            }
        }
    }
}
