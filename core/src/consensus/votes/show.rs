//! Votes as text: one line for a trace, and indented (`{:#}`) for looking at one height.

use std::fmt;

use crate::{
    consensus::{HeightVoteSet, RoundVoteSet, VoteSet},
    types::BlockId,
};

fn choice(block: Option<BlockId>) -> String {
    block.map_or_else(|| "nil".to_owned(), |id| id.to_string())
}

impl VoteSet {
    /// Who voted, with how much of the power, and for what more than 2/3 did.
    fn line(&self) -> String {
        let (have, sum, total) = (self.have(), self.sum, self.validators().total_power());
        let majority = self
            .majority()
            .map_or_else(String::new, |block| format!(" for {}", choice(block)));
        format!("{have} {sum}/{total}{majority}")
    }

    /// One line per block: its votes, those that count although their validator voted for
    /// something else first, and whether a peer claims a majority; then who claims.
    fn blocks(&self, f: &mut fmt::Formatter<'_>, margin: &str) -> fmt::Result {
        for tally in &self.by_block {
            let block = choice(tally.block);
            write!(f, "\n{margin}{block}: {} {}", tally.have, tally.sum)?;
            if !tally.conflicting.is_empty() {
                write!(f, ", {} conflicting", tally.conflicting.len())?;
            }
            if tally.claimed {
                f.write_str(", claimed")?;
            }
        }
        let mut claims = self.claims.iter();
        claims.try_for_each(|(peer, block)| write!(f, "\n{margin}{peer} claims {}", choice(*block)))
    }
}

impl fmt::Display for VoteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, height, round) = (self.kind(), self.height(), self.round());
        write!(f, "{kind}s {height}/{round} {}", self.line())?;
        if f.alternate() {
            self.blocks(f, "  ")?;
        }
        Ok(())
    }
}

impl RoundVoteSet {
    fn indented(&self, f: &mut fmt::Formatter<'_>, margin: &str) -> fmt::Result {
        let inner = format!("{margin}  ");
        for set in [&self.prevotes, &self.precommits] {
            write!(f, "\n{margin}{}s: {}", set.kind(), set.line())?;
            set.blocks(f, &inner)?;
        }
        Ok(())
    }
}

impl fmt::Display for RoundVoteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prevotes, precommits) = (self.prevotes.line(), self.precommits.line());
        write!(f, "round {}", self.prevotes.round())?;
        if f.alternate() {
            write!(f, ", power {} voted", self.power)?;
            return self.indented(f, "  ");
        }
        write!(f, " prevotes {prevotes} precommits {precommits}")
    }
}

impl fmt::Display for HeightVoteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "votes {}/{}", self.height(), self.round())?;
        for (round, votes) in self.rounds() {
            if f.alternate() {
                write!(f, "\n  round {round}, power {} voted", votes.power)?;
                votes.indented(f, "    ")?;
            } else {
                let (prevotes, precommits) = (votes.prevotes.line(), votes.precommits.line());
                write!(f, "; {round}: {prevotes}, {precommits}")?;
            }
        }
        for (peer, opened) in &self.catchup {
            let rounds: Vec<String> = opened.rounds.iter().map(ToString::to_string).collect();
            let (rounds, left) = (rounds.join(", "), if opened.left { ", left" } else { "" });
            if f.alternate() {
                write!(f, "\n  catch-up: {peer} opened {rounds}{left}")?;
            } else {
                write!(f, "; {peer} opened {rounds}{left}")?;
            }
        }
        Ok(())
    }
}
