//! The lists of what is judged and of what must be reached.

use std::io;

use serde::Serialize;

use super::Printer;
use crate::{markers::Marker, oracle::ORACLES};

#[derive(Serialize)]
struct Invariant {
    schema: &'static str,
    name: &'static str,
    statement: &'static str,
    source: &'static str,
}

#[derive(Serialize)]
struct Situation {
    schema: &'static str,
    name: &'static str,
    group: &'static str,
    situation: &'static str,
}

impl Printer<'_> {
    /// Every oracle: its name, what it demands, and where that comes from.
    ///
    /// # Errors
    /// What the writer says.
    pub fn invariants(&mut self) -> io::Result<()> {
        for (name, statement, source) in ORACLES {
            if self.form.json {
                let schema = "sim.invariant/1";
                self.json(&Invariant {
                    schema,
                    name,
                    statement,
                    source,
                })?;
                continue;
            }
            writeln!(self.out, "  {name:<24} {statement}")?;
            let source = format!("  {:<24} {source}", "");
            writeln!(self.out, "{}", self.style().faint(&source))?;
        }
        self.out.flush()
    }

    /// Every marker by groups: its name and the situation.
    ///
    /// # Errors
    /// What the writer says.
    pub fn markers(&mut self) -> io::Result<()> {
        let mut last = "";
        for marker in Marker::ALL {
            let (name, group, situation) = (marker.name(), marker.group(), marker.sentence());
            if self.form.json {
                let schema = "sim.marker/1";
                self.json(&Situation {
                    schema,
                    name,
                    group,
                    situation,
                })?;
                continue;
            }
            if group != last {
                let gap = if last.is_empty() { "" } else { "\n" };
                writeln!(self.out, "{gap}{group}")?;
                last = group;
            }
            writeln!(self.out, "  {name:<30} {situation}")?;
        }
        self.out.flush()
    }
}
