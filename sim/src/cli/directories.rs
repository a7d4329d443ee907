//! The commands about data directories: what they ask the other rooms for.

use std::{
    io::{self, IsTerminal},
    path::Path,
    sync::Arc,
};

use engine::{
    crypto::{Ed25519, Verify},
    node::Config,
    replay::{self, Console, Owner, ReplayFailed},
    wal::{self, RepairOutcome, WalError},
};

use super::{Error, args};
use crate::{
    datadir::{self, GenesisFile, Place},
    nemesis::CryptoMode,
    report::{LogVerdict, Printer, RecordFilter, RecordTable, Repaired, replay_exit},
    world::Ideal,
};

pub(super) fn wal(command: &args::Wal, printer: &mut Printer<'_>) -> Result<u8, Error> {
    match command {
        args::Wal::Inspect { dir, from, limit } => {
            let filter = RecordFilter {
                from: *from,
                limit: *limit,
            };
            let verdict = read(dir, filter, Some(printer))?;
            printer.wal_inspected(&verdict)?;
            Ok(verdict.exit())
        }
        args::Wal::Verify { dir } => {
            let verdict = read(dir, RecordFilter::default(), None)?;
            printer.wal_verdict(&verdict)?;
            Ok(verdict.exit())
        }
        args::Wal::Repair { dir, dry_run } => repair(dir, *dry_run, printer),
    }
}

/// Reads a whole log; shows its records if there is somebody to show them to.
fn read(
    path: &Path,
    filter: RecordFilter,
    mut printer: Option<&mut Printer<'_>>,
) -> Result<LogVerdict, Error> {
    let Place { mut storage, dir } = datadir::find_log(path)?;
    let mut table = RecordTable::new(filter);
    let mut printed: io::Result<()> = Ok(());
    let end = wal::inspect(&mut storage, &dir, &mut |record| {
        match &mut printer {
            Some(printer) if printed.is_ok() => printed = printer.wal_record(&mut table, record),
            Some(_) | None => table.count(record),
        }
        Ok(())
    });
    printed?;
    match end {
        Err(WalError::Storage(error)) => Err(Error::Io(io::Error::other(error))),
        end => Ok(table.verdict(end)),
    }
}

/// All of the log is judged first: a torn tail behind damage is not cut either.
fn repair(path: &Path, dry_run: bool, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let verdict = read(path, RecordFilter::default(), None)?;
    let torn = verdict.end.as_ref().is_ok_and(|end| end.torn.is_some());
    let repaired = if torn && !dry_run {
        let Place { mut storage, dir } = datadir::find_log(path)?;
        match wal::repair(&mut storage, &dir).map_err(io::Error::other)? {
            RepairOutcome::Clean => Repaired::No,
            RepairOutcome::Cut { copy, .. } => Repaired::Cut { copy },
        }
    } else {
        Repaired::No
    };
    printer.wal_repaired(&verdict, Some(dry_run), &repaired)?;
    Ok(verdict.exit())
}

/// Verifies the data directory of a node, or steps through its log.
pub(super) fn replay(replay: &args::Replay, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let path = &replay.path;
    let Place { mut storage, dir } = datadir::find_node(path)?;
    let file = GenesisFile::read(path)?;
    let invalid = |what: String| datadir::NotFound {
        path: path.clone(),
        what,
    };
    let genesis = file.genesis().map_err(invalid)?;
    let key = match replay.node.or_else(|| node_of(&dir)) {
        None => None,
        Some(node) => Some(file.key(node).ok_or_else(|| {
            Error::Usage(format!(
                "there is no n{node} in the genesis; name one with --node"
            ))
        })?),
    };
    let (verify, note) = verifier(file.crypto);
    let config = Config {
        timeouts: file.timeouts.to_engine(),
        ..Config::default()
    };
    let owner = Owner { key, verify };
    if replay.console {
        let loaded = replay::load(&mut storage, &dir, &genesis, &config, &owner);
        let failed = |error: ReplayFailed| Error::from(invalid(error.to_string()));
        let (playback, _) = loaded.map_err(failed)?;
        let mut console = Console::new(playback);
        let prompt = io::stdin().is_terminal();
        printer.console(&mut io::stdin().lock(), prompt, |line| {
            console.command(line).map_err(|error| error.to_string())
        })?;
        return Ok(if console.mismatches() == 0 { 0 } else { 6 });
    }
    let replayed = replay::replay_for(&mut storage, &dir, &genesis, &config, &owner);
    printer.replayed(&path.display().to_string(), &replayed, note)?;
    Ok(replay_exit(&replayed))
}

/// The node of a directory that a run wrote: `n3`.
fn node_of(dir: &str) -> Option<u16> {
    dir.strip_prefix('n')?.parse().ok()
}

/// Who verifies signatures, and what should be known about that.
fn verifier(crypto: CryptoMode) -> (Arc<dyn Verify>, Option<&'static str>) {
    match crypto {
        CryptoMode::Ed25519 => (Arc::new(Ed25519), None),
        CryptoMode::Ideal => {
            let note = "ideal signatures prove nothing outside a run: everybody can make them";
            (Arc::new(Ideal), Some(note))
        }
    }
}
