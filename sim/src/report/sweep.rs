//! The report of a sweep: each failing seed as it is found, then the summary.

use std::io::{self, Write};

use super::{COMMAND, Origin, Printer, counted, grouped, json, seconds};
use crate::{
    explore::{Finished, Snapshot, Summary},
    markers::Marker,
};

impl Printer<'_> {
    /// A seed failed.
    ///
    /// # Errors
    /// What the writer says.
    pub fn sweep_failed(&mut self, origin: &Origin, finished: &Finished) -> io::Result<()> {
        if self.form.json {
            return self.json(&json::run(finished));
        }
        let word = self.style().bad("FAIL");
        let kind = finished.kind();
        let violation = finished.outcome.violations.first();
        let panic = finished.outcome.panic.as_deref();
        let what = violation.map_or(panic.unwrap_or(""), |v| v.what.as_str());
        let what = what.lines().next().unwrap_or("");
        let name = &origin.name;
        let out = &mut *self.out;
        self.progress
            .aside(|| writeln!(out, "{word}   {name}   {kind}: {what}"))?;
        self.out.flush()
    }

    /// How far it is.
    ///
    /// # Errors
    /// What the writer says.
    pub fn sweep_progress(&mut self, now: &Snapshot) -> io::Result<()> {
        self.progress.show(now)
    }

    /// What the sweep found. `again` repeats the first failure of a kind, given its seed.
    ///
    /// # Errors
    /// What the writer says.
    pub fn sweep_ends(
        &mut self,
        summary: &Summary,
        exit: u8,
        again: impl Fn(u64) -> String,
    ) -> io::Result<()> {
        self.progress.end();
        if self.form.json {
            return self.json(&json::sweep(summary, exit));
        }
        let style = self.style();
        let word = match (summary.interrupted, exit) {
            (true, _) => style.bad("INTERRUPTED"),
            (false, 0) => style.good("PASS"),
            (false, _) => style.bad("FAIL"),
        };
        let seeds = counted(summary.seeds, "seed");
        let missed = summary.markers.missed().len() + summary.counts.never().len();
        let found = match (summary.failed, exit, missed) {
            (0, 1, 1..) => {
                let missed = counted(missed as u64, "situation");
                format!("{seeds} passed, but {missed} never occurred")
            }
            (0, ..) => format!("{seeds} passed"),
            (failed, ..) => format!("{} of {seeds} failed", grouped(failed)),
        };
        let out = &mut *self.out;
        writeln!(out, "{word}   {found}")?;
        if let (skipped @ 1.., Some(why)) = (summary.skipped.0, &summary.skipped.1) {
            let skipped = counted(skipped, "seed");
            writeln!(out, "       skipped    {skipped} without a plan: {why}")?;
        }
        if !summary.kinds.is_empty() {
            writeln!(out, "\n  {:<24} {:>8}  first", "broken", "seeds")?;
        }
        for (kind, failure) in &summary.kinds {
            let seeds = grouped(failure.seeds);
            let again = again(failure.first);
            writeln!(out, "  {kind:<24} {seeds:>8}  {COMMAND} {again}")?;
        }
        reached(out, summary)?;
        let rate = summary.seeds_per_cpu_s;
        let (cpu, wall) = (seconds(summary.cpu_ms), seconds(summary.wall_ms));
        let line = format!("       wall       {wall}, {cpu} of processor, {rate} seeds per CPU s");
        writeln!(out, "{}", style.faint(&line))?;
        out.flush()
    }
}

/// What happened, one line per family of names; then in how many seeds each marker was reached,
/// one line per group, with the first of them.
fn reached(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    for family in ["oracle", "fault", "round", "byzantine", "crypto"] {
        let prefix = format!("{family}.");
        let names: Vec<_> = (summary.counts.0.iter())
            .filter_map(|(name, hits)| Some((name.strip_prefix(&prefix)?, hits)))
            .map(|(name, hits)| format!("{name} {}", grouped(*hits)))
            .collect();
        if !names.is_empty() {
            writeln!(out, "       {family:<10} {}", names.join("   "))?;
        }
    }
    let missed = summary.markers.missed();
    let (all, found) = (Marker::ALL.len(), Marker::ALL.len() - missed.len());
    writeln!(
        out,
        "       markers    {found} of {all} reached (seeds, the first)"
    )?;
    let markers: Vec<_> = summary.markers.iter().collect();
    for group in markers.chunk_by(|a, b| a.0.group() == b.0.group()) {
        let words: Vec<_> = (group.iter())
            .filter_map(|(marker, hits)| {
                let (seeds, first) = (grouped(hits.seeds), hits.first?);
                Some(format!("{marker} {seeds} ({first})"))
            })
            .collect();
        if !words.is_empty() {
            writeln!(out, "         {}", words.join("   "))?;
        }
    }
    if !missed.is_empty() {
        let names: Vec<_> = missed.iter().map(|marker| marker.name()).collect();
        writeln!(out, "       missed     {}", names.join("   "))?;
    }
    let never = summary.counts.never();
    if !never.is_empty() {
        writeln!(out, "       never      {}", never.join("   "))?;
    }
    Ok(())
}
