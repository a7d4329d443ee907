//! The judges. One file per invariant; each names its source.
//!
//! Oracles see what the world saw: frames sent and delivered, records written and synced, decisions announced. They share
//! no logic with the engine: quorum arithmetic is written again here, and the engine's own opinion (its notices, its
//! round state) is never asked.

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
