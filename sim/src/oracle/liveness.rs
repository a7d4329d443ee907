//! Progress after healing.
//!
//! Statement: after the faults are over, every node of the healed core decides so many heights more
//! than the highest that the core had decided, by a deadline. The deadline is the world's: it knows
//! delays and timeouts, the judge only reads the clock.
//!
//! Source: T1; lemma 7 and theorem 3 of "The latest gossip on BFT consensus" (termination after the
//! global stabilisation time); `TimeLiveness` of `TendermintPBT.tla`.
//!
//! Cost: one comparison per decision.

use engine::types::{PeerId, Time};

use super::{Setup, Violation, facts};
use crate::trace::{Event, What};

pub(super) const NAME: &str = "liveness";
pub(super) const RULE: &str = "T1: after healing, every node of the core decides the next heights \
                               inside the bound (termination of \"The latest gossip\")";

/// Judges progress. Show it every event, say what is expected when the faults are over, and ask
/// [`Liveness::check`] when the deadline has passed.
#[derive(Debug, Clone)]
pub struct Liveness {
    nodes: Vec<Progress>,
    goal: Option<Goal>,
}

/// How far a node is.
#[derive(Debug, Clone, Copy)]
struct Progress {
    correct: bool,
    height: u64,
    since: Time,
}

#[derive(Debug, Clone)]
struct Goal {
    core: Vec<PeerId>,
    /// The core's highest height when the goal was set.
    from: u64,
    target: u64,
    by: Time,
}

impl Liveness {
    /// Nobody has decided anything, and nothing is expected.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let progress = |correct| Progress {
            correct,
            height: 0,
            since: Time(0),
        };
        let nodes = setup
            .validators
            .iter()
            .map(|member| progress(member.correct))
            .collect();
        Self { nodes, goal: None }
    }

    /// Takes in the next event.
    pub fn observe(&mut self, event: &Event) {
        let (What::Decided { height, .. } | What::Started { height, .. }) = &event.what else {
            return;
        };
        let node = event
            .node
            .and_then(|node| self.nodes.get_mut(usize::from(node.0)));
        if let Some(node) = node
            && height.0 > node.height
        {
            (node.height, node.since) = (height.0, event.time);
        }
    }

    /// From now on: every correct node of `core` must have decided `heights` more than the highest
    /// height of the core at this moment when the time `by` has passed.
    pub fn expect(&mut self, core: Vec<PeerId>, heights: u64, by: Time) {
        let core: Vec<PeerId> = core
            .into_iter()
            .filter(|n| self.progress(*n).is_some_and(|p| p.correct))
            .collect();
        let from = core
            .iter()
            .map(|node| self.height(*node))
            .max()
            .unwrap_or(0);
        let target = from.saturating_add(heights);
        self.goal = Some(Goal {
            core,
            from,
            target,
            by,
        });
    }

    /// The height that every node of the core must reach, and until when; `None` if nothing is
    /// expected yet.
    #[must_use]
    pub fn goal(&self) -> Option<(u64, Time)> {
        self.goal.as_ref().map(|goal| (goal.target, goal.by))
    }

    /// Whether what is expected has happened. `false` if nothing is expected yet.
    #[must_use]
    pub fn is_met(&self) -> bool {
        let met = |goal: &Goal| {
            goal.core
                .iter()
                .all(|node| self.height(*node) >= goal.target)
        };
        self.goal.as_ref().is_some_and(met)
    }

    /// Whether progress is in time at `now`.
    ///
    /// # Errors
    /// Who is behind, if the deadline has passed.
    pub fn check(&self, now: Time) -> Result<(), Box<Violation>> {
        let Some(goal) = &self.goal else {
            return Ok(());
        };
        if now <= goal.by || self.is_met() {
            return Ok(());
        }
        let is_late = |node: &&PeerId| self.height(**node) < goal.target;
        let late: Vec<PeerId> = goal.core.iter().filter(is_late).copied().collect();
        let names: Vec<String> = late.iter().map(ToString::to_string).collect();
        let (target, by) = (goal.target, facts::at(goal.by));
        let what = format!(
            "{} had not decided height {target} at {by}",
            names.join(" and ")
        );
        let mut facts = vec![format!(
            "the core had decided height {} when it was healed, and had to reach {target}",
            goal.from
        )];
        facts.extend(goal.core.iter().filter_map(|node| {
            let Progress { height, since, .. } = self.progress(*node)?;
            Some(format!(
                "{node} is at height {height} since {}",
                facts::at(*since)
            ))
        }));
        Err(Box::new(Violation {
            oracle: NAME,
            what,
            height: Some(target),
            nodes: late,
            facts,
            rule: RULE,
            liveness: true,
        }))
    }

    fn progress(&self, node: PeerId) -> Option<&Progress> {
        self.nodes.get(usize::from(node.0))
    }

    fn height(&self, node: PeerId) -> u64 {
        self.progress(node).map_or(0, |progress| progress.height)
    }
}
