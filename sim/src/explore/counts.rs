//! What happened in a sweep: names counted over all its runs. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    nemesis::{CryptoMode, EmptyBlocksMs},
    outcome::Outcome,
};

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

    fn add(&mut self, name: &str, hits: u64) {
        let count = self.0.entry(name.to_owned()).or_default();
        *count = count.saturating_add(hits);
    }
}

#[cfg(test)]
mod tests {
    use crate::nemesis::Behaviour;

    #[test]
    fn a_behaviour_is_counted_under_its_name_in_plans() {
        for behaviour in [
            Behaviour::Equivocate,
            Behaviour::LyingGossip,
            Behaviour::AlwaysLyingGossip,
            Behaviour::Silent,
            Behaviour::LyingSync,
        ] {
            let written = serde_json::to_value(behaviour).unwrap();
            assert_eq!(written, behaviour.name());
        }
    }
}
