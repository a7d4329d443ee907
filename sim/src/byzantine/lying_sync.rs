//! Lies to nodes that sync: claims blocks that nobody has, and answers questions for blocks with
//! something else.
//!
//! What it answers is drawn per receiver and height: the block with a transaction more, the block
//! with the commit of another one, a commit with too few signatures, "I do not have it", nothing,
//! or, once in a while, the truth.

use std::sync::Arc;

use engine::{
    codec::Frame,
    types::{Block, Bounded, Channel, Commit, CommitSig, Height, Message, PeerId, SyncMessage, Tx},
};

use crate::{
    byzantine::{Filter, Leaving, heard::Heard},
    choice::{Choices, Stream},
};

/// How many blocks it claims to have that it does not have.
const CLAIMED: u64 = 1_000;
/// Tells its draws from those of other behaviours in the same stream.
const ABOUT_SYNC: u64 = 1;

/// A validator that lies about blocks.
#[derive(Debug)]
pub(super) struct LyingSync {
    node: PeerId,
    choices: Choices,
    /// The last true commit it was asked for.
    other: Option<Commit>,
    lied: bool,
}

impl LyingSync {
    pub(super) fn new(node: PeerId, choices: Choices) -> Self {
        Self {
            node,
            choices,
            other: None,
            lied: false,
        }
    }

    /// A number below `n` for what it tells this receiver about this height.
    fn draw(&self, to: PeerId, height: Height, n: u64) -> u64 {
        let coords = [
            u64::from(self.node.0),
            u64::from(to.0),
            height.0,
            ABOUT_SYNC,
        ];
        self.choices.draw(Stream::Byzantine, coords).below(n)
    }

    /// What leaves instead of a message, if anything.
    fn instead(&mut self, to: PeerId, message: &Message) -> Option<Message> {
        match message {
            Message::NewRoundStep {
                height,
                round,
                step,
                seconds_since_start,
                last_commit_round: Some(last),
            } => Some(Message::NewRoundStep {
                height: Height(height.0 + CLAIMED),
                round: *round,
                step: *step,
                seconds_since_start: *seconds_since_start,
                last_commit_round: Some(*last),
            }),
            Message::BlockSync(message) => self.lie(to, message).map(Message::BlockSync),
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::Proposal(_)
            | Message::ProposalPol { .. }
            | Message::BlockPart { .. }
            | Message::Vote(_)
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_) => Some(message.clone()),
        }
    }

    fn lie(&mut self, to: PeerId, message: &SyncMessage) -> Option<SyncMessage> {
        match message {
            SyncMessage::StatusRequest | SyncMessage::BlockRequest { .. } => Some(message.clone()),
            SyncMessage::StatusResponse { height, .. } => Some(SyncMessage::StatusResponse {
                base: Height::FIRST,
                height: Height(height.0 + CLAIMED),
            }),
            SyncMessage::NoBlockResponse { height } => {
                (self.draw(to, *height, 2) == 0).then(|| message.clone())
            }
            SyncMessage::BlockResponse { block, commit } => {
                let height = block.header.height;
                let lie = match self.draw(to, height, 6) {
                    0 => Some(answer(with_transaction(block), (**commit).clone())),
                    1 => Some(answer(Block::clone(block), self.of_other(commit))),
                    2 => Some(answer(Block::clone(block), truncated(commit))),
                    3 => Some(SyncMessage::NoBlockResponse { height }),
                    4 => None,
                    _ => Some(message.clone()),
                };
                self.other = Some((**commit).clone());
                lie
            }
        }
    }

    /// The commit of another block, under this block's height.
    fn of_other(&self, commit: &Commit) -> Commit {
        let other = self.other.clone().unwrap_or_else(|| commit.clone());
        let mut block = other.block;
        block.hash = engine::types::sha256(&block.hash.0);
        Commit {
            height: commit.height,
            block: if other.height == commit.height {
                block
            } else {
                other.block
            },
            ..other
        }
    }
}

fn answer(block: Block, commit: Commit) -> SyncMessage {
    SyncMessage::BlockResponse {
        block: Arc::new(block),
        commit: Box::new(commit),
    }
}

/// The block with one transaction more; its header says nothing of it.
fn with_transaction(block: &Block) -> Block {
    let mut txs: Vec<Tx> = block.txs.to_vec();
    txs.extend(Tx::try_from(b"lie".to_vec()));
    Block {
        txs: Bounded::try_from(txs).unwrap_or_default(),
        ..block.clone()
    }
}

/// The commit without the signatures of the first half.
fn truncated(commit: &Commit) -> Commit {
    let half = commit.signatures.len().div_ceil(2);
    let kept = |(i, entry): (usize, &CommitSig)| if i < half { CommitSig::Absent } else { *entry };
    let signatures: Vec<_> = commit.signatures.iter().enumerate().map(kept).collect();
    Commit {
        signatures: Bounded::try_from(signatures).unwrap_or_default(),
        ..commit.clone()
    }
}

impl Filter for LyingSync {
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        self.lied = false;
        let Ok(contents) = frame.contents() else {
            return vec![frame.into()];
        };
        if !matches!(contents.channel, Channel::State | Channel::BlockSync) {
            return vec![frame.into()];
        }
        let told: Vec<Message> = contents
            .messages
            .iter()
            .filter_map(|message| self.instead(to, message))
            .collect();
        self.lied = *told != *contents.messages;
        if told.is_empty() {
            return Vec::new();
        }
        vec![Frame::encode(contents.channel, told).into()]
    }

    fn count(&mut self) -> Option<&'static str> {
        self.lied.then_some("lying_sync")
    }
}
