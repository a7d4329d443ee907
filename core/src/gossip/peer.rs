//! A peer: what it told us ([`PeerRoundState`]), and what was sent to it lately.

use std::collections::BTreeMap;

use crate::{
    gossip::{PeerRoundState, View},
    types::{BitArray, BlockId, Height, Hrs, Message, PartSetHeader, Round, Span, Time, VoteKind},
};

/// Why a peer's message cannot come from a node that follows the protocol
/// (`ErrPeerStateHeightRegression`, `ErrPeerStateInvalidStartTime` and the sizes of bit arrays).
/// Each holds also on links that lose, repeat and reorder frames: a correct peer never causes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Height, round or step went back within one frame. Frames overtake each other, messages of
    /// one frame do not; between frames what is older is ignored.
    #[error("peer went back from {from} to {to}")]
    HeightRegression {
        /// Where it was.
        from: Hrs,
        /// Where it says it is.
        to: Hrs,
    },
    /// A bit array that does not fit what it speaks of.
    #[error("{got} bits about {expected} items")]
    WrongSize {
        /// Bits in the message.
        got: usize,
        /// Bits expected.
        expected: usize,
    },
    /// A height that began longer ago than any height can last. (In the future it cannot begin:
    /// the message tells the time that has passed.)
    #[error("peer's height began {seconds} seconds ago")]
    InvalidStartTime {
        /// The seconds it says have passed.
        seconds: u64,
    },
}

/// Where a message says that its sender stands.
fn place(message: &Message) -> Option<Hrs> {
    if let Message::NewRoundStep {
        height,
        round,
        step,
        ..
    } = message
    {
        return Some(Hrs {
            height: *height,
            round: *round,
            step: *step,
        });
    }
    None
}

/// Whether the peer's place only goes forward within one frame.
///
/// # Errors
/// [`PeerError::HeightRegression`] at the first step back.
pub(super) fn goes_forward(messages: &[Message]) -> Result<(), PeerError> {
    let mut last: Option<Hrs> = None;
    for to in messages.iter().filter_map(place) {
        if let Some(from) = last.filter(|from| to < *from) {
            return Err(PeerError::HeightRegression { from, to });
        }
        last = Some(to);
    }
    Ok(())
}

/// A peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerState {
    pub(super) round_state: PeerRoundState,
    pub(super) sent: Sent,
}

/// What was handed to the link lately. Not a proof that it arrived, nor that the link had room for
/// it: it only keeps us from repeating ourselves, and is forgotten after
/// [`Config::resend_after`](crate::gossip::Config::resend_after). What a peer *has* is only ever
/// learned from the peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent {
    since: Time,
    pub(super) votes: BTreeMap<(Height, Round, VoteKind), BitArray>,
    proposal: Option<(Height, Round)>,
    parts: Option<(PartSetHeader, BitArray)>,
    /// Majorities claimed, and whether the peer has answered.
    claims: BTreeMap<(Height, Round, VoteKind), bool>,
}

impl PeerState {
    /// What is known of the peer's round.
    #[must_use]
    pub fn round_state(&self) -> &PeerRoundState {
        &self.round_state
    }

    /// Learns from a message of this peer.
    pub(super) fn apply(
        &mut self,
        now: Time,
        message: &Message,
        view: &impl View,
    ) -> Result<(), PeerError> {
        let state = &mut self.round_state;
        match message {
            Message::NewRoundStep {
                seconds_since_start: seconds,
                last_commit_round: last,
                ..
            } => {
                if let Some(to) = place(message) {
                    return state.apply_new_round_step(now, to, *seconds, *last);
                }
            }
            Message::NewValidBlock {
                height,
                round,
                parts,
                have,
                is_commit,
            } => {
                state.apply_new_valid_block((*height, *round), (*parts, have), *is_commit);
            }
            Message::Proposal(proposal) => state.set_has_proposal(proposal),
            Message::ProposalPol {
                height,
                pol_round,
                have,
            } => {
                let size = view.validators(*height);
                return state.apply_proposal_pol((*height, *pol_round), have, size);
            }
            Message::BlockPart {
                height,
                round,
                part,
            } => {
                state.set_has_part((*height, *round), &part.proof);
            }
            Message::Vote(vote) => {
                let size = view.validators(vote.height);
                state.set_has_vote((vote.height, vote.round, vote.kind), vote.index.get(), size);
            }
            Message::HasVote {
                height,
                round,
                kind,
                index,
            } => {
                // Only of its own height; who has which late precommit shows when they are sent.
                if state.height == Some(*height) {
                    let size = view.validators(*height);
                    state.set_has_vote((*height, *round, *kind), index.get(), size);
                }
            }
            Message::VoteSetBits {
                height,
                round,
                kind,
                block,
                have,
            } => {
                return self.answered((*height, *round, *kind), *block, have, view);
            }
            Message::VoteSetMaj23 { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => {}
        }
        Ok(())
    }

    /// The peer says which votes for a block it has.
    fn answered(
        &mut self,
        slot: (Height, Round, VoteKind),
        block: Option<BlockId>,
        have: &BitArray,
        view: &impl View,
    ) -> Result<(), PeerError> {
        // An answer to our claim tells what has not arrived. Unasked it would make us repeat
        // everything as often as a peer likes.
        let asked = self.sent.claims.get_mut(&slot);
        if asked.is_some_and(|answered| !std::mem::replace(answered, true)) {
            self.sent.votes.remove(&slot);
        }
        let ours = view.have_for(slot.0, slot.1, slot.2, block);
        let size = view.validators(slot.0);
        self.round_state.apply_vote_set_bits(slot, have, ours, size)
    }

    /// Notes that a message was handed to the link to this peer.
    pub(super) fn note_sent(&mut self, now: Time, message: &Message) {
        let sent = &mut self.sent;
        if *sent == Sent::default() {
            sent.since = now;
        }
        match message {
            Message::Proposal(proposal) => sent.proposal = Some((proposal.height, proposal.round)),
            Message::Vote(vote) => {
                let slot = (vote.height, vote.round, vote.kind);
                let len = vote.index.get() + 1;
                let bits = sent.votes.entry(slot).or_insert_with(|| BitArray::new(len));
                if bits.len() < len {
                    let mut longer = BitArray::new(len);
                    longer.add_all(bits);
                    *bits = longer;
                }
                bits.set(vote.index.get(), true);
            }
            Message::BlockPart { .. }
            | Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => {}
        }
    }

    /// Forgets what was sent if that is long ago: it may have been lost.
    pub(super) fn expire_sent(&mut self, now: Time, after: Span) {
        if now.since(self.sent.since) >= after {
            self.sent = Sent {
                since: now,
                ..Sent::default()
            };
        }
    }

    /// The votes of `have` that the peer is not known to have and was not sent lately.
    pub(super) fn lacks(&self, slot: (Height, Round, VoteKind), have: &BitArray) -> BitArray {
        let mut lacking = have.clone();
        if let Some(known) = self.round_state.votes(slot) {
            lacking = lacking.minus(known);
        }
        if let Some(sent) = self.sent.votes.get(&slot) {
            lacking = lacking.minus(sent);
        }
        lacking
    }

    /// Whether the peer was sent the proposal of this round lately.
    pub(super) fn was_sent_proposal(&self, at: (Height, Round)) -> bool {
        self.sent.proposal == Some(at)
    }

    /// The parts of `have` that the peer lacks and was not sent lately, if it collects these parts.
    pub(super) fn lacks_parts(&self, header: PartSetHeader, have: &BitArray) -> BitArray {
        let mut lacking = have.clone();
        if self.round_state.parts_header == Some(header)
            && let Some(known) = &self.round_state.parts
        {
            lacking = lacking.minus(known);
        }
        if let Some((sent_header, sent)) = &self.sent.parts
            && *sent_header == header
        {
            lacking = lacking.minus(sent);
        }
        lacking
    }

    /// Notes that parts were handed to the link.
    pub(super) fn note_sent_parts(&mut self, header: PartSetHeader, parts: &BitArray) {
        match &mut self.sent.parts {
            Some((known, bits)) if *known == header => bits.add_all(parts),
            Some(_) | None => self.sent.parts = Some((header, parts.clone())),
        }
    }

    /// Notes a claim of a majority; false if it was made lately.
    pub(super) fn note_claim(&mut self, slot: (Height, Round, VoteKind)) -> bool {
        if self.sent.claims.contains_key(&slot) {
            return false;
        }
        self.sent.claims.insert(slot, false);
        true
    }

    /// Prepares to send a commit of the peer's height, decided in `round` by `validators`
    /// validators.
    pub(super) fn ensure_catchup_commit(&mut self, round: Round, validators: usize) {
        let state = &mut self.round_state;
        if state.catchup_commit_round == Some(round) {
            return;
        }
        state.catchup_commit_round = Some(round);
        let same = state.round == Some(round);
        let known = state.precommits.as_ref().filter(|_| same);
        state.catchup_commit = Some(known.cloned().unwrap_or_else(|| BitArray::new(validators)));
    }
}
