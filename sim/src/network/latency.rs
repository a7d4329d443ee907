//! How long packets take. Integers only. Pure; touches nothing else.

use serde::{Deserialize, Serialize};

use crate::choice::scale;

/// A distribution of latencies in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Constant {
        /// The latency.
        ns: u64,
    },
    /// Each value from `min_ns` to `max_ns` is equally likely. Swapped bounds mean the same.
    Uniform {
        /// The lowest.
        min_ns: u64,
        /// The highest.
        max_ns: u64,
    },
    /// A floor plus a Pareto tail (Lomax, shape 2): the part above `min_ns` exceeds x with
    /// probability (scale / (scale + x))^2. Its median is 0.41, its mean 1 and its 99th percentile
    /// 9 times the scale; one packet in ten thousand waits 99 times the scale.
    HeavyTail {
        /// The lowest.
        min_ns: u64,
        /// The scale, which is the mean of what is added to the lowest (before the cap).
        scale_ns: u64,
        /// Nothing takes longer.
        max_ns: u64,
    },
}

impl Default for Latency {
    fn default() -> Self {
        Self::Constant { ns: 0 }
    }
}

impl Latency {
    /// The latency at a random `word`, in nanoseconds.
    #[must_use]
    pub fn at(self, word: u64) -> u64 {
        match self {
            Self::Constant { ns } => ns,
            Self::Uniform { min_ns, max_ns } => {
                let (low, high) = (min_ns.min(max_ns), min_ns.max(max_ns));
                (high - low)
                    .checked_add(1)
                    .map_or(word, |count| low + scale(word, count))
            }
            Self::HeavyTail {
                min_ns,
                scale_ns,
                max_ns,
            } => {
                // For u evenly in (0, 1], 1 / sqrt(u) - 1 has the tail above. With u = word / 2^64,
                // 1 / sqrt(u) is 2^32 / isqrt(word), no table and no float needed.
                let root = u128::from(word.isqrt().max(1));
                let extra = (u128::from(scale_ns) << 32) / root - u128::from(scale_ns);
                let extra = u64::try_from(extra).unwrap_or(u64::MAX);
                min_ns.saturating_add(extra).min(max_ns)
            }
        }
    }
}
