//! A signer without a key: it gives out the signatures that were recorded, and notes what else it
//! was asked for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    crypto::Sign,
    node::{Entry, Record},
    types::{ChainId, Lsn, Message, PublicKey, Signature},
};

/// Signs nothing new.
#[derive(Debug)]
pub struct RecordedSigner {
    key: PublicKey,
    recorded: BTreeMap<Vec<u8>, Signature>,
    /// A throw-away node has one user, so nobody ever waits.
    asked: Mutex<Vec<Vec<u8>>>,
}

impl RecordedSigner {
    /// A signer that looks like the owner of `key` and knows the signatures in the log.
    #[must_use]
    pub fn new(key: PublicKey, chain: &ChainId, log: &[(Lsn, Entry)]) -> Self {
        let own = log.iter().flat_map(|(_, entry)| own_messages(entry));
        Self {
            key,
            recorded: own.filter_map(|own| signed(chain, own)).collect(),
            asked: Mutex::default(),
        }
    }

    /// How many signatures it was asked for that nobody has recorded.
    #[must_use]
    pub fn new_signatures(&self) -> usize {
        self.asked().len()
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sign for RecordedSigner {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    /// A recorded signature, or zeros, which verify under no key.
    fn sign(&self, message: &[u8]) -> Signature {
        if let Some(signature) = self.recorded.get(message) {
            return *signature;
        }
        self.asked().push(message.to_vec());
        Signature([0; 64])
    }
}

/// The messages that an entry says were signed here.
pub(super) fn own_messages(entry: &Entry) -> &[Message] {
    match &entry.record {
        Record::Own { messages } => messages,
        Record::Created { .. }
        | Record::Received { .. }
        | Record::Timeout(_)
        | Record::TxsAvailable(_)
        | Record::Synced { .. }
        | Record::Step(_)
        | Record::Released(_) => &[],
    }
}

/// What was signed, and the signature; `None` for what carries none.
pub(super) fn signed(chain: &ChainId, message: &Message) -> Option<(Vec<u8>, Signature)> {
    match message {
        Message::Proposal(proposal) => Some((proposal.sign_bytes(chain), proposal.signature)),
        Message::Vote(vote) => Some((vote.sign_bytes(chain), vote.signature)),
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
