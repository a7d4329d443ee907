//! Tests of the random streams: fixed output, independence, evenness.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

#[test]
fn the_generator_is_chacha_with_eight_rounds() {
    // The first bytes of the key stream for an all-zero key and nonce, as published by others.
    let mut first = [0; 32];
    ChaCha8Rng::from_seed([0; 32]).fill_bytes(&mut first);
    let hex: String = first.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e"
    );
}

#[test]
fn names_and_places_of_streams_are_unique() {
    for (place, stream) in Stream::ALL.into_iter().enumerate() {
        assert_eq!(stream.index(), place);
        assert_eq!(Stream::from_name(stream.name()), Some(stream));
        let json = serde_json::to_string(&stream).unwrap();
        assert_eq!(json, format!("\"{stream}\""));
    }
    assert_eq!(Stream::from_name("net.nothing"), None);
}

/// (seed, stream, coordinates, first two words), computed by a second program in another language.
const GOLDEN: [(u64, Stream, Coords, [u64; 2]); 6] = [
    (
        0,
        Stream::LinkPacket,
        [0, 0, 0, 0],
        [0xc5a9_d53d_e0ca_522f, 0x7ded_f8c6_a7a7_bce6],
    ),
    (
        0,
        Stream::LinkPacket,
        [1, 0, 0, 0],
        [0x87bf_dcd2_ce35_4a66, 0xdf66_ea0d_38e9_6ffb],
    ),
    (
        1,
        Stream::LinkPacket,
        [0, 0, 0, 0],
        [0x23e9_1a0f_5c4e_0dcc, 0xaffd_5bb8_12ef_6e1f],
    ),
    (
        1,
        Stream::DiskSector,
        [3, 1, 4, 1],
        [0x398f_118e_a408_9c9b, 0x48da_d46d_d1a3_595c],
    ),
    (
        42,
        Stream::Swarm,
        [u64::MAX, 2, 3, 4],
        [0xcfb8_a070_793c_625e, 0x0846_d452_ab4e_e71b],
    ),
    (
        u64::MAX,
        Stream::GossipPick,
        [1, 2, 3, 4],
        [0xbdf6_51d4_04c9_c396, 0x1a52_3262_b7cd_0802],
    ),
];

#[test]
fn the_same_seed_means_the_same_decisions_for_ever() {
    for (seed, stream, coords, expected) in GOLDEN {
        let mut draw = Choices::new(seed).draw(stream, coords);
        let got = [draw.next_u64(), draw.next_u64()];
        assert_eq!(got, expected, "({seed}, {stream}, {coords:?}): {got:#x?}");
    }
    let mut draw = Choices::new(7).draw(Stream::Schedule, [7; 4]);
    let mut order = [0, 1, 2, 3, 4, 5, 6, 7];
    draw.shuffle(&mut order);
    let got = (
        order,
        draw.below(1000),
        draw.between(10..=20),
        draw.chance(Ratio::percent(50)),
        draw.pick(&["a", "b", "c"]).copied(),
    );
    assert_eq!(got, ([3, 0, 2, 6, 5, 1, 7, 4], 115, 16, true, Some("c")));
}

#[test]
fn neither_order_nor_number_of_decisions_matters() {
    let coords: Vec<Coords> = (0..50).map(|i| [i, i * 7, 3, 0]).collect();
    let ask = |choices: &Choices, c: &Coords| choices.draw(Stream::LinkPacket, *c).next_u64();
    let choices = Choices::new(9);
    let forward: Vec<u64> = coords.iter().map(|c| ask(&choices, c)).collect();
    let mut backward: Vec<u64> = Vec::new();
    for c in coords.iter().rev() {
        // Decisions of another stream, and more of this one, change nothing.
        let _ = choices.draw(Stream::Workload, *c).below(5);
        let _ = choices.draw(Stream::LinkPacket, [1, 1, 1, c[0]]).next_u64();
        backward.push(ask(&choices, c));
    }
    backward.reverse();
    assert_eq!(forward, backward);
}

#[test]
fn every_coordinate_stream_and_seed_matters() {
    let base = Choices::new(5).draw(Stream::Swarm, [0; 4]).next_u64();
    for place in 0..4 {
        let mut coords = [0; 4];
        coords[place] = 1;
        assert_ne!(Choices::new(5).draw(Stream::Swarm, coords).next_u64(), base);
    }
    assert_ne!(Choices::new(5).draw(Stream::Tie, [0; 4]).next_u64(), base);
    assert_ne!(Choices::new(6).draw(Stream::Swarm, [0; 4]).next_u64(), base);
}

/// The sum over all cells of (count - expected)^2, divided by `expected`, rounded down.
fn chi_square(counts: &[u64], expected: u64) -> u64 {
    let sum: u64 = counts.iter().map(|c| c.abs_diff(expected).pow(2)).sum();
    sum / expected
}

#[test]
fn numbers_from_neighbouring_coordinates_are_even() {
    let choices = Choices::new(11);
    for n in [2, 3, 10, 100] {
        let mut counts = vec![0; n];
        for i in 0..(n as u64) * 1000 {
            let draw = choices
                .draw(Stream::LinkPacket, [i, 0, 0, 0])
                .below(n as u64);
            counts[usize::try_from(draw).unwrap()] += 1;
        }
        // Far beyond the 99.99 % point of chi-square with n - 1 degrees of freedom.
        let limit = n as u64 + 8 * n.isqrt() as u64 + 12;
        assert!(chi_square(&counts, 1000) < limit, "{n}: {counts:?}");
    }
}

#[test]
fn every_order_of_three_is_equally_likely() {
    let choices = Choices::new(12);
    let mut counts = BTreeMap::new();
    for i in 0..6000 {
        let mut items = [0, 1, 2];
        choices.draw(Stream::Tie, [0, i, 0, 0]).shuffle(&mut items);
        *counts.entry(items).or_insert(0) += 1;
    }
    let counts: Vec<u64> = counts.into_values().collect();
    assert_eq!(counts.len(), 6);
    assert!(chi_square(&counts, 1000) < 30, "{counts:?}");
}

#[test]
fn chances_come_as_often_as_they_say() {
    let choices = Choices::new(13);
    for (ratio, low, high) in [
        (Ratio::NEVER, 0, 0),
        (Ratio::percent(2), 150, 250),
        (Ratio::new(1, 3), 3150, 3520),
        (Ratio::ALWAYS, 10_000, 10_000),
    ] {
        let hits = (0..10_000)
            .filter(|i| choices.chance(Stream::Byzantine, [0, 0, 0, *i], ratio))
            .count();
        assert!((low..=high).contains(&hits), "{ratio}: {hits}");
    }
}

#[test]
fn ranges_include_both_ends_and_may_be_everything() {
    let mut draw = Choices::new(14).draw(Stream::Schedule, [0; 4]);
    let seen: std::collections::BTreeSet<u64> = (0..200).map(|_| draw.between(5..=8)).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert_eq!(draw.between(3..=3), 3);
    let _ = draw.between(0..=u64::MAX);
    assert_eq!(draw.pick::<u8>(&[]), None);
}

#[test]
fn a_given_outcome_replaces_the_first_decision_and_no_other() {
    let at = (Stream::Schedule, [1, 2, 3, 4]);
    let plain = Choices::new(15);
    let given = plain.with_overrides(&Overrides::from([(at, 7)]));
    assert!(!plain.has_overrides() && given.has_overrides());
    let ask = |c: &Choices| c.draw(at.0, at.1);

    let (mut a, mut b) = (ask(&plain), ask(&given));
    let _ = a.next_u64();
    assert_eq!(b.next_u64(), 7);
    assert_eq!(a.next_u64(), b.next_u64());

    assert_eq!(ask(&given).below(100), 7);
    assert_eq!(ask(&given).below(5), 4);
    assert_eq!(ask(&given).between(3..=100), 7);
    assert_eq!(ask(&given).between(9..=100), 9);
    assert!(ask(&given).chance(Ratio::NEVER));
    assert!(given.chance(at.0, at.1, Ratio::NEVER));
    assert_eq!(ask(&given).pick(&[1, 2, 3]), Some(&3));
    let other = [1, 2, 3, 5];
    assert_eq!(
        plain.draw(at.0, other).next_u64(),
        given.draw(at.0, other).next_u64()
    );
}

#[test]
fn an_override_that_nobody_asked_for_is_named() {
    let (used, idle) = (
        (Stream::LinkLoss, [1, 2, 3, 4]),
        (Stream::DiskSector, [5; 4]),
    );
    let given = Choices::new(1).with_overrides(&Overrides::from([(used, 1), (idle, 2)]));
    assert_eq!(given.idle_overrides().len(), 2);
    assert_eq!(given.clone().overridden(used.0, used.1), Some(1));
    assert_eq!(given.overridden(used.0, [9; 4]), None);
    let (stream, at) = idle;
    let value = 2;
    assert_eq!(given.idle_overrides(), [Decision { stream, at, value }]);
}

#[test]
fn what_is_written_down_gives_the_same_decisions_as_overrides() {
    let ask = |choices: &Choices| {
        let draw = |n| choices.draw(Stream::Schedule, [n, 0, 0, 0]);
        (
            draw(0).below(1000),
            draw(1).between(10..=20),
            draw(2).chance(Ratio::percent(50)),
            draw(3).pick(&["a", "b", "c"]).copied(),
            draw(4).next_u64(),
        )
    };
    let silent = Choices::new(21);
    let told = silent.recorded();
    assert_eq!((ask(&told), &told), (ask(&silent), &silent));
    assert_eq!(silent.take_decisions(), []);
    let made = told.take_decisions();
    assert_eq!(made.len(), 4, "words are no decision: {made:?}");
    assert_eq!(told.take_decisions(), [], "each is given once");

    let overrides: Overrides = made.iter().map(|d| ((d.stream, d.at), d.value)).collect();
    let other = Choices::new(22).with_overrides(&overrides);
    let (expected, got) = (ask(&silent), ask(&other));
    let first = |all: (u64, u64, bool, Option<&'static str>, u64)| (all.0, all.1, all.2, all.3);
    assert_eq!(first(got), first(expected));
    assert_eq!(other.idle_overrides(), []);
}

/// What a new stream does to the others: nothing, for a key knows only the seed and its own name.
#[test]
fn the_key_of_a_stream_depends_on_nothing_but_seed_and_name() {
    for stream in Stream::ALL {
        let mut hasher = Sha256::new();
        hasher.update(77_u64.to_le_bytes());
        hasher.update(stream.name());
        let alone = ChaCha8Rng::from_seed(hasher.finalize().into()).next_u64();
        let among_others = Choices::new(77).draw(stream, [0; 4]).next_u64();
        assert_eq!(among_others, alone, "{stream}");
    }
}

#[test]
fn ratios_are_written_as_fractions() {
    let ratio: Ratio = serde_json::from_str("\"3/100\"").unwrap();
    assert_eq!(ratio, Ratio::percent(3));
    assert_eq!(serde_json::to_string(&ratio).unwrap(), "\"3/100\"");
    assert_eq!("3%".parse(), Ok(ratio));
    assert_eq!("250ppm".parse(), Ok(Ratio::ppm(250)));
    for wrong in [
        "",
        "1",
        "2/1",
        "0/0",
        "-1/2",
        "1/2/3",
        "0.5",
        "101%",
        "4294967296/4294967297",
    ] {
        let error = wrong.parse::<Ratio>().unwrap_err();
        assert!(
            error.to_string().contains("is not a probability"),
            "{error}"
        );
    }
}

#[test]
fn name_coordinates_are_fnv_1a() {
    assert_eq!(name_coordinate(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(name_coordinate("foobar"), 0x8594_4171_f739_67e8);
}
