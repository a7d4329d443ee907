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

use engine::types::{Height, PeerId, Time};

use super::{Violation, facts};
use crate::trace::{Event, What};

pub(super) const NAME: &str = "liveness";
pub(super) const RULE: &str = "T1: after healing, every node of the core decides the next heights \
                               inside the bound (termination of \"The latest gossip\")";

/// Judges progress of one core. Make it when the faults are over, show it every event from then on,
/// and ask [`Liveness::check`] when the deadline has come.
#[derive(Debug, Clone)]
pub struct Liveness {
    core: Vec<Progress>,
    target: Height,
    by: Time,
    checks: u64,
}

/// How far a node of the core is.
#[derive(Debug, Clone, Copy)]
struct Progress {
    node: PeerId,
    /// The last height it decided since the healing, and when.
    decided: Option<(Height, Time)>,
}

impl Liveness {
    /// Expects every node of `core` to decide height `target` (the highest that was decided when
    /// the core was healed, plus some) before the time is `by`.
    #[must_use]
    pub fn expect(core: Vec<PeerId>, target: Height, by: Time) -> Self {
        let progress = |node| Progress {
            node,
            decided: None,
        };
        let core = core.into_iter().map(progress).collect();
        Self {
            core,
            target,
            by,
            checks: 0,
        }
    }

    /// Takes in the next event.
    ///
    /// # Errors
    /// What [`Liveness::check`] says at the time of the event.
    pub fn observe(&mut self, event: &Event) -> Result<(), Box<Violation>> {
        if let What::Decided { height, .. } | What::Started { height, .. } = &event.what
            && let Some(at) = self.core.iter_mut().find(|at| Some(at.node) == event.node)
            && at.decided.is_none_or(|(before, _)| *height > before)
        {
            at.decided = Some((*height, event.time));
            self.checks += 1;
        }
        // What happens at the deadline itself may still fulfil it.
        if event.time > self.by {
            self.check(event.time)
        } else {
            Ok(())
        }
    }

    /// Whether every node of the core has got there.
    #[must_use]
    pub fn is_fulfilled(&self) -> bool {
        self.core.iter().all(|at| self.is_there(at))
    }

    /// Whether progress is in time at `now`: the deadline is not reached, or nobody is behind.
    ///
    /// # Errors
    /// Who is behind.
    pub fn check(&self, now: Time) -> Result<(), Box<Violation>> {
        if now < self.by || self.is_fulfilled() {
            return Ok(());
        }
        let late: Vec<PeerId> = self
            .core
            .iter()
            .filter(|at| !self.is_there(at))
            .map(|at| at.node)
            .collect();
        let names: Vec<String> = late.iter().map(ToString::to_string).collect();
        let (target, by) = (self.target, facts::at(self.by));
        let what = format!(
            "{} had not decided height {target} at {by}",
            names.join(" and ")
        );
        let facts = self
            .core
            .iter()
            .map(|Progress { node, decided }| match decided {
                Some((height, since)) => {
                    format!("{} {node} came to height {height}", facts::at(*since))
                }
                None => format!("{node} has decided nothing since it was healed"),
            });
        Err(Box::new(Violation {
            oracle: NAME,
            what,
            height: Some(target.0),
            nodes: late,
            facts: facts.collect(),
            convicted: Vec::new(),
            rule: RULE,
            liveness: true,
        }))
    }

    /// How often a node of the core was seen to get on.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks
    }

    fn is_there(&self, at: &Progress) -> bool {
        at.decided.is_some_and(|(height, _)| height >= self.target)
    }
}
