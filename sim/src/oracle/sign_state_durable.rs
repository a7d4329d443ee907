//! Nothing that a node signs leaves it before its sign state would remember.
//!
//! Statement: when a correct node hands an own proposal or vote to a link for the first time, the
//! sign state on its disk is durable and speaks of this height, round and step, or of a later one.
//!
//! Source: D2; `PrivValidator` of Tendermint saves before it returns a signature. The log alone
//! would do until it is lost or restored: the second place is what makes "unsafe reset" (B89)
//! survivable.
//!
//! Cost: a comparison per own message.

use engine::privval::{SignSlot, SignStep};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::{Act, Slot},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "sign_state_durable",
    rule: "D2: the sign state that forbids a second signature is durable before the first leaves",
};

/// Judges the barrier between sign state and network.
#[derive(Debug, Default)]
pub(super) struct SignStateDurable {
    /// What each node's disk says was signed last. Disks survive crashes.
    durable: Vec<Option<Slot>>,
    checks: u64,
}

fn slot(signed: SignSlot) -> Slot {
    let act = match signed.step {
        SignStep::Propose => Act::Propose,
        SignStep::Prevote => Act::Prevote,
        SignStep::Precommit => Act::Precommit,
    };
    Slot {
        height: signed.height.0,
        round: signed.round.0,
        act,
    }
}

impl Oracle for SignStateDurable {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        if self.durable.len() <= node {
            self.durable.resize(node + 1, None);
        }
        if let What::Synced { signed, .. } | What::Started { signed, .. } = &event.what {
            self.durable[node] = signed.map(slot);
        }
        for news in ghost.news().iter().filter(|news| news.left.is_some()) {
            self.checks += 1;
            let durable = self.durable[news.node];
            if durable >= Some(news.slot) {
                continue;
            }
            let Slot { height, round, act } = news.slot;
            let (time, name) = (facts::at(event.time), facts::node(node));
            let what = format!(
                "{name} sent its {act} of height {height}, round {round} before its sign state \
                 was durable"
            );
            let stand = durable.map_or_else(
                || format!("{name}'s sign state says that nothing was signed"),
                |s| {
                    format!(
                        "{name}'s sign state ends at {} {}/{}",
                        s.act, s.height, s.round
                    )
                },
            );
            let sent = format!("{time} {name} sent its {act}");
            return Err(RULE.broken(what, (height, &[node]), vec![stand, sent]));
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
