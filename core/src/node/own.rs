//! What this node signs, and the barrier it waits behind: log record and sign state first, the
//! world afterwards.

use std::sync::Arc;

use crate::{
    consensus::{Action, Context},
    node::{Node, Output, Record, sign_step},
    privval::{SignSlot, SignStep},
    types::{
        BlockId, ChainId, Height, Lsn, MAX_EVIDENCE, Message, PartSet, Proposal, Round, Signature,
        Time, Vote, VoteKind,
    },
};

/// Own messages whose record is not known to be durable yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreleased {
    pub(super) lsn: Lsn,
    pub(super) messages: Vec<Message>,
}

impl Node {
    /// Signs what the consensus machine asks for, unless the sign state refuses. While a log is
    /// replayed nothing is signed: what was signed stands in the log.
    pub(super) fn sign(&mut self, now: Time, action: Action, out: &mut Vec<Output>) {
        let slot = slot_of(&action);
        if self.replaying {
            if let Some(slot) = slot {
                self.unsigned.insert(slot, action);
            }
            return;
        }
        let messages = match action {
            Action::Propose {
                height,
                round,
                valid,
            } => self.propose(now, height, round, valid),
            Action::Vote {
                kind,
                height,
                round,
                block,
            } => self.vote(kind, height, round, block),
            Action::Wake(_) | Action::Decide(_) | Action::Notice(_) | Action::Halt(_) => None,
        };
        let Some(messages) = messages else { return };
        let lsn = self.append(
            now,
            Record::Own {
                messages: messages.clone(),
            },
            out,
        );
        out.push(Output::SaveSignState(Box::new(self.sign.clone())));
        out.push(Output::Sync(lsn));
        self.unreleased.push_back(Unreleased { lsn, messages });
    }

    /// L14 to L19: the valid value again, or a new block. `None` if the sign state refuses.
    fn propose(
        &mut self,
        now: Time,
        height: Height,
        round: Round,
        valid: Option<(Round, BlockId)>,
    ) -> Option<Vec<Message>> {
        let (pol_round, (block, parts)) = match valid {
            Some((valid_round, id)) => {
                let candidate = self.consensus.candidate(id)?;
                (Some(valid_round), (id, candidate.parts().clone()))
            }
            None => (None, self.build_block(now)?),
        };
        let signature = Signature([0; 64]);
        let mut proposal = Proposal {
            height,
            round,
            pol_round,
            block,
            signature,
        };
        let slot = SignSlot {
            height,
            round,
            step: SignStep::Propose,
        };
        let bytes = proposal.sign_bytes(&self.consensus.chain().chain);
        let key = Arc::clone(self.keys.sign.as_ref()?);
        proposal.signature = self.sign.sign(&*key, slot, bytes).ok()?;
        let mut messages = vec![Message::Proposal(proposal)];
        for part in parts.have().ones().filter_map(|i| parts.part(i)) {
            messages.push(Message::BlockPart {
                height,
                round,
                part: Arc::clone(part),
            });
        }
        Some(messages)
    }

    fn build_block(&self, now: Time) -> Option<(BlockId, PartSet)> {
        let key = self.keys.sign.as_ref()?;
        let last_commit = self.consensus.last_commit().and_then(|set| set.commit());
        let chain = self.consensus.chain();
        let proposer = key.public_key().address();
        let (txs, evidence) = (
            self.pool.reap(&chain.params),
            self.evidence.pending(MAX_EVIDENCE),
        );
        let block = chain.next_block(now, proposer, txs, evidence, last_commit);
        Some(block.cut())
    }

    /// `None` if the sign state refuses: then something else was signed before, and stays the only
    /// thing.
    fn vote(
        &mut self,
        kind: VoteKind,
        height: Height,
        round: Round,
        block: Option<BlockId>,
    ) -> Option<Vec<Message>> {
        let key = Arc::clone(self.keys.sign.as_ref()?);
        let index = self.consensus.index()?;
        let address = key.public_key().address();
        let signature = Signature([0; 64]);
        let mut vote = Vote {
            kind,
            height,
            round,
            block,
            index,
            address,
            signature,
        };
        let slot = SignSlot {
            height,
            round,
            step: sign_step(kind),
        };
        let bytes = vote.sign_bytes(&self.consensus.chain().chain);
        vote.signature = self.sign.sign(&*key, slot, bytes).ok()?;
        Some(vec![Message::Vote(vote)])
    }

    /// Records up to `lsn` are durable: what waited for them is counted here and sent to everybody.
    pub(super) fn on_durable(&mut self, now: Time, lsn: Lsn, out: &mut Vec<Output>) {
        while self.unreleased.front().is_some_and(|own| own.lsn <= lsn) {
            let Some(own) = self.unreleased.pop_front() else {
                break;
            };
            self.append(now, Record::Released(own.lsn), out);
            self.release(now, &own.messages, out);
        }
    }

    /// Sends own messages and counts them. The order matters: counting may lead to the next
    /// message.
    pub(super) fn release(&mut self, now: Time, messages: &[Message], out: &mut Vec<Output>) {
        if !self.replaying {
            self.gossip.push(now, messages, &mut self.outs);
            self.flush_gossip(out);
        }
        for message in messages {
            // An own message of a height that was decided meanwhile has no effect.
            if own_height(message) == Some(self.consensus.at().height) {
                self.deliver(now, None, message, out);
            }
        }
    }

    /// After a replay: own messages that were read from the disk but not released before the crash.
    ///
    /// The start has taught the sign state about them, durably. Their record was read, but that
    /// does not make it durable: they are released after a sync.
    pub(super) fn release_again(&mut self, out: &mut Vec<Output>) {
        let Some(last) = self.unreleased.back().map(|own| own.lsn) else {
            return;
        };
        out.push(Output::Sync(last));
    }

    /// After a replay: signs what the log shows should have been signed but was not before the
    /// crash.
    pub(super) fn sign_rest(&mut self, now: Time, out: &mut Vec<Output>) {
        let at = self.consensus.at();
        for (slot, action) in std::mem::take(&mut self.unsigned) {
            if (slot.height, slot.round) == (at.height, at.round) {
                self.sign(now, action, out);
            }
        }
    }

    /// Takes up timers after a restart.
    pub(super) fn wake_again(&mut self, now: Time, out: &mut Vec<Output>) {
        let cx = &mut Context {
            now,
            verify: &*self.keys.verify,
            out: &mut self.actions,
        };
        self.consensus.rearm(cx);
        self.carry_out(now, out);
    }
}

/// The place in the order of signing of what an action asks to sign.
fn slot_of(action: &Action) -> Option<SignSlot> {
    match action {
        Action::Propose { height, round, .. } => Some(SignSlot {
            height: *height,
            round: *round,
            step: SignStep::Propose,
        }),
        Action::Vote {
            kind,
            height,
            round,
            ..
        } => Some(SignSlot {
            height: *height,
            round: *round,
            step: sign_step(*kind),
        }),
        Action::Wake(_) | Action::Decide(_) | Action::Notice(_) | Action::Halt(_) => None,
    }
}

/// The place in the order of signing of an own message; parts belong to their proposal.
pub(crate) fn slot_of_own(message: &Message) -> Option<SignSlot> {
    match message {
        Message::Proposal(p) => Some(SignSlot {
            height: p.height,
            round: p.round,
            step: SignStep::Propose,
        }),
        Message::Vote(v) => Some(SignSlot {
            height: v.height,
            round: v.round,
            step: sign_step(v.kind),
        }),
        Message::BlockPart { .. }
        | Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => None,
    }
}

/// What an own message's signature covers, and the signature; parts bear none.
pub(super) fn sign_bytes_of_own(
    message: &Message,
    chain: &ChainId,
) -> Option<(Vec<u8>, Signature)> {
    match message {
        Message::Proposal(p) => Some((p.sign_bytes(chain), p.signature)),
        Message::Vote(v) => Some((v.sign_bytes(chain), v.signature)),
        Message::BlockPart { .. }
        | Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => None,
    }
}

/// The height of a proposal, part or vote.
pub(super) fn own_height(message: &Message) -> Option<Height> {
    match message {
        Message::BlockPart { height, .. } => Some(*height),
        Message::Proposal(_)
        | Message::Vote(_)
        | Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => slot_of_own(message).map(|slot| slot.height),
    }
}
