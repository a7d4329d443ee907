//! The votes of all rounds of one height.
//!
//! Votes of rounds up to the one after ours are always taken, also of rounds this node skipped.
//! Beyond it each peer may open two more: one may be the latest round, one the round that committed
//! (Tendermint c1729addc). A round is charged to a peer only after a vote for it has been verified,
//! so garbage cannot use up the allowance, and only while it is ahead of ours, so that a node that
//! falls back again and again can always be told of a later round.
//!
//! A peer that connects again finds its allowance as it left it. What was counted, and written to
//! the log, is never dropped within a height: a replay counts it too. So memory is bounded by the
//! rounds up to ours, two for each connected peer, and [`MAX_LEFT_ROUNDS`] of peers that left,
//! however often they come and go. Peers that stay are not touched by any such flood.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    consensus::votes::{Added, VoteError, VoteSet},
    crypto::Verify,
    types::{
        BlockId, ChainId, Height, PeerId, Round, ValidatorSet, Vote, VoteKind,
        is_more_than_one_third,
    },
};

/// How many rounds ahead of ours one peer may open.
pub const MAX_CATCHUP_ROUNDS: usize = 2;
/// How many rounds ahead of ours may be held by peers that are gone, before peers that were never
/// here at this height may open none.
pub const MAX_LEFT_ROUNDS: usize = 64;

/// Rounds of a height only go forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("round {to} does not follow round {from}")]
pub struct RoundRegression {
    /// The present round.
    pub from: Round,
    /// The round asked for.
    pub to: Round,
}

/// The votes of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundVoteSet {
    /// The prevotes.
    pub prevotes: VoteSet,
    /// The precommits.
    pub precommits: VoteSet,
    /// Power of the validators that voted at all in this round.
    pub(super) power: u64,
}

impl RoundVoteSet {
    fn new(height: Height, round: Round, validators: &Arc<ValidatorSet>) -> Self {
        let set = |kind| VoteSet::new(height, round, kind, Arc::clone(validators));
        Self {
            prevotes: set(VoteKind::Prevote),
            precommits: set(VoteKind::Precommit),
            power: 0,
        }
    }

    /// The votes of one kind.
    #[must_use]
    pub fn of(&self, kind: VoteKind) -> &VoteSet {
        match kind {
            VoteKind::Prevote => &self.prevotes,
            VoteKind::Precommit => &self.precommits,
        }
    }

    fn of_mut(&mut self, kind: VoteKind) -> &mut VoteSet {
        match kind {
            VoteKind::Prevote => &mut self.prevotes,
            VoteKind::Precommit => &mut self.precommits,
        }
    }

    /// Whether validators with more than 1/3 of the power voted in this round: one of them is
    /// correct.
    #[must_use]
    pub fn has_one_third_any(&self) -> bool {
        is_more_than_one_third(self.power, self.prevotes.validators().total_power())
    }

    fn add(
        &mut self,
        verify: &dyn Verify,
        chain: &ChainId,
        vote: &Vote,
    ) -> Result<Added, VoteError> {
        let at = vote.index.get();
        let voted = self.prevotes.have().get(at) || self.precommits.have().get(at);
        let added = self.of_mut(vote.kind).add(verify, chain, vote)?;
        if !voted && let Some(validator) = self.prevotes.validators().get(vote.index) {
            self.power += validator.power;
        }
        Ok(added)
    }
}

/// The votes of all rounds of one height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeightVoteSet {
    chain: ChainId,
    height: Height,
    validators: Arc<ValidatorSet>,
    round: Round,
    rounds: BTreeMap<Round, RoundVoteSet>,
    pub(super) catchup: BTreeMap<PeerId, CatchUp>,
}

/// The rounds ahead of ours that a peer has opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CatchUp {
    pub(super) rounds: Vec<Round>,
    /// Whether the peer's connection is down.
    pub(super) left: bool,
}

impl HeightVoteSet {
    /// No votes, in round 0.
    #[must_use]
    pub fn new(chain: ChainId, height: Height, validators: Arc<ValidatorSet>) -> Self {
        let (rounds, catchup) = (BTreeMap::new(), BTreeMap::new());
        let round = Round::ZERO;
        let mut set = Self {
            chain,
            height,
            validators,
            round,
            rounds,
            catchup,
        };
        set.track_ours();
        set
    }

    /// Forgets everything and begins with another height, in round 0.
    pub fn reset(&mut self, height: Height, validators: Arc<ValidatorSet>) {
        *self = Self::new(self.chain.clone(), height, validators);
    }

    /// The height.
    #[must_use]
    pub fn height(&self) -> Height {
        self.height
    }

    /// The round this node is in.
    #[must_use]
    pub fn round(&self) -> Round {
        self.round
    }

    /// Who may vote at this height.
    #[must_use]
    pub fn validators(&self) -> &Arc<ValidatorSet> {
        &self.validators
    }

    /// Moves to `round`, tracking it and the one after; rounds that were opened before keep their
    /// votes.
    ///
    /// # Errors
    /// If the round is not later than ours. Round 0 may be entered once more: it is where a height
    /// begins.
    pub fn set_round(&mut self, round: Round) -> Result<(), RoundRegression> {
        let (from, to) = (self.round, round);
        if to < from || (to == from && from > Round::ZERO) {
            return Err(RoundRegression { from, to });
        }
        self.round = round;
        self.track_ours();
        let next = round.next();
        self.catchup.retain(|_, opened| {
            opened.rounds.retain(|round| *round > next);
            !opened.rounds.is_empty()
        });
        Ok(())
    }

    fn track_ours(&mut self) {
        for tracked in [self.round, self.round.next()] {
            self.track(tracked);
        }
    }

    /// Tracks a round that is needed for a reason of our own, such as a proposal's proof-of-lock
    /// round.
    pub fn track(&mut self, round: Round) {
        let (height, validators) = (self.height, &self.validators);
        self.rounds
            .entry(round)
            .or_insert_with(|| RoundVoteSet::new(height, round, validators));
    }

    /// The votes of a round, `None` if it is not tracked.
    #[must_use]
    pub fn get(&self, round: Round) -> Option<&RoundVoteSet> {
        self.rounds.get(&round)
    }

    /// The prevotes of a round, `None` if it is not tracked.
    #[must_use]
    pub fn prevotes(&self, round: Round) -> Option<&VoteSet> {
        self.get(round).map(|r| &r.prevotes)
    }

    /// The precommits of a round, `None` if it is not tracked.
    #[must_use]
    pub fn precommits(&self, round: Round) -> Option<&VoteSet> {
        self.get(round).map(|r| &r.precommits)
    }

    /// The tracked rounds, ascending.
    pub fn rounds(&self) -> impl DoubleEndedIterator<Item = (Round, &RoundVoteSet)> {
        self.rounds.iter().map(|(round, votes)| (*round, votes))
    }

    /// The highest round with more than 2/3 of prevotes for one thing, and what for (`POLInfo`).
    #[must_use]
    pub fn pol_info(&self) -> Option<(Round, Option<BlockId>)> {
        self.rounds
            .range(..=self.round)
            .rev()
            .find_map(|(round, votes)| Some((*round, votes.prevotes.majority()?)))
    }

    /// Verifies and counts a vote that came from `peer`, or from this node itself.
    ///
    /// # Errors
    /// Why the vote was not accepted; see [`VoteError`].
    pub fn add(
        &mut self,
        verify: &dyn Verify,
        vote: &Vote,
        peer: Option<PeerId>,
    ) -> Result<Added, VoteError> {
        if vote.height != self.height {
            return Err(VoteError::WrongSlot);
        }
        if let Some(votes) = self.rounds.get_mut(&vote.round) {
            return votes.add(verify, &self.chain, vote);
        }
        // A round nobody opened yet: the vote must prove itself before the round is charged to its
        // peer.
        let round = vote.round;
        let charged = peer.filter(|_| round > self.round.next());
        if let Some(peer) = charged.filter(|peer| !self.may_open(*peer)) {
            return Err(VoteError::TooManyRounds { peer, round });
        }
        let mut votes = RoundVoteSet::new(self.height, round, &self.validators);
        let added = votes.add(verify, &self.chain, vote)?;
        self.rounds.insert(round, votes);
        if let Some(peer) = charged {
            let opened = self.catchup.entry(peer).or_default();
            opened.rounds.push(round);
            opened.left = false;
        }
        Ok(added)
    }

    fn may_open(&self, peer: PeerId) -> bool {
        match self.catchup.get(&peer) {
            Some(opened) => opened.rounds.len() < MAX_CATCHUP_ROUNDS,
            None => self.left_rounds() < MAX_LEFT_ROUNDS,
        }
    }

    /// How many rounds ahead of ours are held by peers that are gone.
    fn left_rounds(&self) -> usize {
        let left = self.catchup.values().filter(|opened| opened.left);
        left.map(|opened| opened.rounds.len()).sum()
    }

    /// How many rounds beyond the one after ours are tracked.
    #[must_use]
    pub fn rounds_ahead(&self) -> usize {
        let next = self.round.next();
        self.rounds.keys().filter(|round| **round > next).count()
    }

    /// A peer's connection is down. Its votes were verified and stay; so does the charge for the
    /// rounds it opened, until they are no longer ahead of ours.
    pub fn remove_peer(&mut self, peer: PeerId) {
        if let Some(opened) = self.catchup.get_mut(&peer) {
            opened.left = true;
        }
    }

    /// A peer's connection is up, perhaps again.
    pub fn add_peer(&mut self, peer: PeerId) {
        if let Some(opened) = self.catchup.get_mut(&peer) {
            opened.left = false;
        }
    }

    /// Notes a peer's claim of a majority; returns whether it is new. For unknown rounds ahead of
    /// ours nothing is noted: a claim proves nothing, so it opens no round.
    ///
    /// # Errors
    /// [`VoteError::ConflictingClaim`] if the peer contradicts itself.
    pub fn set_peer_majority(
        &mut self,
        round: Round,
        kind: VoteKind,
        peer: PeerId,
        block: Option<BlockId>,
    ) -> Result<bool, VoteError> {
        if round <= self.round.next() {
            self.track(round);
        }
        match self.rounds.get_mut(&round) {
            Some(votes) => votes.of_mut(kind).set_peer_majority(peer, block),
            None => Ok(false),
        }
    }
}
