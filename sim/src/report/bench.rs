//! The table of a bench.

use std::io;

use super::{Printer, grouped, json};
use crate::explore::{Bench, Row};

impl Printer<'_> {
    /// What was measured, beside its budget.
    ///
    /// # Errors
    /// What the writer says.
    pub fn bench(&mut self, bench: &Bench) -> io::Result<()> {
        self.progress.end();
        if self.form.json {
            return self.json(&json::bench(bench));
        }
        let width = bench.rows.iter().map(|row| row.what.chars().count()).max();
        let width = width.unwrap_or(4);
        let out = &mut *self.out;
        writeln!(
            out,
            "  {:<width$}  {:>11}  {:>18}",
            "what", "measured", "budget"
        )?;
        for row in &bench.rows {
            let measured = row.measured.map_or("unknown".to_owned(), grouped);
            let (what, unit, budget) = (row.what, row.unit, budget(row));
            let met = match (row.met(), row.measured) {
                (Some(false), _) => "   MISSED",
                (None, None) => "   not measured",
                (Some(true), _) | (None, Some(_)) => "",
            };
            writeln!(
                out,
                "  {what:<width$}  {measured:>11}  {budget:>18}  {unit}{met}"
            )?;
        }
        for (what, ending) in &bench.broken {
            writeln!(out, "  {what}: a run ended with {}", ending.name())?;
        }
        if !bench.optimised {
            let warning = "not optimised; compare numbers of `cargo run --release` only";
            writeln!(out, "\n  this build is {warning}")?;
        }
        out.flush()
    }
}

fn budget(row: &Row) -> String {
    let bound = if row.at_least { "at least" } else { "at most" };
    row.budget
        .map_or_else(String::new, |budget| format!("{bound} {}", grouped(budget)))
}
