//! Which ways the nodes of a run went between states of the protocol, as the run's trace tells:
//! `engine::fuzz` keeps the marks, and `fuzz/` shows them to libFuzzer as extra counters.

use std::collections::BTreeMap;

use engine::{
    consensus::Notice,
    fuzz::mark_way,
    types::{Height, Hrs, Round},
};

use crate::trace::{Event, What};

/// Where a node stands, as far as its notices say.
#[derive(Debug, Clone, Copy, Default)]
struct Stand {
    at: Option<Hrs>,
    /// Whether the proposal of the round is complete.
    complete: bool,
    /// Of the round: none yet, one for nil, one for a block.
    polka: u32,
    locked: Option<Round>,
    /// Whether more than 2/3 precommitted a block.
    commit: bool,
    /// Whether it has crashed before.
    crashed: bool,
}

impl Stand {
    fn moves_to(&mut self, to: Hrs) {
        let before = self.at.map(|at| (at.height, at.round));
        if before.map(|(height, _)| height) != Some(to.height) {
            (self.locked, self.commit) = (None, false);
        }
        if before != Some((to.height, to.round)) {
            (self.complete, self.polka) = (false, 0);
        }
        self.at = Some(to);
    }

    fn hears(&mut self, notice: &Notice) {
        match notice {
            Notice::NewRoundStep(to) => self.moves_to(*to),
            Notice::CompleteProposal(_) => self.complete = true,
            Notice::Polka(round, of) if self.at.is_some_and(|at| at.round == *round) => {
                self.polka = if of.is_some() { 2 } else { 1 };
            }
            Notice::Lock(round, _) | Notice::Relock(round, _) => self.locked = Some(*round),
            Notice::ValidBlock { is_commit, .. } => self.commit |= is_commit,
            Notice::Polka(..)
            | Notice::Vote { .. }
            | Notice::TimeoutPropose(_)
            | Notice::TimeoutWait(_)
            | Notice::Evidence(_) => {}
        }
    }

    /// The state as a number: heights and rounds from 3 on are one, rounds of locks are this one or
    /// an older one.
    fn number(&self) -> u32 {
        let Some(at) = self.at else {
            return u32::from(self.crashed);
        };
        let height = at.height.0.saturating_sub(Height::FIRST.0).min(3);
        let lock = match self.locked {
            None => 0,
            Some(round) if round == at.round => 1,
            Some(_) => 2,
        };
        let parts = [
            (u32::try_from(height).unwrap_or(3), 4),
            (at.round.0.min(3), 4),
            (at.step as u32 % 16, 16),
            (u32::from(self.complete), 2),
            (self.polka, 3),
            (lock, 3),
            (u32::from(self.commit), 2),
            (u32::from(self.crashed), 2),
        ];
        // The leading 1 keeps these apart from a node that has said nothing yet.
        parts.iter().fold(1, |sum, (part, of)| sum * of + part)
    }
}

/// Marks every way that a node of the trace went.
pub(super) fn mark(trace: &[Event]) {
    let mut nodes: BTreeMap<_, Stand> = BTreeMap::new();
    for event in trace {
        let Some(node) = event.node else { continue };
        let stand = nodes.entry(node).or_default();
        let from = stand.number();
        if let What::Notice(notice) = &event.what {
            stand.hears(notice);
        } else if matches!(event.what, What::Crashed) {
            *stand = Stand {
                crashed: true,
                ..Stand::default()
            };
        } else {
            continue;
        }
        mark_way(from, stand.number());
    }
}

#[cfg(test)]
mod tests {
    use engine::fuzz::take_marks;

    #[test]
    fn a_run_leaves_marks_and_the_same_run_the_same_ones() {
        let marks = |seed: u8| {
            let mut marks = Vec::new();
            take_marks(|_| {});
            crate::fuzz::schedule::schedule(&[seed]);
            take_marks(|at| marks.push(at));
            marks
        };
        let first = marks(1);
        assert!(first.len() > 20, "{}", first.len());
        assert_eq!(first, marks(1));
        assert_ne!(first, marks(2));
    }
}
