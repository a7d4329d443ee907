//! What happens in a run. The world emits these, in order; oracles, digest and trace files read
//! them.

use std::sync::Arc;

use engine::{
    codec::Frame,
    consensus::{Decision, Notice},
    node::{Entry, Timer},
    privval::SignSlot,
    types::{Hash, Height, Lsn, PeerId, Time},
};

use crate::{disk::Strike, nemesis::FaultKind};

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number, from 0.
    pub seq: u64,
    /// World time.
    pub time: Time,
    /// The node it happened to; `None` for the world itself.
    pub node: Option<PeerId>,
    /// What happened.
    pub what: What,
}

impl What {
    /// A timer of a node fired.
    #[must_use]
    pub fn fired(timer: Timer) -> Self {
        let timer = match timer {
            Timer::Consensus => "consensus",
            Timer::Gossip => "gossip",
            Timer::BlockSync => "blocksync",
        };
        Self::Fired { timer }
    }
}

/// What a node stores of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Records of the log.
    Log,
    /// The block of a height.
    Block(Height),
    /// The application.
    App,
    /// The state.
    State,
}

impl Part {
    /// The part in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Block(_) => "block",
            Self::App => "application",
            Self::State => "state",
        }
    }
}

/// The kinds of events.
#[derive(Debug, Clone)]
pub enum What {
    /// A node came up.
    Started {
        /// 0 for the first start, then counting restarts.
        incarnation: u32,
        /// The height after which it goes on.
        height: Height,
        /// What the sign state on its disk says was signed last.
        signed: Option<SignSlot>,
    },
    /// A node stopped at once.
    Crashed,
    /// A node refused to start from its disk.
    StartRefused {
        /// Why.
        reason: String,
    },
    /// A node stopped for good.
    Halted {
        /// Why.
        reason: String,
    },
    /// A node handed a frame to the link to another. Emitted once per receiver.
    Sent {
        /// Names the packet in later events.
        packet: u64,
        /// The receiver.
        to: PeerId,
        /// The bytes.
        frame: Frame,
    },
    /// The link lost a packet.
    Dropped {
        /// The packet.
        packet: u64,
        /// Why: "loss", "cut", "corrupt" (damaged on the way), "queue_full", "unsent" (its sender
        /// crashed before it left), "down", or "stale" (of a connection that is gone).
        reason: &'static str,
    },
    /// A node has a connection to a peer, or a new one.
    Connected {
        /// The peer.
        peer: PeerId,
    },
    /// A node has no connection to a peer any more.
    Disconnected {
        /// The peer.
        peer: PeerId,
    },
    /// A node got a frame.
    Delivered {
        /// The packet.
        packet: u64,
        /// The sender.
        from: PeerId,
        /// The bytes.
        frame: Frame,
    },
    /// A timer fired.
    Fired {
        /// Which: "consensus", "gossip" or "blocksync".
        timer: &'static str,
    },
    /// A node wrote a record to its log. Not durable yet.
    Appended {
        /// The record's number.
        lsn: Lsn,
        /// The record.
        entry: Arc<Entry>,
    },
    /// The disk made a node's log durable up to a record.
    Synced {
        /// The last durable record.
        lsn: Lsn,
        /// What its durable sign state says was signed last.
        signed: Option<SignSlot>,
    },
    /// A decision was made durable.
    Stored {
        /// The height.
        height: Height,
        /// Whether the log held something that was not durable when this began.
        log_ahead: bool,
        /// What became durable, in order, by the disk's own record.
        parts: Vec<Part>,
    },
    /// A node announced a decision.
    Decided {
        /// The height.
        height: Height,
        /// The application hash after it.
        app_hash: Hash,
        /// What was decided.
        decision: Arc<Decision>,
    },
    /// A node refused a peer's message.
    Rejected {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: String,
        /// Whether the node says that this proves a broken protocol.
        blames: bool,
    },
    /// Something inside a node. For people and traces; oracles must not rely on it.
    Notice(Notice),
    /// A client gave a node a transaction.
    Submitted {
        /// Its hash.
        tx: Hash,
    },
    /// A node's disk has damaged a file or failed a call, as a fault of the plan wanted it.
    Disk(Strike),
    /// A fault began.
    FaultBegan(FaultKind),
    /// A fault ended.
    FaultEnded(FaultKind),
    /// The faults are over: these nodes form the core that must decide from now on.
    Healed {
        /// The core.
        core: Vec<PeerId>,
    },
}
