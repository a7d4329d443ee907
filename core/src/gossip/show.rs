//! Peers as text: one line for a trace, and indented (`{:#}`) for looking at one.

use std::fmt;

use crate::{
    gossip::{PeerRoundState, PeerState},
    types::{BitArray, Round},
};

/// What is known of some bits: `?` if nothing.
fn bits(known: Option<&BitArray>) -> String {
    known.map_or_else(|| "?".to_owned(), BitArray::to_string)
}

impl PeerRoundState {
    /// Whatever is known besides height, round and step, named.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let in_round = |round: Round, known: Option<&BitArray>| format!("{round} {}", bits(known));
        let mut facts = Vec::new();
        if self.announced > 0 {
            facts.push(("said again", self.announced.to_string()));
        }
        if self.proposal {
            facts.push(("proposal", "yes".to_owned()));
        }
        if let Some(header) = self.parts_header {
            let parts = bits(self.parts.as_ref());
            facts.push(("parts", format!("{} {parts}", header.hash)));
        }
        if let Some(round) = self.pol_round {
            facts.push(("pol", in_round(round, self.pol.as_ref())));
        }
        facts.push(("prevotes", bits(self.prevotes.as_ref())));
        facts.push(("precommits", bits(self.precommits.as_ref())));
        if let Some(round) = self.last_commit_round {
            facts.push(("last commit", in_round(round, self.last_commit.as_ref())));
        }
        if let Some(round) = self.catchup_commit_round {
            facts.push(("catch-up", in_round(round, self.catchup_commit.as_ref())));
        }
        facts
    }

    /// Writes the state, the indented form below `margin`.
    fn write(&self, f: &mut fmt::Formatter<'_>, margin: &str) -> fmt::Result {
        let Some(hrs) = self.hrs() else {
            return f.write_str("unknown");
        };
        write!(f, "{hrs}")?;
        if f.alternate()
            && let Some(began) = self.start_time
        {
            write!(f, "\n{margin}  began: {} ms", began.0 / 1_000_000)?;
        }
        let alternate = f.alternate();
        let mut facts = self.facts().into_iter();
        facts.try_for_each(|(name, value)| {
            if alternate {
                write!(f, "\n{margin}  {name}: {value}")
            } else {
                write!(f, ", {name} {value}")
            }
        })
    }
}

impl fmt::Display for PeerRoundState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str("stands: ")?;
            self.round_state.write(f, "")?;
            for ((height, round, kind), votes) in &self.sent.votes {
                write!(f, "\nsent lately: {kind}s {height}/{round} {votes}")?;
            }
            return Ok(());
        }
        let votes: usize = self.sent.votes.values().map(BitArray::count).sum();
        write!(f, "{}; sent lately {votes} votes", self.round_state)
    }
}
