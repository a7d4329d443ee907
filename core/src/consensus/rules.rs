//! The upon-rules of "The latest gossip on BFT consensus", one function each, named by its first
//! line.
//!
//! A rule returns whether it fired. [`Consensus::apply_rules`] tries them until none does. `id(v)`
//! is a [`BlockId`]; `step = prevote` of the paper is `Prevote` or `PrevoteWait` here, `precommit`
//! is `Precommit` or `PrecommitWait`: the waiting half begins when the rule that sets the timeout
//! has fired (L34, L47).

use std::sync::Arc;

use crate::{
    consensus::{Action, Consensus, Context, Decision, Notice, RoundVoteSet},
    types::{BlockId, Hrs, Round, Step, VoteKind},
};

impl Consensus {
    /// Tries the rules until none fires.
    pub(super) fn apply_rules(&mut self, cx: &mut Context<'_>) {
        while !self.decided
            && (self.l49_decide(cx)
                || self.l55_skip_round(cx)
                || self.l22_prevote_new_proposal(cx)
                || self.l28_prevote_old_proposal(cx)
                || self.l36_lock_or_valid(cx)
                || self.l44_precommit_nil(cx)
                || self.l34_prevote_timeout(cx)
                || self.l47_precommit_timeout(cx))
        {}
    }

    /// L11 to L21, `StartRound(round)`: propose if it is our turn, and wait for a proposal.
    pub(super) fn start_round(&mut self, cx: &mut Context<'_>, round: Round) {
        let fresh = self.at.step <= Step::NewRound;
        assert!(fresh || round > self.at.round, "rounds only go forward");
        assert!(!self.decided, "a decided height has no further rounds");
        (self.at.round.0..round.0).for_each(|_| self.turn.advance());
        self.at = Hrs {
            round,
            step: Step::Propose,
            ..self.at
        };
        self.precommit_timeout_set = false;
        let forward = self.votes.set_round(round);
        debug_assert_eq!(forward, Ok(()), "asserted above");
        self.forget_old_blocks();
        self.notice_step(cx);
        self.notice_complete_proposal(cx, |_| true);
        if self.index() == Some(self.turn.proposer()) {
            // L14 to L19: the valid value again, or a new block.
            let (height, valid) = (self.at.height, self.valid);
            cx.out.push(Action::Propose {
                height,
                round,
                valid,
            });
        }
        // L21. The proposer waits too: its own proposal must first become durable.
        self.schedule(cx, Step::Propose, self.timeouts.propose(round));
    }

    /// Proposals of past rounds and blocks nobody can ask for any more.
    fn forget_old_blocks(&mut self) {
        self.proposals = self.proposals.split_off(&self.at.round);
        let mut wanted: Vec<BlockId> = self.proposals.values().map(|p| p.block).collect();
        wanted.extend(self.locked.map(|(_, id)| id));
        wanted.extend(self.valid.map(|(_, id)| id));
        wanted.extend(
            self.votes
                .rounds()
                .filter_map(|(_, v)| v.precommits.majority()?),
        );
        self.blocks.keep(&wanted);
    }

    /// L22: a new proposal while we wait for one. Prevote it if it is valid and no lock forbids it.
    fn l22_prevote_new_proposal(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, None)) = self.complete_proposal() else {
            return false;
        };
        let unlocked = self.locked.is_none_or(|(_, locked)| locked == id);
        let accept = unlocked && self.is_valid(cx, id);
        self.prevote(cx, accept.then_some(id));
        true
    }

    /// L28: an old block proposed again, with a polka of an earlier round `vr`. The polka lifts
    /// locks up to `vr`.
    fn l28_prevote_old_proposal(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, Some(vr))) = self.complete_proposal() else {
            return false;
        };
        assert!(
            vr < self.at.round,
            "bounds are checked when a proposal is decoded"
        );
        let polka = self.votes.prevotes(vr).and_then(|set| set.majority()) == Some(Some(id));
        if !polka {
            return false;
        }
        let unlocked = self
            .locked
            .is_none_or(|(round, locked)| round <= vr || locked == id);
        let accept = unlocked && self.is_valid(cx, id);
        self.prevote(cx, accept.then_some(id));
        true
    }

    /// The block and proof-of-lock round of this round's proposal, if we still wait for it and it
    /// is complete.
    fn complete_proposal(&self) -> Option<(BlockId, Option<Round>)> {
        if self.at.step != Step::Propose {
            return None;
        }
        let proposal = self.proposals.get(&self.at.round)?;
        self.blocks
            .is_complete(proposal.block)
            .then_some((proposal.block, proposal.pol_round))
    }

    /// L34: more than 2/3 prevoted anything. Wait a little for a majority.
    fn l34_prevote_timeout(&mut self, cx: &mut Context<'_>) -> bool {
        let any = self
            .votes
            .prevotes(self.at.round)
            .is_some_and(|set| set.has_two_thirds_any());
        if self.at.step != Step::Prevote || !any {
            return false;
        }
        self.set_step(cx, Step::PrevoteWait);
        self.schedule(cx, Step::PrevoteWait, self.timeouts.prevote(self.at.round));
        true
    }

    /// L36: a polka for a block that is here and valid. Lock and precommit it if it comes in time,
    /// remember it as valid in any case. If the block is not here, ask for it.
    fn l36_lock_or_valid(&mut self, cx: &mut Context<'_>) -> bool {
        let round = self.at.round;
        let polka = self.votes.prevotes(round).and_then(|set| set.majority());
        let Some(Some(id)) = polka else { return false };
        let in_time = matches!(self.at.step, Step::Prevote | Step::PrevoteWait);
        let late = matches!(self.at.step, Step::Precommit | Step::PrecommitWait);
        if !in_time && !late {
            return false;
        }
        if !self.blocks.is_complete(id) {
            let new = self.blocks.want(id);
            if new {
                self.notice_valid_block(cx, id, false);
            }
            return new;
        }
        if self.valid == Some((round, id)) || !self.is_valid(cx, id) {
            return false;
        }
        self.valid = Some((round, id));
        self.notice_valid_block(cx, id, false);
        if in_time {
            let again = self.locked.is_some_and(|(_, locked)| locked == id);
            self.locked = Some((round, id));
            let notice = if again {
                Notice::Relock(round, id)
            } else {
                Notice::Lock(round, id)
            };
            cx.out.push(Action::Notice(notice));
            self.precommit(cx, Some(id));
        }
        true
    }

    /// L44: more than 2/3 prevoted nil. Precommit nil; the lock stays.
    fn l44_precommit_nil(&mut self, cx: &mut Context<'_>) -> bool {
        let polka = self
            .votes
            .prevotes(self.at.round)
            .and_then(|set| set.majority());
        if !matches!(self.at.step, Step::Prevote | Step::PrevoteWait) || polka != Some(None) {
            return false;
        }
        self.precommit(cx, None);
        true
    }

    /// L47: more than 2/3 precommitted anything. Wait a little for a decision, once per round.
    fn l47_precommit_timeout(&mut self, cx: &mut Context<'_>) -> bool {
        let any = self
            .votes
            .precommits(self.at.round)
            .is_some_and(|set| set.has_two_thirds_any());
        let running = self.is_running();
        if self.precommit_timeout_set || !running || !any {
            return false;
        }
        self.precommit_timeout_set = true;
        self.schedule(
            cx,
            Step::PrecommitWait,
            self.timeouts.precommit(self.at.round),
        );
        if self.at.step == Step::Precommit {
            self.set_step(cx, Step::PrecommitWait);
        }
        true
    }

    /// L49: more than 2/3 precommitted a block, in whatever round. Decide it when it is here; until
    /// then wait for it.
    fn l49_decide(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((round, id)) = self.committed() else {
            return false;
        };
        let first = self.at.step != Step::Commit;
        if first {
            self.commit_round = Some(round);
            self.commit_time = Some(cx.now);
            self.set_step(cx, Step::Commit);
            if self.blocks.want(id) || !self.blocks.is_complete(id) {
                self.notice_valid_block(cx, id, true);
            }
        }
        if !self.blocks.is_complete(id) {
            return first;
        }
        if !self.is_valid(cx, id) {
            self.decided = true; // nothing can follow
            let what = format!(
                "more than 2/3 precommitted {id} at {}, which is invalid",
                self.at
            );
            cx.out.push(Action::Halt(what));
            return true;
        }
        self.decide(cx, round, id);
        true
    }

    /// The first round with more than 2/3 of precommits for a block; once there was one, always the
    /// same.
    fn committed(&self) -> Option<(Round, BlockId)> {
        let majority = |votes: &RoundVoteSet| votes.precommits.majority().flatten();
        self.votes
            .rounds()
            .filter(|(round, _)| self.commit_round.is_none_or(|chosen| chosen == *round))
            .find_map(|(round, votes)| Some((round, majority(votes)?)))
    }

    #[expect(clippy::expect_used, reason = "the caller has checked both")]
    fn decide(&mut self, cx: &mut Context<'_>, round: Round, id: BlockId) {
        let candidate = self.blocks.get(id).expect("the block is complete");
        let block = Arc::clone(candidate.block().expect("the block is valid"));
        let parts = candidate.parts().clone();
        let precommits = self.votes.precommits(round);
        let commit = precommits
            .and_then(|set| set.commit())
            .expect("more than 2/3 precommitted");
        assert_eq!(
            commit.block, id,
            "the commit must be that of the decided block"
        );
        self.decided = true;
        let decision = Decision {
            round,
            id,
            block,
            parts,
            commit,
        };
        cx.out.push(Action::Decide(Box::new(decision)));
    }

    /// L55: more than 1/3 of the power is in a later round. Follow it, for one of them is correct.
    fn l55_skip_round(&mut self, cx: &mut Context<'_>) -> bool {
        if self.at.step == Step::Commit {
            return false;
        }
        let Some(round) = self.round_ahead() else {
            return false;
        };
        self.start_round(cx, round);
        true
    }

    /// The highest round after ours in which more than 1/3 of the power voted.
    fn round_ahead(&self) -> Option<Round> {
        let (ours, waiting) = (self.at.round, self.at.step <= Step::NewRound);
        let later = |round: Round| round > ours || (waiting && round == ours);
        let mut rounds = self
            .votes
            .rounds()
            .rev()
            .take_while(|(round, _)| later(*round));
        rounds
            .find(|(_, votes)| votes.has_one_third_any())
            .map(|(round, _)| round)
    }

    /// L57: no complete proposal came in time. Prevote nil.
    pub(super) fn l57_timeout_propose(&mut self, cx: &mut Context<'_>) {
        if self.at.step == Step::Propose {
            cx.out.push(Action::Notice(Notice::TimeoutPropose(self.at)));
            self.prevote(cx, None);
        }
    }

    /// L61: no majority of prevotes came in time. Precommit nil.
    pub(super) fn l61_timeout_prevote(&mut self, cx: &mut Context<'_>) {
        if matches!(self.at.step, Step::Prevote | Step::PrevoteWait) {
            cx.out.push(Action::Notice(Notice::TimeoutWait(self.at)));
            self.precommit(cx, None);
        }
    }

    /// L65: no decision came in time. Go to the next round.
    pub(super) fn l65_timeout_precommit(&mut self, cx: &mut Context<'_>) {
        if self.is_running() {
            cx.out.push(Action::Notice(Notice::TimeoutWait(self.at)));
            self.start_round(cx, self.at.round.next());
        }
    }

    /// Whether a round is under way: begun, and not left for a commit.
    fn is_running(&self) -> bool {
        self.at.step > Step::NewRound && self.at.step < Step::Commit
    }

    fn is_valid(&mut self, cx: &Context<'_>, id: BlockId) -> bool {
        self.blocks.is_valid(id, &self.chain, cx.verify)
    }

    fn prevote(&mut self, cx: &mut Context<'_>, block: Option<BlockId>) {
        self.set_step(cx, Step::Prevote);
        self.vote(cx, VoteKind::Prevote, block);
    }

    fn precommit(&mut self, cx: &mut Context<'_>, block: Option<BlockId>) {
        self.set_step(cx, Step::Precommit);
        self.vote(cx, VoteKind::Precommit, block);
    }

    fn vote(&self, cx: &mut Context<'_>, kind: VoteKind, block: Option<BlockId>) {
        if self.index().is_some() {
            let Hrs { height, round, .. } = self.at;
            cx.out.push(Action::Vote {
                kind,
                height,
                round,
                block,
            });
        }
    }

    /// Tells that the proposal of the round under way is complete, if this step is what `completed`
    /// it: its last part, itself, or the beginning of its round.
    pub(super) fn notice_complete_proposal(
        &self,
        cx: &mut Context<'_>,
        completed: impl Fn(BlockId) -> bool,
    ) {
        if self.at.step > Step::NewRound
            && let Some(id) = self.proposals.get(&self.at.round).map(|p| p.block)
            && self.blocks.is_complete(id)
            && completed(id)
        {
            cx.out.push(Action::Notice(Notice::CompleteProposal(id)));
        }
    }

    fn notice_valid_block(&self, cx: &mut Context<'_>, block: BlockId, is_commit: bool) {
        cx.out
            .push(Action::Notice(Notice::ValidBlock { block, is_commit }));
    }
}
