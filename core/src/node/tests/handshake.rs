//! The handshake: every case of Tendermint's `ReplayBlocks`, by the heights of application (A),
//! block store (S) and state (T).

use super::*;
use crate::{
    ledger::{Checkpoint, Ledger, State, sealed},
    storage::{Storage, write_atomic},
    types::Hash,
};

/// Five decided heights with transactions, and the chain after each of them.
struct Stored {
    disk: MemoryStorage,
    after: Vec<(State, App)>,
}

fn stored() -> Stored {
    let mut net = Net::new(1);
    for height in 1..=5_u8 {
        net.input(0, Input::Submit(set(&[height], b"v")));
        net.run_to(u64::from(height));
    }
    let mut disk = net.hosts[0].disk.clone();
    disk.restart();
    let mut after = vec![(State::genesis(&genesis(1)).unwrap(), App::default())];
    for height in 1..=5 {
        let block = Ledger::open("data").load_block(&mut disk, Height(height));
        let block = block.unwrap().unwrap().block;
        let (state, app) = after.last().unwrap();
        after.push(state.apply(app, block.cut().0, &block));
    }
    Stored { disk, after }
}

impl Stored {
    /// A directory with these heights.
    fn with(&self, app: usize, blocks: u64, state: usize) -> MemoryStorage {
        let mut disk = self.disk.clone();
        for height in blocks + 1..=5 {
            disk.remove(&format!("data/blocks/{height:016x}")).unwrap();
        }
        write_atomic(&mut disk, "data", "app", &sealed(&self.after[app].1)).unwrap();
        write_atomic(&mut disk, "data", "state", &sealed(&self.after[state].0)).unwrap();
        disk
    }

    fn start(&self, mut disk: MemoryStorage) -> Result<Recovered, StartError> {
        let config = StoreConfig::default();
        let mut started = || Store::start(&mut disk, "data", &genesis(1), config);
        let first = started().map(|(_, found)| found)?;
        disk.restart();
        let again = Store::start(&mut disk, "data", &genesis(1), config)
            .unwrap()
            .1;
        assert_eq!(again.replayed, 0, "what was executed again is stored");
        assert_eq!((&again.state, &again.app), (&first.state, &first.app));
        Ok(first)
    }

    fn last(&self) -> &(State, App) {
        self.after.last().unwrap()
    }
}

#[test]
fn every_case_of_the_handshake_ends_at_the_last_block_or_is_refused() {
    let stored = stored();
    // A, S, T, and how many blocks are executed again; `None` is a refusal.
    let cases: [(&str, usize, u64, usize, Option<u64>); 12] = [
        ("A = 0: the application begins at genesis", 0, 5, 5, Some(5)),
        (
            "A = 0 and the last block is new to the state",
            0,
            5,
            4,
            Some(5),
        ),
        ("S < A", 5, 4, 4, None),
        ("S < A with an empty store", 1, 0, 0, None),
        ("S < T", 4, 4, 5, None),
        ("S > T + 1", 3, 5, 3, None),
        ("S > T + 1 at the start", 0, 2, 0, None),
        ("S = T, A < S", 2, 5, 5, Some(3)),
        ("S = T, A = S", 5, 5, 5, Some(0)),
        ("S = T + 1, A < T", 2, 5, 4, Some(3)),
        ("S = T + 1, A = T", 4, 5, 4, Some(1)),
        ("S = T + 1, A = S: the state only", 5, 5, 4, Some(1)),
    ];
    for (case, app, blocks, state, replayed) in cases {
        let found = stored.start(stored.with(app, blocks, state));
        match (found, replayed) {
            (Ok(found), Some(replayed)) => {
                assert_eq!(found.replayed, replayed, "{case}");
                assert_eq!(
                    (&found.state, &found.app),
                    (&stored.last().0, &stored.last().1)
                );
            }
            (Err(refused), None) => {
                let [app, state] = [app as u64, state as u64].map(Height);
                let blocks = Height(blocks);
                let heights = StartError::Heights { blocks, app, state };
                assert_eq!(refused, heights, "{case}");
            }
            (found, _) => panic!("{case}: {found:?}"),
        }
    }
}

#[test]
fn an_empty_store_needs_the_genesis_application() {
    let mut disk = MemoryStorage::default();
    Store::start(&mut disk, "data", &genesis(1), StoreConfig::default()).unwrap();
    disk.restart();
    let found = Store::start(&mut disk, "data", &genesis(1), StoreConfig::default());
    let (state, app) = (State::genesis(&genesis(1)).unwrap(), App::default());
    let found = found.unwrap().1;
    assert_eq!((found.state, found.app, found.replayed), (state, app, 0));
}

/// An application that says it is at `height` but has another entry than the chain gave it.
fn wrong_app(stored: &Stored, height: usize) -> App {
    let mut app = App::default();
    for at in 1..=height {
        app.execute(Height(at as u64), &[set(b"other", b"entry")]);
    }
    assert_ne!(app.hash(), stored.after[height].1.hash());
    app
}

#[test]
fn the_application_hash_is_checked_at_every_block() {
    let stored = stored();
    for (app, state) in [(5, 5), (4, 4), (2, 5), (3, 4)] {
        let mut disk = stored.with(app, 5, state);
        let wrong = sealed(&wrong_app(&stored, app));
        write_atomic(&mut disk, "data", "app", &wrong).unwrap();
        let refused = stored.start(disk).unwrap_err();
        assert_eq!(refused, StartError::AppHash(Height(app as u64)));
    }
}

#[test]
fn a_block_whose_header_has_another_application_hash_is_not_executed() {
    let stored = stored();
    let mut disk = stored.with(2, 5, 5);
    let mut ledger = Ledger::open("data");
    let mut changed = ledger.load_block(&mut disk, Height(4)).unwrap().unwrap();
    changed.block.header.app_hash = Hash([9; 32]);
    ledger.save_block(&mut disk, &changed).unwrap();
    let refused = stored.start(disk).unwrap_err();
    assert_eq!(refused, StartError::AppHash(Height(3)));
}

#[test]
fn an_application_or_a_state_that_needs_removed_blocks_is_refused() {
    let stored = stored();
    let pruned = |app, blocks, state| {
        let mut disk = stored.with(app, blocks, state);
        let ledger = Ledger::open("data");
        let first = Checkpoint::genesis(&genesis(1)).unwrap();
        ledger.save_checkpoint(&mut disk, &first).unwrap();
        ledger.prune(&mut disk, Height(3)).unwrap();
        stored.start(disk)
    };
    let found = pruned(3, 5, 5).unwrap();
    assert_eq!((found.replayed, found.base), (2, Height(3)));
    assert_eq!(pruned(3, 4, 3).unwrap().replayed, 1);
    let (app, oldest) = (Height(2), Height(3));
    let refused = pruned(2, 5, 5).unwrap_err();
    assert_eq!(refused, StartError::AppHeightTooLow { app, oldest });
    let refused = pruned(2, 3, 2).unwrap_err();
    assert!(matches!(refused, StartError::Heights { .. }), "{refused}");
}

#[test]
fn a_missing_block_between_others_is_refused() {
    let stored = stored();
    let mut disk = stored.with(2, 5, 5);
    disk.remove(&format!("data/blocks/{:016x}", 4)).unwrap();
    let refused = stored.start(disk).unwrap_err();
    assert!(matches!(refused, StartError::Heights { .. }), "{refused}");
}

#[test]
fn a_log_entry_without_a_meaning_stops_the_start() {
    let mut net = Net::new(1);
    net.run_to(2);
    let Host { node, mut disk, .. } = net.hosts.remove(0);
    disk.restart();
    let (options, at) = (
        crate::wal::Options::default(),
        crate::wal::Snapshot::default(),
    );
    let log = crate::wal::open(&mut disk, "data/wal", at, options).unwrap();
    let (_, mut log) = log.read_all(&mut disk).unwrap();
    let Lsn(index) = node.next_lsn;
    let entry = crate::wal::Entry {
        index,
        term: 0,
        data: vec![0xff; 9],
    };
    log.append(&mut disk, &[entry]).unwrap();
    log.close(&mut disk).unwrap();
    let started = Store::start(&mut disk, "data", &genesis(1), StoreConfig::default());
    let refused = started.map(|(_, found)| found).unwrap_err();
    assert!(
        matches!(refused, StartError::LogEntry { index: i, .. } if i == index),
        "{refused}"
    );
}
