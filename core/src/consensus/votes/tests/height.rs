//! The votes of all rounds of a height: which rounds are tracked, and who may open more.

use super::*;

const PREVOTE: VoteKind = VoteKind::Prevote;
const PRECOMMIT: VoteKind = VoteKind::Precommit;
const PEER: Option<PeerId> = Some(PeerId(1));

fn add(votes: &mut HeightVoteSet, vote: &Vote, peer: Option<PeerId>) -> Result<Added, VoteError> {
    votes.add(&Ed25519, vote, peer)
}

fn too_many(peer: u16, round: u32) -> Result<Added, VoteError> {
    let (peer, round) = (PeerId(peer), Round(round));
    Err(VoteError::TooManyRounds { peer, round })
}

/// `TestPeerCatchupRounds`.
#[test]
fn a_peer_may_open_two_rounds_ahead_of_ours() {
    let voters = Voters::equal(10);
    let mut votes = voters.height();
    let vote = |round, index| voters.vote(PRECOMMIT, round, None, index);
    assert_eq!(add(&mut votes, &vote(999, 0), PEER), Ok(Added::New));
    assert_eq!(add(&mut votes, &vote(999, 0), PEER), Ok(Added::Duplicate));
    assert_eq!(add(&mut votes, &vote(1000, 0), PEER), Ok(Added::New));
    assert_eq!(add(&mut votes, &vote(1001, 0), PEER), too_many(1, 1001));
    assert_eq!(
        add(&mut votes, &vote(1001, 0), Some(PeerId(2))),
        Ok(Added::New)
    );
    assert_eq!(
        add(&mut votes, &vote(1001, 1), PEER),
        Ok(Added::New),
        "open already"
    );
}

/// Tendermint lost the vote that opened a round until 9247b0fbd.
#[test]
fn the_vote_that_opens_a_round_is_counted() {
    let voters = Voters::equal(3);
    let mut votes = voters.height();
    for index in 0..3 {
        let vote = voters.vote(PREVOTE, 9, None, index);
        assert_eq!(add(&mut votes, &vote, PEER), Ok(Added::New));
    }
    let majority = votes.prevotes(Round(9)).and_then(VoteSet::majority);
    assert_eq!(majority, Some(None));
}

#[test]
fn garbage_does_not_use_up_the_allowance() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    for round in 10..20 {
        let mut forged = voters.vote(PREVOTE, round, None, 0);
        forged.signature = voters.vote(PREVOTE, 0, None, 0).signature;
        let index = ValidatorIndex(0);
        let refused = add(&mut votes, &forged, PEER);
        assert_eq!(refused, Err(VoteError::InvalidSignature(index)));
        assert!(votes.get(Round(round)).is_none(), "and no round is opened");
    }
    for round in [30, 31] {
        let vote = voters.vote(PREVOTE, round, None, 0);
        assert_eq!(add(&mut votes, &vote, PEER), Ok(Added::New));
    }
}

#[test]
fn rounds_up_to_the_one_after_ours_cost_no_allowance() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    votes.set_round(Round(5));
    for round in 0..=6 {
        let vote = voters.vote(PREVOTE, round, None, 0);
        assert_eq!(
            add(&mut votes, &vote, PEER),
            Ok(Added::New),
            "round {round}"
        );
    }
    for round in [7, 8] {
        let vote = voters.vote(PREVOTE, round, None, 0);
        assert_eq!(add(&mut votes, &vote, PEER), Ok(Added::New));
    }
    let vote = voters.vote(PREVOTE, 9, None, 0);
    assert_eq!(add(&mut votes, &vote, PEER), too_many(1, 9));
}

/// Else a node that fell back three times could learn of no further round from the same peer.
#[test]
fn a_round_that_is_no_longer_ahead_gives_the_allowance_back() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    for round in [10, 20, 30, 40, 50] {
        let vote = voters.vote(PREVOTE, round, None, 0);
        assert_eq!(
            add(&mut votes, &vote, PEER),
            Ok(Added::New),
            "round {round}"
        );
        votes.set_round(Round(round));
    }
}

#[test]
fn own_votes_need_no_allowance() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    for round in 10..20 {
        let vote = voters.vote(PREVOTE, round, None, 0);
        assert_eq!(add(&mut votes, &vote, None), Ok(Added::New));
    }
}

#[test]
fn our_round_and_the_next_are_tracked_and_rounds_never_go_back() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    let tracked = |votes: &HeightVoteSet| votes.rounds().map(|(r, _)| r.0).collect::<Vec<_>>();
    assert_eq!(tracked(&votes), [0, 1]);
    votes.set_round(Round(1));
    assert_eq!((votes.round(), tracked(&votes)), (Round(1), vec![0, 1, 2]));
    votes.set_round(Round(0));
    assert_eq!((votes.round(), tracked(&votes)), (Round(1), vec![0, 1, 2]));
    votes.track(Round(7));
    assert_eq!(tracked(&votes), [0, 1, 2, 7]);
    votes.set_round(Round(u32::MAX));
    assert_eq!(votes.round(), Round(u32::MAX));
}

#[test]
fn entering_a_round_keeps_the_votes_it_already_has() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    let vote = voters.vote(PRECOMMIT, 3, Some(unseen(1)), 2);
    assert_eq!(add(&mut votes, &vote, PEER), Ok(Added::New));
    votes.set_round(Round(3));
    let kept = votes.precommits(Round(3)).and_then(|set| set.vote(2));
    assert_eq!(kept, Some(&vote));
}

#[test]
fn votes_of_other_heights_are_refused() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    let mut vote = voters.vote(PREVOTE, 0, None, 0);
    vote.height = Height(2);
    assert_eq!(add(&mut votes, &vote, PEER), Err(VoteError::WrongSlot));
}

#[test]
fn pol_info_is_the_highest_polka_up_to_our_round() {
    let voters = Voters::equal(3);
    let mut votes = voters.height();
    assert_eq!(votes.pol_info(), None);
    let blocks = [Some(unseen(1)), None, Some(unseen(2))];
    for (round, block) in (0..).zip(blocks) {
        for index in 0..3 {
            let vote = voters.vote(PREVOTE, round, block, index);
            assert_eq!(add(&mut votes, &vote, None), Ok(Added::New));
        }
    }
    assert_eq!(votes.pol_info(), Some((Round(0), blocks[0])));
    votes.set_round(Round(1));
    assert_eq!(
        votes.pol_info(),
        Some((Round(1), None)),
        "a nil polka is one"
    );
    votes.set_round(Round(9));
    assert_eq!(votes.pol_info(), Some((Round(2), blocks[2])));
}

#[test]
fn precommits_are_no_polka() {
    let voters = Voters::equal(3);
    let mut votes = voters.height();
    for index in 0..3 {
        let vote = voters.vote(PRECOMMIT, 0, None, index);
        assert_eq!(add(&mut votes, &vote, None), Ok(Added::New));
    }
    assert_eq!(votes.pol_info(), None);
}

#[test]
fn one_third_any_counts_each_validator_once_in_whatever_kind() {
    let voters = Voters::equal(6);
    let mut votes = voters.height();
    let third = |votes: &HeightVoteSet| votes.get(Round(0)).is_some_and(|v| v.has_one_third_any());
    let mut cast = |kind, block, index| {
        let vote = voters.vote(kind, 0, block, index);
        let _ = add(&mut votes, &vote, PEER);
        third(&votes)
    };
    assert!(!cast(PREVOTE, None, 0));
    assert!(!cast(PRECOMMIT, None, 0));
    assert!(!cast(PREVOTE, Some(unseen(1)), 0));
    assert!(!cast(PREVOTE, None, 1));
    assert!(!cast(PRECOMMIT, Some(unseen(1)), 1));
    assert!(cast(PRECOMMIT, None, 2));
}

#[test]
fn a_claim_counts_for_its_round_and_kind_only() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    let block = Some(unseen(1));
    assert!(votes.set_peer_majority(Round(0), PREVOTE, PeerId(1), block));
    assert!(!votes.set_peer_majority(Round(0), PREVOTE, PeerId(1), None));
    assert!(votes.set_peer_majority(Round(0), PRECOMMIT, PeerId(1), None));
    assert!(votes.set_peer_majority(Round(1), PREVOTE, PeerId(1), None));
    for (kind, round, counted) in [
        (PREVOTE, 0, true),
        (PRECOMMIT, 0, false),
        (PREVOTE, 1, false),
    ] {
        let first = voters.vote(kind, round, None, 0);
        assert_eq!(add(&mut votes, &first, PEER), Ok(Added::New));
        let second = voters.vote(kind, round, block, 0);
        assert_eq!(conflict(add(&mut votes, &second, PEER)), Some(counted));
    }
}

#[test]
fn a_claim_for_a_round_this_node_skipped_counts() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    votes.set_round(Round(9));
    let block = Some(unseen(1));
    assert!(votes.set_peer_majority(Round(4), PRECOMMIT, PeerId(1), block));
    let first = voters.vote(PRECOMMIT, 4, None, 0);
    assert_eq!(add(&mut votes, &first, PEER), Ok(Added::New));
    let second = voters.vote(PRECOMMIT, 4, block, 0);
    assert_eq!(conflict(add(&mut votes, &second, PEER)), Some(true));
}

#[test]
fn a_claim_for_an_unknown_round_ahead_opens_none() {
    let mut votes = Voters::equal(4).height();
    assert!(votes.set_peer_majority(Round(99), PREVOTE, PeerId(1), None));
    assert!(votes.set_peer_majority(Round(99), PREVOTE, PeerId(1), Some(unseen(1))));
    assert!(votes.get(Round(99)).is_none());
}
