//! What a node writes to its log: its inputs in the order in which they were handled.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{ChainId, Height, Hrs, Lsn, Message, PeerId, Time};

/// A record and the local time at which its input was handled.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// Local time.
    pub time: Time,
    /// What happened.
    pub record: Record,
}

/// An input of the consensus machine.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Record {
    /// The first record of a log.
    Created {
        /// The chain.
        chain: ChainId,
    } = 0,
    /// A peer's message that had an effect.
    Received {
        /// The peer.
        from: PeerId,
        /// The message.
        message: Message,
    } = 1,
    /// A timeout.
    Timeout(Hrs) = 2,
    /// Messages this node signed. They are seen by nobody, not even the node itself, before this is
    /// durable.
    Own {
        /// A proposal with its parts, or a vote.
        messages: Vec<Message>,
    } = 3,
    /// The own messages of that record were durable and took effect here.
    Released(Lsn) = 4,
    /// Transactions began to wait at this height, while the consensus machine waits for them.
    TxsAvailable(Height) = 5,
    /// The block of this height came by block sync, from this peer, and was verified. What the log
    /// holds of the height's rounds is overtaken. Also sees to it that no two heights end at the
    /// same record.
    Synced {
        /// The height.
        height: Height,
        /// The peer.
        from: PeerId,
    } = 6,
    /// The machine entered this step (`EventDataRoundState` of Tendermint). A consequence of the
    /// records before it: a replay derives it anew, and a playback compares.
    Step(Hrs) = 7,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { chain } => write!(f, "created {}", String::from_utf8_lossy(chain)),
            Self::Received { from, message } => write!(f, "received from {from}: {message}"),
            Self::Timeout(at) => write!(f, "timeout {at}"),
            Self::Own { messages } => {
                let own: Vec<_> = messages.iter().map(Message::to_string).collect();
                write!(f, "own {}", own.join(", "))
            }
            Self::TxsAvailable(height) => write!(f, "transactions wait at height {height}"),
            Self::Released(lsn) => write!(f, "released {}", lsn.0),
            Self::Step(at) => write!(f, "step {at}"),
            Self::Synced { height, from } => write!(f, "block {height} synced from {from}"),
        }
    }
}

impl Entry {
    /// The canonical bytes.
    ///
    /// # Panics
    /// Never: encoding into memory cannot fail.
    #[must_use]
    #[expect(clippy::expect_used, reason = "encoding into memory cannot fail")]
    pub fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("encoding into memory")
    }

    /// Reads an entry back.
    ///
    /// # Errors
    /// If the bytes are not the canonical encoding of one.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        borsh::from_slice(bytes).map_err(|e| e.to_string())
    }
}
