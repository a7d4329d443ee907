//! Logs that say something else than the data beside them, or than any node would write.

use super::{super::signer::own_messages, *};
use crate::{
    node::{Entry, Record, StartError},
    privval::{SignFile, SignSlot, SignState, SignStep},
    types::{Lsn, Message, Round, Signature, Step, VoteKind},
};

/// A disk on which records are changed; the log is written anew.
fn with_changed_log(stop: Stop, mut change: impl FnMut(&mut Entry)) -> MemoryStorage {
    with_rewritten_log(stop, |mut entry| {
        change(&mut entry);
        entry.encode()
    })
}

fn with_rewritten_log(stop: Stop, written: impl FnMut(Entry) -> Vec<u8>) -> MemoryStorage {
    let mut disk = disk_of(1, stop);
    let recording = Recording::read(&mut disk, DIR).unwrap();
    write_log(&mut disk, recording.parts, written);
    disk
}

/// Writes the log anew.
fn write_log(
    disk: &mut MemoryStorage,
    parts: Vec<Part>,
    mut written: impl FnMut(Entry) -> Vec<u8>,
) {
    let log = format!("{DIR}/wal");
    disk.remove_dir_all(&log).unwrap();
    let options = wal::Options {
        preallocate_bytes: 0,
        ..wal::Options::default()
    };
    let mut log = wal::create(disk, &log, b"test", options).unwrap();
    for part in parts {
        for (lsn, entry) in part.records {
            let (index, data) = (lsn.0, written(entry));
            let entry = wal::Entry {
                index,
                term: 0,
                data,
            };
            log.append(disk, &[entry]).unwrap();
        }
        if part.ended {
            let (index, term) = (log.last_index().unwrap(), part.height.0);
            log.save_snapshot(disk, &wal::Snapshot { index, term })
                .unwrap();
        }
    }
    log.close(disk).unwrap();
    disk.restart();
}

#[test]
fn an_own_message_that_the_node_did_not_ask_for_is_a_mismatch() {
    let mut vote_for_nil = |entry: &mut Entry| {
        if let Record::Own { messages } = &mut entry.record
            && let [Message::Vote(vote)] = messages.as_mut_slice()
        {
            vote.block = None;
            let bytes = vote.sign_bytes(&genesis().chain);
            vote.signature = key().sign(&bytes);
        }
    };
    let mut disk = with_changed_log(Stop::Idle, &mut vote_for_nil);
    let refused = verify(&mut disk).unwrap_err();
    let ReplayFailed::Mismatch(mismatch) = &refused else {
        panic!("{refused}");
    };
    assert_eq!((mismatch.height, mismatch.what), (Height(1), "own message"));
    assert!(mismatch.record.is_some());
    assert!(refused.is_mismatch());
}

#[test]
fn a_recorded_step_that_the_node_does_not_take_is_a_mismatch() {
    let mut disk = with_changed_log(Stop::Idle, |entry| {
        if let Record::Step(at) = &mut entry.record
            && at.step == Step::Prevote
        {
            at.round = Round(9);
        }
    });
    let refused = verify(&mut disk).unwrap_err();
    let ReplayFailed::Mismatch(mismatch) = &refused else {
        panic!("{refused}");
    };
    assert_eq!((mismatch.height, mismatch.what), (Height(1), "step"));
    assert!(mismatch.expected.contains("/9/"), "{}", mismatch.expected);
}

#[test]
fn a_signature_that_is_not_the_nodes_own_is_a_mismatch() {
    let mut disk = with_changed_log(Stop::Idle, |entry| {
        if let Record::Own { messages } = &mut entry.record
            && let [Message::Vote(vote)] = messages.as_mut_slice()
        {
            vote.signature = Signature([3; 64]);
        }
    });
    let refused = verify(&mut disk).unwrap_err();
    assert!(refused.to_string().contains("signature"), "{refused}");
}

#[test]
fn a_release_of_what_was_never_signed_is_a_mismatch() {
    let mut disk = with_changed_log(Stop::Idle, |entry| {
        if let Record::Released(own) = &mut entry.record {
            *own = Lsn(0);
        }
    });
    let refused = verify(&mut disk).unwrap_err();
    assert!(refused.to_string().contains("released"), "{refused}");
}

#[test]
fn a_sign_state_that_the_log_does_not_know_is_refused() {
    let slot = SignSlot {
        height: Height(4),
        round: Round(7),
        step: SignStep::Prevote,
    };
    let mut sign = SignState::default();
    sign.adopt(slot, vec![1], Signature([1; 64]));
    let mut disk = disk_of(3, Stop::Idle);
    let (mut file, _) = SignFile::open(&mut disk, DIR).unwrap();
    file.write(&mut disk, &sign).unwrap();
    disk.restart();
    let refused = verify(&mut disk).unwrap_err();
    assert!(matches!(refused, ReplayFailed::Signed(_)), "{refused}");
}

#[test]
fn a_log_of_other_blocks_is_a_mismatch() {
    // Both are what a node of this key wrote, but not the same one.
    let mut disk = disk_of(2, Stop::Idle);
    let mut other = disk_beginning_with(tx(9), 2, Stop::Idle, None);
    let log = format!("{DIR}/wal");
    disk.remove_dir_all(&log).unwrap();
    disk.create_dir(&log).unwrap();
    for name in other.list(&log).unwrap() {
        let bytes = read_file(&mut other, &format!("{log}/{name}")).unwrap();
        write_atomic(&mut disk, &log, &name, &bytes).unwrap();
    }
    let refused = verify(&mut disk).unwrap_err();
    let ReplayFailed::Mismatch(mismatch) = &refused else {
        panic!("{refused}");
    };
    assert_eq!((mismatch.height, mismatch.what), (Height(1), "decision"));
    assert_eq!(mismatch.record, None);
}

#[test]
fn what_was_signed_twice_or_backwards_is_a_mismatch() {
    let mut disk = with_changed_log(Stop::Idle, |entry| {
        if let Record::Own { messages } = &mut entry.record
            && let [Message::Vote(vote)] = messages.as_mut_slice()
        {
            vote.kind = VoteKind::Prevote;
        }
    });
    let refused = verify(&mut disk).unwrap_err();
    assert!(
        refused.to_string().contains("order of signing"),
        "{refused}"
    );
}

#[test]
fn records_that_are_no_entries_are_refused() {
    let mut disk = with_rewritten_log(Stop::Idle, |_| b"no entry".to_vec());
    let refused = verify(&mut disk).unwrap_err();
    assert!(matches!(refused, ReplayFailed::Log(_)), "{refused}");
    assert!(refused.to_string().contains("record 0"), "{refused}");
}

/// A data directory whose log has these ends of height and, before each, a record of this number.
fn log_of(ends: &[(u64, u64)]) -> ReplayFailed {
    let mut disk = disk_of(1, Stop::Idle);
    let recording = Recording::read(&mut disk, DIR).unwrap();
    let (_, entry) = &recording.parts[0].records[0];
    let path = format!("{DIR}/wal");
    disk.remove_dir_all(&path).unwrap();
    let mut log = wal::create(&mut disk, &path, b"test", wal::Options::default()).unwrap();
    for (index, height) in ends.iter().copied() {
        let (term, data) = (0, entry.encode());
        log.append(&mut disk, &[wal::Entry { index, term, data }])
            .unwrap();
        let term = height;
        log.save_snapshot(&mut disk, &wal::Snapshot { index, term })
            .unwrap();
    }
    log.close(&mut disk).unwrap();
    disk.restart();
    Recording::read(&mut disk, DIR).unwrap_err()
}

#[test]
fn a_block_whose_height_has_no_record_is_refused() {
    // The records were durable before the block was. An end of height written behind the one before
    // it would have the same last record, and no later start could open the log there.
    let mut disk = disk_of(1, Stop::BlockStored);
    let mut recording = Recording::read(&mut disk, DIR).unwrap();
    let unfinished = recording.parts.last_mut().unwrap();
    assert!(!unfinished.ended && !unfinished.records.is_empty());
    unfinished.records.clear();
    write_log(&mut disk, recording.parts, |entry| entry.encode());
    let refused = ReplayFailed::Start(StartError::EndLost(Height(2)));
    assert_eq!(verify(&mut disk).unwrap_err(), refused);
}

#[test]
fn heights_and_records_follow_each_other() {
    let text = log_of(&[(0, 7)]).to_string();
    assert!(text.contains("end of height 7 in height 1"), "{text}");
    let text = log_of(&[(0, 1), (1, 2), (1, 3)]).to_string();
    assert!(text.contains("record 1 where 2 should be"), "{text}");
}

#[test]
fn a_sign_state_that_signed_otherwise_than_the_log_is_refused() {
    let mut disk = disk_of(1, Stop::Decided);
    let recording = Recording::read(&mut disk, DIR).unwrap();
    let records = recording.unfinished().iter().rev();
    let mut own = records.flat_map(|(_, entry)| own_messages(entry));
    let Some(Message::Vote(vote)) = own.next() else {
        panic!("no vote in the unfinished height");
    };
    let slot = SignSlot {
        height: vote.height,
        round: vote.round,
        step: SignStep::Precommit,
    };
    let bytes = vote.sign_bytes(&genesis().chain);
    for (bytes, signature) in [(vec![1], vote.signature), (bytes, Signature([1; 64]))] {
        let mut sign = SignState::default();
        sign.adopt(slot, bytes, signature);
        let mut changed = disk.clone();
        let (mut file, _) = SignFile::open(&mut changed, DIR).unwrap();
        file.write(&mut changed, &sign).unwrap();
        changed.restart();
        let refused = verify(&mut changed).unwrap_err();
        assert!(matches!(refused, ReplayFailed::Signed(_)), "{refused}");
    }
}
