//! A run comes to an end.
//!
//! Statement: a run takes no more events than its plan allows: a fixed number, and so many for each
//! pair of nodes and each height, whether planned or decided while a node was still behind.
//!
//! Source: T4 of the property list (no livelock); "no progress without time" of the timed models.
//! The deadline of `liveness` is a time: nodes that answer each other without end while time stands
//! still, or nearly, would never reach it.
//!
//! Cost: one comparison per event.

use engine::types::Time;

use super::{Ghost, Oracle, Violation, Work, facts};
use crate::trace::{Event, What};

const NAME: &str = "bounded_work";
const RULE: &str = "T4: work is bounded: nodes that wait for each other also wait for time to pass";

/// Counts events.
#[derive(Debug)]
pub(super) struct BoundedWork {
    work: Work,
    decisions: u64,
    /// The newest time, and the number of the first event at it.
    now: Option<(Time, u64)>,
}

impl BoundedWork {
    /// Allows so many events.
    pub(super) fn new(work: Work) -> Self {
        Self {
            work,
            decisions: 0,
            now: None,
        }
    }
}

impl Oracle for BoundedWork {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        self.decisions += u64::from(matches!(event.what, What::Decided { .. }));
        if self.now.is_none_or(|(time, _)| time != event.time) {
            self.now = Some((event.time, event.seq));
        }
        if event.seq < self.work.at_least {
            return Ok(());
        }
        let decided = ghost.newest().saturating_sub(1);
        let most = self.work.at_least + self.work.per_height.saturating_mul(decided);
        if event.seq < most {
            return Ok(());
        }
        let since = self.now.map_or(0, |(_, first)| event.seq - first);
        let time = facts::at(event.time);
        Err(Box::new(Violation {
            oracle: NAME,
            what: format!("the run has not ended after {most} events"),
            height: Some(ghost.newest()),
            nodes: event.node.into_iter().collect(),
            facts: vec![
                format!("{time} {since} of the events happened at this very time"),
                format!("{time} nodes have decided {} times", self.decisions),
            ],
            convicted: Vec::new(),
            rule: RULE,
            liveness: true,
        }))
    }

    /// Work is judged by what it was for.
    fn checks(&self) -> u64 {
        self.decisions
    }
}
