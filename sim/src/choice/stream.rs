//! The names of all random streams. A list; touches nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares the streams with their dotted names, in one table.
macro_rules! streams {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What a random decision belongs to. A stream's name is part of its key, so a name never
        /// changes; the order of the streams means nothing.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Stream {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Stream {
            /// Every stream once.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The dotted name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

streams! {
    /// All that happens to one packet. Coordinates: `network::PacketName::coords`.
    LinkPacket = "net.packet",
    /// Overrides whether a packet is lost (0 or 1). Same coordinates as `net.packet`.
    LinkLoss = "net.loss",
    /// Overrides whether a packet arrives twice (0 or 1). Same coordinates as `net.packet`.
    LinkDuplicate = "net.duplicate",
    /// Overrides how long a packet takes, in nanoseconds. Same coordinates as `net.packet`.
    LinkLatency = "net.latency",
    /// Overrides whether a packet is damaged (0 or 1). Same coordinates as `net.packet`.
    LinkCorrupt = "net.corrupt",
    /// Overrides whether a packet leaves the order of its link (0 or 1). Same coordinates as
    /// `net.packet`.
    LinkReorder = "net.reorder",
    /// What damage does to a packet's bytes. Same coordinates as `net.packet`.
    LinkDamage = "net.damage",
    /// Which part of the range of latencies a link has. Coordinates: from and to as in
    /// `net.packet`, 0, 0, 0.
    LinkShape = "net.shape",
    /// Whether two nodes give up their connection. Coordinates: both as from and to in
    /// `net.packet`, 0 and the fault that cuts it, or 1 and the number of the crash; its step, 0.
    LinkHangup = "net.hangup",
    /// What a crash does to an unsynced sector: 0 kept, 1 lost, 2 zeroed.
    /// Coordinates: node, number of the crash, `name_coordinate` of the path, sector.
    DiskSector = "disk.sector",
    /// What a crash does to an unsynced change of a file's length: 0 kept, 1 lost.
    /// Coordinates: node, number of the crash, `name_coordinate` of the path, 0.
    DiskLength = "disk.length",
    /// What a crash does to an unsynced directory change: 0 kept, 1 lost. Coordinates: node, number
    /// of the crash, `name_coordinate` of the path, how many changes of that path came before.
    DiskDirectory = "disk.directory",
    /// Whether a read or write is interrupted. Coordinates: node, number of the call, 0, 0.
    DiskInterrupt = "disk.interrupt",
    /// Whether a read or write moves fewer bytes than asked. Coordinates: node, number of the call,
    /// 0 for whether (0 or 1) or 1 for how many bytes, 0.
    DiskShort = "disk.short",
    /// Which file, sector and bit a damage at rest hits. Coordinates: node, number of the trouble,
    /// 0, 0.
    DiskDamage = "disk.damage",
    /// How long a disk call takes. Coordinates: node, number of the call, 0, 0.
    DiskLatency = "disk.latency",
    /// The offset of a node's clock. Coordinates: node, 0, 0, 0.
    ClockOffset = "clock.offset",
    /// The drift of a node's clock. Coordinates: node, number of the drift, 0, 0.
    ClockDrift = "clock.drift",
    /// Which kinds of fault a run has, and how much of each. Coordinates: the option's number, 0…
    Swarm = "swarm",
    /// When and where the faults of a schedule happen. Coordinates: kind of fault, its number, 0,
    /// 0.
    Schedule = "schedule",
    /// How events at the same time are ordered. Coordinates: the strategy's.
    Tie = "tie",
    /// What clients submit. Coordinates: client, number of the request, 0, 0.
    Workload = "workload",
    /// What byzantine validators do. Coordinates: node, height, round, the operator's own.
    Byzantine = "byzantine",
    /// Seeds of the engine's own choice of what to gossip. Coordinates: node, 0, 0, 0.
    GossipPick = "gossip.pick",
}

impl Stream {
    /// The stream of a dotted name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name() == name)
    }

    /// The place in [`Stream::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
