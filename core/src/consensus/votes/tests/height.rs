//! The votes of all rounds of a height: which rounds are tracked, and who may open more.

use super::*;

const PREVOTE: VoteKind = VoteKind::Prevote;
const PRECOMMIT: VoteKind = VoteKind::Precommit;
const PEER: Option<PeerId> = Some(PeerId(1));

fn add(votes: &mut HeightVoteSet, vote: &Vote, peer: Option<PeerId>) -> Result<Added, VoteError> {
    votes.add(&Ed25519, vote, peer)
}

fn back(from: u32, to: u32) -> Result<(), RoundRegression> {
    let (from, to) = (Round(from), Round(to));
    Err(RoundRegression { from, to })
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
    assert_eq!(votes.set_round(Round(5)), Ok(()));
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
        assert_eq!(votes.set_round(Round(round)), Ok(()));
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
    assert_eq!(votes.set_round(Round(1)), Ok(()));
    assert_eq!((votes.round(), tracked(&votes)), (Round(1), vec![0, 1, 2]));
    assert_eq!(votes.set_round(Round(0)), back(1, 0));
    assert_eq!(votes.set_round(Round(1)), back(1, 1));
    assert_eq!((votes.round(), tracked(&votes)), (Round(1), vec![0, 1, 2]));
    votes.track(Round(7));
    assert_eq!(tracked(&votes), [0, 1, 2, 7]);
    assert_eq!(votes.set_round(Round(u32::MAX)), Ok(()));
    assert_eq!(votes.round(), Round(u32::MAX));
}

#[test]
fn entering_a_round_keeps_the_votes_it_already_has() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    let vote = voters.vote(PRECOMMIT, 3, Some(unseen(1)), 2);
    assert_eq!(add(&mut votes, &vote, PEER), Ok(Added::New));
    assert_eq!(votes.set_round(Round(3)), Ok(()));
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
    assert_eq!(votes.set_round(Round(1)), Ok(()));
    assert_eq!(
        votes.pol_info(),
        Some((Round(1), None)),
        "a nil polka is one"
    );
    assert_eq!(votes.set_round(Round(9)), Ok(()));
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
    let mut claim =
        |round, kind, block| votes.set_peer_majority(Round(round), kind, PeerId(1), block);
    assert_eq!(claim(0, PREVOTE, block), Ok(true));
    assert!(claim(0, PREVOTE, None).is_err());
    assert_eq!(claim(0, PRECOMMIT, None), Ok(true));
    assert_eq!(claim(1, PREVOTE, None), Ok(true));
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
    assert_eq!(votes.set_round(Round(9)), Ok(()));
    let block = Some(unseen(1));
    let claimed = votes.set_peer_majority(Round(4), PRECOMMIT, PeerId(1), block);
    assert_eq!(claimed, Ok(true));
    let first = voters.vote(PRECOMMIT, 4, None, 0);
    assert_eq!(add(&mut votes, &first, PEER), Ok(Added::New));
    let second = voters.vote(PRECOMMIT, 4, block, 0);
    assert_eq!(conflict(add(&mut votes, &second, PEER)), Some(true));
}

#[test]
fn a_claim_for_an_unknown_round_ahead_opens_none() {
    let mut votes = Voters::equal(4).height();
    for block in [None, Some(unseen(1))] {
        let claimed = votes.set_peer_majority(Round(99), PREVOTE, PeerId(1), block);
        assert_eq!(claimed, Ok(false));
    }
    assert!(votes.get(Round(99)).is_none());
}

/// Opens two rounds ahead of ours for a peer that connects, and leaves.
fn visit(voters: &Voters, votes: &mut HeightVoteSet, peer: u16, rounds: [u32; 2]) -> usize {
    votes.add_peer(PeerId(peer));
    let mut open = |round| {
        let vote = voters.vote(PREVOTE, round, None, 0);
        add(votes, &vote, Some(PeerId(peer))).is_ok()
    };
    let opened = rounds.into_iter().filter(|round| open(*round)).count();
    votes.remove_peer(PeerId(peer));
    opened
}

#[test]
fn a_peer_that_connects_again_has_no_new_allowance() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    for turn in 0..1_000 {
        let rounds = [10 + 2 * turn, 11 + 2 * turn];
        let expected = if turn == 0 { 2 } else { 0 };
        assert_eq!(visit(&voters, &mut votes, 1, rounds), expected);
    }
    assert_eq!(votes.rounds().count(), 2 + MAX_CATCHUP_ROUNDS);
    // What it opened is no longer ahead: it may open again.
    assert_eq!(votes.set_round(Round(5_000)), Ok(()));
    assert_eq!(visit(&voters, &mut votes, 1, [6_000, 6_001]), 2);
}

#[test]
fn peers_that_come_and_go_open_a_bounded_number_of_rounds() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    let known = |round| voters.vote(PREVOTE, round, None, 1);
    assert_eq!(add(&mut votes, &known(5), Some(PeerId(0))), Ok(Added::New));
    for turn in 1..=1_000_u16 {
        let rounds = [10 + 2 * u32::from(turn), 11 + 2 * u32::from(turn)];
        let within = usize::from(turn) * MAX_CATCHUP_ROUNDS <= MAX_LEFT_ROUNDS;
        let expected = if within { 2 } else { 0 };
        assert_eq!(visit(&voters, &mut votes, turn, rounds), expected);
    }
    assert_eq!(votes.rounds().count(), 2 + 1 + MAX_LEFT_ROUNDS);
    assert_eq!(
        add(&mut votes, &known(6), Some(PeerId(0))),
        Ok(Added::New),
        "who stays is not touched"
    );
    let new = voters.vote(PREVOTE, 9_000, None, 0);
    assert_eq!(
        add(&mut votes, &new, Some(PeerId(2_000))),
        too_many(2_000, 9_000)
    );
    // One that left comes back: there is room again for one that was never here.
    votes.add_peer(PeerId(1));
    assert_eq!(add(&mut votes, &new, Some(PeerId(2_000))), Ok(Added::New));
}

#[test]
fn a_reset_forgets_votes_rounds_and_allowances() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    assert_eq!(visit(&voters, &mut votes, 1, [10, 11]), 2);
    assert_eq!(votes.set_round(Round(3)), Ok(()));
    let validators = Arc::clone(votes.validators());
    votes.reset(Height(1), validators);
    assert_eq!(votes, voters.height());
}

#[test]
fn a_height_is_shown_in_one_line_and_in_full() {
    let voters = Voters::equal(4);
    let mut votes = voters.height();
    for index in 0..3 {
        let vote = voters.vote(PREVOTE, 0, Some(unseen(1)), index);
        assert_eq!(add(&mut votes, &vote, None), Ok(Added::New));
    }
    assert_eq!(visit(&voters, &mut votes, 1, [10, 11]), 2);
    assert_eq!(
        votes.to_string(),
        "votes 1/0; 0: xxx_ 3/4 for 01010101, ____ 0/4; 1: ____ 0/4, ____ 0/4; \
         10: x___ 1/4, ____ 0/4; 11: x___ 1/4, ____ 0/4; n1 opened 10, 11, left"
    );
    insta::assert_snapshot!(format!("{votes:#}"), @r"
    votes 1/0
      round 0, power 3 voted
        prevotes: xxx_ 3/4 for 01010101
          01010101: xxx_ 3
        precommits: ____ 0/4
      round 1, power 0 voted
        prevotes: ____ 0/4
        precommits: ____ 0/4
      round 10, power 1 voted
        prevotes: x___ 1/4
          nil: x___ 1
        precommits: ____ 0/4
      round 11, power 1 voted
        prevotes: x___ 1/4
          nil: x___ 1
        precommits: ____ 0/4
      catch-up: n1 opened 10, 11, left
    ");
    let round = votes.get(Round(0)).expect("our round");
    insta::assert_snapshot!(round, @"round 0 prevotes xxx_ 3/4 for 01010101 precommits ____ 0/4");
    insta::assert_snapshot!(format!("{round:#}"), @r"
    round 0, power 3 voted
      prevotes: xxx_ 3/4 for 01010101
        01010101: xxx_ 3
      precommits: ____ 0/4
    ");
}
