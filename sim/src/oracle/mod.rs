//! The judges. One file per invariant; each names its source.
//!
//! Oracles see what the world saw: frames sent and delivered, records written and synced, decisions
//! announced. They share no logic with the engine: quorum arithmetic, proposer rotation, hash
//! trees, the block format and the application are written again here, and the engine's own opinion
//! (its notices, its round state) is never asked.
//!
//! [`Judge`] is the door: it owns the ghost state and all oracles.

use std::{collections::BTreeMap, fmt, sync::Arc};

use engine::{
    crypto::Verify,
    node::Size,
    types::{ChainId, Params, PeerId, PublicKey, Time},
};
use serde::Serialize;

use crate::trace::{Event, What};

mod accountability;
mod agreement;
mod block;
mod bounded_answer;
mod bounded_memory;
mod bounded_work;
mod catch_up;
mod chain_integrity;
mod commit_order;
mod conviction;
mod decision_justified;
mod evidence;
mod evidence_committed;
mod facts;
mod fails_stop;
mod ghost;
mod gossip;
mod kv;
mod liveness;
mod lock_holds;
mod lock_safety;
mod merkle;
mod nil_precommit_justified;
mod no_send_before_durable;
mod no_silent_damage;
mod one_quorum;
mod own;
mod peer_blame;
mod precommit_justified;
mod prevote_justified;
mod proposer_only;
mod quorum;
mod recovery;
mod rotation;
mod round_entry;
mod round_skew;
mod round_skip;
mod seen;
mod sets;
mod sign_state_durable;
mod stable;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod valid_value;
mod validator_only;
mod validity;
mod vote_once;

pub use ghost::Ghost;
pub use liveness::Liveness;
pub use stable::Stable;
pub use table::{ORACLES, document};

/// What the judges know of the cluster before the run. Who validates later heights they work out
/// from the decided blocks.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The chain's name.
    pub chain: ChainId,
    /// Node i is member i. At most 128, together with keys of no node that are given power.
    pub validators: Vec<Member>,
    /// The first parameters.
    pub params: Params,
    /// Verifies signatures, so that only authentic messages count. Each distinct signature is asked
    /// about once; where signatures are dear, give one that remembers its verdicts.
    pub verify: Arc<dyn Verify>,
    /// Whether agreement is promised: byzantine power below one third of every set of the run.
    pub within_one_third: bool,
    /// How many events the run may take.
    pub work: Work,
    /// Oracles that stay away, by name: to see what the others notice without them.
    pub without: Vec<&'static str>,
}

/// How many events a run may take.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Whatever is decided.
    pub at_least: u64,
    /// For each height that is decided, besides: while a node is behind, the others go on.
    pub per_height: u64,
}

/// A node.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its key.
    pub key: PublicKey,
    /// Its power at height 1; 0 if it is no validator there.
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
    /// After a fork that byzantine power of one third or more has made: who can be convicted of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub convicted: Vec<PeerId>,
    /// The rule and its source.
    pub rule: &'static str,
    /// Whether it is a liveness violation (else safety).
    pub liveness: bool,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.what)?;
        self.facts
            .iter()
            .try_for_each(|fact| write!(f, "\n  {fact}"))
    }
}

/// A judge of one property.
pub trait Oracle: fmt::Debug + Send {
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

/// All judges of a run, and what they know.
#[derive(Debug)]
pub struct Judge {
    ghost: Ghost,
    /// Look at every event of a node.
    watchers: Vec<Box<dyn Oracle>>,
    /// Looks at what the world measures, and at no event.
    memory: Option<bounded_memory::BoundedMemory>,
    /// Look only when the ghost state has news of what a correct node signed, or a node decides,
    /// starts, stops or has trouble with its disk: most events tell them nothing.
    oracles: Vec<Box<dyn Oracle>>,
}

impl Judge {
    /// The judges of a cluster. Where byzantine power may reach one third, those that need
    /// less stay away.
    ///
    /// # Panics
    /// If there are more than 128 validators.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let mut oracles: Vec<Box<dyn Oracle>> = vec![
            Box::new(vote_once::VoteOnce::default()),
            Box::new(validator_only::ValidatorOnly::default()),
            Box::new(proposer_only::ProposerOnly::default()),
            Box::new(lock_safety::LockSafety::default()),
            Box::new(valid_value::ValidValue::default()),
            Box::new(prevote_justified::PrevoteJustified::default()),
            Box::new(precommit_justified::PrecommitJustified::default()),
            Box::new(nil_precommit_justified::NilPrecommitJustified::default()),
            Box::new(decision_justified::DecisionJustified::default()),
            Box::new(round_entry::RoundEntry::default()),
        ];
        // Below one third a fork is the engine's fault; beyond, it must name those who made it.
        let accountability = Box::new(accountability::Accountability::default());
        let agreement = Box::new(agreement::Agreement::default());
        if setup.within_one_third {
            oracles.extend([agreement as Box<dyn Oracle>, accountability]);
        } else {
            oracles.extend([accountability as Box<dyn Oracle>, agreement]);
        }
        oracles.push(Box::new(recovery::Recovery::default()));
        if setup.within_one_third {
            oracles.push(Box::new(one_quorum::OneQuorum::default()));
            oracles.push(Box::new(lock_holds::LockHolds::default()));
            oracles.push(Box::new(chain_integrity::ChainIntegrity::default()));
            oracles.push(Box::new(validity::Validity::default()));
            oracles.push(Box::new(evidence::Evidence::default()));
        }
        // The log is judged before the sign state: a message that leaves too early breaks both.
        let mut watchers: Vec<Box<dyn Oracle>> = vec![
            Box::new(no_send_before_durable::NoSendBeforeDurable::default()),
            Box::new(sign_state_durable::SignStateDurable::default()),
            Box::new(round_skip::RoundSkip::default()),
            Box::new(fails_stop::FailsStop::default()),
            Box::new(no_silent_damage::NoSilentDamage::default()),
            Box::new(commit_order::CommitOrder::default()),
            Box::new(bounded_answer::BoundedAnswer::default()),
            Box::new(bounded_work::BoundedWork::new(setup.work)),
        ];
        if setup.within_one_third {
            watchers.push(Box::new(gossip::Gossip::default()));
            watchers.push(Box::new(round_skew::RoundSkew::default()));
            watchers.push(Box::new(catch_up::CatchUp::default()));
            watchers.push(Box::new(evidence_committed::EvidenceCommitted::default()));
            watchers.push(Box::new(peer_blame::PeerBlame::default()));
        }
        let memory = bounded_memory::BoundedMemory::default();
        let memory = Some(memory).filter(|oracle| !setup.without.contains(&oracle.name()));
        for judges in [&mut watchers, &mut oracles] {
            judges.retain(|oracle| !setup.without.contains(&oracle.name()));
        }
        Self {
            ghost: Ghost::new(setup),
            watchers,
            memory,
            oracles,
        }
    }

    /// Shows the next event to all judges. Call it for every event, in order.
    ///
    /// # Errors
    /// The first violation.
    pub fn observe(&mut self, event: &Event) -> Result<(), Box<Violation>> {
        self.ghost.observe(event);
        let (ghost, news) = (&self.ghost, !self.ghost.news().is_empty());
        self.watchers
            .iter_mut()
            .try_for_each(|oracle| oracle.observe(ghost, event))?;
        let telling = matches!(
            event.what,
            What::Decided { .. }
                | What::Started { .. }
                | What::StartRefused { .. }
                | What::Halted { .. }
                | What::Crashed
                | What::Disk(_)
        );
        if !news && !telling {
            return Ok(());
        }
        self.oracles
            .iter_mut()
            .try_for_each(|oracle| oracle.observe(ghost, event))
    }

    /// The faults are over: from here on progress is judged.
    pub fn stabilise(&mut self, stable: Stable) {
        self.ghost.stabilise(stable);
    }

    /// Compares how much a correct node holds in memory with what is declared.
    ///
    /// # Errors
    /// What it holds too much of.
    pub fn measure(&mut self, now: Time, node: PeerId, size: &Size) -> Result<(), Box<Violation>> {
        let ghost = &self.ghost;
        match &mut self.memory {
            Some(memory) => memory.measure(ghost, now, node, size),
            None => Ok(()),
        }
    }

    /// How often each property was really tested so far, by oracle name.
    #[must_use]
    pub fn checks(&self) -> BTreeMap<String, u64> {
        let oracles = self.watchers.iter().chain(&self.oracles);
        let memory = self.memory.iter().map(|m| (m.name(), m.checks()));
        oracles
            .map(|oracle| (oracle.name(), oracle.checks()))
            .chain(memory)
            .map(|(name, checks)| (name.to_owned(), checks))
            .collect()
    }

    /// How many configuration changes the decided blocks have made.
    #[must_use]
    pub fn config_sequence(&self) -> u64 {
        self.ghost.rules(self.ghost.newest()).sequence
    }

    /// The highest round in which a correct node has signed something at a height that it has not
    /// behind it; 0 if there is none.
    #[must_use]
    pub fn highest_round(&self) -> u32 {
        self.ghost.highest_round()
    }
}
