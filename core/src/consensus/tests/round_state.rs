//! Tests of the snapshot: its text, its JSON, and that it says what the machine knows.

use super::*;

fn json(m: &Machine) -> serde_json::Value {
    serde_json::to_value(m.machine.round_state()).unwrap()
}

/// The JSON form is an interface: whoever reads it depends on these names and shapes.
#[test]
fn the_json_of_a_snapshot_keeps_its_shape() {
    let (mut m, a) = decided_a();
    m.advance();
    m.timeout(Step::NewHeight, 0);
    let b = m.block("b");
    m.proposed(0, &b, None);
    m.prevotes(0, Some(&b), [0, 1]);
    m.precommits(0, None, [2]);
    assert_ne!(a.id, b.id);
    insta::assert_snapshot!(serde_json::to_string_pretty(&json(&m)).unwrap());
}

#[test]
fn a_snapshot_is_text_in_one_line_and_in_many() {
    let (m, _) = locked_on_a();
    let state = m.machine.round_state();
    assert_eq!(state.to_string().lines().count(), 1);
    assert_eq!(state.to_string(), m.machine.to_string());
    insta::assert_snapshot!(format!("{state}\n\n{state:#}"));
}

#[test]
fn every_field_can_be_asked_for_by_its_name() {
    let (m, a) = locked_on_a();
    let state = m.machine.round_state();
    let object = json(&m);
    let names: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 19);
    for name in names {
        assert!(state.field(name).is_some(), "{name}");
    }
    assert_eq!(
        state.field("short").unwrap(),
        "1/1/RoundStepPropose start 1000"
    );
    assert_eq!(state.field("locked_round").unwrap(), "0");
    let block = state.field("locked_block").unwrap();
    assert!(block.starts_with(&a.id.to_string()), "{block}");
    assert_eq!(state.field("proposal").unwrap(), "none");
    assert_eq!(state.field("validators").unwrap().lines().count(), 5);
    assert_eq!(state.field("votes").unwrap().lines().count(), 3);
    assert_eq!(state.field("nonsense"), None);
}

#[test]
fn the_event_is_height_round_and_step_as_the_notice_tells_them() {
    let (m, _) = locked_on_a();
    let event = m.machine.round_state().event();
    let at = m.machine.at();
    assert_eq!(
        (event.height, event.round, event.step),
        (at.height, at.round, at.step)
    );
    assert_eq!(event.to_string(), at.to_string());
    assert!(m.record.notices.contains(&Notice::NewRoundStep(at)));
}

#[test]
fn no_lock_is_told_apart_from_a_lock_in_round_zero() {
    let m = Machine::of_four();
    assert_eq!(json(&m)["locked_round"], serde_json::Value::Null);
    let (m, _) = locked_on_a();
    assert_eq!(json(&m)["locked_round"], 0);
}

#[test]
fn times_of_start_and_commit_are_the_machines() {
    let mut m = Machine::of_four();
    m.now = Time(5_000);
    m.start();
    assert_eq!(m.machine.round_state().start_time, Time(5_000));
    assert_eq!(m.machine.round_state().commit_time, None);
    let a = m.block("a");
    m.now = Time(9_000);
    m.precommits(0, Some(&a), [0, 1, 2]);
    let waiting = m.machine.round_state();
    assert_eq!(waiting.commit_time, Some(Time(9_000)));
    assert_eq!(
        (waiting.commit_round, waiting.proposal_block),
        (Some(Round(0)), None)
    );
    assert_eq!(waiting.proposal_block_parts.unwrap().have, "_");
    m.now = Time(11_000);
    m.parts(&a);
    m.advance();
    let next = m.machine.round_state();
    assert_eq!(next.commit_time, Some(Time(9_000)));
    assert_eq!(
        next.start_time,
        Time(11_000).after(Timeouts::default().commit)
    );
}

#[test]
fn the_proposer_shown_is_that_of_the_round() {
    let (m, _) = locked_on_a();
    let state = m.machine.round_state();
    assert_eq!(state.validators.proposer, m.machine.proposer());
    assert_ne!(state.validators.proposer, m.machine.validators().proposer());
}
