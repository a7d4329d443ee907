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
    storage
        .remove(&format!("l/validators/{:016x}", 2))
        .unwrap();
    let others = ledger.load_block(&mut storage, Height(2)).unwrap_err();
    assert!(others.to_string().contains("not the validators of block 2"));
    storage
        .remove(&format!("l/validators/{:016x}", 1))
        .unwrap();
    let none = ledger.load_block(&mut storage, Height(1)).unwrap_err();
    assert!(none.to_string().contains("its validators are missing"));
}

#[test]
fn pruning_removes_blocks_and_the_validators_that_only_they_needed() {
    let (mut storage, ledger) = ledger(&[5, 7, 7, 5, 5]);
    let prune = |storage: &mut _, from, to| ledger.prune(storage, Height(from), Height(to));
    assert_eq!(prune(&mut storage, 1, 1), Ok(Height(1)), "nothing to do");
    assert_eq!(prune(&mut storage, 1, 3), Ok(Height(3)));
    assert_eq!(files(&mut storage, "blocks"), [3, 4, 5]);
    assert_eq!(files(&mut storage, "validators"), [2, 4], "3 needs those of 2");
    assert_eq!(prune(&mut storage, 3, 4), Ok(Height(4)));
    assert_eq!(files(&mut storage, "validators"), [4]);
    for height in [4, 5] {
        let found = ledger.load_block(&mut storage, Height(height)).unwrap();
        assert_eq!(found, Some(stored(height, 5)));
    }
}

#[test]
fn so_many_blocks_are_removed_at_a_time_and_no_more() {
    let blocks = usize::try_from(MAX_PRUNED).unwrap() + 2;
    let (mut storage, ledger) = ledger(&vec![5; blocks]);
    let to = Height(blocks as u64);
    let reached = ledger.prune(&mut storage, Height(1), to).unwrap();
    assert_eq!(reached, Height(1 + MAX_PRUNED));
    assert_eq!(ledger.oldest(&mut storage), Ok(reached));
    assert_eq!(ledger.prune(&mut storage, reached, to), Ok(to));
}

#[test]
fn the_base_is_where_the_last_unbroken_row_of_blocks_begins() {
    let (mut storage, ledger) = ledger(&[5; 5]);
    let heights = |storage: &mut _| (ledger.oldest(storage), ledger.base(storage));
    assert_eq!(heights(&mut storage), (Ok(Height(1)), Ok(Height(1))));
    // As if a crash had brought block 1 back.
    storage.remove(&format!("l/blocks/{:016x}", 2)).unwrap();
    assert_eq!(heights(&mut storage), (Ok(Height(1)), Ok(Height(3))));
    ledger.remove_below(&mut storage, Height(3)).unwrap();
    assert_eq!(files(&mut storage, "blocks"), [3, 4, 5]);
}
