//! Temporary.
use sim::{
    nemesis::{CryptoMode, Overrides, draw},
    outcome::RunOptions,
};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (a, b): (u64, u64) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let calm = args.get(3).is_some_and(|s| s == "calm");
    let mut total = 0;
    for seed in a..b {
        let plan = draw(
            seed,
            &Overrides {
                no_faults: calm,
                crypto: Some(CryptoMode::Ideal),
                ..Overrides::default()
            },
        )
        .unwrap();
        let o = sim::runtime::run(
            &plan,
            RunOptions {
                trace: args.get(4).is_some(),
                plain: false,
            },
        );
        if args.get(4).is_some() {
            for e in &o.trace {
                println!(
                    "{:>12} {:?} {:?}",
                    (e.time.0 - 1_000_000_000_000_000) / 1000,
                    e.node,
                    e.what
                );
            }
        }
        total += o.messages_delivered;
        if o.verdict != sim::outcome::Verdict::Pass || b - a < 20 {
            println!(
                "seed {seed} {:?} h={} vms={} ev={} msgs={} rounds={:?} faults={:?} {:?} {:?}",
                o.verdict,
                o.heights,
                o.virtual_ms,
                o.events,
                o.messages_delivered,
                o.rounds,
                o.faults,
                o.violations.first().map(|v| &v.what),
                o.panic
            );
        }
    }
    println!("{total} messages");
}
