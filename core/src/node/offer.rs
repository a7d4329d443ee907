//! Own messages that the host made, for instance with a signer elsewhere.
//!
//! They wait behind the same barrier as those the node makes: nobody sees them, the node included,
//! before their record and the sign state are durable.

use crate::{
    node::{
        Node, Output, Record,
        own::{Unreleased, sign_bytes_of_own, slot_of_own},
    },
    privval::Refused,
    types::{Message, Time},
};

/// The most own records that may wait for the disk when the host offers another.
pub const MAX_WAITING_OWN: usize = 64;

/// Why own messages were not taken. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Neither proposal nor part nor vote, or of another height.
    #[error("not a proposal, part or vote of the present height: {0}")]
    Unfit(&'static str),
    /// Not signed with the node's key, or as another validator.
    #[error("not this validator's own: {0}")]
    NotOwn(&'static str),
    /// It contradicts what was signed before.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The disk is behind: try again after the next [`crate::node::Input::Durable`].
    #[error("{MAX_WAITING_OWN} own records wait for the disk")]
    Full,
}

impl Node {
    /// Takes messages as the node's own, to be logged, sent and counted in this order:
    /// `SetProposal`, `SetProposalAndBlock` (a proposal and its parts), `AddProposalBlockPart` and
    /// `AddVote` of Tendermint, called without a peer. Messages of peers are
    /// [`crate::node::Input::Receive`].
    ///
    /// # Errors
    /// Why none of them was taken; see [`OfferError`].
    pub fn offer(
        &mut self,
        now: Time,
        messages: Vec<Message>,
        out: &mut Vec<Output>,
    ) -> Result<(), OfferError> {
        if self.unreleased.len() >= MAX_WAITING_OWN {
            return Err(OfferError::Full);
        }
        let mut sign = self.sign.clone();
        for message in &messages {
            self.check_own(message)?;
            let chain = &self.consensus.chain().chain;
            let signed = slot_of_own(message).zip(sign_bytes_of_own(message, chain));
            let Some((slot, (bytes, signature))) = signed else {
                continue;
            };
            let not_own = OfferError::NotOwn(message.name());
            let key = self.keys.sign.as_ref().ok_or(not_own.clone())?;
            if sign.sign(&**key, slot, bytes)? != signature {
                return Err(not_own);
            }
        }
        self.sign = sign;
        let record = Record::Own {
            messages: messages.clone(),
        };
        let lsn = self.append(now, record, out);
        out.push(Output::SaveSignState(Box::new(self.sign.clone())));
        out.push(Output::Sync(lsn));
        self.unreleased.push_back(Unreleased { lsn, messages });
        Ok(())
    }

    /// A proposal, part or vote of this height; a vote is of this validator.
    fn check_own(&self, message: &Message) -> Result<(), OfferError> {
        let (height, unfit) = (
            self.consensus.at().height,
            OfferError::Unfit(message.name()),
        );
        if crate::node::own::own_height(message) != Some(height) {
            return Err(unfit);
        }
        if let Message::Vote(vote) = message
            && Some(vote.index) != self.consensus.index()
        {
            return Err(OfferError::NotOwn(message.name()));
        }
        Ok(())
    }
}
