//! The names of segments: `sequence-index.wal`, both as 16 lower-case hex digits.
//!
//! Pure functions on names; touches no storage.

/// What the name of a segment says.
///
/// Names sort like their sequence numbers. The index need not grow from one segment to the next,
/// because entries may be overwritten from a lower index on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// Position in the log: 0, 1, 2 and so on without holes.
    pub sequence: u64,
    /// The index that was expected next when the segment was begun.
    pub index: u64,
}

/// The file name of a segment.
///
/// ```
/// assert_eq!(engine::wal::segment_name(1, 0x21), "0000000000000001-0000000000000021.wal");
/// ```
#[must_use]
pub fn segment_name(sequence: u64, index: u64) -> String {
    format!("{sequence:016x}-{index:016x}.wal")
}

/// Reads a file name; `None` if it is not exactly what [`segment_name`] gives.
#[must_use]
pub fn parse_name(name: &str) -> Option<SegmentName> {
    let (sequence, index) = name.strip_suffix(".wal")?.split_once('-')?;
    let parsed = SegmentName {
        sequence: parse_hex(sequence)?,
        index: parse_hex(index)?,
    };
    (segment_name(parsed.sequence, parsed.index) == name).then_some(parsed)
}

fn parse_hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

/// The position of the last name whose index is not above `index`: the segment from where to read.
#[must_use]
pub fn search_index(names: &[SegmentName], index: u64) -> Option<usize> {
    names.iter().rposition(|name| name.index <= index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_documentation_of_etcd_hold() {
        assert_eq!(segment_name(0, 0), "0000000000000000-0000000000000000.wal");
        assert_eq!(
            segment_name(1, 0x20 + 1),
            "0000000000000001-0000000000000021.wal"
        );
        assert_eq!(
            segment_name(2, 0x30 + 1),
            "0000000000000002-0000000000000031.wal"
        );
    }

    #[test]
    fn only_exact_names_parse() {
        let good = "0000000000000000-0000000000000000.wal";
        assert_eq!(
            parse_name(good),
            Some(SegmentName {
                sequence: 0,
                index: 0
            })
        );
        for bad in [
            "",
            ".wal",
            "0000000000000000.wal",
            "0000000000000000-0000000000000000.snap",
            "0000000000000000-0000000000000000.wal.tmp",
            "0000000000000000-0000000000000000.wal.broken",
            "0-0.wal",
            "000000000000000A-0000000000000000.wal",
            "+000000000000001-0000000000000000.wal",
            "0000000000000000-0000000000000000-0000000000000000.wal",
            "lost+found",
        ] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_segment_that_may_hold_an_index_is_found() {
        let names = |indices: &[u64]| -> Vec<SegmentName> {
            let numbered = (0_u64..).zip(indices);
            numbered
                .map(|(sequence, index)| SegmentName {
                    sequence,
                    index: *index,
                })
                .collect()
        };
        assert_eq!(search_index(&names(&[0, 0x1000, 0x2000]), 0x1000), Some(1));
        // Indices need not grow: etcd's own vector.
        assert_eq!(
            search_index(&names(&[0x4000, 0x3000, 0x5000]), 0x4000),
            Some(1)
        );
        assert_eq!(search_index(&names(&[1, 0x1000, 0x2000]), 0), None);
        assert_eq!(search_index(&[], 0), None);
    }

    proptest! {
        #[test]
        fn every_name_reads_back(sequence: u64, index: u64) {
            let parsed = parse_name(&segment_name(sequence, index));
            prop_assert_eq!(parsed, Some(SegmentName { sequence, index }));
        }

        #[test]
        fn names_sort_like_sequence_numbers(a: (u64, u64), b: (u64, u64)) {
            let by_text = segment_name(a.0, a.1).cmp(&segment_name(b.0, b.1));
            prop_assert_eq!(by_text, a.cmp(&b));
        }
    }
}
