//! Frames: the bytes that nodes exchange.
//!
//! A frame is a version byte, a channel byte and a bounded list of messages in their canonical
//! encoding. Decoding accepts exactly what encoding produces and checks every bound of [`validate`]
//! before anything reaches a machine. A frame remembers its decoded form, so bytes that are
//! broadcast to many nodes of one process are decoded once.

mod validate;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use borsh::{BorshDeserialize, BorshSerialize};

pub use crate::types::{MAX_FRAME_BYTES, MAX_SYNC_FRAME_BYTES};
pub use validate::{Invalid, validate};

use crate::types::{Bounded, Channel, MAX_FRAME_MESSAGES, Message};

/// The only version of the wire format.
pub const WIRE_VERSION: u8 = 1;
/// The most messages in a frame of the block sync channel. Fewer than elsewhere: a block can be
/// sixty times as large in memory as in a frame, where an absent signature is one byte.
pub const MAX_SYNC_FRAME_MESSAGES: usize = 16;

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("empty frame")]
    Empty,
    /// Longer than its channel allows.
    #[error("frame of {got} bytes, at most {limit} are allowed")]
    TooLong {
        /// Its length.
        got: usize,
        /// The most its channel allows.
        limit: usize,
    },
    /// Another version of the wire format.
    #[error("wire version {0}, this node speaks {WIRE_VERSION}")]
    Version(u8),
    /// Not the canonical encoding of anything: unknown tag, bound exceeded, missing or trailing
    /// bytes.
    #[error("malformed frame: {0}")]
    Malformed(String),
    /// A message on a channel where it does not belong.
    #[error("{message} on channel {channel:?}")]
    WrongChannel {
        /// The message's name.
        message: &'static str,
        /// Where it came.
        channel: Channel,
    },
    /// A message that contradicts itself or exceeds a bound.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Contents {
    /// The channel all messages belong to.
    pub channel: Channel,
    /// The messages, in order.
    pub messages: Bounded<Message, MAX_FRAME_MESSAGES>,
}

/// Bytes on their way from one node to others, cheap to clone.
#[derive(Clone)]
pub struct Frame(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    decoded: OnceLock<Result<Contents, DecodeError>>,
}

impl Frame {
    /// Encodes messages for one channel.
    ///
    /// # Panics
    /// If there are none or more than [`MAX_FRAME_MESSAGES`] (on the block sync channel
    /// [`MAX_SYNC_FRAME_MESSAGES`]), or one belongs on another channel.
    #[must_use]
    #[expect(clippy::expect_used, reason = "documented panic: our own messages")]
    pub fn encode(channel: Channel, messages: Vec<Message>) -> Self {
        assert!(!messages.is_empty(), "an empty frame says nothing");
        assert!(
            messages.iter().all(|m| m.channel() == channel),
            "a message on a wrong channel"
        );
        assert!(
            channel != Channel::BlockSync || messages.len() <= MAX_SYNC_FRAME_MESSAGES,
            "too many messages of block sync"
        );
        let messages = Bounded::try_from(messages).expect("a frame holds a bounded list");
        let mut bytes = vec![WIRE_VERSION];
        Contents { channel, messages }
            .serialize(&mut bytes)
            .expect("encoding into memory");
        Self::from_bytes(bytes)
    }

    /// Bytes that came from somewhere; nothing is checked yet.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner {
            bytes,
            decoded: OnceLock::new(),
        }))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The decoded and validated contents.
    ///
    /// # Errors
    /// Why the bytes are not a frame; always the same answer for the same bytes.
    pub fn contents(&self) -> Result<&Contents, &DecodeError> {
        self.0
            .decoded
            .get_or_init(|| decode(&self.0.bytes))
            .as_ref()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for Frame {}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.contents() {
            Ok(contents) => f.debug_list().entries(contents.messages.iter()).finish(),
            Err(error) => write!(f, "Frame({} bytes: {error})", self.0.bytes.len()),
        }
    }
}

/// Decodes and validates a frame (`DecodeMessage` of Tendermint v0.10, with its open ends closed).
///
/// # Errors
/// Why the bytes are not a frame.
pub fn decode(bytes: &[u8]) -> Result<Contents, DecodeError> {
    // The channel's own limit holds before anything is read; bytes of no channel get no more.
    let channel = bytes.get(1).copied().and_then(Channel::of_byte);
    let limit = channel.map_or(MAX_FRAME_BYTES, |c| c.descriptor().max_frame_bytes);
    if bytes.len() > limit {
        let got = bytes.len();
        return Err(DecodeError::TooLong { got, limit });
    }
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if version != WIRE_VERSION {
        return Err(DecodeError::Version(version));
    }
    let count = body.get(1..5).and_then(|len| len.try_into().ok());
    let count = count.map_or(0, u32::from_le_bytes) as usize;
    if channel == Some(Channel::BlockSync) && count > MAX_SYNC_FRAME_MESSAGES {
        let what = format!("{count} messages, at most {MAX_SYNC_FRAME_MESSAGES} are allowed");
        return Err(DecodeError::Malformed(what));
    }
    let contents: Contents =
        borsh::from_slice(body).map_err(|e| DecodeError::Malformed(e.to_string()))?;
    if contents.messages.is_empty() {
        return Err(DecodeError::Malformed("no messages".to_owned()));
    }
    for message in contents.messages.iter() {
        if message.channel() != contents.channel {
            let (message, channel) = (message.name(), contents.channel);
            return Err(DecodeError::WrongChannel { message, channel });
        }
        validate(message)?;
    }
    Ok(contents)
}

#[cfg(test)]
mod tests;
