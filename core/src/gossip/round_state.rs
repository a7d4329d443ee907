//! What is known of a peer's round: Tendermint's `PeerRoundState` with its apply rules.
//!
//! Everything here comes from the peer itself, so a lie harms only the liar: it decides what is
//! sent to it, and nothing else.

use crate::{
    gossip::PeerError,
    types::{
        BitArray, Height, Hrs, PartSetHeader, Proof, Proposal, Round, Span, Step, Time, VoteKind,
    },
};

/// No height lasts longer, in seconds: a century. A peer that says so has no sane clock.
pub(super) const MAX_HEIGHT_SECONDS: u64 = 100 * 366 * 24 * 3_600;

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
    /// When its height began, by our clock and to the second it told; `StartTime`.
    pub start_time: Option<Time>,
    /// How many times it announced this height, round and step again.
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

impl PeerRoundState {
    /// Where the peer stands, `None` as long as it has not said.
    #[must_use]
    pub fn hrs(&self) -> Option<Hrs> {
        Some(Hrs {
            height: self.height?,
            round: self.round?,
            step: self.step?,
        })
    }

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

    /// The same, to learn of a vote: allocated at first (`EnsureVoteBitArrays`), unless the number
    /// of validators is not known here (`len` is 0).
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
        if slot.is_none() && len > 0 {
            *slot = Some(BitArray::new(len));
        }
        slot.as_mut()
    }

    /// `NewRoundStep`. What is not newer is ignored, for links reorder and repeat; the same again
    /// is counted.
    pub(super) fn apply_new_round_step(
        &mut self,
        now: Time,
        to: Hrs,
        seconds_since_start: u64,
        last_commit_round: Option<Round>,
    ) -> Result<(), PeerError> {
        if seconds_since_start > MAX_HEIGHT_SECONDS {
            let seconds = seconds_since_start;
            return Err(PeerError::InvalidStartTime { seconds });
        }
        if let Some(from) = self.hrs()
            && to <= from
        {
            self.announced = self.announced.saturating_add(u32::from(to == from));
            return Ok(());
        }
        let elapsed = Span::millis(1_000).times(seconds_since_start);
        let start_time = Some(Time(now.0.saturating_sub(elapsed.0)));
        let Hrs {
            height,
            round,
            step,
        } = to;
        let before = std::mem::take(self);
        let same_height = before.height == Some(height);
        if same_height && before.round == Some(round) {
            *self = Self {
                step: Some(step),
                start_time,
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
            start_time,
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
    pub(super) fn apply_new_valid_block(
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

    pub(super) fn apply_proposal_pol(
        &mut self,
        (height, pol_round): (Height, Round),
        have: &BitArray,
        validators: usize,
    ) -> Result<(), PeerError> {
        if self.height == Some(height) && self.pol_round == Some(pol_round) {
            // Where we do not know the validators, nothing can be wrong, and nothing is learned.
            if validators > 0 {
                expect_size(have, validators)?;
                self.pol = Some(have.clone());
            }
        }
        Ok(())
    }

    pub(super) fn set_has_proposal(&mut self, proposal: &Proposal) {
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

    pub(super) fn set_has_part(&mut self, at: (Height, Round), proof: &Proof) {
        if self.is_at(at.0, at.1)
            && let Some(parts) = self.parts.as_mut()
            && parts.len() == proof.total as usize
        {
            parts.set(proof.index as usize, true);
        }
    }

    pub(super) fn set_has_vote(
        &mut self,
        slot: (Height, Round, VoteKind),
        index: usize,
        validators: usize,
    ) {
        if let Some(bits) = self.votes_mut(slot, validators) {
            bits.set(index, true);
        }
    }

    pub(super) fn apply_vote_set_bits(
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
