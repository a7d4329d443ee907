//! One set of votes: the situations of Tendermint v0.10's `vote_set_test.go`, and what it leaves
//! out.

use super::*;
use crate::{
    crypto::{Sign, verify_commit},
    types::{CommitSig, Signature},
};

const PREVOTE: VoteKind = VoteKind::Prevote;
const PRECOMMIT: VoteKind = VoteKind::Precommit;

fn two_claims(peer: u16) -> Result<bool, VoteError> {
    Err(VoteError::ConflictingClaim {
        peer: PeerId(peer),
        round: Round(0),
        kind: PREVOTE,
    })
}

/// `TestAddVote`.
#[test]
fn a_vote_is_stored_under_its_validator_and_is_no_majority() {
    let voters = Voters::equal(10);
    let mut set = voters.set(PREVOTE);
    assert_eq!((set.vote(0), set.majority()), (None, None));
    let vote = voters.prevote(None, 0);
    assert_eq!(voters.add(&mut set, &vote), Ok(Added::New));
    assert_eq!(set.vote(0), Some(&vote));
    assert_eq!(set.vote_for(None, 0), Some(&vote));
    assert!(set.have().get(0) && !set.have().get(1));
    assert_eq!(set.majority(), None);
}

/// `Test2_3Majority`.
#[test]
fn more_than_two_thirds_for_nil_are_a_majority_for_nil() {
    let voters = Voters::equal(10);
    let mut set = voters.set(PREVOTE);
    voters.add_all(&mut set, None, 0..6);
    assert_eq!(set.majority(), None);
    voters.add_all(&mut set, Some(unseen(1)), 6..7);
    assert_eq!(set.majority(), None);
    assert!(set.has_two_thirds_any());
    voters.add_all(&mut set, None, 7..8);
    assert_eq!(set.majority(), Some(None));
    assert!(!set.has_all());
}

/// `Test2_3MajorityRedux`: with 100 validators 66 are not enough, nor is the 67th for anything
/// else.
#[test]
fn the_sixty_seventh_of_a_hundred_must_vote_for_the_very_same_block() {
    let voters = Voters::equal(100);
    let mut set = voters.set(PREVOTE);
    let block = unseen(1);
    voters.add_all(&mut set, Some(block), 0..66);
    assert!(!set.has_two_thirds_any());
    let (mut other_hash, mut other_total, mut other_root) = (block, block, block);
    other_hash.hash = unseen(9).hash;
    other_total.parts.total += 1;
    other_root.parts.hash = unseen(9).hash;
    let others = [None, Some(other_root), Some(other_total), Some(other_hash)];
    for (index, other) in (66..).zip(others) {
        voters.add_all(&mut set, other, index..index + 1);
        assert_eq!(set.majority(), None, "{other:?}");
    }
    assert!(set.has_two_thirds_any());
    voters.add_all(&mut set, Some(block), 70..71);
    assert_eq!(set.majority(), Some(Some(block)));
}

/// `TestBadVotes`.
#[test]
fn votes_that_do_not_belong_here_are_refused() {
    let voters = Voters::equal(10);
    let mut set = voters.set(PREVOTE);
    voters.add_all(&mut set, None, 0..1);
    let other_block = voters.prevote(Some(unseen(1)), 0);
    assert_eq!(conflict(voters.add(&mut set, &other_block)), Some(false));
    let mut other_height = voters.prevote(None, 1);
    other_height.height = Height(2);
    let other_round = voters.vote(PREVOTE, 1, None, 2);
    let other_kind = voters.vote(PRECOMMIT, 0, None, 3);
    for vote in [other_height, other_round, other_kind] {
        assert_eq!(
            voters.add(&mut set, &vote),
            Err(VoteError::WrongSlot),
            "{vote}"
        );
    }
    assert_eq!(set.have().count(), 1);
}

#[test]
fn forged_votes_are_refused() {
    let voters = Voters::equal(4);
    let mut set = voters.set(PREVOTE);
    let before = set.clone();
    let mut forged = voters.prevote(None, 1);
    forged.signature = voters.keys[2].sign(&forged.sign_bytes(&voters.chain.chain));
    let index = ValidatorIndex(1);
    let refused = voters.add(&mut set, &forged);
    assert_eq!(refused, Err(VoteError::InvalidSignature(index)));
    let mut changed = voters.prevote(None, 1);
    changed.block = Some(unseen(1));
    let refused = voters.add(&mut set, &changed);
    assert_eq!(refused, Err(VoteError::InvalidSignature(index)));
    let mut other_chain = voters.prevote(None, 1);
    let chain = crate::types::ChainId::default();
    other_chain.signature = voters.keys[1].sign(&other_chain.sign_bytes(&chain));
    let refused = voters.add(&mut set, &other_chain);
    assert_eq!(refused, Err(VoteError::InvalidSignature(index)));
    let mut stolen = voters.prevote(None, 2);
    stolen.index = index;
    assert_eq!(
        voters.add(&mut set, &stolen),
        Err(VoteError::WrongAddress(index))
    );
    assert_eq!(set, before);
}

/// Tendermint v0.10 panicked on such an index; v0.11.1 fixed it.
#[test]
fn an_index_beyond_the_validators_is_refused() {
    let voters = Voters::equal(4);
    let mut set = voters.set(PREVOTE);
    for index in [4, 5, u16::MAX] {
        let mut vote = voters.prevote(None, 0);
        vote.index = ValidatorIndex(index);
        let index = vote.index;
        let refused = Err(VoteError::UnknownIndex {
            index,
            validators: 4,
        });
        assert_eq!(voters.add(&mut set, &vote), refused);
    }
}

#[test]
fn a_vote_is_never_counted_twice() {
    let voters = Voters::new(&[3, 1, 1]);
    let mut set = voters.set(PREVOTE);
    let vote = voters.prevote(Some(unseen(1)), 0);
    assert_eq!(voters.add(&mut set, &vote), Ok(Added::New));
    let once = set.clone();
    assert_eq!(voters.add(&mut set, &vote), Ok(Added::Duplicate));
    let mut other_signature = vote;
    other_signature.signature = Signature([1; 64]);
    let refused = voters.add(&mut set, &other_signature);
    assert_eq!(refused, Err(VoteError::OtherSignature(ValidatorIndex(0))));
    assert_eq!(set, once);
    assert_eq!(set.majority(), None);
}

/// `TestConflicts`: conflicting votes count only for a block that a peer claimed a majority for.
#[test]
fn conflicting_votes_count_only_for_claimed_majorities() {
    let voters = Voters::equal(4);
    let mut set = voters.set(PREVOTE);
    let (b1, b2) = (Some(unseen(1)), Some(unseen(2)));
    let from_zero = |block| voters.prevote(block, 0);
    assert_eq!(voters.add(&mut set, &from_zero(None)), Ok(Added::New));
    assert_eq!(conflict(voters.add(&mut set, &from_zero(b1))), Some(false));
    assert_eq!(set.set_peer_majority(PeerId(1), b1), Ok(true));
    assert_eq!(conflict(voters.add(&mut set, &from_zero(b1))), Some(true));
    assert_eq!(set.set_peer_majority(PeerId(1), b2), two_claims(1));
    assert_eq!(conflict(voters.add(&mut set, &from_zero(b2))), Some(false));
    assert_eq!(set.vote(0), Some(&from_zero(None)), "the first vote stays");
    voters.add_all(&mut set, b1, 1..2);
    assert_eq!(set.majority(), None);
    assert!(!set.has_two_thirds_any());
    voters.add_all(&mut set, b2, 2..3);
    assert!(set.has_two_thirds_any());
    assert_eq!(set.majority(), None);
    assert_eq!(set.set_peer_majority(PeerId(2), b1), Ok(true));
    let second = voters.prevote(b1, 2);
    assert_eq!(conflict(voters.add(&mut set, &second)), Some(true));
    assert_eq!(set.majority(), Some(b1));
    assert_eq!(
        set.vote(0),
        Some(&from_zero(b1)),
        "the majority's votes come first"
    );
    assert_eq!(set.vote(2), Some(&second));
    assert_eq!(set.vote_for(None, 0), Some(&from_zero(None)));
    assert_eq!(set.vote_for(b2, 2), Some(&voters.prevote(b2, 2)));
}

#[test]
fn a_conflicting_vote_is_counted_once() {
    let voters = Voters::equal(4);
    let mut set = voters.set(PREVOTE);
    let block = Some(unseen(1));
    voters.add_all(&mut set, None, 0..1);
    voters.add_all(&mut set, block, 1..2);
    assert_eq!(set.set_peer_majority(PeerId(1), block), Ok(true));
    let second = voters.prevote(block, 0);
    assert_eq!(conflict(voters.add(&mut set, &second)), Some(true));
    assert_eq!(voters.add(&mut set, &second), Ok(Added::Duplicate));
    assert_eq!(
        voters.add(&mut set, &voters.prevote(None, 0)),
        Ok(Added::Duplicate)
    );
    assert_eq!(set.majority(), None);
    assert_eq!(set.have_for(block).map(|have| have.count()), Some(2));
}

#[test]
fn after_a_majority_a_conflicting_vote_for_it_moves_to_the_front() {
    let voters = Voters::equal(4);
    let mut set = voters.set(PREVOTE);
    let block = Some(unseen(1));
    voters.add_all(&mut set, None, 0..1);
    voters.add_all(&mut set, block, 1..4);
    assert_eq!(set.majority(), Some(block));
    assert_eq!(set.set_peer_majority(PeerId(1), block), Ok(true));
    let second = voters.prevote(block, 0);
    assert_eq!(conflict(voters.add(&mut set, &second)), Some(true));
    assert_eq!(set.vote(0), Some(&second));
    assert_eq!(set.vote_for(None, 0), Some(&voters.prevote(None, 0)));
    assert_eq!(
        voters.add(&mut set, &voters.prevote(None, 0)),
        Ok(Added::Duplicate)
    );
}

#[test]
fn the_first_majority_stays_even_if_equivocators_make_a_second() {
    let voters = Voters::equal(3);
    let mut set = voters.set(PREVOTE);
    let (b1, b2) = (Some(unseen(1)), Some(unseen(2)));
    voters.add_all(&mut set, b1, 0..3);
    assert_eq!(set.set_peer_majority(PeerId(1), b2), Ok(true));
    for index in 0..3 {
        let second = voters.prevote(b2, index);
        assert_eq!(conflict(voters.add(&mut set, &second)), Some(true));
    }
    assert_eq!(set.majority(), Some(b1));
    assert_eq!(set.vote(1), Some(&voters.prevote(b1, 1)));
}

#[test]
fn a_peer_may_repeat_its_claim_but_not_change_it() {
    let voters = Voters::equal(4);
    let mut set = voters.set(PREVOTE);
    assert_eq!(set.set_peer_majority(PeerId(1), None), Ok(true));
    assert_eq!(set.set_peer_majority(PeerId(1), None), Ok(false));
    let other = Some(unseen(1));
    assert_eq!(set.set_peer_majority(PeerId(1), other), two_claims(1));
    assert_eq!(set.set_peer_majority(PeerId(2), other), Ok(true));
    assert_eq!(set.majority(), None, "a claim is no vote");
}

/// `TestMakeCommit`. Upstream copied precommits for other blocks into commits until v0.33.6.
#[test]
fn a_commit_holds_the_precommits_for_its_block_and_for_nil_and_no_others() {
    let voters = Voters::equal(10);
    let mut set = voters.set(PRECOMMIT);
    let block = unseen(1);
    voters.add_all(&mut set, Some(block), 0..6);
    assert_eq!(set.commit(), None);
    voters.add_all(&mut set, Some(unseen(2)), 6..7);
    voters.add_all(&mut set, None, 7..8);
    assert_eq!(set.commit(), None);
    voters.add_all(&mut set, Some(block), 8..9);
    let commit = set.commit().expect("seven of ten");
    assert_eq!((commit.block, commit.round), (block, Round(0)));
    let kind = |sig: &CommitSig| match sig {
        CommitSig::Block(_) => 'b',
        CommitSig::Nil(_) => 'n',
        CommitSig::Absent => '-',
    };
    let kinds: String = commit.signatures.iter().map(kind).collect();
    assert_eq!(kinds, "bbbbbb-nb-");
    let (chain, validators) = (&voters.chain.chain, &voters.chain.validators);
    let at = (Height(1), block);
    assert_eq!(
        verify_commit(&Ed25519, chain, validators, at, &commit),
        Ok(())
    );
}

#[test]
fn two_thirds_for_nil_commit_nothing() {
    let voters = Voters::equal(3);
    let mut set = voters.set(PRECOMMIT);
    voters.add_all(&mut set, None, 0..3);
    assert_eq!(set.majority(), Some(None));
    assert_eq!(set.commit(), None);
}

#[test]
#[should_panic(expected = "prevotes commit nothing")]
fn prevotes_make_no_commit() {
    let voters = Voters::equal(1);
    let _ = voters.set(PREVOTE).commit();
}

#[test]
fn power_counts_and_not_heads() {
    let voters = Voters::new(&[60, 10, 30]);
    let mut set = voters.set(PREVOTE);
    let block = Some(unseen(1));
    voters.add_all(&mut set, block, 0..1);
    assert!(!set.has_two_thirds_any());
    voters.add_all(&mut set, block, 1..2);
    assert_eq!(set.majority(), Some(block));
    assert!(!set.has_all());
    voters.add_all(&mut set, None, 2..3);
    assert!(set.has_all());
}

/// One claim for each peer, so a set holds at most one block more for each, and no conflicting
/// vote for a block that nobody claims.
#[test]
fn claims_make_at_most_one_block_each() {
    let voters = Voters::equal(4);
    let mut set = voters.set(PREVOTE);
    voters.add_all(&mut set, None, 0..1);
    for block in 1..=200 {
        let other = voters.prevote(Some(unseen(block)), 0);
        assert_eq!(conflict(voters.add(&mut set, &other)), Some(false));
        let claimed = set.set_peer_majority(PeerId(u16::from(block % 3)), Some(unseen(block)));
        assert_eq!(claimed.is_ok(), block <= 3, "block {block}");
    }
    assert_eq!((set.by_block.len(), set.claims.len()), (4, 3));
    for (block, counted) in [(1, true), (2, true), (3, true), (4, false)] {
        let other = voters.prevote(Some(unseen(block)), 0);
        assert_eq!(conflict(voters.add(&mut set, &other)), Some(counted));
    }
}

#[test]
fn a_set_is_shown_in_one_line_and_in_full() {
    let voters = Voters::new(&[1, 2, 3, 1]);
    let mut set = voters.set(PREVOTE);
    voters.add_all(&mut set, None, 0..2);
    assert_eq!(set.set_peer_majority(PeerId(7), Some(unseen(1))), Ok(true));
    let second = voters.prevote(Some(unseen(1)), 1);
    assert_eq!(conflict(voters.add(&mut set, &second)), Some(true));
    insta::assert_snapshot!(set, @"prevotes 1/0 xx__ 3/7");
    insta::assert_snapshot!(format!("{set:#}"), @r"
    prevotes 1/0 xx__ 3/7
      nil: xx__ 3
      01010101: _x__ 2, 1 conflicting, claimed
      n7 claims 01010101
    ");
}
