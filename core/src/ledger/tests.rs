//! Tests of block validity and of the files.

mod chain;
mod changes;
mod evidence;
mod stored;

use super::*;
use crate::{
    app::{App, Call, Item},
    crypto::{Ed25519, Ed25519Key, Sign},
    storage::{Access, MemoryStorage, write_all},
    types::{Bounded, ChainId, CommitSig, Hash, Params, Round, Time, ValidatorUpdate},
};

fn key() -> Ed25519Key {
    Ed25519Key::from_seed(&[1; 32])
}

fn genesis() -> State {
    let validators = vec![ValidatorUpdate {
        key: key().public_key(),
        power: 5,
    }];
    let chain = ChainId::try_from(b"test".to_vec()).unwrap();
    State::genesis(&Genesis {
        chain,
        time: Time(100),
        validators,
        params: Params::default(),
    })
    .unwrap()
}

/// The chain after its first block, and a second block that may follow.
fn two_blocks() -> (State, Block, StoredBlock) {
    let state = genesis();
    let proposer = key().public_key().address();
    let item = |b: &[u8]| Item::try_from(b.to_vec()).unwrap();
    let tx = Call::Set {
        key: item(b"k"),
        value: item(b"v"),
    }
    .to_tx();
    let first = state.next_block(Time(200), proposer, vec![tx], Vec::new(), None);
    assert_eq!(state.validate(&Ed25519, &first), Ok(()));
    let (id, _) = first.cut();
    let (after, _) = state.apply(&App::default(), id, &first);
    let (height, round) = (Height(1), Round(0));
    let mut commit = Commit {
        height,
        round,
        block: id,
        signatures: Bounded::default(),
    };
    let signature = key().sign(&commit.sign_bytes(&state.chain, Some(id)));
    commit.signatures = Bounded::try_from(vec![CommitSig::Block(signature)]).unwrap();
    let last_commit = Some(commit.clone());
    let second = after.next_block(Time(150), proposer, Vec::new(), Vec::new(), last_commit);
    (
        after,
        second,
        StoredBlock {
            block: first,
            seen_commit: commit,
            validators: state.validators,
        },
    )
}

#[test]
fn a_block_built_on_the_chain_is_valid_and_time_grows_even_under_a_slow_clock() {
    let (state, second, _) = two_blocks();
    assert_eq!(state.validate(&Ed25519, &second), Ok(()));
    assert_eq!(second.header.time, Time(201));
}

#[test]
fn every_header_field_that_does_not_follow_makes_the_block_invalid() {
    let (state, good, _) = two_blocks();
    type Spoil = fn(&mut Block);
    let spoil: [(&str, Spoil); 7] = [
        ("chain", |b| b.header.chain = ChainId::default()),
        ("height", |b| b.header.height = Height(3)),
        ("last_block", |b| b.header.last_block = None),
        ("validators_hash", |b| {
            b.header.validators_hash = Hash([1; 32])
        }),
        ("app_hash", |b| b.header.app_hash = Hash([1; 32])),
        ("config_sequence", |b| b.header.config_sequence = 9),
        ("proposer", |b| {
            b.header.proposer = crate::types::Address([1; 20])
        }),
    ];
    for (field, change) in spoil {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(
            state.validate(&Ed25519, &bad),
            Err(InvalidBlock::Field(field))
        );
    }
    let mut late = good.clone();
    late.header.time = state.last_time;
    assert!(matches!(
        state.validate(&Ed25519, &late),
        Err(InvalidBlock::Time { .. })
    ));
}

#[test]
fn the_last_commit_must_be_there_and_prove_the_last_block() {
    let (state, good, _) = two_blocks();
    let mut none = good.clone();
    none.last_commit = None;
    assert_eq!(state.validate(&Ed25519, &none), Err(InvalidBlock::Commit));
    let mut empty = good;
    let absent = Bounded::try_from(vec![CommitSig::Absent]).unwrap();
    empty.last_commit.as_mut().unwrap().signatures = absent;
    let refused = state.validate(&Ed25519, &empty);
    assert!(matches!(refused, Err(InvalidBlock::LastCommit(_))));
}

#[test]
fn a_block_with_a_malformed_transaction_is_invalid() {
    let junk = crate::types::Tx::try_from(vec![200]).unwrap();
    let proposer = key().public_key().address();
    let block = genesis().next_block(Time(200), proposer, vec![junk], Vec::new(), None);
    assert_eq!(
        genesis().validate(&Ed25519, &block),
        Err(InvalidBlock::Tx(0))
    );
}

#[test]
fn a_block_survives_its_encoding_and_shows_tampering() {
    let (_, second, stored) = two_blocks();
    for block in [second, stored.block] {
        let bytes = borsh::to_vec(&block).unwrap();
        assert_eq!(Block::decode(&bytes), Ok(block.clone()));
        let mut other = block;
        other.header.data_hash = Hash([1; 32]);
        assert!(Block::decode(&borsh::to_vec(&other).unwrap()).is_err());
    }
}

#[test]
fn blocks_and_state_are_read_back_and_damage_is_reported() {
    let mut storage = MemoryStorage::default();
    storage.create_dir("l").unwrap();
    let mut ledger = Ledger::create(&mut storage, "l").unwrap();
    assert_eq!(ledger.height(&mut storage), Ok(Height(0)));
    assert_eq!(ledger.load_state(&mut storage), Ok(None));
    let (state, _, stored) = two_blocks();
    ledger.save_block(&mut storage, &stored).unwrap();
    ledger.save_state(&mut storage, &state).unwrap();
    assert_eq!(ledger.height(&mut storage), Ok(Height(1)));
    assert_eq!(ledger.load_block(&mut storage, Height(1)), Ok(Some(stored)));
    assert_eq!(ledger.load_state(&mut storage), Ok(Some(state)));
    let file = storage.open("l/state", Access::Write).unwrap();
    write_all(&mut storage, file, 40, &[0xaa]).unwrap();
    let damaged = ledger.load_state(&mut storage);
    assert!(matches!(damaged, Err(LedgerError::Damaged { .. })));
}
