//! Verified start: what is as it should be starts, what is not is named, and the original stays as
//! it was, whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{overlay::ReadOnlyDisk, *};
use crate::{privval::SignFile, types::BlockId};

const STOPS: [(u64, Stop); 5] = [
    (0, Stop::Decided),
    (0, Stop::BlockStored),
    (3, Stop::Idle),
    (3, Stop::Decided),
    (3, Stop::BlockStored),
];

#[test]
fn a_fresh_node_starts_without_ceremony() {
    let mut disk = ReadOnlyDisk::failing_after(MemoryStorage::default(), 1, true);
    let found = verify(&mut disk).unwrap();
    assert_eq!(
        (found.height, found.at, found.records),
        (Height(0), None, 0)
    );
}

#[test]
fn whatever_a_crash_leaves_starts_and_is_not_written() {
    for (heights, stop) in STOPS {
        let disk = disk_of(heights, stop);
        let mut watched = ReadOnlyDisk::new(disk.clone());
        let found = verify(&mut watched).unwrap();
        let stored = heights + u64::from(stop == Stop::BlockStored);
        assert_eq!(found.height, Height(stored));
        assert_eq!(found.replayed, u64::from(stop == Stop::BlockStored));
        assert_eq!((found.to_sign, &found.torn), (0, &None));
        assert_eq!(watched.open_files(), 0);
        // The real start succeeds and stands at the same place.
        let mut real = disk.clone();
        let started = Store::start(&mut real, DIR, &genesis(), StoreConfig::default());
        let state = started.unwrap().1.state;
        assert_eq!(
            (state.height, state.app_hash),
            (found.height, found.app_hash)
        );
        assert_eq!(verify(&mut disk.clone()).unwrap(), found, "the same again");
    }
}

#[test]
fn a_verification_that_breaks_off_anywhere_leaves_the_original_as_it_was() {
    let disk = disk_of(2, Stop::BlockStored);
    let mut whole = ReadOnlyDisk::failing_after(disk.clone(), 1 << 20, false);
    verify(&mut whole).unwrap();
    let calls = (1 << 20) - whole.calls_left();
    for panics in [false, true] {
        for left in (0..calls).step_by(if panics { 17 } else { 5 }) {
            let mut broken = ReadOnlyDisk::failing_after(disk.clone(), left, panics);
            let ended = catch_unwind(AssertUnwindSafe(|| verify(&mut broken)));
            assert!(
                !matches!(ended, Ok(Ok(_))),
                "{left} of {calls} calls were enough"
            );
            assert_eq!(ended.is_err(), panics);
            assert_eq!(broken.open_files(), 0, "after {left} calls");
            assert_eq!(names(broken.disk()), names(&disk));
            verify(&mut broken.disk().clone()).unwrap();
        }
    }
}

/// All files that hold anything, and their bytes. The next segment's prepared file holds nothing.
pub(super) fn names(disk: &MemoryStorage) -> Vec<(String, Vec<u8>)> {
    let mut disk = disk.clone();
    let mut found = Vec::new();
    let mut dirs = vec![String::new()];
    while let Some(dir) = dirs.pop() {
        for name in disk.list(&dir).unwrap() {
            let path = if dir.is_empty() {
                name
            } else {
                format!("{dir}/{name}")
            };
            match disk.list(&path) {
                Ok(_) => dirs.push(path),
                Err(_) => found.push((path.clone(), read_file(&mut disk, &path).unwrap())),
            }
        }
    }
    found.retain(|(_, bytes)| !bytes.is_empty());
    found
}

pub(super) fn put(disk: &mut MemoryStorage, path: &str, bytes: &[u8]) {
    let (dir, name) = path.rsplit_once('/').unwrap();
    write_atomic(disk, dir, name, bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_any_file_is_found_or_changes_nothing() {
    // A3: also with nothing pending. A1 and A4: no file is left out.
    let disk = disk_of(3, Stop::Idle);
    let same = verify(&mut disk.clone()).unwrap();
    for (path, bytes) in names(&disk) {
        for place in (0..bytes.len()).step_by(bytes.len().div_ceil(40)) {
            let mut changed = bytes.clone();
            changed[place] ^= 4;
            let mut disk = disk.clone();
            put(&mut disk, &path, &changed);
            match verify(&mut disk) {
                Err(_) => {}
                Ok(found) => {
                    let harmless = path.ends_with("sign_state") || found.torn.is_some();
                    assert!(harmless, "{path} at {place}");
                    assert_eq!((found.height, found.app_hash), (same.height, same.app_hash));
                }
            }
        }
    }
}

#[test]
fn an_application_of_the_right_hash_but_other_values_is_refused() {
    let mut disk = disk_of(3, Stop::Idle);
    let path = format!("{DIR}/app");
    let mut bytes = read_file(&mut disk, &path).unwrap();
    // The sum of the hashes stays, one value does not.
    let at = bytes.iter().rposition(|byte| *byte == 3).unwrap();
    bytes[at] ^= 8;
    let crc = crc32c::crc32c(&bytes[4..]).to_le_bytes();
    bytes[..4].copy_from_slice(&crc);
    put(&mut disk, &path, &bytes);
    let what = "application";
    let height = Height(3);
    assert_eq!(
        verify(&mut disk),
        Err(ReplayFailed::Stored { what, height })
    );
}

#[test]
fn partial_data_is_named_and_refused() {
    // A10: partial is neither none nor all.
    for (name, missing) in [
        ("state", "state"),
        ("sign_state", "sign_state"),
        ("app", ""),
    ] {
        let mut disk = disk_of(3, Stop::Idle);
        disk.remove(&format!("{DIR}/{name}")).unwrap();
        if missing.is_empty() {
            assert_eq!(
                verify(&mut disk).unwrap().replayed,
                3,
                "it is made again from blocks"
            );
        } else {
            assert_eq!(verify(&mut disk), Err(ReplayFailed::Partial(vec![missing])));
        }
    }
    for name in ["wal", "blocks"] {
        let mut disk = disk_of(3, Stop::Idle);
        disk.remove_dir_all(&format!("{DIR}/{name}")).unwrap();
        assert!(
            matches!(verify(&mut disk), Err(ReplayFailed::Partial(_))),
            "{name}"
        );
    }
}

#[test]
fn a_directory_that_was_never_finished_counts_as_fresh() {
    let mut disk = MemoryStorage::default();
    disk.create_dir(DIR).unwrap();
    disk.create_dir(&format!("{DIR}/blocks")).unwrap();
    SignFile::create(&mut disk, DIR).unwrap();
    assert_eq!(has_data(&mut disk, DIR), Ok(HasData::None));
    disk.restart();
    assert_eq!(verify(&mut disk).unwrap().at, None);
}

#[test]
fn a_sign_state_that_cannot_be_read_is_no_sign_of_a_fresh_directory() {
    let mut disk = disk_of(3, Stop::Idle);
    disk.remove(&format!("{DIR}/state")).unwrap();
    disk.remove_dir_all(&format!("{DIR}/blocks")).unwrap();
    let missing = HasData::Partial(vec!["state", "blocks"]);
    assert_eq!(has_data(&mut disk, DIR), Ok(missing));
    put(&mut disk, &format!("{DIR}/sign_state"), &[0; 1024]);
    let refused = verify(&mut disk).unwrap_err();
    assert!(matches!(refused, ReplayFailed::Start(_)), "{refused}");
}

#[test]
fn a_log_ahead_of_the_blocks_is_refused() {
    // A11: a block is lost, and state and application with it.
    let mut disk = disk_of(3, Stop::Idle);
    let earlier = disk_of(2, Stop::Idle);
    for name in ["state", "app"] {
        let path = format!("{DIR}/{name}");
        let bytes = read_file(&mut earlier.clone(), &path).unwrap();
        put(&mut disk, &path, &bytes);
    }
    disk.remove(&format!("{DIR}/blocks/{:016x}", 3)).unwrap();
    let (log, blocks) = (Height(3), Height(2));
    assert_eq!(
        verify(&mut disk),
        Err(ReplayFailed::BlocksLost { log, blocks })
    );
}

#[test]
fn a_block_that_is_not_what_was_decided_is_refused() {
    let mut disk = disk_of(3, Stop::Idle);
    let mut ledger = Ledger::open(DIR);
    let mut stored = ledger.load_block(&mut disk, Height(2)).unwrap().unwrap();
    stored.block.header.time = Time(stored.block.header.time.0 + 1);
    ledger.save_block(&mut disk, &stored).unwrap();
    let refused = verify(&mut disk).unwrap_err();
    assert!(matches!(refused, ReplayFailed::Block { height, .. } if height == Height(2)));
    assert!(!refused.is_mismatch());
}

#[test]
fn the_last_pending_batch_must_be_the_one_that_is_reached() {
    // A2: not the first result of any batch.
    let block = |n: u8| {
        let mut id = genesis_block().cut().0;
        id.hash = Hash([n; 32]);
        id
    };
    let refused = |expected: BlockId| Err(ReplayFailed::NotReached { expected });
    assert_eq!(wait_for_confirm(None, None), Ok(()));
    assert_eq!(wait_for_confirm(Some(block(1)), Some(block(1))), Ok(()));
    assert_eq!(
        wait_for_confirm(Some(block(1)), Some(block(2))),
        refused(block(2))
    );
    assert_eq!(wait_for_confirm(None, Some(block(2))), refused(block(2)));
}

fn genesis_block() -> Block {
    let state = crate::ledger::State::genesis(&genesis()).unwrap();
    state.next_block(
        Time(5),
        key().public_key().address(),
        Vec::new(),
        Vec::new(),
        None,
    )
}

#[test]
fn a_lost_tail_of_the_log_is_told_and_starts() {
    let mut disk = disk_of(3, Stop::Idle);
    let log = format!("{DIR}/wal");
    let mut names = disk.list(&log).unwrap();
    names.retain(|name| wal::parse_name(name).is_some());
    let name = names.pop().unwrap();
    let mut bytes = read_file(&mut disk, &format!("{log}/{name}")).unwrap();
    bytes.extend([0xc0; 40]);
    put(&mut disk, &format!("{log}/{name}"), &bytes);
    let found = verify(&mut disk).unwrap();
    assert_eq!(found.torn.unwrap().bytes, 40);
}

#[test]
fn another_genesis_is_refused() {
    let mut disk = disk_of(1, Stop::Idle);
    let other = Genesis {
        chain: ChainId::try_from(b"other".to_vec()).unwrap(),
        ..genesis()
    };
    let config = Config::default();
    let refused = replay_for(&mut disk, DIR, &other, &config, &owner()).unwrap_err();
    assert!(matches!(refused, ReplayFailed::Block { .. }), "{refused}");
}

#[test]
fn going_back_and_forward_again_gives_the_same() {
    let mut disk = disk_of(3, Stop::Decided);
    let config = Config::default();
    let (mut playback, _) = load(&mut disk, DIR, &genesis(), &config, &owner()).unwrap();
    let mut past = vec![playback.node().clone()];
    while playback.step().unwrap().is_some() {
        past.push(playback.node().clone());
    }
    let end = playback.played();
    for count in [1, 3, end / 2, end, end + 5] {
        let mut again = playback.clone();
        again.back(count).unwrap();
        assert_eq!(again.played(), end.saturating_sub(count));
        assert_eq!(again.node(), &past[again.played()]);
        while again.step().unwrap().is_some() {}
        assert_eq!(again.node(), playback.node());
    }
}

#[test]
fn an_application_that_changes_its_mind_is_found() {
    // The same block, another application hash after it.
    let mut disk = disk_of(3, Stop::Idle);
    let mut ledger = Ledger::open(DIR);
    let mut stored = ledger.load_block(&mut disk, Height(2)).unwrap().unwrap();
    stored.block.header.app_hash = App::default().hash();
    ledger.save_block(&mut disk, &stored).unwrap();
    let refused = verify(&mut disk).unwrap_err();
    assert!(matches!(refused, ReplayFailed::AppHash { height, .. } if height == Height(1)));
    assert!(refused.is_mismatch());
}
