//! Malachite's tests of its vote keeper (`core-votekeeper`) and the runs of its specification
//! (`votekeeperTest.qnt`).
//!
//! Upstream's keeper emits an event once a threshold is reached. Ours is asked: for a majority, for
//! more than 2/3 of anything, and whether more than 1/3 of the power is in a round, which is its
//! "skip round".

use super::*;

const PRE: VoteKind = VoteKind::Prevote;
const COM: VoteKind = VoteKind::Precommit;

fn cast(votes: &mut HeightVoteSet, vote: &Vote) -> Result<Added, VoteError> {
    votes.add(&Ed25519, vote, Some(PeerId(vote.index.0)))
}

/// `prevote_apply_nil`, `precommit_apply_nil`, `prevote_apply_single_value`,
/// `precommit_apply_single_value`; in the specification `polkaNilTest` and
/// `synchronousConsensusTest`.
#[test]
fn the_vote_that_passes_two_thirds_makes_the_majority() {
    for kind in [PRE, COM] {
        for block in [None, Some(unseen(1))] {
            let voters = Voters::new(&[1, 1, 1, 1]);
            let mut votes = voters.height();
            for (index, majority) in [(0, None), (1, None), (2, Some(block)), (3, Some(block))] {
                let added = cast(&mut votes, &voters.vote(kind, 1, block, index));
                assert_eq!(added, Ok(Added::New));
                let set = votes.get(Round(1)).expect("tracked").of(kind);
                assert_eq!(set.majority(), majority, "{kind} by {index}");
                assert_eq!(set.has_two_thirds_any(), index >= 2);
                let other = if kind == PRE { COM } else { PRE };
                let other = votes.get(Round(1)).expect("tracked").of(other);
                assert_eq!(other.majority(), None);
            }
        }
    }
}

/// `polkaAnyTest`: more than 2/3 without agreement.
#[test]
fn two_thirds_of_anything_are_no_majority() {
    let voters = Voters::new(&[60, 10, 30]);
    let mut votes = voters.height();
    for (index, block) in [(0, Some(unseen(1))), (1, None)] {
        let added = cast(&mut votes, &voters.vote(PRE, 1, block, index));
        assert_eq!(added, Ok(Added::New));
    }
    let set = votes.prevotes(Round(1)).expect("tracked");
    assert!(set.has_two_thirds_any());
    assert_eq!(set.majority(), None);
}

/// Powers, votes by kind and index, and whether these lead to another round.
type Row<'a> = (&'a str, &'a [u64], &'a [(VoteKind, u16)], bool);

const ROWS: [Row<'_>; 11] = [
    (
        "skip_round_small_quorum_prevotes_two_vals",
        &[1, 1, 1, 1],
        &[(PRE, 0), (PRE, 1)],
        true,
    ),
    (
        "skip_round_small_quorum_with_prevote_precommit_two_vals",
        &[1, 1, 1, 1],
        &[(PRE, 0), (COM, 1)],
        true,
    ),
    (
        "skip_round_full_quorum_with_prevote_precommit_two_vals",
        &[1, 1, 4],
        &[(PRE, 0), (COM, 2)],
        true,
    ),
    (
        "no_skip_round_small_quorum_with_prevote_precommit_same_val",
        &[1, 1, 1, 1],
        &[(PRE, 0), (COM, 0)],
        false,
    ),
    (
        "no_skip_round_full_quorum_with_prevote_precommit_same_val",
        &[1, 1, 1],
        &[(PRE, 0), (COM, 0)],
        false,
    ),
    (
        "skipSmallQuorumAllPrevotesTest",
        &[60, 20, 20],
        &[(PRE, 1), (PRE, 2)],
        true,
    ),
    (
        "skipSmallQuorumMixedVotesTwoValsTest",
        &[60, 20, 20],
        &[(PRE, 1), (COM, 2)],
        true,
    ),
    (
        "noSkipSmallQuorumMixedVotesSameValTest",
        &[70, 10, 20],
        &[(PRE, 2), (COM, 2)],
        false,
    ),
    (
        "skipQuorumSinglePrevoteTest",
        &[20, 20, 60],
        &[(PRE, 2)],
        true,
    ),
    (
        "skipQuorumSinglePrecommitTest",
        &[20, 20, 60],
        &[(COM, 2)],
        true,
    ),
    (
        "skipQuorumMixedVotesTwoValsTest",
        &[20, 20, 60],
        &[(PRE, 0), (COM, 2)],
        true,
    ),
];

/// The rule is about power: one validator with more than 1/3 is enough, two votes of one with less
/// are not.
#[test]
fn another_round_is_followed_for_more_than_one_third_of_the_power() {
    for (name, powers, ballots, expected) in ROWS {
        let voters = Voters::new(powers);
        let mut votes = voters.height();
        for (done, (kind, index)) in (1..).zip(ballots) {
            let added = cast(&mut votes, &voters.vote(*kind, 2, Some(unseen(1)), *index));
            assert_eq!(added, Ok(Added::New), "{name}");
            let skip = votes
                .get(Round(2))
                .is_some_and(RoundVoteSet::has_one_third_any);
            let last = done == ballots.len();
            assert!(!last || skip == expected, "{name}");
        }
        let ours = votes.get(Round(0)).expect("tracked");
        assert!(
            !ours.has_one_third_any(),
            "{name}: other rounds do not count"
        );
    }
}

/// `same_votes`.
#[test]
fn the_same_vote_again_is_no_news_and_no_offence() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    for kind in [PRE, COM] {
        let vote = voters.vote(kind, 1, Some(unseen(1)), 0);
        assert_eq!(cast(&mut votes, &vote), Ok(Added::New));
        assert_eq!(cast(&mut votes, &vote), Ok(Added::Duplicate));
    }
    assert!(
        !votes
            .get(Round(1))
            .is_some_and(RoundVoteSet::has_one_third_any)
    );
}

/// `equivocation`: in each kind for itself, and in whichever order.
#[test]
fn two_votes_of_one_kind_and_round_are_an_offence_and_of_two_kinds_or_rounds_are_not() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    let (one, two) = (Some(unseen(1)), Some(unseen(2)));
    for (kind, index, first, second) in [
        (PRE, 0, one, two),
        (COM, 0, two, one),
        (PRE, 1, None, one),
        (COM, 1, one, None),
    ] {
        let added = cast(&mut votes, &voters.vote(kind, 1, first, index));
        assert_eq!(added, Ok(Added::New));
        let added = cast(&mut votes, &voters.vote(kind, 1, second, index));
        assert_eq!(conflict(added), Some(false), "{kind} of {index}");
        let added = cast(&mut votes, &voters.vote(kind, 2, second, index));
        assert_eq!(added, Ok(Added::New), "another round");
    }
}
