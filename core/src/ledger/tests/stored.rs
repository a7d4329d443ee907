//! Tests of the files of blocks and validators: what is stored when, and what is removed.

use super::*;
use crate::{storage::Storage, types::ValidatorSet};

/// Validators that differ in power.
fn validators(power: u64) -> ValidatorSet {
    let key = key().public_key();
    ValidatorSet::new(&[ValidatorUpdate { key, power }]).unwrap()
}

fn stored(height: u64, power: u64) -> StoredBlock {
    let (_, _, mut stored) = two_blocks();
    stored.validators = validators(power);
    stored.block.header.height = Height(height);
    stored.block.header.validators_hash = stored.validators.hash();
    stored
}

/// A ledger with a block per power, from height 1 on.
fn ledger(powers: &[u64]) -> (MemoryStorage, Ledger) {
    let mut storage = MemoryStorage::default();
    storage.create_dir("l").unwrap();
    let mut ledger = Ledger::create(&mut storage, "l").unwrap();
    for (height, power) in (1..).zip(powers) {
        let block = stored(height, *power);
        ledger.save_block(&mut storage, &block).unwrap();
    }
    (storage, ledger)
}

fn files(storage: &mut MemoryStorage, dir: &str) -> Vec<u64> {
    let names = storage.list(&format!("l/{dir}")).unwrap();
    let height = |name: &String| u64::from_str_radix(name, 16).unwrap();
    names.iter().map(height).collect()
}

#[test]
fn validators_are_stored_only_where_they_change() {
    let powers = [5, 5, 7, 7, 7, 5];
    let (mut storage, ledger) = ledger(&powers);
    assert_eq!(files(&mut storage, "validators"), [1, 3, 6]);
    for (height, power) in (1..).zip(powers) {
        let found = ledger.load_block(&mut storage, Height(height)).unwrap();
        assert_eq!(found, Some(stored(height, power)));
    }
}

#[test]
fn a_ledger_that_was_opened_anew_knows_the_validators_it_has() {
    let (mut storage, _) = ledger(&[5, 7]);
    let mut again = Ledger::open("l");
    again.save_block(&mut storage, &stored(3, 7)).unwrap();
    assert_eq!(files(&mut storage, "validators"), [1, 2]);
    again.save_block(&mut storage, &stored(4, 5)).unwrap();
    assert_eq!(files(&mut storage, "validators"), [1, 2, 4]);
}

#[test]
fn a_block_without_its_validators_is_damage_and_so_are_those_of_others() {
    let (mut storage, ledger) = ledger(&[5, 7]);
    storage.remove(&format!("l/validators/{:016x}", 2)).unwrap();
    let others = ledger.load_block(&mut storage, Height(2)).unwrap_err();
    assert!(others.to_string().contains("not the validators of block 2"));
    storage.remove(&format!("l/validators/{:016x}", 1)).unwrap();
    let none = ledger.load_block(&mut storage, Height(1)).unwrap_err();
    assert!(none.to_string().contains("its validators are missing"));
}
/// A chain of empty blocks of one validator, with a checkpoint of its genesis.
fn chain(blocks: u64) -> (MemoryStorage, Ledger, Vec<Checkpoint>) {
    let mut storage = MemoryStorage::default();
    storage.create_dir("l").unwrap();
    let mut ledger = Ledger::create(&mut storage, "l").unwrap();
    let mut after = vec![Checkpoint {
        state: genesis(),
        app: App::default(),
        transactions: 0,
    }];
    ledger.save_checkpoint(&mut storage, &after[0]).unwrap();
    let (_, _, sample) = two_blocks();
    for height in 1..=blocks {
        let last = after.last().unwrap();
        let state = &last.state;
        let mut stored = sample.clone();
        stored.block.header.height = Height(height);
        stored.block.header.validators_hash = state.validators.hash();
        stored.validators = state.validators.clone();
        ledger.save_block(&mut storage, &stored).unwrap();
        let (state, app) = state.apply(&last.app, stored.block.cut().0, &stored.block);
        let transactions = last.transactions + stored.block.txs.len() as u64;
        after.push(Checkpoint {
            state,
            app,
            transactions,
        });
    }
    (storage, ledger, after)
}

#[test]
fn pruning_moves_the_checkpoint_and_removes_the_blocks_below() {
    let (mut storage, ledger, after) = chain(5);
    for (to, kept) in [(3, &[3, 4, 5][..]), (4, &[4, 5]), (4, &[4, 5])] {
        ledger.prune(&mut storage, Height(to)).unwrap();
        assert_eq!(files(&mut storage, "blocks"), kept);
        let found = ledger.load_checkpoint(&mut storage).unwrap();
        assert_eq!(found.as_ref(), after.get(usize::try_from(to).unwrap()));
    }
}

#[test]
fn validators_that_only_removed_blocks_needed_are_removed_with_them() {
    let (mut storage, ledger) = ledger(&[5, 7, 7, 5, 5]);
    ledger.remove_below(&mut storage, Height(3)).unwrap();
    assert_eq!(files(&mut storage, "blocks"), [3, 4, 5]);
    let kept = files(&mut storage, "validators");
    assert_eq!(kept, [2, 4], "3 needs those of 2");
    ledger.remove_below(&mut storage, Height(4)).unwrap();
    assert_eq!(files(&mut storage, "validators"), [4]);
    for height in [4, 5] {
        let found = ledger.load_block(&mut storage, Height(height)).unwrap();
        assert_eq!(found, Some(stored(height, 5)));
    }
}

#[test]
fn without_a_checkpoint_or_a_block_on_the_way_nothing_is_removed() {
    let (mut storage, ledger, _) = chain(5);
    storage.remove(&format!("l/blocks/{:016x}", 2)).unwrap();
    let refused = ledger.prune(&mut storage, Height(3)).unwrap_err();
    assert!(refused.to_string().contains("it is missing"), "{refused}");
    storage.remove("l/checkpoint").unwrap();
    let refused = ledger.prune(&mut storage, Height(1)).unwrap_err();
    assert!(refused.to_string().contains("checkpoint"), "{refused}");
    assert_eq!(files(&mut storage, "blocks"), [1, 3, 4, 5]);
}

#[test]
fn a_block_under_the_name_of_another_is_damage() {
    let (mut storage, ledger) = ledger(&[5, 5]);
    let (one, two) = (1, 2);
    let names = [one, two].map(|height| format!("l/blocks/{height:016x}"));
    storage.rename(&names[1], &names[0]).unwrap();
    let refused = ledger.load_block(&mut storage, Height(1)).unwrap_err();
    assert!(refused.to_string().contains("it is block 2"), "{refused}");
}
