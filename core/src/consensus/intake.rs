//! What comes in: proposals, block parts, votes and timeouts. Each is checked, stored, and then the
//! rules are applied.

use std::sync::Arc;

use crate::{
    consensus::{
        Action, Added, Consensus, Context, EmptyBlocks, Notice, Refusal, VoteError,
        blocks::PartAdded,
    },
    types::{BlockId, Height, Hrs, Part, PeerId, Proposal, Round, Step, Vote, VoteKind},
};

impl Consensus {
    /// Takes a proposal. Those for other heights, past rounds and rounds after the next are
    /// ignored: gossip brings them again when it is their time.
    ///
    /// # Errors
    /// If the proposal is not its proposer's, or a second one for its round.
    pub fn on_proposal(
        &mut self,
        cx: &mut Context<'_>,
        proposal: &Proposal,
    ) -> Result<(), Refusal> {
        let (ours, round) = (self.at.round, proposal.round);
        if proposal.height != self.at.height || self.at.step == Step::Commit {
            return Ok(());
        }
        if round < ours || round > ours.next() {
            return Ok(());
        }
        if let Some(known) = self.proposals.get(&round) {
            let same = known == proposal;
            return if same {
                Ok(())
            } else {
                Err(Refusal::ProposalConflict)
            };
        }
        let turns = Round(round.0 - ours.0);
        let proposer = self.turn.proposer_at(turns);
        let key = self.turn.get(proposer).map(|v| v.key);
        let bytes = proposal.sign_bytes(&self.chain.chain);
        if !key.is_some_and(|key| cx.verify.verify(&key, &bytes, &proposal.signature)) {
            return Err(Refusal::ProposalSignature);
        }
        self.proposals.insert(round, proposal.clone());
        self.blocks.want(proposal.block);
        if let Some(pol_round) = proposal.pol_round {
            self.votes.track(pol_round);
        }
        if self.at.step == Step::NewRound && round == ours {
            // Its proposer had a reason to begin.
            self.start_round(cx, round);
        } else {
            self.notice_complete_proposal(cx, |id| id == proposal.block && round == ours);
        }
        self.apply_rules(cx);
        Ok(())
    }

    /// Takes a part of a block of this height; returns whether it is new. A part is ignored while
    /// no block waits for it.
    ///
    /// # Errors
    /// If the part fits none of the blocks that wait for parts.
    pub fn on_block_part(
        &mut self,
        cx: &mut Context<'_>,
        height: Height,
        part: &Arc<Part>,
    ) -> Result<bool, Refusal> {
        if height != self.at.height || self.decided {
            return Ok(false);
        }
        let PartAdded { new, completed } = self.blocks.add_part(part)?;
        self.notice_complete_proposal(cx, |id| completed.contains(&id));
        if !completed.is_empty() {
            self.apply_rules(cx);
        }
        Ok(new)
    }

    /// Takes a vote from a peer, or this node's own.
    ///
    /// # Errors
    /// If the vote is not its validator's or does not belong here.
    pub fn on_vote(
        &mut self,
        cx: &mut Context<'_>,
        vote: &Vote,
        peer: Option<PeerId>,
    ) -> Result<Added, Refusal> {
        if vote.height.next() == self.at.height {
            return self.on_late_precommit(cx, vote);
        }
        let polka_before = self.polka(vote.round);
        let added = self.votes.add(cx.verify, vote, peer)?;
        let counted = match &added {
            Added::New => true,
            Added::Duplicate => false,
            Added::Conflict { evidence, counted } => {
                cx.out
                    .push(Action::Notice(Notice::Evidence(evidence.clone())));
                *counted
            }
        };
        if counted {
            self.notice_vote(cx, vote);
            if polka_before.is_none()
                && let Some(choice) = self.polka(vote.round)
            {
                cx.out
                    .push(Action::Notice(Notice::Polka(vote.round, choice)));
            }
            self.apply_rules(cx);
        }
        Ok(added)
    }

    /// A precommit for the block just decided: it only makes the next block's commit larger.
    fn on_late_precommit(&mut self, cx: &mut Context<'_>, vote: &Vote) -> Result<Added, Refusal> {
        let Some(last_commit) = &mut self.last_commit else {
            return Err(Refusal::Vote(VoteError::WrongSlot));
        };
        if vote.kind != VoteKind::Precommit || self.at.step != Step::NewHeight {
            return Err(Refusal::Vote(VoteError::WrongSlot));
        }
        let added = last_commit.add(cx.verify, &self.chain.chain, vote)?;
        let all = last_commit.has_all();
        if let Added::Conflict { evidence, .. } = &added {
            cx.out
                .push(Action::Notice(Notice::Evidence(evidence.clone())));
        }
        if added == Added::New {
            self.notice_vote(cx, vote);
            if self.timeouts.skip_commit && all {
                self.begin(cx);
                self.apply_rules(cx);
            }
        }
        Ok(added)
    }

    /// Takes a peer's claim that more than 2/3 voted for a block, so that conflicting votes for it
    /// are counted. Returns whether the claim is new.
    ///
    /// # Errors
    /// If the peer claimed something else for the same set.
    pub fn on_majority_claim(
        &mut self,
        round: Round,
        kind: VoteKind,
        peer: PeerId,
        block: Option<BlockId>,
    ) -> Result<bool, Refusal> {
        Ok(self.votes.set_peer_majority(round, kind, peer, block)?)
    }

    /// Transactions wait to be proposed: round 0 need not wait any longer (`handleTxsAvailable`).
    /// Returns whether this is news, for the log: at most once per height, and never while empty
    /// blocks are decided anyway.
    pub fn on_txs_available(&mut self, cx: &mut Context<'_>) -> bool {
        let always = self.timeouts.empty_blocks == EmptyBlocks::Always;
        if always || self.txs_available || self.at.step > Step::NewRound {
            return false;
        }
        self.txs_available = true;
        if self.at.step == Step::NewRound {
            self.start_round(cx, Round::ZERO);
            self.apply_rules(cx);
        }
        true
    }

    /// The wait for late precommits is over. Round 0 begins, unless there is nothing to decide.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>) {
        let proposed = self.proposals.contains_key(&Round::ZERO);
        let reason = self.proof_due || self.txs_available || proposed;
        match self.timeouts.empty_blocks {
            EmptyBlocks::Never | EmptyBlocks::Every(_) if !reason => {
                self.set_step(cx, Step::NewRound);
                if let EmptyBlocks::Every(wait) = self.timeouts.empty_blocks {
                    self.schedule(cx, Step::NewRound, wait);
                }
            }
            EmptyBlocks::Always | EmptyBlocks::Never | EmptyBlocks::Every(_) => {
                self.start_round(cx, Round::ZERO);
            }
        }
    }

    /// The timer that was asked for with [`Action::Wake`]. Returns what timed out, for the log.
    pub fn on_wake(&mut self, cx: &mut Context<'_>) -> Option<Hrs> {
        let Some(hrs) = self.ticker.fire(cx.now) else {
            // Woken early: ask again.
            cx.out.extend(self.ticker.due().map(Action::Wake));
            return None;
        };
        self.on_timeout(cx, hrs);
        Some(hrs)
    }

    /// A timeout that the log says happened here.
    pub fn on_logged_timeout(&mut self, cx: &mut Context<'_>, hrs: Hrs) {
        self.ticker.fired(hrs);
        self.on_timeout(cx, hrs);
    }

    /// Asks again for the pending timer, after a restart.
    pub fn rearm(&self, cx: &mut Context<'_>) {
        cx.out
            .extend(self.ticker.due().map(|at| Action::Wake(at.max(cx.now))));
    }

    /// A timeout. Ignored if the machine has left the round and step it belongs to.
    pub fn on_timeout(&mut self, cx: &mut Context<'_>, hrs: Hrs) {
        if (hrs.height, hrs.round) != (self.at.height, self.at.round) || self.decided {
            return;
        }
        match hrs.step {
            Step::NewHeight if self.at.step == Step::NewHeight => self.begin(cx),
            Step::NewRound if self.at.step == Step::NewRound => {
                self.start_round(cx, Round::ZERO);
            }
            Step::Propose => self.l57_timeout_propose(cx),
            Step::PrevoteWait => self.l61_timeout_prevote(cx),
            Step::PrecommitWait => self.l65_timeout_precommit(cx),
            Step::NewHeight | Step::NewRound | Step::Prevote | Step::Precommit | Step::Commit => {}
        }
        self.apply_rules(cx);
    }

    fn notice_vote(&self, cx: &mut Context<'_>, vote: &Vote) {
        let Vote {
            height,
            round,
            kind,
            index,
            ..
        } = *vote;
        cx.out.push(Action::Notice(Notice::Vote {
            height,
            round,
            kind,
            index,
        }));
    }

    /// What more than 2/3 prevoted in a round, if they did.
    fn polka(&self, round: Round) -> Option<Option<BlockId>> {
        self.votes.prevotes(round)?.majority()
    }
}
