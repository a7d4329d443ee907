//! Evidence that waits for a block, and how a node comes by it.
//!
//! Signatures alone count: nothing enters the pool that is not signed twice by the key of one
//! validator, so a correct validator is never accused. A node's own finds are logged with the vote
//! that revealed them, so a replay finds those of the unfinished height again. Nothing else in the
//! pool survives a crash: older finds and received evidence come back from peers, which hand over
//! what waits when the connection is up, and repeat it rarely.

use std::collections::BTreeMap;

use crate::{
    crypto::Verify,
    ledger::{EvidenceError, State},
    node::{Node, Output, Rejection},
    types::{Address, DuplicateVote, Offence, PeerId, Time},
};

/// The most waiting pieces.
pub const MAX_PENDING: usize = 1_024;
/// The most waiting pieces about one validator: a faulty one must not crowd out the others' cases.
pub const MAX_PENDING_PER_VALIDATOR: usize = 128;

/// Why a piece of evidence was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidencePoolError {
    /// Evidence about the same offence waits already.
    #[error("evidence about this offence is waiting already")]
    Known,
    /// The pool has no room for it.
    #[error(
        "{MAX_PENDING} pieces of evidence, or {MAX_PENDING_PER_VALIDATOR} about one validator, \
         are waiting"
    )]
    Full,
    /// No block may carry it, or not the next one.
    #[error(transparent)]
    Invalid(#[from] EvidenceError),
}

/// Verified evidence that is not in a block yet, one piece for each offence, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvidencePool {
    pending: BTreeMap<Offence, DuplicateVote>,
}

impl EvidencePool {
    /// Whether a piece about this offence would be new here and could be in the block after
    /// `chain`. Looks at no votes.
    ///
    /// # Errors
    /// Why not.
    pub fn check_offence(&self, chain: &State, offence: &Offence) -> Result<(), EvidencePoolError> {
        if self.pending.contains_key(offence) {
            return Err(EvidencePoolError::Known);
        }
        chain.recent.check_offence(chain.height.next(), offence)?;
        let full = self.pending.len() >= MAX_PENDING
            || self.pending_about(&offence.address) >= MAX_PENDING_PER_VALIDATOR;
        if full {
            return Err(EvidencePoolError::Full);
        }
        Ok(())
    }

    /// Takes a piece that the block after `chain` may carry.
    ///
    /// # Errors
    /// If it is known, there is no room, or it does not hold. No signature is verified unless it is
    /// new.
    pub fn add(
        &mut self,
        chain: &State,
        verify: &dyn Verify,
        evidence: &DuplicateVote,
    ) -> Result<(), EvidencePoolError> {
        let offence = evidence.offence();
        self.check_offence(chain, &offence)?;
        chain.check_evidence(verify, evidence)?;
        self.pending.insert(offence, evidence.clone());
        Ok(())
    }

    /// At most `max` waiting pieces, about the oldest offences.
    #[must_use]
    pub fn pending(&self, max: usize) -> Vec<DuplicateVote> {
        self.pending.values().take(max).cloned().collect()
    }

    /// How many pieces wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Forgets what the block after `chain` may not carry any more: committed and expired pieces.
    pub fn update(&mut self, chain: &State) {
        let next = chain.height.next();
        self.pending
            .retain(|offence, _| chain.recent.check_offence(next, offence).is_ok());
    }

    fn pending_about(&self, address: &Address) -> usize {
        let about = |offence: &&Offence| offence.address == *address;
        self.pending.keys().filter(about).count()
    }
}

impl Node {
    /// Evidence that waits for a block here.
    #[must_use]
    pub fn evidence(&self) -> &EvidencePool {
        &self.evidence
    }

    /// A peer's evidence: what is new and holds waits for a block and goes on to the other peers.
    pub(super) fn on_evidence(
        &mut self,
        now: Time,
        from: PeerId,
        evidence: &DuplicateVote,
        out: &mut Vec<Output>,
    ) {
        match self.take_evidence(now, Some(from), evidence) {
            Err(EvidencePoolError::Invalid(reason)) if reason.is_fault() => {
                let reason = Rejection::Evidence(reason);
                out.push(Output::Rejected { peer: from, reason });
            }
            Ok(())
            | Err(
                EvidencePoolError::Invalid(_) | EvidencePoolError::Known | EvidencePoolError::Full,
            ) => {}
        }
        self.flush_gossip(out);
    }

    /// Evidence from a peer, or found by this node itself. In a replay nobody is told.
    pub(super) fn take_evidence(
        &mut self,
        now: Time,
        from: Option<PeerId>,
        evidence: &DuplicateVote,
    ) -> Result<(), EvidencePoolError> {
        let chain = self.consensus.chain();
        self.evidence.add(chain, &*self.keys.verify, evidence)?;
        if !self.replaying {
            self.gossip
                .push_evidence(now, from, evidence, &mut self.outs);
        }
        Ok(())
    }
}
