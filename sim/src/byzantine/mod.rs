//! Byzantine validators: real nodes with a filter on what they send. One behaviour per file.
//!
//! A filter has the validator's key, so what it makes up is authentic. It sees each frame once per
//! receiver and gives the frames that really leave. All byzantine validators of a run share what
//! they heard, and those with one behaviour share their choices, so that they tell one story.

mod amnesia;
mod equivocate;
mod flood;
mod forge;
mod garbage;
mod hand;
mod heard;
mod hidden_lock;
mod lying_gossip;
mod lying_sync;
mod mutate;
mod replay;
mod scripted;
mod silent;
mod slow;
mod stale;
#[cfg(test)]
mod testing;
mod twin;
mod withhold;

use std::{collections::BTreeMap, sync::Arc};

use engine::{
    codec::Frame,
    types::{PeerId, Span},
};

use crate::{
    choice::Choices,
    nemesis::{Behaviour, Byzantine, Plan},
    world::Cast,
};
use hand::Hand;
use heard::Heard;

/// A frame that a byzantine node sends, and how long it holds it back first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The frame.
    pub frame: Frame,
    /// How long it is held back.
    pub after: Span,
}

impl From<Frame> for Leaving {
    fn from(frame: Frame) -> Self {
        let after = Span::ZERO;
        Self { frame, after }
    }
}

/// Changes what a byzantine validator sends.
trait Filter: std::fmt::Debug {
    /// The frames that leave instead of `frame`.
    fn filter(&mut self, to: PeerId, frame: Frame, heard: &mut Heard) -> Vec<Leaving>;
    /// Under which name the last call is counted as a fault; `None` if it changed nothing.
    fn count(&mut self) -> Option<&'static str>;
    /// Whether the node takes a frame that has arrived.
    fn takes(&mut self, _from: PeerId, _frame: &Frame) -> bool {
        true
    }
}

/// The byzantine validators of a run.
#[derive(Debug)]
pub struct Filters {
    filters: BTreeMap<PeerId, Box<dyn Filter>>,
    heard: Heard,
}

impl Filters {
    /// Those of a plan.
    #[must_use]
    pub fn new(plan: &Plan, cast: &Cast, choices: &Choices) -> Self {
        let filter = |byzantine: &Byzantine| {
            let filter = of(plan, cast, choices, *byzantine);
            (PeerId(byzantine.node), filter)
        };
        Self {
            filters: plan.byzantine.iter().map(filter).collect(),
            heard: Heard::default(),
        }
    }

    /// What leaves when `from` sends `frame`, and as which fault that counts. `None` if `from` is
    /// no byzantine node: then the frame leaves as it is.
    pub fn send(
        &mut self,
        from: PeerId,
        to: PeerId,
        frame: &Frame,
    ) -> Option<(Vec<Leaving>, Option<&'static str>)> {
        let filter = self.filters.get_mut(&from)?;
        self.heard.learn(frame);
        let frames = filter.filter(to, frame.clone(), &mut self.heard);
        Some((frames, filter.count()))
    }

    /// Whether `to` takes a frame that has arrived; a byzantine node learns from it.
    pub fn receive(&mut self, from: PeerId, to: PeerId, frame: &Frame) -> bool {
        let Some(filter) = self.filters.get_mut(&to) else {
            return true;
        };
        self.heard.learn(frame);
        filter.takes(from, frame)
    }
}

/// With whose key a node signs: its own, but a second instance has that of the first, and twins
/// share that of the first of them.
#[must_use]
pub fn key_holder(plan: &Plan, node: u16) -> u16 {
    if let Some(first) = plan.second_of(node) {
        return first;
    }
    let is_twin = |b: &&Byzantine| b.behaviour == Behaviour::Twin;
    let twins = plan.byzantine.iter().filter(is_twin).map(|b| b.node);
    if twins.clone().any(|twin| twin == node) {
        twins.min().unwrap_or(node)
    } else {
        node
    }
}

fn of(plan: &Plan, cast: &Cast, choices: &Choices, byzantine: Byzantine) -> Box<dyn Filter> {
    let Byzantine { node, behaviour } = byzantine;
    let key = Arc::clone(&cast.signers[usize::from(key_holder(plan, node))]);
    let (choices, peer) = (choices.clone(), PeerId(node));
    let hand = Hand::new(plan, node, Arc::clone(&key), choices.clone());
    match behaviour {
        Behaviour::Equivocate => Box::new(equivocate::Equivocate::new(hand.story(), key, choices)),
        Behaviour::LyingGossip => Box::new(lying_gossip::LyingGossip::new(peer, choices, false)),
        Behaviour::AlwaysLyingGossip => {
            Box::new(lying_gossip::LyingGossip::new(peer, choices, true))
        }
        Behaviour::Silent => Box::new(silent::Silent),
        Behaviour::LyingSync => Box::new(lying_sync::LyingSync::new(peer, choices)),
        Behaviour::Amnesia => Box::new(amnesia::Amnesia::new(hand)),
        Behaviour::HiddenLock => Box::new(hidden_lock::HiddenLock::new(hand)),
        Behaviour::Withhold => Box::new(withhold::Withhold::new(hand)),
        Behaviour::Stale => Box::new(stale::Stale::new(hand)),
        Behaviour::Mutate => Box::new(mutate::Mutate::new(hand)),
        Behaviour::Replay => Box::new(replay::Replay::new(hand)),
        Behaviour::Garbage => Box::new(garbage::Garbage::new(hand)),
        Behaviour::Flood => Box::new(flood::Flood::new(hand)),
        Behaviour::Slow => Box::new(slow::Slow::new(hand, plan)),
        Behaviour::Scripted => Box::new(scripted::Scripted::new(hand, &plan.script)),
        Behaviour::Twin => Box::new(twin::Twin::new(hand, plan)),
    }
}
