//! What is written to disks, read back from a disk in memory as bytes.

use engine::{
    app::App,
    ledger::{Checkpoint, Genesis, Ledger, State, StoredBlock, sealed},
    node::{Store, StoreConfig},
    privval::{SignFile, SignState},
    storage::{MemoryStorage, Storage, read_file},
    types::{Block, BlockId, Height, Time},
    wal::{self, Entry, Format, HardState, Options, Snapshot},
};

use crate::{VALUES, draw::Draw, values};

const DIR: &str = "data";

/// All files below a directory, each after its path.
fn files(disk: &mut MemoryStorage, path: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut names = disk.list(path).expect("a directory");
    names.sort();
    for path in names.iter().map(|name| format!("{path}/{name}")) {
        all.extend(path.as_bytes());
        match read_file(disk, &path) {
            Ok(bytes) => all.extend(bytes),
            Err(_) => all.extend(files(disk, &path)),
        }
    }
    all
}

fn genesis(d: &mut Draw) -> Genesis {
    Genesis {
        chain: values::chain(d),
        time: Time(d.below(1 << 40)),
        validators: d.several(1, 7, values::update),
        params: values::params(d),
    }
}

/// What a node makes when it starts for the first time.
pub(crate) fn directory(d: &mut Draw) -> Vec<u8> {
    let mut disk = MemoryStorage::default();
    let config = StoreConfig {
        wal: options(Format::Native),
        retain_blocks: d.yes().then_some(10),
    };
    Store::start(&mut disk, DIR, &genesis(d), config).expect("an empty disk");
    files(&mut disk, DIR)
}

pub(crate) fn sign_state(d: &mut Draw) -> Vec<Vec<u8>> {
    let mut disk = MemoryStorage::default();
    disk.create_dir(DIR).expect("a directory");
    let mut file = SignFile::create(&mut disk, DIR).expect("a file");
    let mut state = SignState::default();
    let written = (1..=VALUES).map(|height| {
        let (slot, bytes) = (values::slot(d, height), d.some_bytes(0, 200));
        assert!(state.adopt(slot, bytes, values::signature(d)), "news");
        file.write(&mut disk, &state).expect("a write");
        read_file(&mut disk, "data/sign_state").expect("the file")
    });
    written.collect()
}

/// A log of entries, states, snapshots and cuts; segments in order.
pub(crate) fn log(d: &mut Draw, format: Format) -> Vec<u8> {
    let mut disk = MemoryStorage::default();
    let metadata = d.some_bytes(0, 30);
    let log = wal::create(&mut disk, DIR, &metadata, options(format));
    let mut log = log.expect("an empty disk");
    for index in 0..VALUES {
        let entry = Entry {
            index,
            term: d.u64(),
            data: d.some_bytes(0, 60),
        };
        let state = HardState {
            term: d.u64(),
            vote: d.u64(),
            commit: d.u64(),
        };
        let state = d.yes().then_some(state);
        log.save(&mut disk, state.as_ref(), &[entry]).expect("room");
        let term = d.u64();
        match d.below(50) {
            0 => log.cut(&mut disk).expect("a new segment"),
            1 => {
                let snapshot = Snapshot { index, term };
                log.save_snapshot(&mut disk, &snapshot).expect("room");
            }
            _ => {}
        }
    }
    log.close(&mut disk).expect("a last sync");
    files(&mut disk, DIR)
}

fn options(format: Format) -> Options {
    Options {
        format,
        segment_bytes: 1 << 20,
        preallocate_bytes: 0,
    }
}

/// What a chain leaves after each of its blocks.
pub(crate) struct Chain {
    /// The files of blocks, with the validators when they change.
    pub(crate) blocks: Vec<Vec<u8>>,
    pub(crate) states: Vec<Vec<u8>>,
    pub(crate) apps: Vec<Vec<u8>>,
    pub(crate) checkpoints: Vec<Vec<u8>>,
}

/// A chain whose blocks execute, judged by nobody: whose signatures these are does not matter here.
pub(crate) fn chain(d: &mut Draw) -> Chain {
    let mut disk = MemoryStorage::default();
    disk.create_dir(DIR).expect("a directory");
    let mut ledger = Ledger::create(&mut disk, DIR).expect("an empty disk");
    let mut state = State::genesis(&genesis(d)).expect("a possible chain");
    let (mut app, mut transactions) = (App::default(), 0);
    let (blocks, states) = (Vec::new(), Vec::new());
    let (apps, checkpoints) = (Vec::new(), Vec::new());
    let mut chain = Chain {
        blocks,
        states,
        apps,
        checkpoints,
    };
    for _ in 0..VALUES {
        let (id, block) = next_block(d, &state);
        let height = block.header.height;
        let mut seen_commit = values::commit(d);
        seen_commit.height = height;
        let validators = state.validators.clone();
        (state, app) = state.apply(&app, id, &block);
        transactions += block.txs.len() as u64;
        let stored = StoredBlock {
            block,
            seen_commit,
            validators,
        };
        ledger.save_block(&mut disk, &stored).expect("room");
        let file = |below: &str| format!("{DIR}/{below}/{:016x}", height.0);
        let mut bytes = read_file(&mut disk, &file("blocks")).expect("a block");
        bytes.extend(read_file(&mut disk, &file("validators")).unwrap_or_default());
        chain.blocks.push(bytes);
        ledger.save_state(&mut disk, &state).expect("room");
        let bytes = read_file(&mut disk, "data/state").expect("a state");
        chain.states.push(bytes);
        chain.apps.push(sealed(&app));
        let checkpoint = Checkpoint {
            state: state.clone(),
            app: app.clone(),
            transactions,
        };
        ledger
            .save_checkpoint(&mut disk, &checkpoint)
            .expect("room");
        let bytes = read_file(&mut disk, "data/checkpoint").expect("a checkpoint");
        chain.checkpoints.push(bytes);
    }
    chain
}

fn next_block(d: &mut Draw, state: &State) -> (BlockId, Block) {
    let txs = d.several(0, 4, |d| values::call(d).to_tx());
    let about = Height(state.height.0.max(1));
    let mut evidence = d.several(0, 1, values::evidence);
    for piece in &mut evidence {
        piece.first.height = about;
        piece.second.height = about;
    }
    let commit = (state.height > Height::ZERO).then(|| values::commit(d));
    let now = Time(state.last_time.0 + d.below(1 << 30));
    let block = state.next_block(now, values::address(d), txs, evidence, commit);
    (block.cut().0, block)
}
