//! The reports about kept runs.

use std::io;

use serde::Serialize;

use super::{Origin, Printer};
use crate::{
    corpus::{KeptRun, KeptVerdict},
    explore::Finished,
};

#[derive(Serialize)]
struct Listed<'a> {
    schema: &'static str,
    #[serde(flatten)]
    run: &'a KeptRun,
}

#[derive(Serialize)]
struct Played<'a> {
    schema: &'static str,
    title: &'a str,
    verdict: &'static str,
    found: String,
    digest: &'a str,
}

impl Printer<'_> {
    /// All kept runs in a table.
    ///
    /// # Errors
    /// What the writer says.
    pub fn kept_listed(&mut self, kept: &[KeptRun]) -> io::Result<()> {
        if self.form.json {
            let schema = "sim.kept/1";
            return kept
                .iter()
                .try_for_each(|run| self.json(&Listed { schema, run }));
        }
        let width = kept.iter().map(|run| run.oracle.len()).max().unwrap_or(0);
        let width = width.max("oracle".len());
        let out = &mut *self.out;
        writeln!(out, "  {:<6}  {:<width$}  bug", "", "oracle")?;
        for run in kept {
            let state = if run.fixed_at.is_some() {
                "fixed"
            } else {
                "open"
            };
            writeln!(out, "  {state:<6}  {:<width$}  {}", run.oracle, run.title)?;
            let named = match (&run.schedule, run.seed) {
                (Some(name), _) => format!("schedule {name}"),
                (None, seed) => format!("--seed {} {}", seed.unwrap_or(0), run.flags.join(" ")),
            };
            writeln!(out, "  {:<6}  {:<width$}  {}", "", "", named.trim_end())?;
        }
        out.flush()
    }

    /// A kept run was run.
    ///
    /// # Errors
    /// What the writer says.
    pub fn kept_played(
        &mut self,
        run: &KeptRun,
        verdict: KeptVerdict,
        origin: &Origin,
        finished: &Finished,
    ) -> io::Result<()> {
        if self.form.json {
            return self.json(&Played {
                schema: "sim.kept-run/1",
                title: &run.title,
                verdict: verdict.name(),
                found: finished.kind(),
                digest: &finished.outcome.digest,
            });
        }
        if self.form.quiet && verdict == KeptVerdict::Fixed {
            return Ok(());
        }
        writeln!(self.out, "{:<6} {}", verdict.name(), run.title)?;
        let remark = match verdict {
            KeptVerdict::Fixed => return Ok(()),
            KeptVerdict::Open => format!("fails as it did: {}", finished.kind()),
            KeptVerdict::Gone => "passes: write fixed_at, or forget it".to_owned(),
            KeptVerdict::Back => format!("fails: {}", finished.kind()),
        };
        writeln!(
            self.out,
            "       {remark}; again: cargo run -p sim -- {}",
            origin.again
        )
    }

    /// All were run.
    ///
    /// # Errors
    /// What the writer says.
    pub fn kept_end(&mut self, passed: usize, all: usize) -> io::Result<()> {
        if !self.form.json {
            writeln!(self.out, "{passed} of {all} kept runs pass")?;
        }
        self.out.flush()
    }

    /// A run is kept from now on.
    ///
    /// # Errors
    /// What the writer says.
    pub fn kept_added(&mut self, run: &KeptRun) -> io::Result<()> {
        if self.form.json {
            return self.json(&Listed {
                schema: "sim.kept/1",
                run,
            });
        }
        writeln!(self.out, "kept   {}", run.title)?;
        writeln!(self.out, "       {}", run.fingerprint)?;
        self.out.flush()
    }
}
