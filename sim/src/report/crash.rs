//! The report of a run that crashes at every storage call.

use std::io;

use serde::Serialize;

use super::{Printer, counted, grouped, seconds};
use crate::explore::{Counts, Markers, Summary};

#[derive(Serialize)]
struct CrashEverywhere<'a> {
    schema: &'static str,
    seed: u64,
    verdict: &'static str,
    exit: u8,
    storage_calls: u64,
    crashes: u64,
    failed: u64,
    counts: &'a Counts,
    markers: &'a Markers,
    wall_ms: u64,
}

impl Printer<'_> {
    /// What came of the crashes of a seed.
    ///
    /// # Errors
    /// What the writer says.
    pub fn crash_everywhere_ends(
        &mut self,
        seed: u64,
        storage_calls: u64,
        summary: &Summary,
        exit: u8,
    ) -> io::Result<()> {
        self.progress.end();
        if self.form.json {
            return self.json(&CrashEverywhere {
                schema: "sim.crash-everywhere/2",
                seed,
                verdict: summary.ending.name(),
                exit,
                storage_calls,
                crashes: summary.seeds,
                failed: summary.failed,
                counts: &summary.counts,
                markers: &summary.markers,
                wall_ms: summary.wall_ms,
            });
        }
        let style = self.style();
        let word = match (summary.interrupted, summary.failed) {
            (true, _) => style.bad("INTERRUPTED"),
            (false, 0) => style.good("PASS"),
            (false, _) => style.bad("FAIL"),
        };
        let crashes = match summary.failed {
            0 => format!("{} crashes survived", grouped(summary.seeds)),
            failed => format!(
                "{} of {} crashes failed",
                grouped(failed),
                grouped(summary.seeds)
            ),
        };
        let calls = counted(storage_calls, "storage call");
        let out = &mut *self.out;
        writeln!(out, "{word}   seed {seed}   {crashes} at {calls}")?;
        for (kind, failure) in &summary.kinds {
            let failed = grouped(failure.seeds);
            writeln!(out, "  {kind:<24} {failed:>8}")?;
        }
        let (cpu, wall) = (seconds(summary.cpu_ms), seconds(summary.wall_ms));
        let line = format!("       wall       {wall}, {cpu} of processor");
        writeln!(out, "{}", style.faint(&line))?;
        out.flush()
    }
}
