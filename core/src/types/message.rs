//! What nodes say to each other: Tendermint's nine consensus messages on their four channels, and
//! the messages of its mempool, evidence and block sync reactors on one channel each.

use std::{fmt, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::types::{
    BitArray, Block, BlockId, Bounded, Commit, DuplicateVote, Height, Part, PartSetHeader,
    Proposal, Round, Step, Tx, ValidatorIndex, Vote, VoteKind,
};

/// The most messages in one frame.
pub const MAX_FRAME_MESSAGES: usize = 256;
/// The most transactions in one message.
pub const MAX_GOSSIPED_TXS: usize = 256;

/// The channels, with Tendermint's numbers: four of the consensus reactor, one each of the others.
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
    /// Transactions that wait for a block.
    Mempool = 0x30,
    /// Proof of misbehaviour.
    Evidence = 0x38,
    /// Whole blocks for nodes that are far behind.
    BlockSync = 0x40,
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
        /// Whole seconds since the height began, by the sender's clock.
        seconds_since_start: u64,
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
    /// Transactions that the sender's pool holds.
    Txs(Bounded<Tx, MAX_GOSSIPED_TXS>) = 0x30,
    /// Two conflicting votes of one validator.
    Evidence(Box<DuplicateVote>) = 0x38,
    /// A question or an answer of block sync.
    BlockSync(SyncMessage) = 0x40,
}

/// The messages of block sync.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum SyncMessage {
    /// Which blocks does the receiver have?
    StatusRequest = 1,
    /// The sender has the blocks from `base` to `height`; both are 0 if it has none.
    StatusResponse {
        /// The first.
        base: Height,
        /// The last.
        height: Height,
    } = 2,
    /// The sender wants this block.
    BlockRequest {
        /// Its height.
        height: Height,
    } = 3,
    /// A decided block and the precommits that the sender saw for it.
    BlockResponse {
        /// The block.
        block: Arc<Block>,
        /// Its commit.
        commit: Box<Commit>,
    } = 4,
    /// The sender does not have the block it was asked for.
    NoBlockResponse {
        /// Its height.
        height: Height,
    } = 5,
}

impl fmt::Display for SyncMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatusRequest => f.write_str("which blocks?"),
            Self::StatusResponse { base, height } => write!(f, "blocks {base} to {height}"),
            Self::BlockRequest { height } => write!(f, "block {height}?"),
            Self::BlockResponse { block, .. } => write!(f, "block {}", block.header.height),
            Self::NoBlockResponse { height } => write!(f, "no block {height}"),
        }
    }
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
            Self::Txs(_) => Channel::Mempool,
            Self::Evidence(_) => Channel::Evidence,
            Self::BlockSync(_) => Channel::BlockSync,
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
            Self::Txs(_) => "Txs",
            Self::Evidence(_) => "Evidence",
            Self::BlockSync(SyncMessage::StatusRequest) => "StatusRequest",
            Self::BlockSync(SyncMessage::StatusResponse { .. }) => "StatusResponse",
            Self::BlockSync(SyncMessage::BlockRequest { .. }) => "BlockRequest",
            Self::BlockSync(SyncMessage::BlockResponse { .. }) => "BlockResponse",
            Self::BlockSync(SyncMessage::NoBlockResponse { .. }) => "NoBlockResponse",
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
            Self::Txs(txs) => write!(f, "{} transactions", txs.len()),
            Self::Evidence(evidence) => evidence.fmt(f),
            Self::BlockSync(message) => message.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Address, BoundedBytes, Hash, Proof, Signature};

    fn id() -> BlockId {
        let hash = Hash([0xab; 32]);
        let parts = PartSetHeader { total: 3, hash };
        BlockId { hash, parts }
    }

    #[test]
    fn channels_have_tendermints_numbers() {
        let four = [
            Channel::State,
            Channel::Data,
            Channel::Vote,
            Channel::VoteSetBits,
        ];
        assert_eq!(four.map(|channel| channel as u8), [0x20, 0x21, 0x22, 0x23]);
    }

    const HEIGHT: Height = Height(7);
    const ROUND: Round = Round(2);
    const KIND: VoteKind = VoteKind::Precommit;
    const INDEX: ValidatorIndex = ValidatorIndex(3);

    fn bits() -> BitArray {
        [true, false, true].into_iter().collect()
    }

    fn says(message: &Message, words: &str) {
        assert_eq!(message.to_string(), words, "{}", message.name());
    }

    #[test]
    fn every_message_says_in_a_few_words_what_it_is() {
        let signature = Signature([0; 64]);
        let vote = Vote {
            kind: KIND,
            height: HEIGHT,
            round: ROUND,
            block: None,
            index: INDEX,
            address: Address::default(),
            signature,
        };
        says(&Message::Vote(vote), "precommit 7/2 v3 nil");
        let proposal = Proposal {
            height: HEIGHT,
            round: ROUND,
            pol_round: Some(Round(1)),
            block: id(),
            signature,
        };
        says(&Message::Proposal(proposal), "proposal 7/2 abababab pol 1");
        let proof = Proof {
            total: 3,
            index: 0,
            aunts: Bounded::default(),
        };
        let bytes = BoundedBytes::default();
        let part = Message::BlockPart {
            height: HEIGHT,
            round: ROUND,
            part: Arc::new(Part { bytes, proof }),
        };
        says(&part, "part 7/2 1/3");
        let pol = Message::ProposalPol {
            height: HEIGHT,
            pol_round: Round(1),
            have: bits(),
        };
        says(&pol, "pol 7/1 has x_x");
    }

    #[test]
    fn every_hint_says_in_a_few_words_what_it_is() {
        let at = Message::NewRoundStep {
            height: HEIGHT,
            round: ROUND,
            step: Step::Prevote,
            seconds_since_start: 0,
            last_commit_round: None,
        };
        says(&at, "at 7/2/RoundStepPrevote");
        let committed = Message::NewValidBlock {
            height: HEIGHT,
            round: ROUND,
            parts: id().parts,
            have: bits(),
            is_commit: true,
        };
        says(&committed, "committed parts abababab 7/2 has x_x");
        let has = Message::HasVote {
            height: HEIGHT,
            round: ROUND,
            kind: KIND,
            index: INDEX,
        };
        says(&has, "has precommit 7/2 v3");
        let maj23 = Message::VoteSetMaj23 {
            height: HEIGHT,
            round: ROUND,
            kind: KIND,
            block: Some(id()),
        };
        says(&maj23, "maj23 precommit 7/2 abababab");
        let bits = Message::VoteSetBits {
            height: HEIGHT,
            round: ROUND,
            kind: KIND,
            block: None,
            have: bits(),
        };
        says(&bits, "bits precommit 7/2 nil x_x");
    }
}
