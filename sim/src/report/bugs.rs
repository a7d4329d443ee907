//! The reports about known bugs.

use std::io;

use serde::Serialize;

use super::{Printer, grouped, seconds};
use crate::corpus::{Checked, Fired, KnownBug, Verdict};

#[derive(Serialize)]
struct Listed<'a> {
    schema: &'static str,
    id: &'a str,
    #[serde(flatten)]
    note: &'a crate::corpus::Note,
}

#[derive(Serialize)]
struct CheckedJson<'a> {
    schema: &'static str,
    id: &'a str,
    verdict: &'static str,
    exit: u8,
    command_holds: bool,
    green: Vec<String>,
    oracle: Option<&'a str>,
    seed: Option<u64>,
    failed: Option<u64>,
    seeds: Option<u64>,
    cpu_ms: Option<u64>,
}

impl Printer<'_> {
    /// All known bugs in a table.
    ///
    /// # Errors
    /// What the writer says.
    pub fn bugs_listed(&mut self, bugs: &[KnownBug]) -> io::Result<()> {
        if self.form.json {
            return bugs.iter().try_for_each(|bug| {
                self.json(&Listed {
                    schema: "sim.bug/1",
                    id: &bug.id,
                    note: &bug.note,
                })
            });
        }
        let width = bugs.iter().map(|bug| bug.id.len()).max().unwrap_or(0);
        let oracle = |bug: &KnownBug| bug.note.oracle.len();
        let oracles = bugs.iter().map(oracle).max().unwrap_or(0).max(6);
        let out = &mut *self.out;
        writeln!(out, "  {:<width$}  {:<oracles$}  bug", "name", "oracle")?;
        for bug in bugs {
            let (oracle, title) = (&bug.note.oracle, &bug.note.title);
            writeln!(out, "  {:<width$}  {oracle:<oracles$}  {title}", bug.id)?;
        }
        out.flush()
    }

    /// A bug was checked.
    ///
    /// # Errors
    /// What the writer says.
    pub fn bug_checked(&mut self, bug: &KnownBug, checked: &Checked) -> io::Result<()> {
        let fired = checked.sweep.as_ref();
        if self.form.json {
            return self.json(&CheckedJson {
                schema: "sim.bug-check/1",
                id: &checked.id,
                verdict: checked.verdict.name(),
                exit: checked.verdict.exit(),
                command_holds: checked.command_holds,
                green: checked
                    .green
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect(),
                oracle: fired.map(|fired| fired.oracle.as_str()),
                seed: fired.map(|fired| fired.seed),
                failed: fired.map(|fired| fired.failed),
                seeds: fired.map(|fired| fired.seeds),
                cpu_ms: fired.map(|fired| fired.cpu_ms),
            });
        }
        let style = self.style();
        let name = checked.verdict.name();
        let word = match checked.verdict {
            Verdict::Caught | Verdict::Moved => style.good(name),
            Verdict::Escaped | Verdict::Stale => style.bad(name),
        };
        let command = if checked.command_holds {
            ""
        } else {
            "   its command does not show it"
        };
        let found = match fired {
            Some(fired) => found(fired),
            None if checked.verdict == Verdict::Stale => "renew bug.patch".to_owned(),
            None if bug.note.sweep.is_some() => "no seed found it".to_owned(),
            None => bug.note.command.clone(),
        };
        let out = &mut *self.out;
        writeln!(out, "{word}   {}   {found}{command}", checked.id)?;
        for path in &checked.green {
            writeln!(out, "       {} passes with it", path.display())?;
        }
        out.flush()
    }
}

fn found(fired: &Fired) -> String {
    let Fired {
        oracle,
        seed,
        failed,
        seeds,
        cpu_ms,
        ..
    } = fired;
    let (failed, seeds, cpu) = (grouped(*failed), grouped(*seeds), seconds(*cpu_ms));
    format!("{oracle}: first at seed {seed}, {failed} of {seeds} seeds, {cpu} of processor")
}
