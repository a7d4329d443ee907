//! Tests of evidence in blocks: what holds, what does not, and for how long.

use super::chain::{Chain, app_power, configure, public, unseen};
use crate::{
    crypto::Ed25519,
    ledger::{EvidenceError, InvalidBlock},
    types::{
        ChainId, ConfigChange, DuplicateVote, Height, MAX_EVIDENCE, Params, Round, ValidatorIndex,
        VoteKind,
    },
};

fn params(evidence_max_age: u64) -> Params {
    Params {
        evidence_max_age,
        ..Params::default()
    }
}

fn chain(evidence_max_age: u64) -> Chain {
    Chain::new(&[1, 1, 1, 1], params(evidence_max_age))
}

/// What is wrong with this piece, alone in the next block.
fn fault(chain: &Chain, evidence: &DuplicateVote) -> EvidenceError {
    match chain.judge(vec![evidence.clone()]) {
        Err(InvalidBlock::Evidence { index: 0, reason }) => reason,
        other => panic!("expected bad evidence, got {other:?}"),
    }
}

#[test]
fn two_conflicting_votes_of_a_validator_may_stand_in_a_block() {
    let mut chain = chain(100);
    let (present, round) = (chain.evidence(2, 1), chain.evidence_of_round(1, 1, 7));
    chain.grow(Vec::new(), vec![present, round]);
    let past = chain.evidence(3, 1);
    chain.grow(Vec::new(), vec![past]);
    assert_eq!(chain.state.height, Height(2));
}

#[test]
fn evidence_holds_up_to_its_age_and_not_one_block_longer() {
    let mut chain = chain(3);
    let evidence = chain.evidence(0, 2);
    chain.grow_until_next_is(5);
    assert_eq!(chain.judge(vec![evidence.clone()]), Ok(()));
    chain.grow_until_next_is(6);
    let (votes, oldest) = (Height(2), Height(3));
    let expired = EvidenceError::Expired { votes, oldest };
    assert_eq!(fault(&chain, &evidence), expired);
    assert!(!expired.is_fault(), "whoever is behind may believe in it");
}

#[test]
fn evidence_may_be_about_the_blocks_own_height_and_not_about_the_next() {
    let mut chain = chain(100);
    chain.grow_until_next_is(4);
    assert_eq!(chain.judge(vec![chain.evidence(0, 4)]), Ok(()));
    let (votes, block) = (Height(5), Height(4));
    let future = EvidenceError::Future { votes, block };
    assert_eq!(fault(&chain, &chain.evidence(0, 5)), future);
    assert!(!future.is_fault());
}

#[test]
fn votes_that_do_not_contradict_each_other_in_order_are_no_evidence() {
    let chain = chain(100);
    let good = chain.evidence(0, 1);
    let swapped = DuplicateVote {
        first: good.second.clone(),
        second: good.first.clone(),
    };
    let same = DuplicateVote {
        first: good.first.clone(),
        second: good.first.clone(),
    };
    let mut round = good.clone();
    round.second.round = Round(1);
    let mut kind = good.clone();
    kind.second.kind = VoteKind::Precommit;
    let mut height = good.clone();
    height.second.height = Height(2);
    let mut other = good;
    other.second = chain.vote(1, 1, Some(unseen(1)));
    for mut bad in [swapped, same, round, kind, height, other] {
        chain.sign(&mut bad.first);
        chain.sign(&mut bad.second);
        assert_eq!(fault(&chain, &bad), EvidenceError::NoContradiction);
    }
    assert!(EvidenceError::NoContradiction.is_fault());
}

#[test]
fn a_signature_that_does_not_verify_convicts_nobody() {
    let chain = chain(100);
    let good = chain.evidence(0, 1);
    let accused = EvidenceError::Signature(public(0).address());
    let mut first = good.clone();
    first.first.signature = good.second.signature;
    let mut second = good.clone();
    second.second.signature = good.first.signature;
    // Signed by a colleague in the accused one's name.
    let mut framed = good.clone();
    framed.second.signature = chain.vote(1, 1, Some(unseen(1))).signature;
    for bad in [first, second, framed] {
        assert_eq!(fault(&chain, &bad), accused);
    }
    assert!(accused.is_fault());
    // Signed by the accused one, for another chain.
    let mut state = chain.state.clone();
    state.chain = ChainId::try_from(b"other".to_vec()).unwrap();
    assert_eq!(state.check_evidence(&Ed25519, &good), Err(accused));
}

#[test]
fn only_the_validator_at_that_index_of_that_height_is_judged() {
    let mut chain = chain(100);
    let stranger = chain.evidence(5, 1);
    let refused = |evidence: &DuplicateVote| EvidenceError::NotValidator {
        height: evidence.first.height,
        index: evidence.first.index,
        address: evidence.first.address,
    };
    assert_eq!(fault(&chain, &stranger), refused(&stranger));
    let mut moved = chain.evidence(0, 1);
    for wrong in [moved.first.index.0 ^ 1, 4, u16::MAX] {
        moved.first.index = ValidatorIndex(wrong);
        moved.second.index = ValidatorIndex(wrong);
        assert_eq!(fault(&chain, &moved), refused(&moved));
        assert!(refused(&moved).is_fault());
    }
    // Validator 5 comes at height 2; what it signed at height 1 concerns nobody.
    chain.grow(vec![app_power(5, 1)], Vec::new());
    let (early, late) = (chain.evidence(5, 1), chain.evidence(5, 2));
    assert_eq!(fault(&chain, &early), refused(&early));
    assert_eq!(chain.judge(vec![late]), Ok(()));
}

#[test]
fn a_validator_is_judged_for_its_time_in_office_after_it_has_left() {
    let mut chain = chain(100);
    let (in_office, afterwards) = (chain.evidence(1, 2), chain.evidence(1, 3));
    chain.grow(Vec::new(), Vec::new());
    chain.grow(vec![app_power(1, 0)], Vec::new());
    chain.grow(Vec::new(), Vec::new());
    assert!(matches!(
        fault(&chain, &afterwards),
        EvidenceError::NotValidator { .. }
    ));
    chain.grow(vec![app_power(1, 2)], vec![in_office.clone()]);
    let again = chain.evidence(1, 5);
    assert_eq!(chain.judge(vec![again]), Ok(()));
    assert!(matches!(
        fault(&chain, &afterwards),
        EvidenceError::NotValidator { .. }
    ));
    let convicted = EvidenceError::Convicted(in_office.offence());
    assert_eq!(fault(&chain, &in_office), convicted);
}

#[test]
fn an_offence_is_convicted_once_whatever_proves_it() {
    let mut chain = chain(100);
    let evidence = chain.evidence(0, 1);
    let (one, two) = (unseen(1), unseen(2));
    let (one, two) = (chain.vote(0, 1, Some(one)), chain.vote(0, 1, Some(two)));
    let other_pair = DuplicateVote::new(one, two).unwrap();
    let twice = InvalidBlock::EvidenceTwice(evidence.offence());
    for second in [&evidence, &other_pair] {
        let judged = chain.judge(vec![evidence.clone(), second.clone()]);
        assert_eq!(judged, Err(twice.clone()));
    }
    chain.grow(Vec::new(), vec![evidence.clone()]);
    assert!(chain.state.recent.is_convicted(&evidence.offence()));
    let convicted = EvidenceError::Convicted(evidence.offence());
    assert_eq!(fault(&chain, &evidence), convicted);
    assert_eq!(fault(&chain, &other_pair), convicted);
    assert!(!convicted.is_fault(), "the news of it may be on its way");
    // The same validator's next offence is another one.
    let next = chain.evidence_of_round(0, 1, 1);
    assert_eq!(chain.judge(vec![next]), Ok(()));
}

#[test]
fn the_second_piece_is_judged_like_the_first() {
    let chain = chain(100);
    let mut bad = chain.evidence(1, 1);
    bad.second.signature = bad.first.signature;
    let judged = chain.judge(vec![chain.evidence(0, 1), bad]);
    let reason = EvidenceError::Signature(public(1).address());
    assert_eq!(judged, Err(InvalidBlock::Evidence { index: 1, reason }));
}

#[test]
fn a_block_holds_as_much_evidence_as_it_may() {
    let mut chain = chain(100);
    let pieces = |rounds: usize| -> Vec<DuplicateVote> {
        let rounds = 0..u32::try_from(rounds).unwrap();
        rounds.map(|r| chain.evidence_of_round(0, 1, r)).collect()
    };
    let (full, beyond) = (pieces(MAX_EVIDENCE), pieces(MAX_EVIDENCE + 1));
    let more: Result<crate::types::Bounded<_, MAX_EVIDENCE>, _> = beyond.try_into();
    assert!(more.is_err());
    chain.grow(Vec::new(), full);
}

#[test]
fn what_can_no_longer_be_judged_is_forgotten() {
    let mut chain = chain(3);
    let empty = borsh::to_vec(&chain.state.recent).unwrap().len();
    let evidence = chain.evidence(0, 1);
    chain.grow(vec![app_power(5, 1)], vec![evidence.clone()]);
    chain.grow(vec![app_power(5, 0)], Vec::new());
    assert!(borsh::to_vec(&chain.state.recent).unwrap().len() > empty);
    chain.grow_until_next_is(5);
    assert!(!chain.state.recent.is_convicted(&evidence.offence()));
    assert_eq!(chain.state.recent.oldest(), Height(2));
    // The list of height 2, with validator 5 in it, is still needed.
    assert_eq!(chain.judge(vec![chain.evidence(1, 3)]), Ok(()));
    chain.grow_until_next_is(6);
    assert_eq!(borsh::to_vec(&chain.state.recent).unwrap().len(), empty);
}

#[test]
fn a_longer_age_does_not_bring_back_what_has_expired() {
    let mut chain = chain(2);
    let (old, young) = (chain.evidence(0, 1), chain.evidence(0, 2));
    chain.grow_until_next_is(4);
    let longer = ConfigChange::Params(params(50));
    chain.grow(vec![configure(0, longer)], Vec::new());
    chain.grow_until_next_is(9);
    let (votes, oldest) = (Height(1), Height(2));
    assert_eq!(
        fault(&chain, &old),
        EvidenceError::Expired { votes, oldest }
    );
    assert_eq!(chain.judge(vec![young]), Ok(()));
}

#[test]
fn a_shorter_age_holds_from_the_next_height_on() {
    let mut chain = chain(50);
    let evidence = chain.evidence(0, 2);
    chain.grow_until_next_is(6);
    let shorter = configure(0, ConfigChange::Params(params(3)));
    let block = chain.block(vec![shorter.clone()], vec![evidence.clone()]);
    assert_eq!(chain.state.validate(&Ed25519, &block), Ok(()));
    chain.grow(vec![shorter], Vec::new());
    let (votes, oldest) = (Height(2), Height(4));
    assert_eq!(
        fault(&chain, &evidence),
        EvidenceError::Expired { votes, oldest }
    );
}
