//! Tests of the replay room on the data of a single validator. Helpers here, situations beside it.

mod args;
mod overlay;
mod start;

use std::{collections::VecDeque, sync::Arc};

use super::*;
use crate::{
    app::{App, Call, Item as Bytes},
    crypto::{Ed25519, Ed25519Key, Keys, Sign},
    ledger::{Genesis, Ledger, StoredBlock},
    node::{Config, Input, Node, Output, Store, StoreConfig, Timer},
    storage::{MemoryStorage, Storage, StorageError, read_file, write_atomic},
    types::{Block, ChainId, Hash, Height, Time, Tx, ValidatorSet, ValidatorUpdate, sha256},
    wal,
};

const DIR: &str = "n0";

fn key() -> Arc<dyn Sign> {
    Arc::new(Ed25519Key::from_seed(&[1; 32]))
}

fn owner() -> Owner {
    Owner {
        key: Some(key().public_key()),
        verify: Arc::new(Ed25519),
    }
}

fn genesis() -> Genesis {
    let validator = ValidatorUpdate {
        key: key().public_key(),
        power: 1,
    };
    Genesis {
        chain: ChainId::try_from(b"test".to_vec()).unwrap(),
        time: Time(1),
        validators: vec![validator],
    }
}

fn tx(number: u8) -> Tx {
    let item = |byte: u8| Bytes::try_from(vec![byte]).unwrap();
    Call::Set {
        key: item(number),
        value: item(number),
    }
    .to_tx()
}

/// Where the machine stops at the height after the last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It has not begun to commit.
    Idle,
    /// The log shows the decision; the block is not stored.
    Decided,
    /// The block is stored; the end of the height is not in the log.
    BlockStored,
}

/// The disk of a validator that has decided `heights` blocks of one transaction each.
fn disk_of(heights: u64, stop: Stop) -> MemoryStorage {
    let mut disk = MemoryStorage::default();
    let options = wal::Options {
        preallocate_bytes: 0,
        ..wal::Options::default()
    };
    let started = Store::start(&mut disk, DIR, &genesis(), StoreConfig { wal: options });
    let (mut store, found) = started.unwrap();
    let keys = Keys {
        verify: Arc::new(Ed25519),
        sign: Some(key()),
    };
    let (mut now, mut out) = (Time(1_000_000_000), Vec::new());
    let mut node = Node::recover(&Config::default(), keys, found, now, &mut out);
    let (mut queue, mut wake) = (VecDeque::from(out), now);
    node.step(now, Input::Submit(tx(1)), &mut Vec::new());
    loop {
        let Some(output) = queue.pop_front() else {
            let over = stop == Stop::Idle && node.consensus().chain().height == Height(heights);
            if over {
                disk.restart();
                return disk;
            }
            now = now.max(wake);
            let mut out = Vec::new();
            node.step(now, Input::Fire(Timer::Consensus), &mut out);
            queue.extend(out);
            continue;
        };
        let answer = match &output {
            Output::Append { lsn, entry } => {
                store.append(&mut disk, *lsn, entry).unwrap();
                None
            }
            Output::SaveSignState(state) => {
                store.write_sign_state(state);
                None
            }
            Output::Sync(lsn) => {
                store.sync(&mut disk).unwrap();
                Some(Input::Durable(*lsn))
            }
            Output::Commit {
                decision,
                validators,
                state,
                app,
            } => {
                if state.height > Height(heights) {
                    if stop == Stop::BlockStored {
                        let stored = StoredBlock {
                            block: Block::clone(&decision.block),
                            seen_commit: decision.commit.clone(),
                            validators: ValidatorSet::clone(validators),
                        };
                        Ledger::open(DIR).save_block(&mut disk, &stored).unwrap();
                    }
                    store.sync(&mut disk).unwrap();
                    disk.restart();
                    return disk;
                }
                let next = u8::try_from(state.height.0 + 1).unwrap();
                node.step(now, Input::Submit(tx(next)), &mut Vec::new());
                let after = (&**state, &**app);
                store
                    .commit(&mut disk, decision, validators, after)
                    .unwrap();
                Some(Input::Committed(state.height))
            }
            Output::Arm { timer, at } if *timer == Timer::Consensus => {
                wake = *at;
                None
            }
            _ => None,
        };
        if let Some(input) = answer {
            let mut out = Vec::new();
            node.step(now, input, &mut out);
            queue.extend(out);
        }
    }
}

fn verify(disk: &mut dyn Storage) -> Result<ReplaySucceeded, ReplayFailed> {
    replay_for(disk, DIR, &genesis(), &Config::default(), &owner())
}
