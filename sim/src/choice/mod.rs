//! Random decisions with names and coordinates: the only source of chance in the simulator.
//!
//! A decision is a pure function of (seed, stream, four coordinates). The coordinates say what the
//! decision is about ("from n0 to n2, height 3, round 1"), never how many decisions came before it.
//! So a new decision in one place moves nothing elsewhere, the order of decisions is irrelevant,
//! and a schedule that names coordinates keeps its meaning when the code around it changes.
//!
//! How: each stream has a key, `SHA-256(seed ‖ name)`. The key XOR the coordinates seeds a ChaCha8
//! generator. This room imports no other room and touches nothing but memory.

mod draw;
mod given;
mod ratio;
mod stream;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

pub use draw::Draw;
pub(crate) use draw::scale;
pub use given::{Decision, Overrides};
use given::{Given, Record};
pub use ratio::{Ratio, RatioError};
pub use stream::Stream;

/// What a decision is about: four numbers whose meaning each [`Stream`] documents.
pub type Coords = [u64; 4];

/// All random decisions of one run. Cheap to clone; clones decide alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    inner: Arc<Inner>,
}

struct Inner {
    seed: u64,
    /// One key per stream, at [`Stream::index`], as little-endian words.
    keys: [[u64; 4]; Stream::ALL.len()],
    given: Given,
    /// What was decided, if somebody wants to know.
    record: Option<Record>,
}

/// Equal choices decide alike.
impl PartialEq for Inner {
    fn eq(&self, other: &Self) -> bool {
        self.seed == other.seed && self.given.overrides() == other.given.overrides()
    }
}

impl Eq for Inner {}

impl fmt::Debug for Inner {
    /// Without the keys, which follow from the seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Inner");
        shown.field("seed", &self.seed).field("given", &self.given);
        shown.finish_non_exhaustive()
    }
}

impl Choices {
    /// The decisions of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                seed,
                keys: Stream::ALL.map(|stream| key(seed, stream)),
                given: Given::default(),
                record: None,
            }),
        }
    }

    /// The same decisions except for those given here. Replaces earlier overrides.
    #[must_use]
    pub fn with_overrides(&self, overrides: &Overrides) -> Self {
        Self {
            inner: Arc::new(Inner {
                seed: self.inner.seed,
                keys: self.inner.keys,
                given: Given::new(overrides),
                record: self.inner.record.as_ref().map(|_| Record::default()),
            }),
        }
    }

    /// The same decisions, which are also written down for [`Choices::take_decisions`].
    #[must_use]
    pub fn recorded(&self) -> Self {
        Self {
            inner: Arc::new(Inner {
                seed: self.inner.seed,
                keys: self.inner.keys,
                given: Given::new(&self.inner.given.overrides()),
                record: Some(Record::default()),
            }),
        }
    }

    /// What was decided since this was last asked, in order; nothing unless it is recorded.
    #[must_use]
    pub fn take_decisions(&self) -> Vec<Decision> {
        let record = self.inner.record.as_ref();
        record.map(Record::take).unwrap_or_default()
    }

    /// Writes a decision down that was made outside of a [`Draw`], from the words of one.
    pub fn note(&self, stream: Stream, at: Coords, value: u64) {
        if let Some(record) = &self.inner.record {
            record.add(Decision { stream, at, value });
        }
    }

    /// The overrides that no decision has asked for so far.
    #[must_use]
    pub fn idle_overrides(&self) -> Vec<Decision> {
        self.inner.given.idle()
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// Whether any decision is given instead of drawn. If not, callers may skip the look-up.
    #[must_use]
    pub fn has_overrides(&self) -> bool {
        !self.inner.given.is_empty()
    }

    /// The given outcome of a decision, `None` if it is to be drawn.
    #[must_use]
    pub fn overridden(&self, stream: Stream, coords: Coords) -> Option<u64> {
        if self.inner.given.is_empty() {
            return None;
        }
        self.inner.given.ask(stream, coords)
    }

    /// The decisions of `stream` about `coords`. The same arguments give the same decisions.
    #[must_use]
    #[inline]
    pub fn draw(&self, stream: Stream, coords: Coords) -> Draw {
        let key = &self.inner.keys[stream.index()];
        let mut seed = [0; 32];
        for (bytes, (k, c)) in seed.chunks_exact_mut(8).zip(key.iter().zip(coords)) {
            bytes.copy_from_slice(&(k ^ c).to_le_bytes());
        }
        let record = self.inner.record.as_ref();
        let told = record.map(|_| (self.clone(), stream, coords));
        Draw::new(seed, self.overridden(stream, coords), told)
    }

    /// One yes-or-no decision. Costs nothing if the answer can only be no.
    #[must_use]
    pub fn chance(&self, stream: Stream, coords: Coords, ratio: Ratio) -> bool {
        if ratio.is_never() && !self.has_overrides() {
            return false;
        }
        self.draw(stream, coords).chance(ratio)
    }
}

/// A 64-bit coordinate for a name, such as a path: FNV-1a, which is fixed for ever.
#[must_use]
pub fn name_coordinate(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn key(seed: u64, stream: Stream) -> [u64; 4] {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(stream.name());
    let digest: [u8; 32] = hasher.finalize().into();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
        let mut buffer = [0; 8];
        buffer.copy_from_slice(bytes);
        *word = u64::from_le_bytes(buffer);
    }
    words
}
