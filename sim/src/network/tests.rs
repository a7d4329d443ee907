//! Tests of the network: fates, cuts and names.

use engine::types::Span;

use super::*;
use crate::{choice::Overrides, clock::START};

const MS: u64 = 1_000_000;

fn model(latency: Latency, loss: u32, duplicate: u32) -> LinkModel {
    LinkModel {
        latency,
        loss: Ratio::percent(loss),
        duplicate: Ratio::percent(duplicate),
        ..LinkModel::default()
    }
}

fn constant(nodes: u16) -> Network {
    Network::new(nodes, model(Latency::Constant { ns: MS }, 0, 0))
}

fn send(network: &mut Network, from: u16, to: u16) -> Fate {
    let link = (PeerId(from), PeerId(to));
    network.route(&Choices::new(1), START, link, (1, 0), 1)
}

fn arrives(network: &mut Network, from: u16, to: u16) -> bool {
    match send(network, from, to) {
        Fate::Deliver { .. } | Fate::Twice { .. } | Fate::Corrupted { .. } => true,
        Fate::Dropped(reason) => {
            assert_eq!(reason, DropReason::Cut);
            false
        }
    }
}

#[test]
fn a_faultless_link_delivers_after_its_latency() {
    let at = START.after(Span::millis(1));
    assert_eq!(send(&mut constant(2), 0, 1), Fate::Deliver { at });
}

#[test]
fn packets_are_lost_and_doubled_as_often_as_the_model_says() {
    let latency = Latency::Uniform {
        min_ns: 70 * MS,
        max_ns: 90 * MS,
    };
    let mut network = Network::new(4, model(latency, 2, 10));
    for i in 0..10_000 {
        let link = (PeerId(i % 4), PeerId((i + 1) % 4));
        let point = (u64::from(i / 100), u32::from(i % 3));
        let _ = network.route(&Choices::new(5), START, link, point, 2);
    }
    let counters = network.counters();
    assert_eq!(counters.sent, 10_000);
    assert!((150..250).contains(&counters.lost), "{counters:?}");
    assert!((880..1080).contains(&counters.duplicated), "{counters:?}");
    assert_eq!(counters.cut, 0);
    assert_eq!(
        counters.sent + counters.duplicated,
        counters.delivered + counters.lost + counters.cut
    );
}

#[test]
fn later_packets_may_overtake_earlier_ones() {
    let latency = Latency::Uniform {
        min_ns: MS,
        max_ns: 100 * MS,
    };
    let mut network = Network::new(2, model(latency, 0, 0));
    let arrivals: Vec<Time> = (0..50)
        .map(|_| match send(&mut network, 0, 1) {
            Fate::Deliver { at } => at,
            other @ (Fate::Twice { .. } | Fate::Corrupted { .. } | Fate::Dropped(_)) => {
                panic!("{other:?}")
            }
        })
        .collect();
    assert!(arrivals.windows(2).any(|pair| pair[0] > pair[1]));
    let bounds = START.after(Span::millis(1))..=START.after(Span::millis(100));
    assert!(arrivals.iter().all(|at| bounds.contains(at)));
}

#[test]
fn what_happens_on_one_link_does_not_depend_on_another() {
    let lossy = || Network::new(3, model(Latency::Constant { ns: 1 }, 50, 20));
    let (mut alone, mut busy) = (lossy(), lossy());
    for _ in 0..100 {
        let _ = send(&mut busy, 0, 2);
        let _ = send(&mut busy, 1, 0);
        assert_eq!(send(&mut alone, 0, 1), send(&mut busy, 0, 1));
    }
}

#[test]
fn a_repeated_packet_is_not_lost_for_ever() {
    let mut network = Network::new(2, model(Latency::Constant { ns: 1 }, 50, 0));
    let choices = Choices::new(2);
    let link = (PeerId(0), PeerId(1));
    for height in 1..100 {
        // The link also carries news of heights far above.
        let _ = network.route(&choices, START, link, (height + 1000, 0), 1);
        let tries = (0..64).map(|_| network.route(&choices, START, link, (3, 0), 1));
        let arrived = tries
            .filter(|fate| matches!(fate, Fate::Deliver { .. }))
            .count();
        assert!((12..52).contains(&arrived), "{arrived} of 64 at {height}");
    }
}

#[test]
fn a_cut_link_drops_in_one_direction_only() {
    let mut network = constant(2);
    network.cut(PeerId(0), PeerId(1));
    assert!(!arrives(&mut network, 0, 1));
    assert!(arrives(&mut network, 1, 0));
    network.heal(PeerId(0), PeerId(1));
    assert!(arrives(&mut network, 0, 1));
    assert_eq!(network.counters().cut, 1);
}

#[test]
fn overlapping_cuts_must_all_end_before_a_link_heals() {
    let mut network = constant(3);
    let [a, b, c] = [0, 1, 2].map(PeerId);
    let first = network.partition(&[&[a], &[b, c]]);
    let second = network.isolate(a);
    network.end(first);
    assert!(!arrives(&mut network, 0, 1));
    assert!(arrives(&mut network, 1, 2));
    network.end(second);
    assert!(arrives(&mut network, 0, 1));
}

#[test]
fn ending_a_cut_again_does_not_undo_another() {
    let mut network = constant(2);
    let old = network.isolate(PeerId(0));
    network.heal_all();
    assert!(arrives(&mut network, 0, 1));
    let new = network.isolate(PeerId(1));
    network.end(old);
    assert!(network.is_cut(PeerId(0), PeerId(1)));
    network.end(new);
    assert!(arrives(&mut network, 0, 1));
}

#[test]
fn each_kind_of_cut_cuts_the_links_it_names() {
    let cut_links = |cut: &Cut| -> Vec<(u16, u16)> {
        let mut network = constant(3);
        let id = network.start(cut);
        let pairs = (0..3).flat_map(|a| (0..3).map(move |b| (a, b)));
        let links = pairs
            .filter(|(a, b)| !arrives(&mut network, *a, *b))
            .collect();
        network.end(id);
        assert!((0..3).all(|a| (0..3).all(|b| arrives(&mut network, a, b))));
        links
    };
    let [a, b, c] = [0, 1, 2].map(PeerId);
    assert_eq!(cut_links(&Cut::Link { from: a, to: b }), [(0, 1)]);
    assert_eq!(cut_links(&Cut::Deaf { node: a }), [(1, 0), (2, 0)]);
    assert_eq!(cut_links(&Cut::Mute { node: a }), [(0, 1), (0, 2)]);
    assert_eq!(
        cut_links(&Cut::Isolate { node: b }),
        [(0, 1), (1, 0), (1, 2), (2, 1)]
    );
    let one_way = Cut::OneWay {
        from: vec![a, b],
        to: vec![b, c],
    };
    assert_eq!(cut_links(&one_way), [(0, 1), (0, 2), (1, 2)]);
    let groups = |groups: &[&[PeerId]]| Cut::Partition {
        groups: groups.iter().map(|g| g.to_vec()).collect(),
    };
    assert_eq!(cut_links(&groups(&[&[a], &[b]])), [(0, 1), (1, 0)]);
    assert_eq!(cut_links(&groups(&[&[a, c], &[b, c]])), [(0, 1), (1, 0)]);
}

#[test]
fn a_core_heals_while_the_rest_stays_cut() {
    let mut network = constant(3);
    let [a, b, c] = [0, 1, 2].map(PeerId);
    let id = network.partition(&[&[a], &[b], &[c]]);
    network.heal_between(&[a, b]);
    assert!(arrives(&mut network, 0, 1) && arrives(&mut network, 1, 0));
    assert!(!arrives(&mut network, 0, 2) && !arrives(&mut network, 2, 1));
    network.cut(a, b);
    network.end(id);
    assert!(
        !arrives(&mut network, 0, 1),
        "the later cut is not part of the ended one"
    );
    assert!(arrives(&mut network, 0, 2));
}

#[test]
fn a_link_with_its_own_model_follows_it() {
    let mut network = constant(3);
    let slow = model(Latency::Constant { ns: 500 * MS }, 0, 0);
    network.set_model(PeerId(0), PeerId(1), slow.clone());
    network.set_model(PeerId(1), PeerId(0), slow.clone());
    assert_eq!(network.models.len(), 2);
    let at = |ms| Fate::Deliver {
        at: START.after(Span::millis(ms)),
    };
    assert_eq!(send(&mut network, 0, 1), at(500));
    assert_eq!(send(&mut network, 0, 2), at(1));
    network.set_default_model(model(Latency::Constant { ns: 2 * MS }, 0, 0));
    assert_eq!(send(&mut network, 0, 1), at(500));
    assert_eq!(send(&mut network, 0, 2), at(2));
    network.clear_models();
    assert_eq!(send(&mut network, 0, 1), at(2));
}

#[test]
fn overrides_decide_single_questions_about_single_packets() {
    let name = PacketName {
        from: PeerId(0),
        to: PeerId(1),
        height: 1,
        round: 0,
        kind: 1,
        nth: 1,
    };
    let with = |stream, value| {
        let overrides = Overrides::from([((stream, name.coords()), value)]);
        let choices = Choices::new(1).with_overrides(&overrides);
        let mut network = Network::new(2, model(Latency::Constant { ns: MS }, 0, 0));
        [0, 1, 2].map(|_| network.route(&choices, START, (name.from, name.to), (1, 0), 1))
    };
    let usual = Fate::Deliver {
        at: START.after(Span::millis(1)),
    };
    let lost = Fate::Dropped(DropReason::Loss);
    assert_eq!(with(Stream::LinkLoss, 1), [usual, lost, usual]);
    let late = Fate::Deliver {
        at: START.after(Span(7)),
    };
    assert_eq!(with(Stream::LinkLatency, 7), [usual, late, usual]);
    let twice = Fate::Twice {
        first: START.after(Span::millis(1)),
        second: START.after(Span::millis(1)),
    };
    assert_eq!(with(Stream::LinkDuplicate, 1), [usual, twice, usual]);
}

#[test]
fn a_heavy_tail_has_the_quantiles_it_documents() {
    let (min_ns, scale_ns, max_ns) = (10 * MS, MS, 1000 * MS);
    let tail = Latency::HeavyTail {
        min_ns,
        scale_ns,
        max_ns,
    };
    assert_eq!(tail.at(u64::MAX), min_ns);
    assert_eq!(tail.at(0), max_ns);
    // The word is the share of packets that take longer.
    let near = |word, ns: u64| tail.at(word).abs_diff(min_ns + ns) < MS / 100;
    assert!(near(u64::MAX / 2, 414_214));
    assert!(near(u64::MAX / 100, 9 * MS));
    assert!(near(u64::MAX / 10_000, 99 * MS));
    let huge = Latency::HeavyTail {
        min_ns: u64::MAX,
        scale_ns: u64::MAX,
        max_ns: u64::MAX,
    };
    assert_eq!(huge.at(0), u64::MAX);
}

#[test]
fn a_uniform_latency_reaches_both_ends() {
    let latency = Latency::Uniform {
        min_ns: 5,
        max_ns: 8,
    };
    assert_eq!([0, u64::MAX].map(|word| latency.at(word)), [5, 8]);
    let everything = Latency::Uniform {
        min_ns: u64::MAX,
        max_ns: 0,
    };
    assert_eq!(everything.at(77), 77);
}

#[test]
fn models_are_written_in_scenarios() {
    let text =
        r#"{"latency":{"kind":"uniform","min_ns":70000000,"max_ns":90000000},"loss":"2/100"}"#;
    let model: LinkModel = serde_json::from_str(text).unwrap();
    assert_eq!(model.loss, Ratio::percent(2));
    assert_eq!(model.duplicate, Ratio::NEVER);
    assert!(serde_json::from_str::<LinkModel>(r#"{"latency":{"kind":"constant"}}"#).is_err());
}

/// The arrivals of packets that leave a millisecond apart.
fn arrivals(reorder: Option<Ratio>) -> Vec<Time> {
    let latency = Latency::Uniform {
        min_ns: MS,
        max_ns: 100 * MS,
    };
    let mut network = Network::new(
        2,
        LinkModel {
            latency,
            reorder,
            ..LinkModel::default()
        },
    );
    let send = |n: u64| {
        let now = START.after(Span::millis(n));
        match network.route(&Choices::new(1), now, (PeerId(0), PeerId(1)), (1, 0), 1) {
            Fate::Deliver { at } => {
                assert!(
                    at <= now.after(Span::millis(100)),
                    "waiting takes no longer"
                );
                at
            }
            other @ (Fate::Twice { .. } | Fate::Corrupted { .. } | Fate::Dropped(_)) => {
                panic!("{other:?}")
            }
        }
    };
    (0..400).map(send).collect()
}

#[test]
fn a_link_in_order_lets_nobody_overtake_but_the_share_that_it_names() {
    let overtaken = |reorder| {
        let arrivals = arrivals(reorder);
        arrivals.windows(2).filter(|pair| pair[0] > pair[1]).count()
    };
    assert_eq!(overtaken(Some(Ratio::NEVER)), 0);
    assert!((10..80).contains(&overtaken(Some(Ratio::percent(10)))));
    assert!(overtaken(None) > 100);
    assert_eq!(arrivals(None), arrivals(Some(Ratio::ALWAYS)));
}

#[test]
fn packets_are_damaged_as_often_as_the_model_says() {
    let corrupt = LinkModel {
        corrupt: Ratio::percent(10),
        ..LinkModel::default()
    };
    let mut network = Network::new(2, corrupt);
    let damaged = (0..1_000).filter(|_| {
        let fate = send(&mut network, 0, 1);
        matches!(fate, Fate::Corrupted { .. })
    });
    let count = damaged.count() as u64;
    assert!((60..140).contains(&count), "{count}");
    let counters = network.counters();
    assert_eq!((counters.corrupted, counters.sent), (count, 1_000));
    assert_eq!(counters.delivered, 1_000 - count);
}

#[test]
#[should_panic(expected = "the network has 2 nodes")]
fn a_packet_to_nobody_is_refused() {
    let _ = send(&mut constant(2), 0, 2);
}
