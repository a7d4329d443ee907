//! What a failed run leaves on the disk: `target/sim/<seed>/`, and a pointer `latest` to it.

use std::{
    fs,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::{Form, Origin, Printer};
use crate::{
    datadir,
    explore::Finished,
    outcome::Outcome,
    scenario,
    trace::{Filter, Header, lines, write_ndjson},
};

/// Where failures are kept, below the directory of the call.
const ROOT: &str = "target/sim";

/// Where the disks of the nodes are kept, below the directory of a failure.
const DISKS: &str = "wal";

/// The schedule, below the directory of a failure.
const SCHEDULE: &str = "schedule.toml";

/// Writes the schedule of a run.
///
/// # Errors
/// What the file system says.
pub fn save_schedule(path: &Path, origin: &Origin, outcome: &Outcome) -> io::Result<()> {
    let text = scenario::schedule(&origin.name, outcome).map_err(io::Error::other)?;
    fs::write(path, text)
}

/// What was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The directory.
    pub directory: PathBuf,
}

impl Kept {
    /// Writes `report.txt`, `report.json`, `schedule.toml` and, from a second run, the events
    /// in `trace.ndjson` and the disks below `wal/`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(origin: &Origin, finished: &Finished, traced: &Outcome) -> io::Result<Self> {
        let root = Path::new(ROOT);
        let directory = root.join(&origin.directory);
        fs::create_dir_all(&directory)?;
        let kept = Self { directory };
        let at = |name: &str| kept.directory.join(name);
        for (name, json) in [("report.txt", false), ("report.json", true)] {
            let form = Form {
                json,
                ..Form::default()
            };
            fs::write(at(name), kept.report(origin, finished, form)?)?;
        }
        save_schedule(&at(SCHEDULE), origin, &finished.outcome)?;
        let mut trace = BufWriter::new(fs::File::create(at(scenario::TRACE))?);
        let all = Filter::default();
        let header = Header::of(traced, &all);
        write_ndjson(&mut trace, &header, lines(traced), &all)?;
        trace.flush()?;
        datadir::export(traced, &at(DISKS))?;
        point(root, &origin.directory)?;
        Ok(kept)
    }

    fn report(&self, origin: &Origin, finished: &Finished, form: Form) -> io::Result<Vec<u8>> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut err, form);
        printer.run_begins(origin, &finished.outcome.plan)?;
        printer.run_ends(origin, finished, Some(self))?;
        drop(printer);
        Ok(out)
    }
}

/// Makes `latest` name the newest directory: a link, or a text file where links are not to be had.
fn point(root: &Path, directory: &str) -> io::Result<()> {
    let latest = root.join("latest");
    match fs::remove_file(&latest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    #[cfg(unix)]
    if std::os::unix::fs::symlink(directory, &latest).is_ok() {
        return Ok(());
    }
    fs::write(latest, directory)
}
