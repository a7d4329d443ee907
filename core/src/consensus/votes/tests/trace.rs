//! Malachite's `polkaAnyTest` of the vote keeper, as its model checker wrote it down.

use super::*;
use crate::consensus::tests::itf::{Itf, states};

/// The model's voters and their power, in the order of our validators. It calls one of them "alive"
/// once, by mistake, and gives it the power of alice.
const NAMES: [&str; 3] = ["alice", "john", "bob"];
const POWERS: [u64; 3] = [60, 10, 30];

fn index(name: &str) -> u16 {
    let name = if name == "alive" { "alice" } else { name };
    let at = NAMES.iter().position(|n| *n == name);
    ValidatorIndex::new(at.expect("a voter of the model")).0
}

/// The model's account of round 1, `None` before the first vote.
fn round_1(state: &Itf) -> Option<&Itf> {
    let rounds = state.get("bookkeeper").get("rounds").map();
    let (number, round) = rounds.first()?;
    assert_eq!(number.int(), 1);
    Some(round)
}

/// Whether the model has emitted this event by now.
fn has_emitted(state: &Itf, event: &str) -> bool {
    let events = round_1(state).map_or(&[][..], |r| r.get("emittedEvents").set());
    events.iter().any(|e| e.get("name").text() == event)
}

fn voters_in(state: &Itf, kind: &str) -> Vec<u16> {
    let voters = round_1(state).map_or(&[][..], |r| r.get(kind).get("votesAddresses").set());
    voters.iter().map(|name| index(name.text())).collect()
}

/// The power for "proposal", the only value of this trace.
fn weight(state: &Itf, kind: &str) -> u64 {
    let weights = round_1(state).map_or_else(Vec::new, |r| r.get(kind).get("valuesWeights").map());
    let weights = weights.into_iter().map(|(value, weight)| {
        assert_eq!(value.text(), "proposal");
        u64::try_from(weight.int()).expect("a power")
    });
    weights.sum()
}

#[test]
fn the_model_checkers_trace_of_votes_is_counted_alike() {
    let states = states("vk_polkaAnyTest_6.itf.json");
    assert_eq!(states.len(), 12);
    let voters = Voters::new(&POWERS);
    let mut votes = voters.height();
    let block = Some(unseen(1));
    let kinds = [
        (VoteKind::Prevote, "prevotes", "PolkaValue"),
        (VoteKind::Precommit, "precommits", "PrecommitValue"),
    ];
    let mut added = 0;
    for pair in states.windows(2) {
        for (kind, name, emitted) in kinds {
            let before = voters_in(&pair[0], name);
            for index in voters_in(&pair[1], name) {
                if before.contains(&index) {
                    continue;
                }
                let vote = voters.vote(kind, 1, block, index);
                let taken = votes.add(&Ed25519, &vote, Some(PeerId(index)));
                assert_eq!(taken, Ok(Added::New));
                added += 1;
            }
            let set = votes.get(Round(1)).expect("tracked").of(kind);
            let have = set.have_for(block).map_or(0, |have| {
                let power = |at: usize| POWERS[at];
                have.ones().map(power).sum()
            });
            assert_eq!(have, weight(&pair[1], name));
            let majority = has_emitted(&pair[1], emitted).then_some(block);
            assert_eq!(set.majority(), majority, "{emitted}");
        }
    }
    assert_eq!(added, 6);
}
