//! A plan in one line: what was drawn. Pure.

use std::collections::BTreeMap;

use super::counted;
use crate::nemesis::{Behaviour, CryptoMode, FaultKind, Plan};

/// Validators, byzantine ones, signatures, heights and everything that may go wrong.
pub(super) fn summary(plan: &Plan) -> String {
    let mut parts = vec![validators(plan)];
    if let Some(byzantine) = byzantine(plan) {
        parts.push(byzantine);
    }
    parts.push(format!("{} heights", plan.heights + plan.stable_heights));
    let crypto = match plan.crypto {
        CryptoMode::Ed25519 => "ed25519",
        CryptoMode::Ideal => "ideal signatures",
    };
    parts.push(crypto.to_owned());
    let latency = plan.link.latency_us;
    parts.push(format!("links {} to {}", ms(latency.min), ms(latency.max)));
    format!("{}   swarm: {}", parts.join(", "), swarm(plan))
}

fn validators(plan: &Plan) -> String {
    let nodes = counted(plan.powers.len() as u64, "validator");
    let equal = plan.powers.windows(2).all(|pair| pair[0] == pair[1]);
    if equal {
        return nodes;
    }
    let powers: Vec<_> = plan.powers.iter().map(ToString::to_string).collect();
    format!("{nodes} of power {}", powers.join(" "))
}

fn byzantine(plan: &Plan) -> Option<String> {
    let who: Vec<_> = (plan.byzantine.iter())
        .map(|b| {
            let what = match b.behaviour {
                Behaviour::Equivocate => "equivocates",
                Behaviour::Silent => "is silent",
            };
            format!("n{} {what}", b.node)
        })
        .collect();
    (!who.is_empty()).then(|| who.join(", "))
}

fn swarm(plan: &Plan) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for fault in plan.faults.iter().filter(|fault| !fault.off) {
        let name = match fault.kind {
            FaultKind::Partition { .. } => "partition",
            FaultKind::OneWay { .. } => "one-way cut",
            FaultKind::Crash { .. } => "crash",
        };
        *counts.entry(name).or_default() += 1;
    }
    let mut parts: Vec<String> = (counts.into_iter())
        .map(|(name, count)| match (name, count) {
            ("crash", 2..) => format!("{count} crashes"),
            _ => counted(count, name),
        })
        .collect();
    let changes = plan.changes.len() + plan.params.len();
    if changes > 0 {
        parts.push(counted(changes as u64, "reconfiguration"));
    }
    if plan.link.loss_ppm > 0 {
        parts.push(format!("loss {}", percent(plan.link.loss_ppm)));
    }
    if plan.link.duplicate_ppm > 0 {
        parts.push(format!("duplicates {}", percent(plan.link.duplicate_ppm)));
    }
    let skew = plan.clock_offsets_ms.iter().map(|ms| ms.unsigned_abs());
    if let Some(skew) = skew.max().filter(|skew| *skew > 0) {
        parts.push(format!("clocks off by up to {skew}ms"));
    }
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

fn percent(ppm: u32) -> String {
    format!("{}.{:02}%", ppm / 10_000, ppm % 10_000 / 100)
}

fn ms(us: u64) -> String {
    format!("{}.{}ms", us / 1_000, us % 1_000 / 100)
}
