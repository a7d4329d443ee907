//! Who is behind comes nearer.
//!
//! Statement: in the stable phase, a member of the core at a height that another member has decided
//! decides that height within the time that is allowed for one height: from the end of the
//! faults, from its own last decision or start, and from the other's decision on, whichever is
//! latest.
//!
//! Source: T5; `catchup` of Tendermint's gossip and its block sync. `liveness` allows the whole
//! core many heights together; this is each node's duty for each height, so a node that lags while
//! the others go on is named long before.
//!
//! Cost: one comparison per event, and a few per decision.

use std::collections::BTreeMap;

use engine::types::Time;

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    quorum::{members, only},
    stable::Stable,
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "catch_up",
    rule: "T5: after healing a node of the core that is behind another gets one height nearer in \
           time",
};

/// How far a node is, and since when.
#[derive(Debug, Clone, Copy, Default)]
struct Reached {
    height: u64,
    since: Time,
}

/// A member of the core that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    by: Time,
    late: usize,
    /// Who was the first to decide the height that is due, and when.
    first: (Time, usize),
}

/// Watches who is behind.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    nodes: Vec<Reached>,
    /// Which member of the core was the first to have a height behind it, and when; from the lowest
    /// height on that somebody lacks. Empty before the stable phase.
    passed: BTreeMap<u64, (Time, usize)>,
    /// The member that will be late first.
    due: Option<Due>,
    checks: u64,
}

impl Oracle for CatchUp {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        if let Some(due) = self.due
            && event.time > due.by
        {
            return Err(self.broken(event.time, due));
        }
        let stable = ghost.stable();
        if let (What::Decided { height, .. } | What::Started { height, .. }, Some(node)) =
            (&event.what, ghost.correct(event.node))
        {
            if self.nodes.len() <= node {
                self.nodes.resize(node + 1, Reached::default());
            }
            let (height, since) = (height.0, event.time);
            self.nodes[node] = Reached { height, since };
            if let Some(stable) = stable {
                self.pass(stable, node);
                self.look(stable);
            }
        } else if let Some(stable) = stable
            && self.passed.is_empty()
        {
            let core = members(stable.members());
            core.for_each(|node| self.pass(stable, node));
            self.look(stable);
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl CatchUp {
    fn reached(&self, node: usize) -> Reached {
        self.nodes.get(node).copied().unwrap_or_default()
    }

    /// Notes which heights this node is the first of the core to have behind it.
    fn pass(&mut self, stable: &Stable, node: usize) {
        if stable.members() & only(node) == 0 {
            return;
        }
        let Reached { height, since } = self.reached(node);
        for passed in (0..=height).rev() {
            if self.passed.contains_key(&passed) {
                break;
            }
            self.passed.insert(passed, (since, node));
        }
        let heights = members(stable.members()).map(|node| self.reached(node).height);
        let lowest = heights.min().unwrap_or(0);
        self.passed = self.passed.split_off(&lowest);
    }

    /// Works out who will be late first.
    fn look(&mut self, stable: &Stable) {
        let due = |late: usize| {
            let own = self.reached(late);
            let first = *self.passed.get(&(own.height + 1))?;
            let begun = first.0.max(own.since).max(stable.from);
            let by = begun.after(stable.catch_up);
            Some(Due { by, late, first })
        };
        self.due = members(stable.members()).filter_map(due).min();
        self.checks += u64::from(self.due.is_some());
    }

    fn broken(&self, now: Time, due: Due) -> Box<Violation> {
        let own = self.reached(due.late);
        let (since, first) = due.first;
        let (name, other) = (facts::node(due.late), facts::node(first));
        let wanted = own.height + 1;
        let what = format!("{name} has not decided height {wanted}, which {other} has behind it");
        let facts = vec![
            format!(
                "{} {name} came to height {}",
                facts::at(own.since),
                own.height
            ),
            format!("{} {other} had height {wanted} behind it", facts::at(since)),
            format!("{} {name} has been late for some time", facts::at(now)),
        ];
        let mut broken = RULE.broken(what, (wanted, &[due.late, first]), facts);
        broken.liveness = true;
        broken
    }
}
