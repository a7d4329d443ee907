//! The consensus machine: "The latest gossip on BFT consensus" (arXiv 1807.04938), one height after
//! the other.
//!
//! Pure and infallible. It takes proposals, block parts, votes and timeouts, and appends
//! [`Action`]s to a list; `node` carries them out. It signs nothing, stores nothing and knows no
//! peers' states. `rules` has one small function for each upon-rule of the paper, named by its
//! line; `docs/PROTOCOL.md` maps rules to functions, tests and oracles.
//!
//! Two deliberate differences from the paper's text, both of Tendermint: a round's block is
//! recognised by its id in a polka or commit even if the round's proposal message was lost (more
//! than 1/3 correct validators saw it), and a node that knows a commit but not the block waits for
//! the block in step `Commit` instead of going on with rounds.

mod blocks;
mod intake;
mod round_state;
mod rules;
mod ticker;
mod votes;

use std::{collections::BTreeMap, sync::Arc};

pub use blocks::Candidate;
pub use round_state::{
    BlockSummary, Member, Members, Parts, Proposed, RoundState, RoundStateEvent, RoundVotes, Votes,
};
pub use ticker::{EmptyBlocks, Ticker, Timeouts};
pub use votes::{
    Added, HeightVoteSet, MAX_CATCHUP_ROUNDS, MAX_LEFT_ROUNDS, RoundRegression, RoundVoteSet,
    VoteError, VoteSet,
};

use crate::{
    consensus::blocks::Candidates,
    crypto::Verify,
    ledger::State,
    types::{
        Address, Block, BlockId, Commit, DuplicateVote, Height, Hrs, PartError, PartSet,
        PartSetHeader, PeerId, Proposal, Round, Span, Step, Time, ValidatorIndex, ValidatorSet,
        VoteKind,
    },
};

/// What the machine wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Build (or, with a valid value, take up again), sign and broadcast a proposal for this round
    /// (L14 to L19).
    Propose {
        /// The height.
        height: Height,
        /// The round.
        round: Round,
        /// `validRound` and `validValue`, if there is one.
        valid: Option<(Round, BlockId)>,
    },
    /// Sign and broadcast a vote.
    Vote {
        /// Prevote or precommit.
        kind: VoteKind,
        /// The height.
        height: Height,
        /// The round.
        round: Round,
        /// The block; `None` is nil.
        block: Option<BlockId>,
    },
    /// Wake the machine at this local time; replaces an earlier wish.
    Wake(Time),
    /// The height is decided. Make it durable, then call [`Consensus::advance`].
    Decide(Box<Decision>),
    /// Something peers or observers should know.
    Notice(Notice),
    /// The machine cannot go on: more than 1/3 of the power must be faulty.
    Halt(String),
}

/// A decided height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The round whose precommits decided.
    pub round: Round,
    /// The decided block's id.
    pub id: BlockId,
    /// The decided block.
    pub block: Arc<Block>,
    /// Its parts.
    pub parts: PartSet,
    /// The precommits seen for it.
    pub commit: Commit,
}

/// What happened inside, for peers and observers (Tendermint's consensus events).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Height, round or step changed.
    NewRoundStep(Hrs),
    /// A vote was counted.
    Vote {
        /// The vote's height.
        height: Height,
        /// Its round.
        round: Round,
        /// Its kind.
        kind: VoteKind,
        /// The voter.
        index: ValidatorIndex,
    },
    /// No complete proposal came in time.
    TimeoutPropose(Hrs),
    /// Waiting for more votes ended.
    TimeoutWait(Hrs),
    /// The proposal of the round and its block are complete.
    CompleteProposal(BlockId),
    /// More than 2/3 prevoted a block, or nil.
    Polka(Round, Option<BlockId>),
    /// `lockedValue` changed.
    Lock(Round, BlockId),
    /// The locked block was locked again in a later round.
    Relock(Round, BlockId),
    /// More than 2/3 voted for this block: peers should know which parts are here.
    ValidBlock {
        /// The block.
        block: BlockId,
        /// Whether the votes are precommits.
        is_commit: bool,
    },
    /// A validator signed two conflicting votes.
    Evidence(Box<DuplicateVote>),
}

/// Why an input had no effect although it was well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A proposal that the round's proposer did not sign.
    #[error("proposal not signed by the proposer of its round")]
    ProposalSignature,
    /// A second, different proposal for a round.
    #[error("another proposal for the same round")]
    ProposalConflict,
    /// A block part that fits no block.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A vote that does not count.
    #[error(transparent)]
    Vote(#[from] VoteError),
}

/// What an input needs besides the machine itself.
#[derive(Debug)]
pub struct Context<'a> {
    /// Local time.
    pub now: Time,
    /// Verifies signatures.
    pub verify: &'a dyn Verify,
    /// Receives what must be done.
    pub out: &'a mut Vec<Action>,
}

/// The state of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consensus {
    timeouts: Timeouts,
    /// Who this node votes as; `None` for an observer.
    address: Option<Address>,
    chain: State,
    at: Hrs,
    /// When the wait for late precommits of the last height ends.
    start_time: Time,
    /// When a commit was last seen, of this height or the last.
    commit_time: Option<Time>,
    /// The height's validators, in their turn for round 0.
    validators: Arc<ValidatorSet>,
    /// The same, advanced to the current round.
    turn: ValidatorSet,
    proposals: BTreeMap<Round, Proposal>,
    blocks: Candidates,
    locked: Option<(Round, BlockId)>,
    valid: Option<(Round, BlockId)>,
    votes: HeightVoteSet,
    last_commit: Option<VoteSet>,
    /// The round whose precommits decide, once there is one.
    commit_round: Option<Round>,
    /// Whether [`Consensus::start`] was called at this height.
    begun: bool,
    decided: bool,
    /// L47 fires once per round.
    precommit_timeout_set: bool,
    /// The last block changed the application: the next header proves its hash, so the height is
    /// decided without transactions, too (`needProofBlock`).
    proof_due: bool,
    /// Transactions wait to be proposed.
    txs_available: bool,
    ticker: Ticker,
}

impl Consensus {
    /// A machine about to decide the height after `chain`. `seen` is the commit of the last block,
    /// `None` at the start. Call [`Consensus::start`] next.
    ///
    /// # Panics
    /// If `seen` is not a commit of the chain's last block.
    #[must_use]
    pub fn new(
        timeouts: Timeouts,
        address: Option<Address>,
        chain: State,
        seen: Option<VoteSet>,
    ) -> Self {
        let last = seen.as_ref().and_then(VoteSet::majority).flatten();
        assert_eq!(
            last, chain.last_block,
            "the commit must be that of the last block"
        );
        let height = chain.height.next();
        let validators = Arc::new(chain.validators.clone());
        let proof_due = chain.last_block.is_none();
        Self {
            timeouts,
            address,
            at: Hrs {
                height,
                round: Round::ZERO,
                step: Step::NewHeight,
            },
            start_time: Time::default(),
            commit_time: None,
            turn: chain.validators.clone(),
            proposals: BTreeMap::new(),
            blocks: Candidates::default(),
            locked: None,
            valid: None,
            votes: HeightVoteSet::new(chain.chain.clone(), height, Arc::clone(&validators)),
            validators,
            chain,
            last_commit: seen,
            commit_round: None,
            begun: false,
            decided: false,
            precommit_timeout_set: false,
            proof_due,
            txs_available: false,
            ticker: Ticker::default(),
        }
    }

    /// After a restart: the last applied block, on which depends whether an empty one must follow.
    pub fn set_last_block(&mut self, last: &Block) {
        self.proof_due = last.header.app_hash != self.chain.app_hash;
    }

    /// Begins the height: waits `wait` for late precommits of the last one, then starts round 0.
    ///
    /// # Panics
    /// If the height has begun before.
    pub fn start(&mut self, cx: &mut Context<'_>, wait: Span) {
        assert!(!self.begun, "a height begins once");
        self.begun = true;
        self.start_time = cx.now.after(wait);
        self.notice_step(cx);
        let all = self.last_commit.as_ref().is_some_and(VoteSet::has_all);
        if self.timeouts.skip_commit && all {
            self.begin(cx);
            self.apply_rules(cx);
        } else {
            self.schedule(cx, Step::NewHeight, wait);
            self.apply_rules(cx);
        }
    }

    /// Moves to the next height after its decision has been made durable and applied; `chain` is
    /// the state after it.
    ///
    /// # Panics
    /// If the height is not decided, or `chain` is not the state after it.
    pub fn advance(&mut self, cx: &mut Context<'_>, chain: State) {
        assert!(self.decided, "only a decided height is left");
        assert_eq!(
            chain.height, self.at.height,
            "the state must be that after the decided height"
        );
        let round = self.commit_round;
        let precommits = round.and_then(|r| self.votes.precommits(r)).cloned();
        let decided = round.and_then(|r| self.votes.precommits(r)?.majority()?);
        let block = decided.and_then(|id| self.blocks.get(id)?.block().cloned());
        let (ticker, commit_time) = (self.ticker.clone(), self.commit_time);
        let wait = self.timeouts.commit;
        *self = Self::new(self.timeouts.clone(), self.address, chain, precommits);
        (self.ticker, self.commit_time) = (ticker, commit_time);
        if let Some(block) = block {
            self.set_last_block(&block);
        }
        self.start(cx, wait);
    }

    /// Goes to the height after `chain`, whose last block was decided by others (Tendermint's
    /// `updateToState` with a `LastCommit` rebuilt from `seen`). Whatever was locked or valid
    /// belonged to a decided height. Call [`Consensus::start`] when the height shall begin.
    ///
    /// # Panics
    /// If `chain` is not the state after this height, or `seen` is not its commit.
    pub fn adopt(&mut self, cx: &mut Context<'_>, chain: State, seen: VoteSet) {
        assert_eq!(
            chain.height, self.at.height,
            "blocks are adopted one after the other"
        );
        let ticker = self.ticker.clone();
        *self = Self::new(self.timeouts.clone(), self.address, chain, Some(seen));
        self.ticker = ticker;
        self.notice_step(cx);
    }

    /// Whether this height has begun; not yet if it was adopted.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// How long the steps wait.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Where the machine stands.
    #[must_use]
    pub fn at(&self) -> Hrs {
        self.at
    }

    /// The chain before this height.
    #[must_use]
    pub fn chain(&self) -> &State {
        &self.chain
    }

    /// The validators of this height.
    #[must_use]
    pub fn validators(&self) -> &Arc<ValidatorSet> {
        &self.validators
    }

    /// The proposer of the current round.
    #[must_use]
    pub fn proposer(&self) -> ValidatorIndex {
        self.turn.proposer()
    }

    /// This node's place among the validators, `None` if it is not one of them.
    #[must_use]
    pub fn index(&self) -> Option<ValidatorIndex> {
        self.validators.index_of(&self.address?)
    }

    /// Votes as another validator from now on, or as none.
    pub fn set_address(&mut self, address: Option<Address>) {
        self.address = address;
    }

    /// `lockedRound` and `lockedValue`.
    #[must_use]
    pub fn locked(&self) -> Option<(Round, BlockId)> {
        self.locked
    }

    /// `validRound` and `validValue`.
    #[must_use]
    pub fn valid(&self) -> Option<(Round, BlockId)> {
        self.valid
    }

    /// All votes of this height.
    #[must_use]
    pub fn votes(&self) -> &HeightVoteSet {
        &self.votes
    }

    /// The precommits of the last height.
    #[must_use]
    pub fn last_commit(&self) -> Option<&VoteSet> {
        self.last_commit.as_ref()
    }

    /// The round whose precommits decide this height, once known.
    #[must_use]
    pub fn commit_round(&self) -> Option<Round> {
        self.commit_round
    }

    /// The accepted proposal of a round.
    #[must_use]
    pub fn proposal(&self, round: Round) -> Option<&Proposal> {
        self.proposals.get(&round)
    }

    /// A block of this height, as far as it has come.
    #[must_use]
    pub fn candidate(&self, id: BlockId) -> Option<&Candidate> {
        self.blocks.get(id)
    }

    /// The block of this height that travels in these parts.
    #[must_use]
    pub fn candidate_of(&self, parts: PartSetHeader) -> Option<&Candidate> {
        self.blocks.of_parts(parts)
    }

    /// A peer's connection is up, perhaps again, or down: what it may open is counted by this.
    pub fn set_connected(&mut self, peer: PeerId, connected: bool) {
        if connected {
            self.votes.add_peer(peer);
        } else {
            self.votes.remove_peer(peer);
        }
    }

    fn notice_step(&self, cx: &mut Context<'_>) {
        cx.out.push(Action::Notice(Notice::NewRoundStep(self.at)));
    }

    fn set_step(&mut self, cx: &mut Context<'_>, step: Step) {
        assert!(self.at.step < step, "steps of a round only go forward");
        self.at.step = step;
        self.notice_step(cx);
    }

    fn schedule(&mut self, cx: &mut Context<'_>, step: Step, wait: Span) {
        let hrs = Hrs { step, ..self.at };
        if let Some(at) = self.ticker.schedule(hrs, cx.now.after(wait)) {
            cx.out.push(Action::Wake(at));
        }
    }
}

#[cfg(test)]
mod tests;
