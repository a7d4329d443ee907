//! Nothing that a node signs leaves it before its disk would remember.
//!
//! Statement: when a correct node hands an own proposal or vote to a link for the first time, a
//! record with that message was appended to its log and reported durable before. After a crash, a
//! record that was written but not reported durable may be read back from the disk; then it is
//! durable too. If the node writes the message once more, the new record counts.
//!
//! Source: D2; the write-ahead log of Tendermint, which is synced before an own vote goes out; the
//! barrier of DESIGN section 2.
//!
//! Cost: one look at the message's state per own message.

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::Disk,
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "no_send_before_durable",
    rule: "D2: a signed message leaves the node only after the record that holds it is durable",
};

/// Judges the barrier between disk and network.
#[derive(Debug, Default)]
pub(super) struct NoSendBeforeDurable {
    checks: u64,
}

impl Oracle for NoSendBeforeDurable {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let Some(disk) = news.left else {
                continue;
            };
            self.checks += 1;
            let (node, slot) = (news.node, news.slot);
            let (time, name) = (facts::at(event.time), facts::node(node));
            let stand = match disk {
                Disk::Durable | Disk::Unknown => continue,
                Disk::Unwritten => format!("{name} never wrote it to its log"),
                Disk::Written(lsn) => {
                    let written = facts::at(news.own.made);
                    format!(
                        "{written} {name} wrote it in record {}, not durable at {time}",
                        lsn.0
                    )
                }
            };
            let what = format!(
                "{name} sent its {} of height {}, round {} before it was durable",
                slot.act, slot.height, slot.round
            );
            let value = facts::value(&news.own.value);
            let sent = format!("{time} {name} sent its {} {value}", slot.act);
            return Err(RULE.broken(what, (slot.height, &[node]), vec![stand, sent]));
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
