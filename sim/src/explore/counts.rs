//! What happened in a sweep: names counted over all its runs. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    disk::Trouble,
    nemesis::{Behaviour, CryptoMode, EmptyBlocksMs, FAULTS},
    outcome::Outcome,
};

/// What is wrong without a beginning, and scripts and clients.
const STANDING: [&str; 9] = [
    "loss",
    "duplicate",
    "corrupt",
    "corrupt_through",
    "disconnect",
    "queue_full",
    "held",
    "reconfigure",
    "restart",
];

/// The trouble that no seed draws: an attacker's work, which scenarios ask for.
const IN_SCENARIOS: Trouble = Trouble::Forge;

/// Name to hits: checks made by each oracle, faults that happened, rounds in which heights were
/// decided, runs per kind of signatures. A name that is missing never occurred.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<String, u64>);

impl Counts {
    /// What happened in one run.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let mut counts = Self::default();
        let crypto = match outcome.plan.crypto {
            CryptoMode::Ed25519 => "crypto.ed25519",
            CryptoMode::Ideal => "crypto.ideal",
        };
        counts.add(crypto, 1);
        match outcome.plan.timeouts.empty_blocks {
            EmptyBlocksMs::Always => {}
            EmptyBlocksMs::Never => counts.add("empty_blocks.never", 1),
            EmptyBlocksMs::EveryMs(_) => counts.add("empty_blocks.every", 1),
        }
        for (name, checks) in &outcome.oracles {
            counts.add(&format!("oracle.{name}"), *checks);
        }
        for (kind, count) in &outcome.faults {
            counts.add(&format!("fault.{kind}"), *count);
        }
        for (round, heights) in &outcome.rounds {
            counts.add(&format!("round.{round}"), *heights);
        }
        for byzantine in &outcome.plan.byzantine {
            counts.add(&format!("byzantine.{}", byzantine.behaviour.name()), 1);
        }
        counts
    }

    /// Adds what happened in other runs.
    pub fn merge(&mut self, other: &Self) {
        for (name, hits) in &other.0 {
            self.add(name, *hits);
        }
    }

    /// What never happened of all that can go wrong: kinds of fault, what is wrong with links all
    /// the time, troubles of disks, and behaviours of byzantine validators.
    #[must_use]
    pub fn never(&self) -> Vec<String> {
        let faults = FAULTS.into_iter().chain(STANDING).map(str::to_owned);
        let troubles = Trouble::ALL.into_iter().filter(|t| *t != IN_SCENARIOS);
        let troubles = troubles.map(|trouble| format!("disk_{}", trouble.name()));
        let behaviours = Behaviour::ALL.map(|behaviour| behaviour.name().to_owned());
        let all = faults.chain(troubles).chain(behaviours);
        all.filter(|name| !self.0.contains_key(&format!("fault.{name}")))
            .collect()
    }

    fn add(&mut self, name: &str, hits: u64) {
        let count = self.0.entry(name.to_owned()).or_default();
        *count = count.saturating_add(hits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_counted_under_its_name_in_plans() {
        for behaviour in Behaviour::ALL {
            let written = serde_json::to_value(behaviour).unwrap();
            assert_eq!(written, behaviour.name());
        }
    }

    #[test]
    fn what_never_happened_is_named_until_it_does() {
        let mut counts = Counts::default();
        let all = counts.never();
        let kinds = FAULTS.len() + STANDING.len() + Trouble::ALL.len() + Behaviour::ALL.len();
        assert_eq!(all.len(), kinds - 1);
        for name in &all {
            assert!(counts.never().contains(name));
            counts.add(&format!("fault.{name}"), 1);
        }
        assert_eq!(counts.never(), Vec::<String>::new());
    }
}
