//! Watching the engine changes nothing: runs with a subscriber that wants everything have the
//! digests of runs without one. A process of its own, for a subscriber is for the whole process.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use sim::{
    nemesis::{CryptoMode, Overrides, draw},
    outcome::RunOptions,
    report::log_engine,
    runtime,
};

/// Which events were written, and how many bytes.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<(Vec<&'static str>, usize)>>);

/// Every event that a run with faults should bring.
const EVENTS: [&str; 19] = [
    " INFO decided ",
    " INFO recovered ",
    " WARN rejected ",
    "DEBUG new round step ",
    "DEBUG timeout propose ",
    "DEBUG timeout wait ",
    "DEBUG complete proposal ",
    "DEBUG polka ",
    "DEBUG lock ",
    "DEBUG relock ",
    "DEBUG valid block ",
    "DEBUG commit ",
    "TRACE vote ",
    "TRACE send ",
    "TRACE arm ",
    "TRACE append ",
    "TRACE save sign state ",
    "TRACE sync ",
    " WARN evidence ",
];

impl Write for Seen {
    /// One call has one line: level, spans, then message and fields behind `: `.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut seen = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        seen.1 += bytes.len();
        for event in EVENTS {
            let (level, message) = event.split_at(6);
            let told = text.starts_with(level) && text.contains(&format!(": {message}"));
            if told && !seen.0.contains(&event) {
                seen.0.push(event);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digests of the first seeds, both ways of running taken in turn.
fn digests() -> Vec<String> {
    let overrides = Overrides {
        crypto: Some(CryptoMode::Ideal),
        ..Overrides::default()
    };
    let digest = |seed| {
        let plan = draw(seed, &overrides).expect("a seed always draws a plan");
        let options = RunOptions {
            plain: seed % 2 == 1,
            ..RunOptions::default()
        };
        runtime::run(&plan, options).digest
    };
    (0..SEEDS).map(digest).collect()
}

const SEEDS: u64 = 8;

#[test]
fn watching_a_run_changes_nothing_in_it() {
    let unseen = digests();
    let seen = Seen::default();
    let writer = seen.clone();
    assert!(log_engine(tracing::Level::TRACE, move || writer.clone()));
    assert_eq!(digests(), unseen);
    let seen = seen.0.lock().expect("no panic");
    let missing: Vec<_> = EVENTS.iter().filter(|e| !seen.0.contains(e)).collect();
    assert!(missing.is_empty(), "never told: {missing:?}");
    assert!(seen.1 > 1_000_000);
}
