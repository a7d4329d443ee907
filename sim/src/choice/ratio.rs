//! Probabilities as fractions of integers. Pure; touches nothing else.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::choice::scale;

/// A probability: `num` times out of `den`, with 0 <= `num` <= `den` and 0 < `den`.
///
/// Written "3/100"; "3%" and "30000ppm" are understood too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ratio {
    num: u32,
    den: u32,
}

/// A text that is not a probability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a probability: write \"3/100\", \"3%\" or \"30000ppm\", from 0 to 1")]
pub struct RatioError {
    /// The text.
    pub text: String,
}

impl Ratio {
    /// Probability 0.
    pub const NEVER: Self = Self { num: 0, den: 1 };
    /// Probability 1.
    pub const ALWAYS: Self = Self { num: 1, den: 1 };

    /// `num` times out of `den`.
    ///
    /// # Panics
    /// If `den` is 0 or `num` is greater than `den`.
    #[must_use]
    pub const fn new(num: u32, den: u32) -> Self {
        assert!(den > 0, "a ratio out of nothing");
        assert!(num <= den, "a probability above 1");
        Self { num, den }
    }

    /// `num` times out of `den`, `None` if that is not a probability.
    #[must_use]
    pub const fn checked(num: u32, den: u32) -> Option<Self> {
        if den > 0 && num <= den {
            Some(Self { num, den })
        } else {
            None
        }
    }

    /// `parts` times out of a million.
    ///
    /// # Panics
    /// If `parts` is greater than a million.
    #[must_use]
    pub const fn ppm(parts: u32) -> Self {
        Self::new(parts, 1_000_000)
    }

    /// `percent` times out of a hundred.
    ///
    /// # Panics
    /// If `percent` is greater than 100.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::new(percent, 100)
    }

    /// How many times.
    #[must_use]
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Out of how many.
    #[must_use]
    pub const fn den(self) -> u32 {
        self.den
    }

    /// Whether it is 0.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.num == 0
    }

    /// Whether a random `word` means yes.
    pub(crate) fn hit(self, word: u64) -> bool {
        scale(word, u64::from(self.den)) < u64::from(self.num)
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Self::NEVER
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let fraction = if let Some(percent) = text.strip_suffix('%') {
            (percent, "100")
        } else if let Some(parts) = text.strip_suffix("ppm") {
            (parts, "1000000")
        } else {
            text.split_once('/').unwrap_or((text, ""))
        };
        let number = |digits: &str| digits.trim().parse().ok();
        number(fraction.0)
            .zip(number(fraction.1))
            .and_then(|(num, den)| Self::checked(num, den))
            .ok_or_else(|| RatioError {
                text: text.to_owned(),
            })
    }
}

impl TryFrom<String> for Ratio {
    type Error = RatioError;

    fn try_from(text: String) -> Result<Self, RatioError> {
        text.parse()
    }
}

impl From<Ratio> for String {
    fn from(ratio: Ratio) -> Self {
        ratio.to_string()
    }
}
