//! Tests of the replay room on the data of a single validator. Helpers here, situations beside it.

mod args;
mod log;
mod overlay;
mod pruned;
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
        params: crate::types::Params::default(),
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

/// A validator alone, as the smallest host there is.
struct Solo {
    disk: MemoryStorage,
    store: Store,
    node: Node,
    now: Time,
    wake: Time,
    queue: VecDeque<Output>,
    heights: u64,
    stop: Stop,
}

/// The disk of a validator that has decided `heights` blocks of one transaction each.
fn disk_of(heights: u64, stop: Stop) -> MemoryStorage {
    disk_keeping(heights, stop, None)
}

/// The disk of one that keeps only so many blocks.
fn disk_keeping(heights: u64, stop: Stop, retain_blocks: Option<u64>) -> MemoryStorage {
    disk_beginning_with(tx(1), heights, stop, retain_blocks)
}

/// The disk of one whose first block has this transaction.
fn disk_beginning_with(
    first: Tx,
    heights: u64,
    stop: Stop,
    retain_blocks: Option<u64>,
) -> MemoryStorage {
    let mut disk = MemoryStorage::default();
    let options = wal::Options {
        preallocate_bytes: 0,
        ..wal::Options::default()
    };
    let config = StoreConfig {
        wal: options,
        retain_blocks,
    };
    let started = Store::start(&mut disk, DIR, &genesis(), config);
    let (store, found) = started.unwrap();
    let keys = Keys {
        verify: Arc::new(Ed25519),
        sign: Some(key()),
    };
    let (now, mut out) = (Time(1_000_000_000), Vec::new());
    let node = Node::recover(&Config::default(), keys, found, now, &mut out);
    let mut solo = Solo {
        disk,
        store,
        node,
        now,
        wake: now,
        queue: out.into(),
        heights,
        stop,
    };
    solo.input(Input::Submit(first));
    solo.run();
    solo.disk.restart();
    solo.disk
}

impl Solo {
    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.node.step(self.now, input, &mut out);
        self.queue.extend(out);
    }

    fn run(&mut self) {
        loop {
            match self.queue.pop_front() {
                Some(Output::Commit { state, .. })
                    if self.stop == Stop::Decided && state.height > Height(self.heights) =>
                {
                    return self.store.sync(&mut self.disk).unwrap();
                }
                Some(output) => {
                    if !self.carry_out(&output) {
                        return;
                    }
                }
                None => {
                    let height = self.node.consensus().chain().height;
                    if self.stop == Stop::Idle && height == Height(self.heights) {
                        return;
                    }
                    self.now = self.now.max(self.wake);
                    self.input(Input::Fire(Timer::Consensus));
                }
            }
        }
    }

    /// Whether the machine goes on.
    fn carry_out(&mut self, output: &Output) -> bool {
        if let Output::Append { lsn, entry } = output {
            self.store.append(&mut self.disk, *lsn, entry).unwrap();
        }
        if let Output::SaveSignState(state) = output {
            self.store.write_sign_state(state);
        }
        if let Output::Sync(lsn) = output {
            self.store.sync(&mut self.disk).unwrap();
            self.input(Input::Durable(*lsn));
        }
        if let (Output::Arm { at, .. }, true) = (output, is_consensus_timer(output)) {
            self.wake = *at;
        }
        let Output::Commit {
            decision,
            validators,
            state,
            ..
        } = output
        else {
            return true;
        };
        if state.height > Height(self.heights) {
            let stored = StoredBlock {
                block: Block::clone(&decision.block),
                seen_commit: decision.commit.clone(),
                validators: ValidatorSet::clone(validators),
            };
            Ledger::open(DIR)
                .save_block(&mut self.disk, &stored)
                .unwrap();
            self.store.sync(&mut self.disk).unwrap();
            return false;
        }
        let next = u8::try_from(state.height.0 + 1).unwrap();
        self.input(Input::Submit(tx(next)));
        let committed = self.store.carry_out(&mut self.disk, output).unwrap();
        self.input(committed.unwrap());
        true
    }
}

fn is_consensus_timer(output: &Output) -> bool {
    matches!(output, Output::Arm { timer, .. } if *timer == Timer::Consensus)
}

fn verify(disk: &mut dyn Storage) -> Result<ReplaySucceeded, ReplayFailed> {
    replay_for(disk, DIR, &genesis(), &Config::default(), &owner())
}
