//! The commands about data directories: what they ask the other rooms for.

use std::{io, path::Path};

use engine::wal::{self, RepairOutcome, WalError};

use super::{Error, args};
use crate::{
    datadir::{self, Place},
    report::{LogVerdict, Printer, RecordFilter, RecordTable, Repaired},
};

pub(super) fn wal(command: &args::Wal, printer: &mut Printer<'_>) -> Result<u8, Error> {
    match command {
        args::Wal::Inspect { dir, from, limit } => {
            let filter = RecordFilter {
                from: *from,
                limit: *limit,
            };
            let verdict = read(dir, filter, Some(printer))?;
            printer.wal_verdict(&verdict)?;
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
