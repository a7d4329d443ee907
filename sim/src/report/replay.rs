//! The reports about a replay of what a node has stored.

use std::io;

use engine::replay::{Answer, ReplayFailed, ReplaySucceeded};
use serde::Serialize;

use super::{Printer, counted, grouped};

#[derive(Serialize)]
struct Replay<'a> {
    schema: &'static str,
    directory: &'a str,
    verdict: &'static str,
    exit: u8,
    error: Option<String>,
    #[serde(flatten)]
    found: Option<Found>,
}

#[derive(Serialize)]
struct Found {
    height: u64,
    app_hash: String,
    at: Option<String>,
    records: u64,
    replayed_blocks: u64,
    to_sign: usize,
    undecided: Vec<u64>,
    torn_bytes: Option<u64>,
    round: u64,
    next_height: u64,
    uncommitted_height: u64,
    pending: usize,
}

/// The exit code of a replay: 6 if intact data leads to something else than was recorded, 7 if it
/// is damaged or incomplete.
#[must_use]
pub fn replay_exit(replayed: &Result<ReplaySucceeded, ReplayFailed>) -> u8 {
    match replayed {
        Ok(_) => 0,
        Err(error) if error.is_mismatch() => 6,
        Err(_) => 7,
    }
}

impl Printer<'_> {
    /// Answers lines until one says to quit or there are no more. The prompt is for people.
    ///
    /// # Errors
    /// What the reader or the writer says.
    pub fn console(
        &mut self,
        lines: &mut dyn io::BufRead,
        prompt: bool,
        mut answer: impl FnMut(&str) -> Result<Answer, String>,
    ) -> io::Result<()> {
        let mut line = String::new();
        loop {
            if prompt {
                write!(self.out, "> ")?;
                self.out.flush()?;
            }
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match answer(line.trim()) {
                Ok(Answer { quit: true, .. }) => return Ok(()),
                Ok(Answer { text, .. }) if text.is_empty() => {}
                Ok(Answer { text, .. }) => writeln!(self.out, "{text}")?,
                Err(error) => writeln!(self.out, "{error}")?,
            }
            self.out.flush()?;
        }
    }

    /// What a replay found. `note` is something that was not checked.
    ///
    /// # Errors
    /// What the writer says.
    pub fn replayed(
        &mut self,
        directory: &str,
        replayed: &Result<ReplaySucceeded, ReplayFailed>,
        note: Option<&str>,
    ) -> io::Result<()> {
        let exit = replay_exit(replayed);
        let verdict = match exit {
            0 => "same",
            6 => "mismatch",
            _ => "damaged",
        };
        if self.form.json {
            return self.json(&Replay {
                schema: "sim.replay/1",
                directory,
                verdict,
                exit,
                error: replayed.as_ref().err().map(ToString::to_string),
                found: replayed.as_ref().ok().map(found),
            });
        }
        let style = self.style();
        let out = &mut *self.out;
        match replayed {
            Err(error) => {
                let word = style.bad(&verdict.to_uppercase());
                writeln!(out, "{word}  {error}")?;
            }
            Ok(same) => {
                let (word, blocks) = (style.good("SAME"), counted(same.height.0, "block"));
                let records = counted(same.records, "record");
                writeln!(out, "{word}   {blocks} and {records} give what is stored")?;
                writeln!(out, "       application hash {}", same.app_hash)?;
                if let Some(at) = same.at {
                    writeln!(out, "       the node goes on at {at}")?;
                }
                lines(same)
                    .iter()
                    .try_for_each(|line| writeln!(out, "       {line}"))?;
            }
        }
        if let Some(note) = note {
            writeln!(out, "       {note}")?;
        }
        out.flush()
    }
}

/// What deserves to be known though nothing is wrong with it.
fn lines(same: &ReplaySucceeded) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(torn) = &same.torn {
        let (bytes, offset) = (grouped(torn.bytes), torn.offset);
        lines.push(format!(
            "torn tail of {bytes} bytes at offset {offset} of {}",
            torn.segment
        ));
    }
    if same.replayed > 0 {
        let blocks = counted(same.replayed, "block");
        lines.push(format!("the start executes {blocks} again"));
    }
    if same.to_sign > 0 {
        let messages = counted(same.to_sign as u64, "message");
        lines.push(format!("the start signs {messages} whose record was lost"));
    }
    for height in &same.undecided {
        lines.push(format!(
            "height {height} ended behind a crash: its records do not decide it"
        ));
    }
    lines
}

fn found(same: &ReplaySucceeded) -> Found {
    Found {
        height: same.height.0,
        app_hash: crate::trace::hex(&same.app_hash.0),
        at: same.at.map(|at| at.to_string()),
        records: same.records,
        replayed_blocks: same.replayed,
        to_sign: same.to_sign,
        undecided: same.undecided.iter().map(|height| height.0).collect(),
        torn_bytes: same.torn.as_ref().map(|torn| torn.bytes),
        round: same.args.mempool.round,
        next_height: same.args.ordering.next_height,
        uncommitted_height: same.args.storage.uncommitted_height,
        pending: same.args.mempool.transactions.len(),
    }
}
