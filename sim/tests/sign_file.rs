//! The sign state's file at every crash point: what was signed and seen is never forgotten.

use engine::{
    crypto::Ed25519Key,
    privval::{Refused, SignFile, SignSlot, SignState, SignStep},
    storage::{Storage, StorageError},
    types::{Height, PeerId, Round, Signature},
};
use sim::{
    choice::Choices,
    disk::{CrashFates, Side, SimDisk, StopAt},
};

const NODE: PeerId = PeerId(0);

/// What the world has seen: nothing before its sync returned.
#[derive(Default)]
struct Seen {
    created: bool,
    signed: Vec<(SignSlot, Vec<u8>, Signature)>,
}

fn key() -> Ed25519Key {
    Ed25519Key::from_seed(&[5; 32])
}

fn slot(height: u64) -> SignSlot {
    SignSlot {
        height: Height(height),
        round: Round(0),
        step: SignStep::Prevote,
    }
}

/// Makes the file, signs, opens it again as a restarted process does, and signs on.
fn live(disk: &mut SimDisk, seen: &mut Seen) -> Result<(), StorageError> {
    disk.create_dir("v")?;
    disk.sync_dir("")?;
    SignFile::create(disk, "v")?.close(disk)?;
    seen.created = true;
    for height in 1..=5_u64 {
        let opened = SignFile::open(disk, "v");
        let Ok((mut file, mut state)) = opened else {
            assert!(disk.is_stopped(), "{opened:?}");
            return Err(StorageError::Crashed);
        };
        let bytes = vec![height.to_le_bytes()[0]; 200];
        let signature = state.sign(&key(), slot(height), bytes.clone());
        let signature = signature.expect("heights grow");
        file.write(disk, &state)?;
        file.sync(disk)?;
        seen.signed.push((slot(height), bytes, signature));
        file.close(disk)?;
    }
    Ok(())
}

fn check(disk: &mut SimDisk, seen: &Seen) {
    let mut state: SignState = match SignFile::open(disk, "v") {
        Ok((_, state)) => state,
        Err(error) => {
            assert!(!seen.created, "{error}");
            return;
        }
    };
    let Some((last, bytes, signature)) = seen.signed.last() else {
        return;
    };
    for (earlier, bytes, _) in &seen.signed[..seen.signed.len() - 1] {
        let refused = state.sign(&key(), *earlier, bytes.clone());
        assert!(matches!(refused, Err(Refused::Regression { .. })));
    }
    let other = state.clone().sign(&key(), *last, b"another vote".to_vec());
    if state.last() == Some(*last) {
        assert_eq!(other, Err(Refused::Conflict(*last)));
        assert_eq!(state.sign(&key(), *last, bytes.clone()), Ok(*signature));
    } else {
        // The write after it was kept although nobody had seen it synced.
        assert_eq!(state.last(), Some(slot(last.height.0 + 1)));
        assert!(matches!(other, Err(Refused::Regression { .. })));
    }
}

#[test]
fn a_signature_that_was_seen_is_known_after_a_crash_at_any_storage_call() {
    let mut whole = SimDisk::new(NODE, Choices::new(1));
    let mut seen = Seen::default();
    live(&mut whole, &mut seen).unwrap();
    assert_eq!(seen.signed.len(), 5);
    let calls = whole.calls();
    assert!(calls > 30, "{calls} calls");
    for call in 0..calls {
        for side in [Side::Before, Side::After] {
            for seed in 0..12 {
                let fates = match seed {
                    0 => CrashFates::LoseAll,
                    1 => CrashFates::KeepAll,
                    _ => CrashFates::Draw,
                };
                let mut disk = SimDisk::new(NODE, Choices::new(1));
                disk.stop_at(Some(StopAt { call, side }));
                let mut seen = Seen::default();
                let lived = live(&mut disk, &mut seen);
                assert!(
                    lived.is_err() || call + 1 == calls,
                    "stopped at call {call}"
                );
                disk.crash(&Choices::new(seed), NODE, 1, fates);
                check(&mut disk, &seen);
            }
        }
    }
}
