//! The node's doors: what goes in and what comes out. This is the engine's public interface for
//! hosts.

use std::sync::Arc;

use crate::{
    app::{App, TxError},
    blocksync,
    codec::{DecodeError, Frame},
    consensus::{Decision, Notice, Refusal, VoteError},
    gossip::PeerError,
    ledger::{EvidenceError, State},
    node::{Decided, Entry, pool::PoolError},
    privval::SignState,
    types::{Hash, Height, Lsn, PeerId, Time, Tx, ValidatorSet},
};

/// The node's three timers. Arming one replaces its earlier wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The step timeout of the consensus machine.
    Consensus,
    /// The next announcement of the gossip machine.
    Gossip,
    /// The next deadline of the block sync machine.
    BlockSync,
}

/// What a host tells a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A connection to a peer is up. Also after it was broken: nothing is assumed about what the
    /// peer remembers.
    Connected(PeerId),
    /// A connection is down.
    Disconnected(PeerId),
    /// A frame came from a peer.
    Receive {
        /// The peer.
        from: PeerId,
        /// Its bytes.
        frame: Frame,
    },
    /// A timer that was armed has fired.
    Fire(Timer),
    /// All records up to this one, and the sign states saved with them, are durable.
    Durable(Lsn),
    /// A commit has been carried out and is durable.
    Committed {
        /// Its height.
        height: Height,
        /// The first block that is still stored.
        base: Height,
    },
    /// The answer to [`Output::Load`]; `None` if there is no such block.
    Loaded {
        /// The height asked for.
        height: Height,
        /// The decided block.
        block: Option<Box<Decided>>,
    },
    /// A client's transaction.
    Submit(Tx),
}

/// What a node tells its host to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Hand a frame to the link to a peer.
    Send {
        /// The receiver.
        to: PeerId,
        /// The bytes.
        frame: Frame,
    },
    /// Fire this timer at this local time, and not at an earlier wish. Woken too early, the node
    /// only repeats its wish.
    Arm {
        /// Which timer.
        timer: Timer,
        /// When, by the node's clock.
        at: Time,
    },
    /// Append a record to the log ([`crate::node::Store::append`]). Not durable by itself.
    Append {
        /// The record's number; they come without gaps.
        lsn: Lsn,
        /// The record.
        entry: Box<Entry>,
    },
    /// Write the sign state with the next sync ([`crate::node::Store::write_sign_state`]).
    SaveSignState(Box<SignState>),
    /// Make the log up to this record, and the sign state, durable ([`crate::node::Store::sync`]);
    /// then answer [`Input::Durable`].
    Sync(Lsn),
    /// Carry out a decision ([`crate::node::Store::commit`]); then answer [`Input::Committed`].
    Commit {
        /// What was decided.
        decision: Arc<Decision>,
        /// Who decided it.
        validators: Arc<ValidatorSet>,
        /// The chain after it.
        state: Box<State>,
        /// The application after it.
        app: Box<App>,
    },
    /// Read a decided block ([`crate::node::Store::load`]); then answer [`Input::Loaded`].
    Load {
        /// Its height.
        height: Height,
    },
    /// A height is decided, durable and applied.
    Decided {
        /// The height.
        height: Height,
        /// The application hash after it.
        app_hash: Hash,
        /// The decision.
        decision: Arc<Decision>,
    },
    /// A peer sent something wrong. What to do about the peer is the host's choice.
    Rejected {
        /// The peer.
        peer: PeerId,
        /// What was wrong.
        reason: Rejection,
    },
    /// A transaction was not taken, or one that was is given up.
    Refused {
        /// Its hash.
        tx: Hash,
        /// Why.
        reason: PoolError,
    },
    /// The node has stopped for good.
    Halted {
        /// Why.
        reason: String,
    },
    /// Something happened inside that observers may want to know.
    Notice(Notice),
}

/// What was wrong with a peer's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The bytes are no frame.
    #[error(transparent)]
    Decode(DecodeError),
    /// The message contradicts what the peer said before.
    #[error(transparent)]
    Peer(PeerError),
    /// The consensus machine refused it.
    #[error(transparent)]
    Consensus(Refusal),
    /// The evidence does not hold, and never did.
    #[error(transparent)]
    Evidence(EvidenceError),
    /// A transaction that is none.
    #[error(transparent)]
    Tx(TxError),
    /// It answers wrongly, or not at all, or asks too much in block sync.
    #[error("block sync: {0}")]
    BlockSync(blocksync::Fault),
}

impl Rejection {
    /// Whether this proves that the peer itself broke the protocol, on links that lose, repeat,
    /// delay and reorder frames but do not forge them. A host may cut such a peer off. What a
    /// correct peer may pass on (both halves of an equivocation, parts of a block that nobody here
    /// waits for, votes of too many rounds) is refused without blame.
    #[must_use]
    pub fn blames_peer(&self) -> bool {
        match self {
            Self::Decode(_) | Self::Peer(_) | Self::Evidence(_) | Self::Tx(_) => true,
            Self::BlockSync(fault) => match fault {
                blocksync::Fault::NotThere(_) | blocksync::Fault::Wrong { .. } => true,
                // Links lose answers and repeat frames.
                blocksync::Fault::NoAnswer(_)
                | blocksync::Fault::Unsolicited(_)
                | blocksync::Fault::TooMany => false,
            },
            Self::Consensus(refusal) => match refusal {
                Refusal::ProposalSignature => true,
                Refusal::ProposalConflict | Refusal::Part(_) => false,
                Refusal::Vote(error) => match error {
                    VoteError::UnknownIndex { .. }
                    | VoteError::WrongAddress(_)
                    | VoteError::InvalidSignature(_)
                    | VoteError::ConflictingClaim { .. } => true,
                    VoteError::WrongSlot
                    | VoteError::OtherSignature(_)
                    | VoteError::TooManyRounds { .. } => false,
                },
            },
        }
    }
}
