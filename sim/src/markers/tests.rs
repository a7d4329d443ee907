//! Hand-made events and what they reach; and that watching changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use engine::{
    codec::Frame,
    consensus::Notice,
    node::{Entry, Record},
    types::{
        BlockId, Channel, Hash, Hrs, Lsn, Message, PartSetHeader, PeerId, Proposal, Round,
        Signature, Step, Time,
    },
};

use super::*;
use crate::{
    nemesis::{Fault, FaultKind, Overrides, Unsynced, When, draw},
    report::sample,
};

/// An observer of four nodes, the last of them byzantine, and what it has reached by the plan.
fn observer() -> (Observer, Reached) {
    let mut plan = sample::passed().plan;
    plan.link.duplicate_ppm = 0;
    let keys: Vec<_> = (0..4).map(|n| PublicKey([n; 32])).collect();
    let observer = Observer::new(&plan, &keys);
    let reached = observer.reached();
    (observer, reached)
}

fn show(observer: &mut Observer, node: u16, what: What) {
    observer.observe(&Event {
        seq: 0,
        time: Time(0),
        node: Some(PeerId(node)),
        what,
    });
}

/// What these events of one node reach.
fn reached(node: u16, events: Vec<What>) -> Vec<Marker> {
    let (mut observer, before) = observer();
    for what in events {
        show(&mut observer, node, what);
    }
    let new = observer.reached().iter();
    new.filter(|marker| !before.has(*marker)).collect()
}

fn at(height: u64, round: u32, step: Step) -> What {
    What::Notice(Notice::NewRoundStep(Hrs {
        height: Height(height),
        round: Round(round),
        step,
    }))
}

fn block(byte: u8) -> BlockId {
    let hash = Hash([byte; 32]);
    let parts = PartSetHeader { total: 1, hash };
    BlockId { hash, parts }
}

fn waited(round: u32) -> What {
    What::Notice(Notice::TimeoutWait(Hrs {
        height: Height(1),
        round: Round(round),
        step: Step::PrecommitWait,
    }))
}

#[test]
fn a_round_is_skipped_unless_time_was_over() {
    use Step::Propose;
    let waiting = vec![at(1, 0, Propose), waited(0), at(1, 1, Propose)];
    assert_eq!(
        reached(0, waiting),
        [Marker::Round1, Marker::TimeoutPrecommit]
    );
    let skipping = vec![at(1, 0, Propose), at(1, 1, Propose)];
    assert_eq!(reached(0, skipping), [Marker::Round1, Marker::RoundSkipped]);
    let jumping = vec![at(1, 0, Propose), waited(0), at(1, 2, Propose)];
    assert!(reached(0, jumping).contains(&Marker::RoundsJumped));
    let next_height = vec![at(1, 0, Propose), at(2, 0, Propose)];
    assert_eq!(reached(0, next_height), []);
}

#[test]
fn what_byzantine_nodes_do_reaches_nothing() {
    let events = vec![at(1, 0, Step::Propose), at(1, 5, Step::Propose)];
    assert!(!reached(0, events.clone()).is_empty());
    assert_eq!(reached(3, events), []);
}

#[test]
fn locks_move_and_a_late_polka_makes_valid_without_lock() {
    let notice = |notice| What::Notice(notice);
    let (one, two) = (block(1), block(2));
    let polka = |is_commit, block| notice(Notice::ValidBlock { block, is_commit });
    let moved = vec![
        at(1, 0, Step::Prevote),
        notice(Notice::Lock(Round(0), one)),
        at(1, 1, Step::Prevote),
        notice(Notice::Lock(Round(1), two)),
    ];
    let found = reached(0, moved);
    assert!(found.contains(&Marker::LockMoved) && found.contains(&Marker::LockedLate));
    let in_two_heights = vec![
        at(1, 0, Step::Prevote),
        notice(Notice::Lock(Round(0), one)),
        at(2, 0, Step::Prevote),
        notice(Notice::Lock(Round(0), two)),
    ];
    assert_eq!(reached(0, in_two_heights), [Marker::Locked]);

    let known = notice(Notice::CompleteProposal(one));
    let late = vec![at(1, 0, Step::Precommit), known.clone(), polka(false, one)];
    assert_eq!(reached(0, late), [Marker::ValidNotLocked]);
    let in_time = vec![at(1, 0, Step::Prevote), known, polka(false, one)];
    assert_eq!(reached(0, in_time), []);
    let unknown = vec![at(1, 0, Step::Precommit), polka(true, one)];
    assert_eq!(reached(0, unknown), [Marker::CommitUnknown]);
}

fn proposal(round: u32, block: BlockId) -> Proposal {
    Proposal {
        height: Height(1),
        round: Round(round),
        pol_round: None,
        block,
        signature: Signature([0; 64]),
    }
}

fn delivered(proposal: Proposal) -> What {
    let frame = Frame::encode(Channel::Data, vec![Message::Proposal(proposal)]);
    let (packet, from) = (0, PeerId(3));
    What::Delivered {
        packet,
        from,
        frame,
    }
}

#[test]
fn two_proposals_for_one_round_are_noticed_and_repetitions_are_not() {
    let (one, two) = (block(1), block(2));
    let here = at(1, 0, Step::Propose);
    let double = vec![
        here.clone(),
        delivered(proposal(0, one)),
        delivered(proposal(0, two)),
    ];
    assert!(reached(0, double).contains(&Marker::DoubleProposal));
    let again = vec![
        here,
        delivered(proposal(0, one)),
        delivered(proposal(0, one)),
        delivered(proposal(1, two)),
    ];
    assert_eq!(
        reached(0, again),
        [Marker::FutureProposal, Marker::HeardProposal]
    );
}

#[test]
fn a_restart_in_the_middle_of_a_height_is_told_from_one_between_heights() {
    let own = |round| {
        let messages = vec![Message::Proposal(proposal(round, block(1)))];
        let record = Record::Own { messages };
        let time = Time(0);
        let entry = Arc::new(Entry { time, record });
        let lsn = Lsn(1);
        What::Appended { lsn, entry }
    };
    let back = |height| What::Started {
        incarnation: 1,
        height: Height(height),
        signed: None,
    };
    let inside = reached(0, vec![own(0), What::Crashed, back(0)]);
    assert_eq!(
        inside,
        [
            Marker::Crashed,
            Marker::Restarted,
            Marker::RestartedInHeight
        ]
    );
    let between = reached(0, vec![own(0), What::Crashed, back(1)]);
    assert_eq!(between, [Marker::Crashed, Marker::Restarted]);
}

#[test]
fn all_nodes_down_is_more_than_a_third() {
    let up = What::Started {
        incarnation: 0,
        height: Height(0),
        signed: None,
    };
    let (mut observer, _) = observer();
    for node in 0..4 {
        show(&mut observer, node, up.clone());
    }
    show(&mut observer, 0, What::Crashed);
    assert!(!observer.reached().has(Marker::ThirdDown));
    show(&mut observer, 1, What::Crashed);
    assert!(observer.reached().has(Marker::ThirdDown));
    for node in [2, 3] {
        assert!(!observer.reached().has(Marker::AllDown));
        show(&mut observer, node, What::Crashed);
    }
    assert!(observer.reached().has(Marker::AllDown));
}

#[test]
fn faults_are_told_by_when_they_begin() {
    let (mut observer, _) = observer();
    let kind = FaultKind::Crash {
        node: Some(0),
        restart_after_ms: None,
        disk: Unsynced::Torn,
    };
    let (commits, call) = (1, 2);
    let at = When::Commit {
        node: 0,
        commits,
        call,
        side: crate::disk::Side::Before,
    };
    observer.fault_began(&Fault {
        at,
        kind,
        off: false,
    });
    assert!(observer.reached().has(Marker::CrashInCommit));
    assert!(!observer.reached().has(Marker::FaultAtTime));
}

#[test]
fn a_log_that_became_shorter_by_a_start_had_a_torn_tail() {
    let sizes = |bytes| LogSizes(BTreeMap::from([("data/wal/x.wal".to_owned(), bytes)]));
    for (before, after, cut) in [(10, 10, false), (10, 12, false), (10, 7, true)] {
        let (mut observer, _) = observer();
        observer.log_after_start(&sizes(before), &sizes(after));
        assert_eq!(observer.reached().has(Marker::TornTailCut), cut);
    }
}

#[test]
fn a_short_run_reaches_what_every_run_must() {
    let overrides = Overrides {
        heights: Some(4),
        no_faults: true,
        ..Overrides::default()
    };
    let plan = draw(1, &overrides).unwrap();
    let outcome = crate::runtime::run(&plan, crate::outcome::RunOptions::default());
    let reached = outcome.reached;
    for marker in [
        Marker::Locked,
        Marker::HeardProposal,
        Marker::HeardPrecommit,
        Marker::HealedAll,
        Marker::Ed25519,
    ] {
        assert!(reached.has(marker), "{marker}");
    }
    for marker in [Marker::Crashed, Marker::Partitioned, Marker::Lost] {
        assert!(!reached.has(marker), "{marker}");
    }
}
