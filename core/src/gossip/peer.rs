//! What is known of a peer: Tendermint's `PeerRoundState` with its apply rules, and what was sent
//! to it lately.

use std::{collections::BTreeMap, fmt};

use crate::{
    gossip::View,
    types::{
        BitArray, Height, Hrs, Message, PartSetHeader, Proof, Proposal, Round, Span, Step, Time,
        VoteKind,
    },
};

/// Why a peer's message contradicts what it said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The peer's height, round or step went back.
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
    /// A second, different majority claimed for one set of votes.
    #[error("peer claims two majorities for one set of votes")]
    ConflictingClaim,
}

/// What a peer told us of its round, and what we know it has. "Unknown" is `None`, never a magic
/// number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerRoundState {
    /// Its height.
    pub height: Option<Height>,
    /// Its round.
    pub round: Option<Round>,
    /// Its step.
    pub step: Option<Step>,
    /// How many times it announced this height, round and step.
    pub announced: u32,
    /// Whether it has the proposal of its round.
    pub proposal: bool,
    /// The parts it collects.
    pub parts_header: Option<PartSetHeader>,
    /// Which of them it has.
    pub parts: Option<BitArray>,
    /// The proof-of-lock round of its proposal.
    pub pol_round: Option<Round>,
    /// Which prevotes of that round it has.
    pub pol: Option<BitArray>,
    /// Which prevotes of its round it has.
    pub prevotes: Option<BitArray>,
    /// Which precommits of its round it has.
    pub precommits: Option<BitArray>,
    /// The round that committed the height before its own.
    pub last_commit_round: Option<Round>,
    /// Which precommits of that round it has.
    pub last_commit: Option<BitArray>,
    /// The round of the commit that we send it to catch up.
    pub catchup_commit_round: Option<Round>,
    /// Which precommits of that round it has.
    pub catchup_commit: Option<BitArray>,
}

/// A peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerState {
    round_state: PeerRoundState,
    sent: Sent,
}

/// What was handed to the link lately. Not a proof that it arrived: it only keeps us from repeating
/// ourselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent {
    since: Time,
    votes: BTreeMap<(Height, Round, VoteKind), BitArray>,
    proposal: Option<(Height, Round)>,
    parts: Option<(PartSetHeader, BitArray)>,
    claims: Vec<(Height, Round, VoteKind)>,
}

impl PeerState {
    /// What is known of the peer's round.
    #[must_use]
    pub fn round_state(&self) -> &PeerRoundState {
        &self.round_state
    }

    /// Learns from a message of this peer.
    pub(super) fn apply(&mut self, message: &Message, view: &impl View) -> Result<(), PeerError> {
        let state = &mut self.round_state;
        match message {
            Message::NewRoundStep {
                height,
                round,
                step,
                last_commit_round,
                ..
            } => {
                let to = Hrs {
                    height: *height,
                    round: *round,
                    step: *step,
                };
                return state.apply_new_round_step(to, *last_commit_round);
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
                let size = view.validators(*height);
                state.set_has_vote((*height, *round, *kind), index.get(), size);
            }
            Message::VoteSetBits {
                height,
                round,
                kind,
                block,
                have,
            } => {
                let slot = (*height, *round, *kind);
                let ours = view.have_for(slot.0, slot.1, slot.2, *block);
                self.sent.votes.remove(&slot);
                return state.apply_vote_set_bits(slot, have, ours, view.validators(*height));
            }
            Message::VoteSetMaj23 { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => {}
        }
        Ok(())
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
        let new = !self.sent.claims.contains(&slot);
        if new {
            self.sent.claims.push(slot);
        }
        new
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

impl PeerRoundState {
    /// Whether the peer stands at this height and round.
    #[must_use]
    pub fn is_at(&self, height: Height, round: Round) -> bool {
        self.height == Some(height) && self.round == Some(round)
    }

    /// The votes of a slot that the peer is known to have, if we keep track of that slot.
    #[must_use]
    pub fn votes(&self, (height, round, kind): (Height, Round, VoteKind)) -> Option<&BitArray> {
        let prevote = kind == VoteKind::Prevote;
        if self.height == Some(height) {
            if self.round == Some(round) {
                return if prevote {
                    self.prevotes.as_ref()
                } else {
                    self.precommits.as_ref()
                };
            }
            if self.catchup_commit_round == Some(round) && !prevote {
                return self.catchup_commit.as_ref();
            }
            if self.pol_round == Some(round) && prevote {
                return self.pol.as_ref();
            }
        }
        let last = self.height == Some(height.next()) && self.last_commit_round == Some(round);
        if last && !prevote {
            self.last_commit.as_ref()
        } else {
            None
        }
    }

    fn votes_mut(
        &mut self,
        (height, round, kind): (Height, Round, VoteKind),
        len: usize,
    ) -> Option<&mut BitArray> {
        let prevote = kind == VoteKind::Prevote;
        let slot = if self.height == Some(height) {
            if self.round == Some(round) {
                if prevote {
                    &mut self.prevotes
                } else {
                    &mut self.precommits
                }
            } else if self.catchup_commit_round == Some(round) && !prevote {
                &mut self.catchup_commit
            } else if self.pol_round == Some(round) && prevote {
                &mut self.pol
            } else {
                return None;
            }
        } else if self.height == Some(height.next())
            && self.last_commit_round == Some(round)
            && !prevote
        {
            &mut self.last_commit
        } else {
            return None;
        };
        Some(slot.get_or_insert_with(|| BitArray::new(len)))
    }

    fn apply_new_round_step(
        &mut self,
        to: Hrs,
        last_commit_round: Option<Round>,
    ) -> Result<(), PeerError> {
        let Hrs {
            height,
            round,
            step,
        } = to;
        if let (Some(h), Some(r), Some(s)) = (self.height, self.round, self.step) {
            let from = Hrs {
                height: h,
                round: r,
                step: s,
            };
            if to < from {
                return Err(PeerError::HeightRegression { from, to });
            }
            if to == from {
                self.announced = self.announced.saturating_add(1);
                return Ok(());
            }
        }
        let before = std::mem::take(self);
        let same_height = before.height == Some(height);
        if same_height && before.round == Some(round) {
            *self = Self {
                step: Some(step),
                announced: 0,
                ..before
            };
            return Ok(());
        }
        let reached = before.catchup_commit_round == Some(round);
        let next_height = before.height.map(Height::next) == Some(height);
        let committed_there = next_height && before.round == last_commit_round;
        *self = Self {
            height: Some(height),
            round: Some(round),
            step: Some(step),
            last_commit_round: if same_height {
                before.last_commit_round
            } else {
                last_commit_round
            },
            // Saved before the reset: Tendermint lost it (#9760).
            last_commit: if same_height {
                before.last_commit
            } else {
                before.precommits.filter(|_| committed_there)
            },
            precommits: before
                .catchup_commit
                .clone()
                .filter(|_| same_height && reached),
            catchup_commit_round: before.catchup_commit_round.filter(|_| same_height),
            catchup_commit: before.catchup_commit.filter(|_| same_height),
            ..Self::default()
        };
        Ok(())
    }

    /// Said by the peer itself, so it replaces what we believed.
    fn apply_new_valid_block(
        &mut self,
        (height, round): (Height, Round),
        (parts, have): (PartSetHeader, &BitArray),
        is_commit: bool,
    ) {
        if self.height == Some(height) && (self.round == Some(round) || is_commit) {
            self.parts_header = Some(parts);
            self.parts = Some(have.clone());
        }
    }

    fn apply_proposal_pol(
        &mut self,
        (height, pol_round): (Height, Round),
        have: &BitArray,
        validators: usize,
    ) -> Result<(), PeerError> {
        if self.height == Some(height) && self.pol_round == Some(pol_round) {
            expect_size(have, validators)?;
            self.pol = Some(have.clone());
        }
        Ok(())
    }

    fn set_has_proposal(&mut self, proposal: &Proposal) {
        if !self.is_at(proposal.height, proposal.round) || self.proposal {
            return;
        }
        self.proposal = true;
        self.pol_round = self.pol_round.or(proposal.pol_round);
        if self.parts_header.is_none() {
            let parts = proposal.block.parts;
            self.parts_header = Some(parts);
            self.parts = Some(BitArray::new(parts.total as usize));
        }
    }

    fn set_has_part(&mut self, at: (Height, Round), proof: &Proof) {
        if self.is_at(at.0, at.1)
            && let Some(parts) = self.parts.as_mut()
            && parts.len() == proof.total as usize
        {
            parts.set(proof.index as usize, true);
        }
    }

    fn set_has_vote(&mut self, slot: (Height, Round, VoteKind), index: usize, validators: usize) {
        if let Some(bits) = self.votes_mut(slot, validators) {
            bits.set(index, true);
        }
    }

    fn apply_vote_set_bits(
        &mut self,
        slot: (Height, Round, VoteKind),
        have: &BitArray,
        ours: Option<&BitArray>,
        validators: usize,
    ) -> Result<(), PeerError> {
        let Some(known) = self.votes_mut(slot, validators) else {
            return Ok(());
        };
        expect_size(have, known.len())?;
        match ours {
            // What we have for this block is exactly what the peer answers about.
            Some(ours) => {
                let mut merged = known.minus(ours);
                merged.add_all(have);
                *known = merged;
            }
            None => *known = have.clone(),
        }
        Ok(())
    }
}

fn expect_size(bits: &BitArray, expected: usize) -> Result<(), PeerError> {
    let got = bits.len();
    if got == expected {
        Ok(())
    } else {
        Err(PeerError::WrongSize { got, expected })
    }
}

impl fmt::Display for PeerRoundState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(height), Some(round), Some(step)) = (self.height, self.round, self.step) else {
            return f.write_str("unknown");
        };
        write!(
            f,
            "{}",
            Hrs {
                height,
                round,
                step
            }
        )?;
        let bits = |b: &Option<BitArray>| {
            b.as_ref()
                .map_or_else(|| "?".to_owned(), BitArray::to_string)
        };
        write!(
            f,
            " prevotes {} precommits {}",
            bits(&self.prevotes),
            bits(&self.precommits)
        )
    }
}
