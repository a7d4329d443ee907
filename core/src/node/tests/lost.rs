//! Starts from a directory that has lost something: what cannot be made good is refused, never
//! begun anew.

use super::{sign_state::at_work, *};
use crate::{
    privval::SignFile,
    storage::{Access, Storage, write_atomic},
};

fn start(disk: &mut MemoryStorage) -> Result<Recovered, StartError> {
    let started = Store::start(disk, "data", &genesis(4), StoreConfig::default());
    started.map(|(_, found)| found)
}

/// The disk of node 0, which has signed in its unfinished height, after it was stopped.
fn stopped(net: &Net) -> MemoryStorage {
    let mut disk = net.hosts[0].disk.clone();
    disk.restart();
    disk
}

fn without_state_and_blocks(net: &Net) -> MemoryStorage {
    let mut disk = stopped(net);
    disk.remove("data/state").unwrap();
    disk.remove_dir_all("data/blocks").unwrap();
    disk
}

#[test]
fn without_state_and_blocks_the_sign_state_alone_shows_that_the_directory_was_in_use() {
    let mut disk = without_state_and_blocks(&at_work());
    assert_eq!(start(&mut disk).unwrap_err(), StartError::StateLost);
}

#[test]
fn a_sign_state_that_cannot_be_read_is_not_taken_for_one_that_says_nothing() {
    let net = at_work();
    let mut damaged = without_state_and_blocks(&net);
    write_atomic(&mut damaged, "data", "sign_state", &[0; 1024]).unwrap();
    let mut unreadable = without_state_and_blocks(&net);
    unreadable.remove("data/sign_state").unwrap();
    unreadable.create_dir("data/sign_state").unwrap();
    for mut disk in [damaged, unreadable] {
        let refused = start(&mut disk).unwrap_err();
        assert!(matches!(refused, StartError::Sign(_)), "{refused}");
        assert!(disk.list("data").unwrap().contains(&"wal".to_owned()));
    }
}

#[test]
fn blocks_that_cannot_be_listed_are_not_taken_for_none() {
    let mut disk = without_state_and_blocks(&at_work());
    write_atomic(&mut disk, "data", "blocks", b"no directory").unwrap();
    SignFile::create(&mut disk, "data").unwrap();
    let refused = start(&mut disk).unwrap_err();
    assert!(matches!(refused, StartError::Store(_)), "{refused}");
}

/// Cuts `bytes` off the end of the log, whole segments first.
fn cut_log(disk: &mut MemoryStorage, mut bytes: u64) {
    let mut names = disk.list("data/wal").unwrap();
    while let Some(name) = names.pop() {
        let path = format!("data/wal/{name}");
        let file = disk.open(&path, Access::Write).unwrap();
        let len = disk.len(file).unwrap();
        if len > bytes {
            disk.set_len(file, len - bytes).unwrap();
            return;
        }
        disk.remove(&path).unwrap();
        bytes -= len;
    }
}

#[test]
fn however_much_of_the_log_is_cut_off_the_start_finds_what_was_signed_or_refuses() {
    let net = at_work();
    let last = net.hosts[0].node.sign.last();
    let (mut found_all, mut lost_signed, mut lost_end) = (0, 0, 0);
    for bytes in (0..16_384).step_by(128) {
        let mut disk = stopped(&net);
        cut_log(&mut disk, bytes);
        match start(&mut disk) {
            Ok(found) => {
                found_all += 1;
                let own = |entry: &Entry| {
                    let Record::Own { messages } = &entry.record else {
                        return None;
                    };
                    messages.iter().filter_map(slot_of_own).max()
                };
                let signed = found.log.iter().filter_map(|(_, entry)| own(entry)).max();
                assert_eq!(signed, last, "{bytes} bytes are missing");
            }
            Err(StartError::LogLost(slot)) => {
                lost_signed += 1;
                assert_eq!(Some(slot), last);
            }
            Err(StartError::EndLost(height)) => {
                lost_end += 1;
                assert_eq!(height, net.hosts[0].node.state().height);
            }
            // A cut inside the header of a segment, or nothing left of the log.
            Err(StartError::Store(_)) => {}
            Err(other) => panic!("{bytes} bytes are missing: {other}"),
        }
    }
    assert!(found_all > 0 && lost_signed > 0 && lost_end > 0);
}

/// Zeros one slot of the sign state: the newer one, or that before it.
fn zero_slot(disk: &mut MemoryStorage, newer: bool) {
    let path = "data/sign_state";
    let slots = crate::storage::read_file(disk, path).unwrap();
    let (generation, _) = crate::privval::newest(&slots).unwrap();
    let place = (generation + u64::from(!newer)) % 2;
    let file = disk.open(path, Access::Write).unwrap();
    disk.write_at(file, place * 512, &[0; 512]).unwrap();
    disk.close(file).unwrap();
}

#[test]
fn a_sign_state_that_has_lost_its_newest_slot_is_written_again_before_the_node_begins() {
    let net = at_work();
    let before = net.hosts[0].node.sign.clone();
    assert!(net.hosts[0].node.unreleased.is_empty(), "all was released");
    let mut disk = stopped(&net);
    zero_slot(&mut disk, true);
    assert_eq!(start(&mut disk).unwrap().sign, before);
    disk.restart();
    assert_eq!(SignFile::open(&mut disk, "data").unwrap().1, before);
}

#[test]
fn a_lost_slot_that_the_log_does_not_explain_is_refused() {
    let net = at_work();
    let mut disk = stopped(&net);
    zero_slot(&mut disk, false);
    assert_eq!(start(&mut disk).unwrap_err(), StartError::SlotLost);
}

#[test]
fn with_its_newest_slot_lost_no_sign_state_hides_that_the_log_has_lost_its_end() {
    let net = at_work();
    let last = net.hosts[0].node.sign.last();
    let (mut found_all, mut refused) = (0, 0);
    for bytes in (0..16_384).step_by(128) {
        let mut disk = stopped(&net);
        zero_slot(&mut disk, true);
        cut_log(&mut disk, bytes);
        match start(&mut disk) {
            Ok(found) => {
                found_all += 1;
                assert_eq!(found.sign.last(), last, "{bytes} bytes are missing");
            }
            Err(StartError::SlotLost) => refused += 1,
            Err(_) => {}
        }
    }
    assert!(found_all > 0 && refused > 0);
}

#[test]
fn a_directory_without_a_state_whose_first_signature_is_unreadable_was_in_use() {
    let net = at_work();
    let mut disk = without_state_and_blocks(&net);
    disk.remove("data/sign_state").unwrap();
    SignFile::create(&mut disk, "data").unwrap();
    zero_slot(&mut disk, true);
    assert_eq!(start(&mut disk).unwrap_err(), StartError::StateLost);
}
