//! Byzantine validators: real nodes with a filter on what they send. One behaviour per file.
//!
//! A filter has the validator's key, so what it makes up is authentic. It sees each frame once per
//! receiver and gives the frames that really leave.

mod equivocate;
mod lying_gossip;
mod lying_sync;
mod silent;

use std::{collections::BTreeMap, sync::Arc};

use engine::{codec::Frame, types::PeerId};

use crate::{
    choice::Choices,
    nemesis::{Behaviour, Plan},
    world::Cast,
};

/// Changes what a byzantine validator sends.
pub trait Filter: std::fmt::Debug {
    /// The frames that leave instead of `frame`.
    fn filter(&mut self, to: PeerId, frame: Frame) -> Vec<Frame>;
    /// Under which name the last call is counted as a fault; `None` if it changed nothing.
    fn count(&mut self) -> Option<&'static str>;
}

/// The filters of a plan's byzantine validators.
#[must_use]
pub fn filters(plan: &Plan, cast: &Cast, choices: &Choices) -> BTreeMap<PeerId, Box<dyn Filter>> {
    let filter = |byzantine: &crate::nemesis::Byzantine| {
        let node = PeerId(byzantine.node);
        let key = Arc::clone(&cast.signers[usize::from(byzantine.node)]);
        let filter: Box<dyn Filter> = match byzantine.behaviour {
            Behaviour::Equivocate => {
                Box::new(equivocate::Equivocate::new(node, key, choices.clone()))
            }
            Behaviour::LyingGossip | Behaviour::AlwaysLyingGossip => {
                let always = byzantine.behaviour == Behaviour::AlwaysLyingGossip;
                Box::new(lying_gossip::LyingGossip::new(
                    node,
                    choices.clone(),
                    always,
                ))
            }
            Behaviour::Silent => Box::new(silent::Silent),
            Behaviour::LyingSync => Box::new(lying_sync::LyingSync::new(node, choices.clone())),
        };
        (node, filter)
    };
    plan.byzantine.iter().map(filter).collect()
}
