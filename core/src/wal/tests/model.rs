//! Random operations against the simplest possible model: a vector of entries and a mark of what is
//! durable.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Operation {
    Append(Vec<Vec<u8>>),
    Overwrite(usize, Vec<u8>),
    Save(Vec<Vec<u8>>, Option<HardState>),
    Sync,
    Prepare,
    Cut,
    Snapshot(u64),
    ReleaseAndPurge,
    Reopen,
    Crash,
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let data = || prop::collection::vec(any::<u8>(), 0..80);
    let batch = move || prop::collection::vec(data(), 0..4);
    let state = (0..3_u64, 0..3_u64, 0..9_u64).prop_map(|(term, vote, commit)| HardState {
        term,
        vote,
        commit,
    });
    prop_oneof![
        4 => batch().prop_map(Operation::Append),
        1 => (1..4_usize, data()).prop_map(|(back, data)| Operation::Overwrite(back, data)),
        3 => (batch(), prop::option::of(state)).prop_map(|(batch, state)| {
            Operation::Save(batch, state)
        }),
        2 => Just(Operation::Sync),
        1 => Just(Operation::Prepare),
        1 => Just(Operation::Cut),
        2 => (0..9_u64).prop_map(Operation::Snapshot),
        1 => Just(Operation::ReleaseAndPurge),
        2 => Just(Operation::Reopen),
        1 => Just(Operation::Crash),
    ]
}

/// All entries ever written and not replaced, by index from 0.
#[derive(Debug)]
struct Model {
    entries: Vec<Entry>,
    state: Option<HardState>,
    snapshot: Snapshot,
    options: Options,
}

impl Model {
    fn batch(&self, batch: &[Vec<u8>]) -> Vec<Entry> {
        let next = self.entries.len() as u64;
        let numbered = (next..).zip(batch);
        numbered
            .map(|(index, data)| Entry {
                index,
                term: 1,
                data: data.clone(),
            })
            .collect()
    }

    fn check(&self, replayed: &Replayed) -> Result<(), TestCaseError> {
        let behind = usize::try_from(self.snapshot.index + 1).unwrap();
        prop_assert_eq!(
            &replayed.entries[..],
            self.entries.get(behind..).unwrap_or_default()
        );
        prop_assert_eq!(replayed.state, self.state);
        prop_assert_eq!(&replayed.metadata[..], b"metadata");
        prop_assert_eq!(
            replayed.last_index,
            (self.entries.len() as u64).checked_sub(1)
        );
        prop_assert_eq!(replayed.snapshots.last(), Some(&self.snapshot));
        prop_assert_eq!(&replayed.torn, &None);
        Ok(())
    }

    fn run(
        &mut self,
        disk: &mut MemoryStorage,
        mut log: Appender,
        operation: &Operation,
    ) -> Result<Appender, TestCaseError> {
        match operation {
            Operation::Append(batch) => {
                let batch = self.batch(batch);
                log.append(disk, &batch).unwrap();
                self.entries.extend(batch);
            }
            Operation::Overwrite(back, data) => {
                let place = self.entries.len().saturating_sub(*back);
                // What a snapshot covers is never replaced; the log relies on its client for that.
                if place > usize::try_from(self.snapshot.index).unwrap() {
                    self.entries.truncate(place);
                    let new = self.batch(std::slice::from_ref(data));
                    log.append(disk, &new).unwrap();
                    self.entries.extend(new);
                }
            }
            Operation::Save(batch, state) => {
                let batch = self.batch(batch);
                log.save(disk, state.as_ref(), &batch).unwrap();
                self.entries.extend(batch);
                self.state = state.or(self.state);
            }
            Operation::Sync => log.sync(disk).unwrap(),
            Operation::Prepare => log.prepare(disk).unwrap(),
            Operation::Cut => log.cut(disk).unwrap(),
            Operation::Snapshot(back) => {
                let index = (self.entries.len() as u64).saturating_sub(1 + back);
                if index > self.snapshot.index {
                    self.snapshot = Snapshot {
                        index,
                        term: self.snapshot.term + 1,
                    };
                    log.save_snapshot(disk, &self.snapshot).unwrap();
                }
            }
            Operation::ReleaseAndPurge => {
                log.release_lock_to(disk, self.snapshot.index).unwrap();
                log.purge(disk).unwrap();
                let names = disk.list(DIR).unwrap();
                let segments = names.iter().filter(|name| parse_name(name).is_some());
                prop_assert_eq!(segments.count(), log.segments().count());
                prop_assert!(names.len() <= log.segments().count() + 1);
            }
            Operation::Reopen => {
                log.close(disk).unwrap();
                return self.reopen(disk);
            }
            Operation::Crash => {
                *disk = restarted(disk);
                return self.reopen(disk);
            }
        }
        Ok(log)
    }

    fn reopen(&self, disk: &mut MemoryStorage) -> Result<Appender, TestCaseError> {
        let reader = open(disk, DIR, self.snapshot, self.options).unwrap();
        let (replayed, log) = reader.read_all(disk).unwrap();
        self.check(&replayed)?;
        Ok(log)
    }
}

proptest! {
    #[test]
    fn a_log_reads_back_what_a_vector_holds(
        operations in prop::collection::vec(any_operation(), 1..60),
        native: bool,
        segment_bytes in prop::sample::select(vec![64_u64, 500, 3000]),
        preallocate_bytes in prop::sample::select(vec![0_u64, 1000]),
    ) {
        let format = if native { Format::Native } else { Format::Etcd };
        let options = Options { format, segment_bytes, preallocate_bytes };
        let mut disk = MemoryStorage::default();
        let mut model =
            Model { entries: Vec::new(), state: None, snapshot: START, options };
        let mut log = create(&mut disk, DIR, b"metadata", options).unwrap();
        for operation in &operations {
            log = model.run(&mut disk, log, operation)?;
        }
        log.close(&mut disk).unwrap();
        let _ = model.reopen(&mut disk)?;
        let names = disk.list(DIR).unwrap();
        let names: Vec<_> = names.iter().map(|name| parse_name(name).unwrap()).collect();
        prop_assert!(names.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    }
}

#[test]
fn the_same_log_is_written_on_real_files() {
    let root = tempfile::tempdir().unwrap();
    let mut real = crate::storage::RealStorage::new(root.path());
    let mut memory = MemoryStorage::default();
    let options = Options {
        segment_bytes: 1000,
        ..small(Format::Native)
    };
    for disk in [&mut real as &mut dyn Storage, &mut memory] {
        let mut log = create(disk, DIR, b"metadata", options).unwrap();
        for index in 0..100 {
            log.save(disk, None, &[entry(index)]).unwrap();
        }
        log.close(disk).unwrap();
        let reader = open_at_index(disk, DIR, 50, options).unwrap();
        let (replayed, log) = reader.read_all(disk).unwrap();
        assert_eq!(replayed.entries, entries(50..=99));
        log.close(disk).unwrap();
    }
    for name in memory.list(DIR).unwrap() {
        let path = format!("{DIR}/{name}");
        assert_eq!(read_file(&mut memory, &path), read_file(&mut real, &path));
    }
}
