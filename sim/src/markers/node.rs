//! Markers of what a node did: rounds, votes, locks, decisions, and its way back after a crash.

use engine::{
    consensus::Notice,
    node::Record,
    types::{BlockId, Height, Hrs, Message, Round, Step, VoteKind},
};

use crate::markers::{Marker, Reached};

/// What is known of a node.
#[derive(Debug)]
pub(super) struct View {
    pub(super) at: Hrs,
    /// The last proposal that came.
    pub(super) proposal: Option<(Height, Round, BlockId)>,
    /// Whether it is the proposer of the round it is in.
    pub(super) proposes: bool,
    /// The blocks of complete proposals of the height it is in.
    complete: Vec<BlockId>,
    locked: Option<(Height, BlockId)>,
    /// The last height and round that it left because time was over.
    timed_out: Option<(Height, Round)>,
    /// The highest height in which it wrote an own message.
    signed: Height,
    /// The last height that came by block sync.
    synced: Height,
    /// Its power at the beginning.
    power: u64,
}

impl View {
    pub(super) fn new(power: u64) -> Self {
        Self {
            at: START,
            proposal: None,
            proposes: false,
            complete: Vec::new(),
            locked: None,
            timed_out: None,
            signed: Height::ZERO,
            synced: Height::ZERO,
            power,
        }
    }

    pub(super) fn started(&mut self, reached: &mut Reached, incarnation: u32, height: Height) {
        if incarnation > 0 {
            reached.mark(Marker::Restarted);
            reached.mark_if(incarnation > 1, Marker::RestartedTwice);
            reached.mark_if(self.signed > height, Marker::RestartedInHeight);
            let locked = self.locked.is_some_and(|(locked, _)| locked > height);
            reached.mark_if(locked, Marker::RestartedLocked);
        }
        (self.at, self.timed_out) = (START, None);
        self.complete.clear();
    }

    pub(super) fn notice(&mut self, reached: &mut Reached, notice: &Notice) {
        match notice {
            Notice::NewRoundStep(at) => self.stepped(reached, *at),
            Notice::Vote { height, round, .. } => {
                let same = *height == self.at.height;
                reached.mark_if(*height < self.at.height, Marker::LatePrecommit);
                reached.mark_if(same && *round > self.at.round, Marker::FutureVote);
                reached.mark_if(same && *round < self.at.round, Marker::OldVote);
            }
            Notice::TimeoutPropose(_) => reached.mark(Marker::TimeoutPropose),
            Notice::TimeoutWait(at) => {
                if at.step == Step::PrecommitWait {
                    reached.mark(Marker::TimeoutPrecommit);
                    self.timed_out = Some((at.height, at.round));
                } else {
                    reached.mark(Marker::TimeoutPrevote);
                }
            }
            Notice::CompleteProposal(block) => self.complete.push(*block),
            Notice::Polka(round, block) => {
                reached.mark_if(block.is_none(), Marker::NilPolka);
                reached.mark_if(*round < self.at.round, Marker::LatePolka);
                let unknown = block.is_some_and(|block| !self.complete.contains(&block));
                reached.mark_if(unknown, Marker::UnknownPolka);
            }
            Notice::Lock(round, block) => {
                reached.mark(Marker::Locked);
                reached.mark_if(*round > Round::ZERO, Marker::LockedLate);
                reached.mark_if(self.lock().is_some(), Marker::LockMoved);
                self.locked = Some((self.at.height, *block));
            }
            Notice::Relock(..) => reached.mark(Marker::Relocked),
            Notice::ValidBlock { block, is_commit } => {
                let known = self.complete.contains(block);
                reached.mark_if(*is_commit && !known, Marker::CommitUnknown);
                let late = matches!(self.at.step, Step::Precommit | Step::PrecommitWait);
                reached.mark_if(!is_commit && late && known, Marker::ValidNotLocked);
            }
            Notice::Evidence(_) => reached.mark(Marker::EvidenceFound),
        }
    }

    fn stepped(&mut self, reached: &mut Reached, at: Hrs) {
        let before = self.at;
        if at.height == before.height && at.round > before.round {
            let timed_out = self.timed_out == Some((before.height, before.round));
            reached.mark_if(!timed_out, Marker::RoundSkipped);
            reached.mark_if(at.round > before.round.next(), Marker::RoundsJumped);
            reached.mark(Marker::Round1);
            reached.mark_if(at.round.0 >= 2, Marker::Round2);
            reached.mark_if(at.round.0 >= 5, Marker::Round5);
        }
        if (at.height, at.round) != (before.height, before.round) {
            self.proposes = false;
        }
        if at.height != before.height {
            self.complete.clear();
        }
        self.at = at;
    }

    pub(super) fn appended(&mut self, reached: &mut Reached, record: &Record) {
        match record {
            Record::Own { messages } => {
                for message in messages {
                    self.signed(reached, message);
                }
            }
            Record::Timeout(at) => match at.step {
                Step::NewHeight => reached.mark(Marker::TimeoutCommit),
                Step::NewRound => reached.mark(Marker::TimeoutEmpty),
                Step::Propose
                | Step::Prevote
                | Step::PrevoteWait
                | Step::Precommit
                | Step::PrecommitWait
                | Step::Commit => {}
            },
            Record::Synced { height, .. } => {
                reached.mark(Marker::BlockSynced);
                self.synced = *height;
            }
            Record::Created { .. }
            | Record::Received { .. }
            | Record::Released(_)
            | Record::TxsAvailable(_)
            | Record::Step(_) => {}
        }
    }

    fn signed(&mut self, reached: &mut Reached, message: &Message) {
        match message {
            Message::Proposal(proposal) => {
                reached.mark_if(proposal.pol_round.is_some(), Marker::Reproposed);
                self.proposes = true;
                self.signed = proposal.height;
            }
            Message::Vote(vote) => {
                self.signed = vote.height;
                let lock = self.lock();
                match (vote.kind, vote.block) {
                    (VoteKind::Precommit, None) => reached.mark(Marker::PrecommitNil),
                    (VoteKind::Precommit, Some(_)) => {}
                    (VoteKind::Prevote, None) => {
                        reached.mark(Marker::PrevoteNil);
                        reached.mark_if(lock.is_some(), Marker::PrevoteNilLocked);
                    }
                    (VoteKind::Prevote, Some(block)) => {
                        let other = lock.is_some_and(|locked| locked != block);
                        reached.mark_if(other, Marker::PrevoteAgainstLock);
                    }
                }
            }
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::BlockPart { .. }
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => {}
        }
    }

    /// The block it is locked on, in the height it is in.
    fn lock(&self) -> Option<BlockId> {
        let (height, block) = self.locked?;
        (height == self.at.height).then_some(block)
    }

    /// A decision; `newest` is the highest height that any node has decided so far.
    pub(super) fn decided(
        &mut self,
        reached: &mut Reached,
        height: Height,
        round: Round,
        newest: Height,
    ) {
        let by_sync = self.synced == height;
        if height.0 + 2 <= newest.0 {
            reached.mark(if by_sync {
                Marker::CaughtUpBySync
            } else {
                Marker::CaughtUpByVotes
            });
        }
        let left = self.at.height == height && round < self.at.round && !by_sync;
        reached.mark_if(left, Marker::DecidedOlderRound);
        reached.mark_if(round.0 >= 1, Marker::DecidedRound1);
        reached.mark_if(round.0 >= 2, Marker::DecidedRound2);
        reached.mark_if(self.power == 0 && height.0 == 1, Marker::FollowerDecides);
    }
}

/// Before a node has said where it is.
const START: Hrs = Hrs {
    height: Height::ZERO,
    round: Round::ZERO,
    step: Step::NewHeight,
};
