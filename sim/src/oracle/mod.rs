//! The judges. One file per invariant; each names its source.
//!
//! Oracles see what the world saw: frames sent and delivered, records written and synced, decisions
//! announced. They share no logic with the engine: quorum arithmetic is written again here, and the
//! engine's own opinion (its notices, its round state) is never asked.

use engine::types::{ChainId, PeerId, PublicKey};
use serde::Serialize;

use crate::trace::Event;

/// What the judges know of the cluster before the run.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The chain's name.
    pub chain: ChainId,
    /// Node i is validator i of every height.
    pub validators: Vec<Member>,
    /// Verifies signatures, so that only authentic messages count.
    pub verify: std::sync::Arc<dyn engine::crypto::Verify>,
    /// Whether agreement is promised: byzantine power below one third.
    pub within_one_third: bool,
}

/// A validator.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its key.
    pub key: PublicKey,
    /// Its power.
    pub power: u64,
    /// Whether it follows the protocol.
    pub correct: bool,
}

/// What broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The oracle's name.
    pub oracle: &'static str,
    /// One sentence: what broke.
    pub what: String,
    /// The height concerned, if one is.
    pub height: Option<u64>,
    /// The nodes concerned.
    pub nodes: Vec<PeerId>,
    /// The contradicting facts, one line each, in order of time.
    pub facts: Vec<String>,
    /// The rule and its source.
    pub rule: &'static str,
    /// Whether it is a liveness violation (else safety).
    pub liveness: bool,
}

/// A judge of one property.
pub trait Oracle: std::fmt::Debug {
    /// The property's name, as printed and as named in `corpus/bugs`.
    fn name(&self) -> &'static str;
    /// Looks at the next event. The ghost state already includes it.
    ///
    /// # Errors
    /// What the event broke.
    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>>;
    /// How many times the property was really tested so far.
    fn checks(&self) -> u64;
}

/// What happened so far, as far as oracles need it.
#[derive(Debug)]
pub struct Ghost;

/// Stand-in.
#[derive(Debug)]
pub struct Judge;
impl Judge {
    /// x
    pub fn new(_: Setup) -> Self {
        Self
    }
    /// x
    pub fn observe(&mut self, _: &Event) -> Result<(), Box<Violation>> {
        Ok(())
    }
    /// x
    pub fn checks(&self) -> std::collections::BTreeMap<String, u64> {
        Default::default()
    }
    /// x
    pub fn highest_round(&self) -> u32 {
        0
    }
}
/// Stand-in.
#[derive(Debug)]
pub struct Liveness {
    core: Vec<PeerId>,
    target: engine::types::Height,
    by: engine::types::Time,
    have: std::collections::BTreeMap<PeerId, engine::types::Height>,
}
impl Liveness {
    /// x
    pub fn expect(
        core: Vec<PeerId>,
        target: engine::types::Height,
        by: engine::types::Time,
    ) -> Self {
        Self {
            core,
            target,
            by,
            have: Default::default(),
        }
    }
    /// x
    pub fn observe(&mut self, event: &Event) -> Result<(), Box<Violation>> {
        if let crate::trace::What::Decided { height, .. } = event.what {
            self.have.insert(event.node.unwrap(), height);
        }
        Ok(())
    }
    /// x
    pub fn is_fulfilled(&self) -> bool {
        self.core
            .iter()
            .all(|n| self.have.get(n).is_some_and(|h| *h >= self.target))
    }
    /// x
    pub fn check(&self, now: engine::types::Time) -> Result<(), Box<Violation>> {
        if self.is_fulfilled() {
            return Ok(());
        }
        Err(Box::new(Violation {
            oracle: "liveness",
            what: format!(
                "{:?} target {} have {:?} by {:?} now {:?}",
                self.core, self.target, self.have, self.by, now
            ),
            height: None,
            nodes: vec![],
            facts: vec![],
            rule: "",
            liveness: true,
        }))
    }
    /// x
    pub fn checks(&self) -> u64 {
        1
    }
}
