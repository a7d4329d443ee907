//! Verified start on data whose old blocks were removed: the checkpoint stands for them, and what
//! is there is verified as before.

use super::{
    start::{names, put},
    *,
};
use crate::{
    ledger::Checkpoint,
    node::StartError,
    replay::{Console, load},
};

const KEPT: u64 = 3;
const STOPS: [Stop; 3] = [Stop::Idle, Stop::Decided, Stop::BlockStored];

fn pruned(heights: u64, stop: Stop) -> MemoryStorage {
    disk_keeping(heights, stop, Some(KEPT))
}

fn checkpoint(disk: &mut MemoryStorage) -> Checkpoint {
    let found = Ledger::open(DIR).load_checkpoint(disk).unwrap();
    found.unwrap()
}

fn put_checkpoint(disk: &mut MemoryStorage, checkpoint: &Checkpoint) {
    Ledger::open(DIR).save_checkpoint(disk, checkpoint).unwrap();
}

#[test]
fn what_is_left_starts_at_the_same_place_as_the_whole() {
    for stop in STOPS {
        let whole = verify(&mut disk_of(9, stop)).unwrap();
        let mut disk = pruned(9, stop);
        assert!(checkpoint(&mut disk).state.height > Height(5));
        let found = verify(&mut disk).unwrap();
        assert_eq!((found.height, found.at), (whole.height, whole.at));
        assert_eq!(found.app_hash, whole.app_hash);
        assert_eq!(found.args, whole.args, "removed transactions are counted");
        let started = Store::start(&mut disk, DIR, &genesis(), StoreConfig::default());
        let started = started.unwrap().1;
        assert_eq!(started.state.height, found.height);
        assert_eq!(started.state.app_hash, found.app_hash);
    }
}

#[test]
fn the_log_is_played_from_the_checkpoint_on() {
    let load = |mut disk: MemoryStorage| {
        let config = Config::default();
        load(&mut disk, DIR, &genesis(), &config, &owner()).unwrap()
    };
    let mut disk = pruned(9, Stop::Idle);
    let base = checkpoint(&mut disk).state.height;
    let (playback, chain) = load(disk);
    assert_eq!((chain.base, chain.height), (base, Height(9)));
    let parts: Vec<_> = playback
        .recording()
        .parts
        .iter()
        .map(|p| p.height)
        .collect();
    assert_eq!(parts, (base.0 + 1..=10).map(Height).collect::<Vec<_>>());
    let records = |playback: &Playback| playback.recording().len() + playback.recording().skipped;
    assert!(playback.recording().skipped > 0);
    let (whole, _) = load(disk_of(9, Stop::Idle));
    assert_eq!(records(&playback), records(&whole), "none is lost");
    let mut console = Console::new(playback);
    let answer = console.command("next 1000000").unwrap();
    assert!(!answer.quit);
    assert_eq!(console.mismatches(), 0);
}

#[test]
fn a_flipped_bit_in_any_file_of_pruned_data_is_found_or_changes_nothing() {
    let disk = pruned(7, Stop::Idle);
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
fn every_block_from_the_checkpoint_on_must_be_there() {
    let disk = pruned(9, Stop::Idle);
    let base = checkpoint(&mut disk.clone()).state.height;
    for height in base.0..=9 {
        let mut disk = disk.clone();
        disk.remove(&format!("{DIR}/blocks/{height:016x}")).unwrap();
        verify(&mut disk).unwrap_err();
    }
}

#[test]
fn a_checkpoint_that_is_lost_or_of_another_height_is_refused() {
    let disk = pruned(9, Stop::Idle);
    let right = checkpoint(&mut disk.clone());
    let mut lost = disk.clone();
    lost.remove(&format!("{DIR}/checkpoint")).unwrap();
    let refused = verify(&mut lost).unwrap_err();
    assert!(
        matches!(
            refused,
            ReplayFailed::Block {
                height: Height(1),
                ..
            }
        ),
        "{refused}"
    );
    let earlier = checkpoint(&mut pruned(5, Stop::Idle));
    assert!(earlier.state.height < right.state.height);
    let mut old = disk.clone();
    put_checkpoint(&mut old, &earlier);
    let refused = verify(&mut old).unwrap_err();
    assert!(matches!(refused, ReplayFailed::Block { .. }), "{refused}");
    let later = checkpoint(&mut pruned(20, Stop::Idle));
    let mut new = disk.clone();
    put_checkpoint(&mut new, &later);
    let refused = verify(&mut new).unwrap_err();
    assert!(matches!(refused, ReplayFailed::Block { .. }), "{refused}");
}

#[test]
fn a_checkpoint_that_is_not_what_the_blocks_come_from_is_refused() {
    let disk = pruned(9, Stop::Idle);
    let right = checkpoint(&mut disk.clone());
    let lies: [fn(&mut Checkpoint); 6] = [
        |lie| lie.app = App::default(),
        |lie| lie.state.app_hash = Hash([7; 32]),
        |lie| lie.state.last_time = Time(lie.state.last_time.0 + 1),
        |lie| lie.state.last_block.as_mut().unwrap().hash = Hash([7; 32]),
        |lie| lie.state.last_validators = None,
        |lie| lie.state.chain = ChainId::try_from(b"other".to_vec()).unwrap(),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (mut disk, mut told) = (disk.clone(), right.clone());
        lie(&mut told);
        put_checkpoint(&mut disk, &told);
        assert!(verify(&mut disk).is_err(), "lie {number}");
    }
}

#[test]
fn a_checkpoint_of_height_0_is_the_genesis() {
    let mut disk = pruned(1, Stop::Idle);
    let mut told = checkpoint(&mut disk);
    assert_eq!(told, Checkpoint::genesis(&genesis()).unwrap());
    verify(&mut disk).unwrap();
    told.state.last_time = Time(told.state.last_time.0 + 1);
    put_checkpoint(&mut disk, &told);
    let refused = verify(&mut disk).unwrap_err();
    assert!(
        matches!(
            refused,
            ReplayFailed::Stored {
                what: "checkpoint",
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn an_application_from_before_the_checkpoint_is_refused() {
    let mut disk = pruned(9, Stop::Idle);
    let oldest = checkpoint(&mut disk).state.height;
    let old = read_file(&mut disk_of(2, Stop::Idle), &format!("{DIR}/app")).unwrap();
    put(&mut disk, &format!("{DIR}/app"), &old);
    let expected = StartError::AppHeightTooLow {
        app: Height(2),
        oldest,
    };
    assert_eq!(
        verify(&mut disk),
        Err(ReplayFailed::Start(expected.clone()))
    );
    let config = StoreConfig::default();
    let started = Store::start(&mut disk, DIR, &genesis(), config).unwrap_err();
    assert_eq!(started, expected);
}

#[test]
fn a_log_that_ends_before_the_checkpoint_is_refused() {
    let mut disk = pruned(9, Stop::Idle);
    let old = disk_of(2, Stop::Idle);
    for name in disk.list(&format!("{DIR}/wal")).unwrap() {
        disk.remove(&format!("{DIR}/wal/{name}")).unwrap();
    }
    for (path, bytes) in names(&old) {
        if path.starts_with(&format!("{DIR}/wal/")) {
            put(&mut disk, &path, &bytes);
        }
    }
    let refused = verify(&mut disk).unwrap_err();
    assert!(
        refused.to_string().contains("ends before the checkpoint"),
        "{refused}"
    );
}
