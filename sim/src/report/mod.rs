//! The only printer. Results go to one writer, progress and complaints to another; what they say is
//! text for people or JSON for programs.

mod bench;
mod bugs;
mod crash;
mod failure;
mod files;
mod json;
mod kept;
mod log;
mod plan;
mod progress;
mod replay;
mod run;
#[cfg(test)]
pub(crate) mod sample;
mod scenario;
mod style;
mod sweep;
mod topics;
mod trace;
mod wal;

use std::{
    fmt::Display,
    io::{self, Write},
};

pub use files::{Kept, save_schedule};
pub use log::log_engine;
pub use replay::replay_exit;
pub use style::Style;
pub use trace::TraceForm;
pub use wal::{LogVerdict, RecordFilter, RecordTable, Repaired};

use progress::Progress;

/// Where a report goes and in which form.
pub struct Printer<'a> {
    out: &'a mut dyn Write,
    progress: Progress<'a>,
    form: Form,
}

impl std::fmt::Debug for Printer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer").field("form", &self.form).finish()
    }
}

/// The form of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// JSON instead of text.
    pub json: bool,
    /// Only the result.
    pub quiet: bool,
    /// Colours in the result.
    pub colour: bool,
    /// A person watches the progress.
    pub terminal: bool,
}

/// What was run, in words and as arguments that run it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Such as "seed 42".
    pub name: String,
    /// The arguments of `sim` that repeat it.
    pub again: String,
    /// The arguments of `sim` that show its trace.
    pub trace: String,
    /// The directory below `target/sim` for what a failure leaves.
    pub directory: String,
}

/// How a person calls the simulator.
const COMMAND: &str = "cargo run -p sim --";

impl<'a> Printer<'a> {
    /// Prints results to `out`, everything else to `err`.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, form: Form) -> Self {
        Self {
            out,
            progress: Progress::new(err, form),
            form,
        }
    }

    /// The form of this report.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    fn style(&self) -> Style {
        Style::new(self.form.colour)
    }

    fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, value)?;
        writeln!(self.out)?;
        self.out.flush()
    }

    /// Complains.
    ///
    /// # Errors
    /// What the writer says.
    pub fn complain(&mut self, what: &dyn Display) -> io::Result<()> {
        self.progress.line(&format!("error: {what}"))
    }

    /// Something a person should know besides the result.
    ///
    /// # Errors
    /// What the writer says.
    pub fn remark(&mut self, what: &str) -> io::Result<()> {
        if self.form.quiet {
            return Ok(());
        }
        self.progress.line(what)
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// What the writer says.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds with three decimals.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}

/// A count and its noun.
fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_times_have_three_decimals() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(seconds(61_207), "61.207s");
        assert_eq!(counted(1, "seed"), "1 seed");
        assert_eq!(counted(2_000, "seed"), "2,000 seeds");
    }
}
