//! Only validators sign.
//!
//! Statement: a correct node signs nothing at a height whose validator set, as the decided blocks
//! before it make it, does not hold the node. An observer never signs; a removed validator signs
//! nothing from the height on at which its removal takes effect; a new one nothing before its own.
//!
//! Source: the validator sets of Tendermint ("Validator set changes" of its specification: what
//! block H changes counts from H + 1 on).
//!
//! Signed is what was appended to the log or sent, whatever place in the set it names. Cost: a
//! look-up per own message. Counted as checks are messages of heights that have a node which must
//! not sign.

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::News,
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "validator_only",
    rule: "a node signs only at heights of which it is a validator",
};

/// Judges who signs.
#[derive(Debug, Default)]
pub(super) struct ValidatorOnly {
    checks: u64,
}

impl Oracle for ValidatorOnly {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, _event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news().iter().filter(|news| news.made.is_some()) {
            let validators = &ghost.rules(news.slot.height).validators;
            let everybody = ghost.setup().validators.len();
            self.checks += u64::from(validators.order().len() < everybody);
            if !validators.contains(news.node) {
                return Err(broken(ghost, news));
            }
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

fn broken(ghost: &Ghost, news: &News) -> Box<Violation> {
    let (node, slot) = (news.node, news.slot);
    let what = format!(
        "{} signed a {} of height {}, of which it is no validator",
        facts::node(node),
        slot.act,
        slot.height
    );
    let validators = ghost.rules(slot.height).validators.order().iter();
    let validators: Vec<String> = validators.map(|member| facts::node(*member)).collect();
    let validators = format!(
        "the validators of height {} are {}",
        slot.height,
        validators.join(" ")
    );
    let facts = vec![validators, facts::own(node, slot, &news.own)];
    RULE.broken(what, (slot.height, &[node]), facts)
}
