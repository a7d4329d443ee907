//! Measured round trips between regions of the world. Pure; touches nothing else.
//!
//! Source: cloudping.co, median of the round trips between regions of Amazon Web Services, as kept
//! by `commonware-estimator` (commonwarexyz/monorepo, `examples/estimator/src/p50.json`). Rows are
//! senders. The two directions were measured apart and differ a little.

/// The regions, in the order of the table.
pub const REGIONS: [&str; 8] = [
    "us-west-1",
    "ca-central-1",
    "eu-west-3",
    "eu-central-1",
    "ap-east-1",
    "ap-northeast-3",
    "ap-southeast-2",
    "af-south-1",
];

/// Round trips in tenths of a millisecond.
const ROUND_TRIPS: [[u64; 8]; 8] = [
    [28, 798, 1443, 1533, 1549, 1097, 1391, 2878],
    [800, 40, 857, 933, 1965, 1537, 1983, 2251],
    [1445, 858, 33, 127, 1992, 2261, 2804, 1465],
    [1530, 928, 122, 40, 1931, 2339, 2513, 1559],
    [1557, 2029, 2006, 1940, 28, 471, 1280, 3531],
    [1099, 1513, 2247, 2343, 465, 22, 1203, 3748],
    [1393, 1982, 2802, 2516, 1279, 1207, 41, 4087],
    [2863, 2232, 1447, 1547, 3476, 3731, 4088, 45],
];

/// Half of the round trip between the regions of two nodes, in nanoseconds. Node n stands in region
/// n mod 8.
#[must_use]
pub fn one_way_ns(from: u16, to: u16) -> u64 {
    let place = |node: u16| usize::from(node) % REGIONS.len();
    ROUND_TRIPS[place(from)][place(to)] * 100_000 / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_takes_half_of_the_measured_round_trip() {
        assert_eq!(one_way_ns(6, 7), 204_350_000, "Sydney to Cape Town");
        assert_eq!(one_way_ns(2, 3), 6_350_000, "Paris to Frankfurt");
        assert_eq!(one_way_ns(0, 8), 1_400_000, "within one region");
        assert_ne!(one_way_ns(1, 4), one_way_ns(4, 1));
    }

    #[test]
    fn both_directions_were_measured_alike() {
        for a in 0..8 {
            for b in 0..8 {
                let (there, back) = (one_way_ns(a, b), one_way_ns(b, a));
                assert!(there.abs_diff(back) * 20 <= there.max(back), "{a} and {b}");
            }
        }
    }
}
