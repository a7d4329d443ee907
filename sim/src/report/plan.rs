//! A plan in one line: what was drawn. Pure.

use std::collections::BTreeMap;

use super::counted;
use crate::nemesis::{
    Behaviour, Clients, CryptoMode, EmptyBlocksMs, Links, NetworkMode, Plan, Spread,
};

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
    match plan.network {
        NetworkMode::Virtual => {}
        NetworkMode::Madsim => parts.push("madsim's endpoints".to_owned()),
    }
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
                Behaviour::LyingGossip => "lies in gossip",
                Behaviour::AlwaysLyingGossip => "always lies in gossip",
                Behaviour::Silent => "is silent",
                Behaviour::LyingSync => "lies in block sync",
                Behaviour::Amnesia => "forgets its lock",
                Behaviour::HiddenLock => "hides its votes",
                Behaviour::Withhold => "withholds",
                Behaviour::Stale => "votes out of time",
                Behaviour::Mutate => "gets fields wrong",
                Behaviour::Replay => "repeats old frames",
                Behaviour::Garbage => "sends garbage",
                Behaviour::Flood => "floods",
                Behaviour::Slow => "is slow",
                Behaviour::Scripted => "follows a script",
                Behaviour::Twin => "is a twin",
            };
            format!("n{} {what}", b.node)
        })
        .collect();
    (!who.is_empty()).then(|| who.join(", "))
}

fn swarm(plan: &Plan) -> String {
    let mut parts = faults(plan);
    let holds = plan.script.holds.iter().filter(|hold| !hold.off).count();
    if holds > 0 {
        parts.push(counted(holds as u64, "hold"));
    }
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
    parts.extend(links(plan.links));
    if let Some(rate) = plan.link.bytes_per_second {
        parts.push(format!("{rate} bytes/s"));
    }
    let skew = plan.clock_offsets_ms.iter().map(|ms| ms.unsigned_abs());
    if let Some(skew) = skew.max().filter(|skew| *skew > 0) {
        parts.push(format!("clocks off by up to {skew}ms"));
    }
    let late = plan.starts_late_ms.iter().filter(|ms| **ms > 0).count();
    if late > 0 {
        parts.push(counted(late as u64, "late start"));
    }
    if plan.block_sync {
        parts.push("block sync".to_owned());
    }
    if let Some(blocks) = plan.retain_blocks {
        parts.push(format!("keeps {blocks} blocks"));
    }
    match plan.timeouts.empty_blocks {
        EmptyBlocksMs::Always => {}
        EmptyBlocksMs::Never => parts.push("no empty blocks".to_owned()),
        EmptyBlocksMs::EveryMs(ms) => parts.push(format!("empty blocks after {ms}ms")),
    }
    if plan.tx_every_ms > 0 {
        parts.extend(clients(plan.clients));
    }
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

fn faults(plan: &Plan) -> Vec<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for fault in plan.faults.iter().filter(|fault| !fault.off) {
        let name = match fault.kind.name() {
            "one_way" => "one-way cut",
            "partial" => "partial cut",
            "isolate" => "isolation",
            "topology" => "ring or star",
            "clock_step" => "clock step",
            "clock_drift" => "clock drift",
            "clock_freeze" => "clock freeze",
            "crash_many" => "joint crash",
            "crash_loop" => "crash loop",
            "old_disk" => "old disk",
            "empty_disk" => "empty disk",
            "foreign_disk" => "foreign disk",
            "second_instance" => "second instance",
            "disk" => "disk fault",
            other => other,
        };
        *counts.entry(name).or_default() += 1;
    }
    (counts.into_iter())
        .map(|(name, count)| match (name, count) {
            ("crash" | "joint crash", 2..) => format!("{count} {name}es"),
            ("ring or star", 2..) => format!("{count} rings or stars"),
            _ => counted(count, name),
        })
        .collect()
}

fn links(links: Links) -> Vec<String> {
    let mut parts = Vec::new();
    match links.spread {
        Spread::Uniform => {}
        Spread::Constant => parts.push("constant latency".to_owned()),
        Spread::HeavyTail => parts.push("heavy-tailed latency".to_owned()),
        Spread::WideArea => parts.push("worldwide latency".to_owned()),
    }
    if links.lopsided {
        parts.push("lopsided links".to_owned());
    }
    match links.reorder_ppm {
        None => {}
        Some(0) => parts.push("links in order".to_owned()),
        Some(ppm) => parts.push(format!("reordered {}", percent(ppm))),
    }
    if links.corrupt_ppm > 0 {
        parts.push(format!("corrupted {}", percent(links.corrupt_ppm)));
    }
    if links.hangup_ppm > 0 {
        let after = links.hangup_after_ms;
        parts.push(format!(
            "{} hang up after {after}ms",
            percent(links.hangup_ppm)
        ));
    }
    parts
}

fn clients(clients: Clients) -> Vec<String> {
    let kinds = [
        (clients.burst > 0, "transactions in bursts"),
        (clients.copies > 0, "at several nodes"),
        (clients.burst > 0 && clients.malformed_ppm > 0, "malformed"),
        (clients.large_ppm > 0, "large"),
    ];
    let had: Vec<_> = kinds.iter().filter(|(on, _)| *on).collect();
    let name = |(_, name): &&(bool, &str)| (*name).to_owned();
    had.iter().map(name).collect()
}

fn percent(ppm: u32) -> String {
    format!("{}.{:02}%", ppm / 10_000, ppm % 10_000 / 100)
}

fn ms(us: u64) -> String {
    format!("{}.{}ms", us / 1_000, us % 1_000 / 100)
}
