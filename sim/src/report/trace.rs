//! The reports about traces.

use std::io;

use serde::Serialize;

use super::{Printer, counted, grouped};
use crate::{
    explore::Ending,
    trace::{self, Filter, Header, Line, Recording},
};

/// The form of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceForm {
    /// Columns for people.
    Text,
    /// One JSON object per line.
    Ndjson,
}

#[derive(Serialize)]
struct Compared<'a> {
    schema: &'static str,
    same: bool,
    digests: [&'a str; 2],
    /// From 1, in the files.
    line: Option<usize>,
    lines: [Option<&'a Line>; 2],
    exit: u8,
}

/// So many common lines before the first difference are shown.
const CONTEXT: usize = 3;

impl Printer<'_> {
    /// Prints a trace.
    ///
    /// # Errors
    /// What the writer says.
    pub fn trace(
        &mut self,
        header: &Header,
        lines: impl IntoIterator<Item = Line>,
        form: TraceForm,
        filter: &Filter,
    ) -> io::Result<()> {
        match form {
            TraceForm::Text => trace::write_text(self.out, header, lines, filter)?,
            TraceForm::Ndjson => trace::write_ndjson(self.out, header, lines, filter)?,
        }
        self.out.flush()
    }

    /// Two traces were compared; `place` is that of the first different line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn traces_compared(
        &mut self,
        recordings: [&Recording; 2],
        place: Option<usize>,
        ending: Ending,
    ) -> io::Result<()> {
        let digests = recordings.map(|recording| recording.header.digest.as_str());
        let lines = recordings.map(|recording| recording.lines.get(place?));
        if self.form.json {
            return self.json(&Compared {
                schema: "sim.diff/1",
                same: ending == Ending::Pass,
                digests,
                line: place.map(|place| place + 2),
                lines,
                exit: ending.exit(),
            });
        }
        let [a, b] = digests.map(|digest| digest.get(..16).unwrap_or(digest));
        let Some(place) = place else {
            let count = counted(recordings[0].lines.len() as u64, "line");
            return if ending == Ending::Pass {
                writeln!(self.out, "SAME   {count}   digest {a}")
            } else {
                writeln!(
                    self.out,
                    "DIFFERENT   digests {a} and {b}, but these {count} are the same"
                )
            };
        };
        let line = grouped(place as u64 + 2);
        writeln!(
            self.out,
            "DIFFERENT   at line {line}   digests {a} and {b}\n"
        )?;
        let common = &recordings[0].lines[place.saturating_sub(CONTEXT)..place];
        for line in common {
            writeln!(self.out, "       both {}", sentence(Some(line)))?;
        }
        for (name, line) in ["a", "b"].into_iter().zip(lines) {
            writeln!(self.out, "       {name:<4} {}", sentence(line))?;
        }
        writeln!(self.out, "\n  exit     {}", ending.exit())?;
        self.out.flush()
    }
}

fn sentence(line: Option<&Line>) -> String {
    let Some(line) = line else {
        return "nothing more".to_owned();
    };
    let node = line.node.map_or(String::new(), |node| node.to_string());
    format!("{} {node:<4} {}", trace::seconds(line.time_ns), line.detail)
}
