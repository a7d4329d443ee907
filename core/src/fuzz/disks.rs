//! What a start makes of files: the sign state, heights that do not fit together, and damage.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};

use super::{
    log::overwrite,
    solo::{self, DIR, HEIGHTS, genesis, owner, solo, store_config},
    toy::Toy,
};
use crate::{
    crypto::Sign,
    ledger::sealed,
    node::{Config, Store},
    privval::{self, Refused, SignFile, SignSlot, SignState, SignStep},
    replay::replay_for,
    storage::{MemoryStorage, Storage, read_file, write_atomic},
    types::{Height, Round, Signature},
};

const SIGN_FILE: &str = "v/sign_state";

/// Bytes as a file of sign states, or requests to sign with crashes in between.
pub(super) fn privval(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0..=127, file)) => sign_file(file),
        Some((128..=255, plan)) => drop(requests(&mut Unstructured::new(plan))),
        None => {}
    }
}

/// A file that is readable is written on, and read back; its other slot may be anything.
fn sign_file(bytes: &[u8]) {
    let mut disk = MemoryStorage::default();
    assert_eq!(disk.create_dir("v"), Ok(()));
    overwrite(&mut disk, SIGN_FILE, bytes);
    let found = privval::newest(bytes.get(..1_024).unwrap_or(bytes));
    let Ok((mut file, state)) = SignFile::open(&mut disk, "v") else {
        assert_eq!(found, None, "readable, but refused");
        return;
    };
    assert_eq!(found.map(|(_, state)| state).as_ref(), Some(&state));
    if found_generation(bytes) == Some(u64::MAX) {
        return; // nobody writes so often
    }
    let slot = SignSlot {
        height: Height(u64::MAX),
        round: Round(0),
        step: SignStep::Precommit,
    };
    let mut next = state;
    next.adopt(slot, vec![1; 256], Signature([2; 64]));
    assert_eq!(file.write(&mut disk, &next), Ok(()));
    assert_eq!(file.sync(&mut disk), Ok(()));
    assert_eq!(file.close(&mut disk), Ok(()));
    let again = SignFile::open(&mut disk, "v").map(|(_, state)| state);
    assert_eq!(again, Ok(next));
}

fn found_generation(bytes: &[u8]) -> Option<u64> {
    privval::newest(bytes).map(|(generation, _)| generation)
}

/// Requests to sign, writes that may tear, and restarts: for one slot one content is signed, slots
/// never go back, and the durable state is not forgotten.
fn requests(u: &mut Unstructured<'_>) -> Result<()> {
    let mut disk = MemoryStorage::default();
    assert_eq!(disk.create_dir("v"), Ok(()));
    let mut file = SignFile::create(&mut disk, "v").expect("a plain disk");
    let (mut state, mut durable) = (SignState::default(), SignState::default());
    // What left the node, by slot: only what was durable may.
    let mut left: BTreeMap<SignSlot, Vec<u8>> = BTreeMap::new();
    while !u.is_empty() {
        let given: u8 = u.arbitrary()?;
        if given >= 224 {
            if given >= 240 {
                tear(u, &mut disk, &state)?;
            }
            disk.restart();
            (file, state) = SignFile::open(&mut disk, "v").expect("one slot is always whole");
            assert!(
                state == durable || given >= 240,
                "what was synced is forgotten"
            );
            durable = state.clone();
            continue;
        }
        let steps = [SignStep::Propose, SignStep::Prevote, SignStep::Precommit];
        let slot = SignSlot {
            height: Height(u64::from(given / 64)),
            round: Round(u32::from(given / 16 % 4)),
            step: steps[usize::from(given / 4 % 4).min(2)],
        };
        let content = vec![given % 4; usize::from(given % 4) * 85 + 1];
        let last = state.last();
        let signed = state.sign(&Toy(1), slot, content.clone());
        match &signed {
            Ok(signature) => {
                assert!(last <= Some(slot), "signed behind {last:?}");
                assert_eq!(*signature, Toy(1).sign(&content));
                assert_eq!(
                    (file.write(&mut disk, &state), file.sync(&mut disk)),
                    (Ok(()), Ok(()))
                );
                durable = state.clone();
                let before = left.insert(slot, content.clone());
                assert!(
                    before.is_none_or(|before| before == content),
                    "two for {slot:?}"
                );
            }
            Err(Refused::Regression { .. }) => assert!(last > Some(slot)),
            Err(Refused::Conflict(at)) => {
                assert_eq!((last, *at), (Some(slot), slot));
                assert!(
                    left.get(&slot) != Some(&content),
                    "the same was signed before"
                );
            }
        }
    }
    Ok(())
}

/// A write of the next state that stops somewhere in its sector. Nothing of it has left.
fn tear(u: &mut Unstructured<'_>, disk: &mut MemoryStorage, state: &SignState) -> Result<()> {
    let before = read_file(disk, SIGN_FILE).expect("the file");
    disk.restart();
    let (mut file, mut next) = SignFile::open(disk, "v").expect("readable");
    let high = SignSlot {
        height: Height(9),
        round: Round(9),
        step: SignStep::Precommit,
    };
    assert_eq!(next, *state, "read as it was written");
    if !next.adopt(high, vec![7; 100], Signature([7; 64])) {
        return Ok(());
    }
    assert_eq!(file.write(disk, &next), Ok(()));
    assert_eq!(file.close(disk), Ok(()));
    let mut after = read_file(disk, SIGN_FILE).expect("the file");
    let kept = 1 + usize::from(u.arbitrary::<u16>()?) % 511;
    let changed = (0..after.len())
        .find(|at| after[*at] != before[*at])
        .unwrap_or(0)
        / 512
        * 512;
    // The end of the sector is zeros in both; tear where they differ.
    let from = changed + kept.min(100);
    after[from..].copy_from_slice(&before[from..]);
    overwrite(disk, SIGN_FILE, &after);
    Ok(())
}

/// Application, blocks and state at any heights, and files spoilt: a start is refused, or it ends
/// at the last stored block with exactly its state, and a second start has nothing left to do.
pub(super) fn handshake(bytes: &[u8]) {
    let _ = started(&mut Unstructured::new(bytes));
}

fn started(u: &mut Unstructured<'_>) -> Result<()> {
    let given: [u8; 3] = u.arbitrary()?;
    let [app, blocks, state] = given.map(|byte| usize::from(byte) % (count() + 1));
    let mut disk = solo().disk.clone();
    for height in blocks + 1..=count() {
        let removed = disk.remove(&format!("{DIR}/blocks/{height:016x}"));
        assert_eq!(removed, Ok(()));
    }
    let after = &solo().after;
    let app_bytes = sealed(&after[app].1);
    let stored = write_atomic(&mut disk, DIR, "app", &app_bytes)
        .and_then(|()| write_atomic(&mut disk, DIR, "state", &sealed(&after[state].0)));
    assert_eq!(stored, Ok(()));
    let spoilt = solo::spoil(u, &mut disk)?;
    disk.restart();
    let found = Store::start(&mut disk, DIR, &genesis(), store_config());
    let possible = app <= blocks && state <= blocks && blocks <= state + 1;
    assert!(
        spoilt || found.is_err() || possible,
        "{app} {blocks} {state} fit together"
    );
    let Ok((_, found)) = found else { return Ok(()) };
    let height = usize::try_from(found.state.height.0).expect("few heights");
    assert_eq!(
        (&found.state, &found.app),
        (&after[height].0, &after[height].1)
    );
    if !spoilt {
        assert_eq!(height, blocks, "it ends at the last block");
        let applied = blocks - app.min(state);
        assert_eq!(found.replayed, applied as u64);
    }
    disk.restart();
    let again = Store::start(&mut disk, DIR, &genesis(), store_config());
    let (_, again) = again.unwrap_or_else(|error| panic!("the second start: {error}"));
    assert_eq!(again.replayed, 0, "what was executed again is stored");
    assert_eq!((&again.state, &again.app), (&found.state, &found.app));
    Ok(())
}

fn count() -> usize {
    usize::try_from(HEIGHTS).expect("few heights")
}

/// Spoilt files before a verified start: it never panics and never writes, and what it accepts the
/// start accepts, at the same height.
pub(super) fn replay_store(bytes: &[u8]) {
    let _ = verified(&mut Unstructured::new(bytes));
}

fn verified(u: &mut Unstructured<'_>) -> Result<()> {
    let mut disk = solo().disk.clone();
    let spoilt = solo::spoil(u, &mut disk)?;
    disk.restart();
    let before = contents(&mut disk);
    let verified = replay_for(&mut disk, DIR, &genesis(), &Config::default(), &owner());
    disk.restart();
    assert!(
        before == contents(&mut disk),
        "a verified start has written"
    );
    let started = Store::start(&mut disk, DIR, &genesis(), store_config());
    match (verified, started) {
        (Ok(verified), Ok((_, found))) => {
            assert_eq!(verified.height, found.state.height);
            assert_eq!(verified.replayed, found.replayed);
            assert!(spoilt || verified.height == Height(HEIGHTS));
        }
        (Ok(_), Err(error)) => panic!("verified, but refused: {error}"),
        (Err(error), _) => assert!(spoilt, "{error}"),
    }
    Ok(())
}

fn contents(disk: &mut MemoryStorage) -> Vec<std::result::Result<Vec<u8>, String>> {
    let read = |path: &String| read_file(disk, path).map_err(|error| error.to_string());
    solo().files.iter().map(read).collect()
}
