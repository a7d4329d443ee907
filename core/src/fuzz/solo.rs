//! The data directory of a validator alone that has decided a few blocks, and files of it changed.

use std::sync::OnceLock;

use arbitrary::{Result, Unstructured};

use super::{
    log::overwrite,
    toy::{Checks, Toy, keys_of, members},
};
use crate::{
    app::{App, Call, Item},
    crypto::Sign,
    ledger::{Genesis, Ledger, State},
    node::{Config, Input, Node, Output, Store, StoreConfig, Timer},
    replay::Owner,
    storage::{MemoryStorage, Storage, read_file},
    types::{ChainId, Height, Params, Time, Tx},
    wal,
};

/// Where its data lies.
pub(super) const DIR: &str = "data";
/// How many blocks it has decided.
pub(super) const HEIGHTS: u64 = 5;

/// The directory, and the chain after each of its blocks.
#[derive(Debug)]
pub(super) struct Solo {
    pub(super) disk: MemoryStorage,
    pub(super) after: Vec<(State, App)>,
    /// All files, sorted.
    pub(super) files: Vec<String>,
}

const KEY: Toy = Toy(1);

pub(super) fn genesis() -> Genesis {
    Genesis {
        chain: ChainId::try_from(b"solo".to_vec()).expect("short"),
        time: Time(1),
        validators: members(&[KEY], &[1]),
        params: Params::default(),
    }
}

pub(super) fn owner() -> Owner {
    Owner {
        key: Some(KEY.public_key()),
        verify: std::sync::Arc::new(Checks),
    }
}

pub(super) fn store_config() -> StoreConfig {
    StoreConfig {
        wal: wal::Options {
            preallocate_bytes: 0,
            segment_bytes: 4_096,
            ..wal::Options::default()
        },
        retain_blocks: None,
    }
}

/// A transaction that sets a key.
pub(super) fn tx(key: u8, value: u8) -> Tx {
    let item = |byte: u8| Item::try_from(vec![byte]).expect("one byte");
    Call::Set {
        key: item(key),
        value: item(value),
    }
    .to_tx()
}

pub(super) fn solo() -> &'static Solo {
    static SOLO: OnceLock<Solo> = OnceLock::new();
    SOLO.get_or_init(|| {
        let mut disk = decided();
        let first = State::genesis(&genesis()).expect("a possible chain");
        let mut after = vec![(first, App::default())];
        for height in 1..=HEIGHTS {
            let stored = Ledger::open(DIR).load_block(&mut disk, Height(height));
            let block = stored.expect("readable").expect("decided").block;
            let (state, app) = &after[after.len() - 1];
            after.push(state.apply(app, block.cut().0, &block));
        }
        disk.restart();
        let mut files = Vec::new();
        for dir in [
            DIR.to_owned(),
            format!("{DIR}/blocks"),
            format!("{DIR}/wal"),
        ] {
            let names = disk.list(&dir).expect("a directory");
            let paths = names.iter().map(|name| format!("{dir}/{name}"));
            let paths: Vec<String> = paths.collect();
            files.extend(
                paths
                    .into_iter()
                    .filter(|path| read_file(&mut disk, path).is_ok()),
            );
        }
        disk.restart();
        Solo { disk, after, files }
    })
}

/// Runs the validator until it has decided all heights, and into the next one.
fn decided() -> MemoryStorage {
    let mut disk = MemoryStorage::default();
    let (mut store, found) =
        Store::start(&mut disk, DIR, &genesis(), store_config()).expect("a fresh start");
    let (mut now, mut out) = (Time(1_000_000_000), Vec::new());
    let mut node = Node::recover(&Config::default(), keys_of(KEY), found, now, &mut out);
    node.step(now, Input::Submit(tx(1, 1)), &mut out);
    let mut height = Height::ZERO;
    while height < Height(HEIGHTS) {
        let mut wake = None;
        let mut queue = std::collections::VecDeque::from(std::mem::take(&mut out));
        while let Some(output) = queue.pop_front() {
            if let Output::Arm {
                timer: Timer::Consensus,
                at,
            } = output
            {
                wake = Some(at);
            }
            let answer = store.carry_out(&mut disk, &output).expect("a plain disk");
            if let Some(input) = answer {
                node.step(now, input, &mut out);
                queue.extend(out.drain(..));
            }
        }
        height = node.consensus().chain().height;
        now = wake.map_or(now, |at| at.max(now));
        let number = u8::try_from(height.0).expect("few heights");
        node.step(now, Input::Submit(tx(number + 2, number)), &mut out);
        node.step(now, Input::Fire(Timer::Consensus), &mut out);
    }
    disk
}

/// Up to four changes of files: a flipped byte, a shorter file, bytes appended, or a file gone.
/// Whether anything was changed at all.
pub(super) fn spoil(u: &mut Unstructured<'_>, disk: &mut MemoryStorage) -> Result<bool> {
    let (files, mut changed) = (&solo().files, false);
    for _ in 0..u.arbitrary::<u8>()? % 5 {
        let path = &files[usize::from(u.arbitrary::<u8>()?) % files.len()];
        let Ok(mut bytes) = read_file(disk, path) else {
            continue;
        };
        let at = usize::from(u.arbitrary::<u16>()?) % bytes.len().max(1);
        let (kind, value): (u8, u8) = (u.arbitrary()?, u.arbitrary()?);
        changed = true;
        match kind % 8 {
            0 => {
                assert_eq!(disk.remove(path), Ok(()));
                continue;
            }
            1 => bytes.truncate(at),
            2 => bytes.extend(std::iter::repeat_n(value, at % 600)),
            3 => bytes
                .iter_mut()
                .skip(at)
                .take(512)
                .for_each(|byte| *byte = 0),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= value.max(1);
                }
            }
        }
        overwrite(disk, path, &bytes);
    }
    Ok(changed)
}
