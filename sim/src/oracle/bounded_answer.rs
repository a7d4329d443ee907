//! What one input makes a node do is bounded.
//!
//! Statement: between two inputs (a frame, a timer, a connection, a storage call that is done, a
//! transaction, its start) a correct node sends each other node at most 8 frames, 2 more for each
//! message that came, not counting frames with parts of blocks; of these parts it sends at most
//! twice as many as a block may have; and it logs at most 16 records, and 4 more for each message
//! that came and for each that may have waited for this height (16 for each other node).
//!
//! Source: R2; amplification attacks: who asks must not get the chain for one message. The numbers
//! are this project's own: an announcement is answered by one frame of votes and one of parts, news
//! is passed on in one frame, and a message leads through at most three steps. `bounded_work` adds
//! up what `bounded_answer` allows.
//!
//! Cost: one comparison per frame and record.

use engine::types::{MAX_PARTS, Message, PeerId};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "bounded_answer",
    rule: "R2: what an input makes a node send and write is bounded by what the input holds",
};
const PARTS: usize = 2 * MAX_PARTS as usize;
const FRAMES: usize = 8;
const FRAMES_PER_MESSAGE: usize = 2;
const RECORDS: usize = 16;
const RECORDS_PER_MESSAGE: usize = 4;
/// Messages of the next height that a node keeps for each other.
const WAITING: usize = 16;

/// What a node has done since its last input.
#[derive(Debug, Clone, Default)]
struct Answer {
    /// Messages of the input; 1 if it is no frame.
    messages: usize,
    /// Frames without parts of blocks, and parts, for each receiver.
    sent: Vec<(usize, usize)>,
    records: usize,
}

/// Counts what follows inputs.
#[derive(Debug, Default)]
pub(super) struct BoundedAnswer {
    nodes: Vec<Answer>,
    checks: u64,
}

impl Oracle for BoundedAnswer {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        let nodes = ghost.setup().validators.len();
        if self.nodes.len() <= node {
            self.nodes.resize(node + 1, Answer::default());
        }
        let answer = &mut self.nodes[node];
        match &event.what {
            What::Sent { to, frame, .. } => {
                self.checks += 1;
                let messages = frame.contents();
                let messages = messages
                    .iter()
                    .flat_map(|contents| contents.messages.iter());
                let is_part = |message: &&Message| matches!(message, Message::BlockPart { .. });
                answer.send(*to, messages.filter(is_part).count());
                answer.judge_sent(event, node, *to)
            }
            What::Appended { .. } => {
                self.checks += 1;
                answer.records += 1;
                answer.judge_records(event, node, nodes - 1)
            }
            What::Delivered { frame, .. } => {
                let came = frame.contents().map_or(1, |it| it.messages.len());
                answer.begin(nodes, came);
                Ok(())
            }
            What::Fired { .. }
            | What::Started { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Synced { .. }
            | What::Stored { .. }
            | What::Submitted { .. } => {
                answer.begin(nodes, 1);
                Ok(())
            }
            What::Crashed
            | What::StartRefused { .. }
            | What::Halted { .. }
            | What::Dropped { .. }
            | What::Decided { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Disk(_)
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Healed { .. } => Ok(()),
        }
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl Answer {
    /// An input of so many messages comes.
    fn begin(&mut self, nodes: usize, messages: usize) {
        self.messages = messages;
        self.sent.clear();
        self.sent.resize(nodes, (0, 0));
        self.records = 0;
    }

    fn send(&mut self, to: PeerId, parts: usize) {
        if let Some((frames, sent)) = self.sent.get_mut(usize::from(to.0)) {
            *frames += usize::from(parts == 0);
            *sent += parts;
        }
    }

    fn judge_sent(&self, event: &Event, node: usize, to: PeerId) -> Result<(), Box<Violation>> {
        let (frames, parts) = self
            .sent
            .get(usize::from(to.0))
            .copied()
            .unwrap_or_default();
        let most = FRAMES + FRAMES_PER_MESSAGE * self.messages;
        if frames > most {
            let did = format!("sent {to} {frames} frames, at most {most} are allowed");
            return Err(self.broken(event, node, &did));
        }
        if parts > PARTS {
            let did = format!("sent {to} {parts} parts of blocks, more than two blocks have");
            return Err(self.broken(event, node, &did));
        }
        Ok(())
    }

    fn judge_records(
        &self,
        event: &Event,
        node: usize,
        others: usize,
    ) -> Result<(), Box<Violation>> {
        let most = RECORDS + RECORDS_PER_MESSAGE * (self.messages + WAITING * others);
        if self.records > most {
            let did = format!(
                "logged {} records, at most {most} are allowed",
                self.records
            );
            return Err(self.broken(event, node, &did));
        }
        Ok(())
    }

    fn broken(&self, event: &Event, node: usize, did: &str) -> Box<Violation> {
        let name = facts::node(node);
        let came = format!(
            "{} {name}'s last input held {} messages",
            facts::at(event.time),
            self.messages
        );
        let what = format!("{name} {did} after one input");
        let mut broken = RULE.broken(what, (0, &[node]), vec![came]);
        broken.height = None;
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use engine::{
        node::{Entry, Record},
        types::{Lsn, Time},
    };

    use crate::oracle::testing::{History, prevote, setup};

    /// Node 0 answers two messages of node 3 with this many frames.
    fn answered(node: usize, frames: usize) -> &'static str {
        let mut history = History::new(setup(4, &[3]));
        for _ in 0..2 {
            history.get(node, &prevote(2, (1, 0), None));
            for _ in 0..frames {
                history.send(node, &prevote(2, (1, 0), None));
            }
        }
        history.fired()
    }

    #[test]
    fn a_node_that_answers_a_message_with_a_stream_is_found() {
        assert_eq!(answered(0, FRAMES + FRAMES_PER_MESSAGE), "none");
        assert_eq!(answered(0, FRAMES + FRAMES_PER_MESSAGE + 1), RULE.name);
        assert_eq!(answered(3, 100), "none", "who follows no rule");
    }

    #[test]
    fn a_node_that_logs_without_end_is_found() {
        let mut history = History::new(setup(4, &[]));
        let record = Record::Released(Lsn(0));
        let entry = Entry {
            time: Time(0),
            record,
        };
        let written = What::Appended {
            lsn: Lsn(0),
            entry: Arc::new(entry),
        };
        history.get(0, &prevote(2, (1, 0), None));
        for _ in 0..RECORDS + RECORDS_PER_MESSAGE * (1 + WAITING * 3) {
            history.happens(0, written.clone());
        }
        assert_eq!(history.fired(), "none");
        history.happens(0, written);
        assert_eq!(history.fired(), RULE.name);
    }
}
