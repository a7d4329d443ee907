//! Values on the command line: seeds, ranges of seeds, times, nodes. Pure.

use std::time::Duration;

use crate::oracle::ORACLES;

/// Seeds from the first to before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeds {
    /// The first.
    pub(super) first: u64,
    /// The one after the last; `None` for no end.
    pub(super) end: Option<u64>,
}

/// A decimal number, `0x` and hexadecimal digits, or a commit hash of which 16 digits count.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    let hex = |digits: &str| u64::from_str_radix(digits, 16).map_err(|error| error.to_string());
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return hex(&text[..16]);
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match digits {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => hex(digits),
        Some(_) => Err("not hexadecimal".to_owned()),
        None if text.starts_with('+') => Err("no sign is needed".to_owned()),
        None => text.parse().map_err(|error| format!("{error}")),
    };
    number.map_err(|error| {
        format!("{error}; a seed is a decimal number, 0x and hexadecimal digits, or a commit hash")
    })
}

/// `A..B`, `A..=B` or `A..`.
pub(super) fn seeds(text: &str) -> Result<Seeds, String> {
    let Some((first, end)) = text.split_once("..") else {
        return Err("seeds are given as A..B, such as 0..1000".to_owned());
    };
    let first = seed(first)?;
    let end = match end.strip_prefix('=') {
        Some(last) => Some(seed(last)?.saturating_add(1)),
        None if end.is_empty() => None,
        None => Some(seed(end)?),
    };
    Ok(Seeds { first, end })
}

/// A number with up to nine decimals and a unit: `ns`, `us`, `ms`, `s`, `m` or `h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no time; write 30s, 1.5s, 200ms, 10m or 1h");
    let end = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(end);
    let unit_ns: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<9}").parse().map_err(|_| wrong())?;
    let part_ns = u128::from(part) * u128::from(unit_ns) / 1_000_000_000;
    let ns = u128::from(whole) * u128::from(unit_ns) + part_ns;
    u64::try_from(ns)
        .map(Duration::from_nanos)
        .map_err(|_| wrong())
}

/// A node as `n1` or `1`.
pub(super) fn node(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix('n').unwrap_or(text);
    digits
        .parse()
        .map_err(|_| format!("\"{text}\" is no node; write n0, n1, ..."))
}

/// The name of an oracle.
pub(super) fn oracle(text: &str) -> Result<&'static str, String> {
    let mut names = ORACLES.iter().map(|(name, ..)| *name);
    let found = names.find(|name| *name == text);
    found.ok_or_else(|| "no oracle has this name; sim help invariants lists them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_decimal_hexadecimal_or_commits() {
        assert_eq!(seed("42"), Ok(42));
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(seed("0xff"), Ok(255));
        let commit = "9c759180123456789abcdef0123456789abcdef0";
        assert_eq!(seed(commit), Ok(0x9c75_9180_1234_5678));
        for wrong in [
            "",
            "abc",
            "-1",
            "+1",
            "0x",
            "0x+1",
            "1.5",
            "18446744073709551616",
        ] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_leave_out_their_end_unless_it_is_wanted() {
        let range = |first, end| Ok(Seeds { first, end });
        assert_eq!(seeds("0..1000"), range(0, Some(1_000)));
        assert_eq!(seeds("5..=5"), range(5, Some(6)));
        assert_eq!(seeds("0x10.."), range(16, None));
        for wrong in ["", "5", "..5", "a..b", "1..b"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        let ms = |ms| Ok(Duration::from_millis(ms));
        assert_eq!(duration("30s"), ms(30_000));
        assert_eq!(duration("1.1s"), ms(1_100));
        assert_eq!(duration("250ms"), ms(250));
        assert_eq!(duration("10m"), ms(600_000));
        assert_eq!(duration("0.5h"), ms(1_800_000));
        for wrong in ["", "30", "s", "1.s.", "-1s", "1d", "99999999999h", ".5s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn oracles_are_named_as_they_are_listed() {
        assert_eq!(oracle("agreement"), Ok("agreement"));
        assert!(oracle("agreements").is_err());
    }

    #[test]
    fn nodes_have_a_letter_or_none() {
        assert_eq!((node("n3"), node("3")), (Ok(3), Ok(3)));
        assert!(node("x").is_err() && node("n").is_err());
    }
}
