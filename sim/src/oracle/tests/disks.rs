//! Hand-made histories of disks that fail, and of what nodes make of it.

use engine::types::Height;

use crate::{
    disk::{Strike, Trouble},
    oracle::testing::{History, precommit, prevote, setup},
    trace::{Part, What},
};

fn disk(trouble: Trouble) -> What {
    What::Disk(Strike {
        trouble,
        path: "data/wal/0".to_owned(),
    })
}

fn refused() -> What {
    What::StartRefused {
        reason: "no reason".to_owned(),
    }
}

fn halted() -> What {
    What::Halted {
        reason: "no reason".to_owned(),
    }
}

#[test]
fn a_node_may_stop_if_a_call_has_failed_since_its_last_start_and_only_then() {
    let mut history = History::new(setup(4, &[]));
    history
        .happens(1, disk(Trouble::FailSyncs))
        .happens(1, halted());
    assert_eq!(history.fired(), "none");
    history.crash(1).happens(1, refused());
    assert_eq!(history.fired(), "recovery", "the disk works again");

    let mut history = History::new(setup(4, &[]));
    history
        .happens(2, disk(Trouble::FailSyncs))
        .happens(1, halted());
    assert_eq!(history.fired(), "recovery", "it was another's disk");
}

#[test]
fn a_node_may_refuse_a_damaged_disk_again_and_again() {
    let mut history = History::new(setup(4, &[]));
    history.crash(1).happens(1, disk(Trouble::FlipBit));
    history.happens(1, refused()).happens(1, refused());
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_node_that_goes_on_after_a_failed_call_is_found() {
    let vote = prevote(1, (1, 0), None);
    let mut history = History::new(setup(4, &[]));
    history
        .append(1, &vote)
        .happens(1, disk(Trouble::FailSyncs));
    history.sync(1);
    assert_eq!(history.fired(), "fails_stop");

    let mut history = History::new(setup(4, &[]));
    history.crash(1).happens(1, disk(Trouble::FailReads));
    history.start(1, 0);
    assert_eq!(
        history.fired(),
        "fails_stop",
        "an error was overlooked at the start"
    );

    let mut history = History::new(setup(4, &[]));
    history.append(1, &vote).happens(1, disk(Trouble::NoSpace));
    history.happens(1, halted()).crash(1).start(1, 0);
    history.sign(1, &vote);
    assert_eq!(history.fired(), "none");
}

/// A node has signed two messages of height 1, and starts again with a log that has none of them.
fn forgetful(damage: bool, height: u64) -> History {
    let mut history = History::new(setup(4, &[]));
    history
        .sign(1, &prevote(1, (1, 0), None))
        .nil_polka(1, (1, 0))
        .sign(1, &precommit(1, (1, 0), None))
        .crash(1);
    if damage {
        history.happens(1, disk(Trouble::Truncate));
    }
    history.start(1, height);
    history.forget(1);
    history.follow(1, (height + 1, 1));
    history.append(1, &prevote(1, (height + 1, 1), None));
    history
}

#[test]
fn a_log_that_comes_up_without_what_was_durable_is_found() {
    assert_eq!(forgetful(false, 0).fired(), "no_silent_damage");
    assert_eq!(forgetful(true, 0).fired(), "no_silent_damage");
    assert_eq!(forgetful(false, 1).fired(), "no_silent_damage");
    let behind = forgetful(true, 1);
    assert_eq!(behind.fired(), "none", "height {} is decided", Height(1));
}

#[test]
fn an_old_segment_that_somebody_holds_stays_and_harms_nobody() {
    let held = |path: &str| {
        What::Disk(Strike {
            trouble: Trouble::Locked,
            path: path.to_owned(),
        })
    };
    let vote = prevote(1, (1, 0), None);
    let done = || What::Stored {
        height: Height(1),
        log_ahead: false,
        parts: vec![Part::Block(Height(1)), Part::Log, Part::App, Part::State],
    };
    let after = |path: &str| {
        let mut history = History::new(setup(4, &[]));
        history.start(1, 0).append(1, &vote).sync(1);
        history.nil_polka(1, (1, 0));
        history.happens(1, held(path)).happens(1, done());
        history.append(1, &precommit(1, (1, 0), None)).sync(1);
        history.fired()
    };
    assert_eq!(after("data/wal/0-0.wal"), "none");
    assert_eq!(after("data/wal/0-0.wal.tmp"), "fails_stop");
    assert_eq!(after("data/blocks/0.wal"), "fails_stop");

    let mut history = History::new(setup(4, &[]));
    history.start(1, 0).append(1, &vote);
    history.happens(1, held("data/wal/0-0.wal")).sync(1);
    assert_eq!(
        history.fired(),
        "fails_stop",
        "it was not making a decision durable"
    );

    let mut history = History::new(setup(4, &[]));
    history.start(1, 0).crash(1);
    history.happens(1, held("data/wal/0-0.wal")).start(1, 0);
    assert_eq!(
        history.fired(),
        "fails_stop",
        "a start needs all of its segments"
    );

    let mut history = History::new(setup(4, &[]));
    history.start(1, 0).happens(1, held("data/wal/0-0.wal"));
    history.happens(1, halted());
    assert_eq!(history.fired(), "none", "it may also stop");
}

fn stored(log_ahead: bool, parts: &[Part]) -> &'static str {
    let what = What::Stored {
        height: Height(1),
        log_ahead,
        parts: parts.to_vec(),
    };
    let mut history = History::new(setup(4, &[]));
    history.happens(1, what);
    history.fired()
}

#[test]
fn a_decision_that_becomes_durable_in_another_order_is_found() {
    let [log, app, state] = [Part::Log, Part::App, Part::State];
    let block = Part::Block(Height(1));
    let right = [log, block, log, app, state];
    assert_eq!(stored(true, &right), "none");
    assert_eq!(stored(false, &right[1..]), "none", "the log was durable");
    assert_eq!(stored(true, &right[1..]), "commit_order", "it was not");
    let cut = [log, log, block, log, log, app, state, log];
    assert_eq!(stored(true, &cut), "none", "segments begin and go");
    for wrong in [
        &[log, log, block, app, state][..],
        &[log, block, log, state, app],
        &[log, block, log, state, app, state],
        &[log, block, app, log, state],
        &[log, block, app, log, app, state],
        &[log, Part::Block(Height(2)), log, app, state],
        &[log, block, log, app],
        &[log, block, log, block, log, app, state],
    ] {
        assert_eq!(stored(true, wrong), "commit_order", "{wrong:?}");
    }
}
