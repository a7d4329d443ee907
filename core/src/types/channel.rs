//! What the channels promise each other on a shared link: priority, queue and largest frame.
//! The codec's limits and the simulated links read this one table (`GetChannels`).

use crate::types::{Channel, MAX_BLOCK_BYTES};

/// The largest frame (`maxConsensusMessageSize` of Tendermint), except on the block sync channel.
pub const MAX_FRAME_BYTES: usize = 1_048_576;
/// The largest frame on the block sync channel: a block, a commit and what surrounds them.
pub const MAX_SYNC_FRAME_BYTES: usize = MAX_BLOCK_BYTES + MAX_FRAME_BYTES;

/// How a link treats one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelDescriptor {
    /// The channel.
    pub channel: Channel,
    /// Its share of a full link: of two busy channels, one with twice the priority sends about
    /// twice the bytes. At least 1.
    pub priority: u32,
    /// How many frames may wait for the link to a peer. One more is dropped (`TrySend`); gossip
    /// brings again what was in it.
    pub send_queue: usize,
    /// The largest frame, in bytes.
    pub max_frame_bytes: usize,
}

impl Channel {
    /// Every channel once, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::State,
        Self::Data,
        Self::Vote,
        Self::VoteSetBits,
        Self::Mempool,
        Self::Evidence,
        Self::BlockSync,
    ];

    /// The channel with this number on the wire.
    #[must_use]
    pub fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| *channel as u8 == byte)
    }

    /// How a link treats this channel; Tendermint's numbers.
    #[must_use]
    pub const fn descriptor(self) -> ChannelDescriptor {
        let (priority, send_queue) = match self {
            Self::Data => (10, 100),
            Self::State | Self::Vote | Self::Mempool => (5, 100),
            Self::VoteSetBits => (1, 2),
            Self::Evidence => (6, 100),
            Self::BlockSync => (5, 1_000),
        };
        let max_frame_bytes = match self {
            Self::BlockSync => MAX_SYNC_FRAME_BYTES,
            Self::State
            | Self::Data
            | Self::Vote
            | Self::VoteSetBits
            | Self::Mempool
            | Self::Evidence => MAX_FRAME_BYTES,
        };
        ChannelDescriptor {
            channel: self,
            priority,
            send_queue,
            max_frame_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ConsensusReactor.GetChannels` of Tendermint v0.10, and the reactors beside it.
    #[test]
    fn channels_have_tendermints_numbers_priorities_and_queues() {
        let table = Channel::ALL.map(|channel| {
            let descriptor = channel.descriptor();
            assert_eq!(descriptor.channel, channel);
            (channel as u8, descriptor.priority, descriptor.send_queue)
        });
        let expected = [
            (0x20, 5, 100),
            (0x21, 10, 100),
            (0x22, 5, 100),
            (0x23, 1, 2),
            (0x30, 5, 100),
            (0x38, 6, 100),
            (0x40, 5, 1_000),
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn only_block_sync_frames_may_hold_a_whole_block() {
        for channel in Channel::ALL {
            let holds_a_block = channel.descriptor().max_frame_bytes > MAX_BLOCK_BYTES;
            assert_eq!(holds_a_block, channel == Channel::BlockSync, "{channel:?}");
        }
    }

    #[test]
    fn a_channel_is_found_by_its_number_and_nothing_by_another() {
        let found = (0..=u8::MAX).filter_map(Channel::of_byte);
        assert!(found.eq(Channel::ALL));
        assert_eq!(Channel::of_byte(0x24), None);
    }
}
