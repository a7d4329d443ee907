//! The console of a playback: a line in, a text out (Tendermint's `replay_console`).

use crate::{
    node::Node,
    replay::{Item, Playback, Played, ReplayFailed},
};

/// What the console answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Lines for the person.
    pub text: String,
    /// Whether it was told to end.
    pub quit: bool,
}

/// A playback and the commands on it.
#[derive(Debug, Clone)]
pub struct Console {
    playback: Playback,
    /// How many mismatches were shown, also those that were gone back over.
    mismatches: u64,
}

const HELP: &str = "\
next [N]     play N records, 1 if not given
back [N]     go back N records, 1 if not given
rs [FIELD]   the round state, or one field of it: short, validators, proposal, proposal_block,
             locked_round, locked_block, votes ...
n            how many records were played
quit         end";

impl Console {
    /// A console on a playback.
    #[must_use]
    pub fn new(playback: Playback) -> Self {
        Self {
            playback,
            mismatches: 0,
        }
    }

    /// How many mismatches were shown.
    #[must_use]
    pub fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Carries out one line.
    ///
    /// # Errors
    /// If the playback cannot go on.
    pub fn command(&mut self, line: &str) -> Result<Answer, ReplayFailed> {
        let mut words = line.split_whitespace();
        let (command, argument) = (words.next(), words.next());
        let text = match (command, argument, words.next()) {
            (None, _, _) => String::new(),
            (Some("next"), count, None) => match number(count) {
                Some(count) => self.next(count)?,
                None => not_a_number(),
            },
            (Some("back"), count, None) => match number(count) {
                Some(count) => self.back(count)?,
                None => not_a_number(),
            },
            (Some("rs"), field, None) => round_state(self.playback.node(), field),
            (Some("n"), None, None) => self.playback.played().to_string(),
            (Some("quit"), None, None) => {
                return Ok(Answer {
                    text: String::new(),
                    quit: true,
                });
            }
            (Some("help"), _, _) => HELP.to_owned(),
            (Some(_), _, _) => format!("unknown command: {}\n{HELP}", line.trim()),
        };
        Ok(Answer { text, quit: false })
    }

    fn next(&mut self, count: usize) -> Result<String, ReplayFailed> {
        let mut lines = Vec::new();
        for _ in 0..count {
            let Some(played) = self.playback.step()? else {
                lines.push("the log ends here".to_owned());
                break;
            };
            self.mismatches += played.mismatches.len() as u64;
            lines.extend(words(self.playback.played(), &played));
        }
        Ok(lines.join("\n"))
    }

    fn back(&mut self, count: usize) -> Result<String, ReplayFailed> {
        self.playback.back(count)?;
        let (played, at) = (
            self.playback.played(),
            self.playback.node().consensus().at(),
        );
        Ok(format!("{played} played, at {at}"))
    }
}

fn number(word: Option<&str>) -> Option<usize> {
    word.map_or(Some(1), |word| word.parse().ok().filter(|n| *n > 0))
}

fn not_a_number() -> String {
    "a count is a number from 1 on".to_owned()
}

/// What was played, in words: the record, the steps it led to, and what came out differently.
fn words(number: usize, played: &Played) -> Vec<String> {
    let what = match &played.item {
        Item::Record(lsn, entry) => format!("{number}: record {}: {}", lsn.0, entry.record),
        Item::End(height) => format!("{number}: end of height {height}"),
    };
    let steps = played.steps.iter().map(|at| format!("    now at {at}"));
    let undecided =
        "    not decided by these records: the node crashed behind the block".to_owned();
    let differ = played.mismatches.iter();
    [what]
        .into_iter()
        .chain(steps)
        .chain(played.undecided.then_some(undecided))
        .chain(differ.map(|mismatch| format!("    MISMATCH {mismatch}")))
        .collect()
}

/// The round state of a node, or one field of it.
fn round_state(node: &Node, field: Option<&str>) -> String {
    let state = node.round_state();
    match field {
        None => format!("{state:#}"),
        Some(field) => (state.field(field)).unwrap_or_else(|| format!("no field {field}\n{HELP}")),
    }
}
