//! Measures speed and memory against the budgets of the design, in processor time of this process.
//!
//! The plans are built here by hand, so that what is measured does not change when seeds draw
//! something else. Prints nothing.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use engine::{
    crypto::{Ed25519, Ed25519Key, Sign, Verify},
    types::sha256,
};

use super::{Ending, Stopwatch, clock, run_seed};
use crate::{
    nemesis::{
        Clients, CryptoMode, EmptyBlocksMs, Link, Links, MinMax, NetworkMode, Overrides, Plan,
        Script, TimeoutsMs,
    },
    outcome::{Outcome, RunOptions, Verdict},
    runtime,
};

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub what: &'static str,
    /// The number; `None` where this system cannot tell.
    pub measured: Option<u64>,
    /// The number it must reach, or must not exceed; `None` if it only informs.
    pub budget: Option<u64>,
    /// Whether more is better.
    pub at_least: bool,
    /// The unit of both.
    pub unit: &'static str,
}

impl Row {
    /// Whether the budget is met; `None` if it was not measured or there is no budget.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        let (measured, budget) = (self.measured?, self.budget?);
        Some(if self.at_least {
            measured >= budget
        } else {
            measured <= budget
        })
    }
}

/// All measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bench {
    /// One row per budget.
    pub rows: Vec<Row>,
    /// Whether this is a build whose numbers mean something.
    pub optimised: bool,
    /// Whether it was stopped before all rows were measured.
    pub interrupted: bool,
    /// Runs that did not pass: what they measured, and how they ended.
    pub broken: Vec<(&'static str, Ending)>,
}

/// Processor time spent on each row, at least.
const PER_ROW: Duration = Duration::from_millis(1_500);

/// What runs of one plan came to.
struct Spent {
    heights: u64,
    messages: u64,
    signatures: u64,
    cpu: Duration,
}

struct Bencher<'a> {
    stop: &'a AtomicBool,
    bench: Bench,
}

/// Measures every row; `on` hears of each before it begins.
#[must_use]
pub fn bench(stop: &AtomicBool, mut on: impl FnMut(&'static str)) -> Bench {
    let bench = Bench {
        rows: Vec::new(),
        optimised: !cfg!(debug_assertions),
        interrupted: false,
        broken: Vec::new(),
    };
    let mut bencher = Bencher { stop, bench };
    for (name, measure) in rows() {
        if stop.load(Ordering::Relaxed) {
            bencher.bench.interrupted = true;
            break;
        }
        on(name);
        measure(&mut bencher);
    }
    bencher.bench
}

type Measure<'a> = fn(&mut Bencher<'a>);

/// The largest comes first, because the system only tells the most memory ever used.
fn rows<'a>() -> [(&'static str, Measure<'a>); 5] {
    [
        ("100 validators, 50 heights", Bencher::hundred),
        ("4 validators", Bencher::four),
        ("10 validators, wide area", Bencher::wide_area),
        ("4 validators, ed25519", Bencher::ed25519),
        ("default sweep", Bencher::sweep),
    ]
}

impl Bencher<'_> {
    fn hundred(&mut self) {
        let name = "messages, 100 validators, ideal";
        let before = clock::peak_rss_kib();
        let spent = self.spend(name, &plan(100, 50, CryptoMode::Ideal));
        let rate = clock::per_second(spent.messages, spent.cpu);
        self.row(name, Some(rate), 300_000, true, "per CPU second");
        let peak = before.and(clock::peak_rss_kib()).map(|kib| kib / 1_024);
        let name = "resident memory, 100 validators, 50 heights";
        self.row(name, peak, 300, false, "MiB");
    }

    fn four(&mut self) {
        let name = "heights, 4 validators, ideal, no faults";
        let spent = self.spend(name, &plan(4, 200, CryptoMode::Ideal));
        let rate = |count| Some(clock::per_second(count, spent.cpu));
        self.row(name, rate(spent.heights), 5_000, true, "per CPU second");
        let name = "messages, 4 validators, ideal";
        let messages = rate(spent.messages);
        self.row(name, messages, 500_000, true, "per CPU second");
    }

    fn wide_area(&mut self) {
        let name = "heights, 10 validators, ideal, 80±10 ms, 2 % loss";
        let mut plan = plan(10, 100, CryptoMode::Ideal);
        plan.link = Link {
            latency_us: MinMax {
                min: 70_000,
                max: 90_000,
            },
            loss_ppm: 20_000,
            duplicate_ppm: 0,
            bytes_per_second: None,
        };
        plan.timeouts = timeouts(600);
        let spent = self.spend(name, &plan);
        let rate = clock::per_second(spent.heights, spent.cpu);
        self.row(name, Some(rate), 1_000, true, "per CPU second");
    }

    fn ed25519(&mut self) {
        let name = "ed25519, 4 validators, against its signatures alone";
        let spent = self.spend(name, &plan(4, 100, CryptoMode::Ed25519));
        let unavoidable = signing_cost(spent.signatures);
        let percent = spent.cpu.as_micros() * 100 / unavoidable.as_micros().max(1);
        let percent = u64::try_from(percent).ok();
        self.row(name, percent, 130, false, "percent");
    }

    fn sweep(&mut self) {
        let name = "seeds of a default sweep";
        let watch = Stopwatch::start();
        let overrides = Overrides {
            crypto: Some(CryptoMode::Ideal),
            ..Overrides::default()
        };
        let mut seeds = 0;
        while watch.cpu() < PER_ROW && !self.stop.load(Ordering::Relaxed) {
            let run = run_seed(seeds, &overrides, (RunOptions::default(), false));
            let failure = run.ok().and_then(|run| run.failure);
            if let Some(failure) = failure {
                self.bench.broken.push((name, failure.ending()));
            }
            seeds += 1;
        }
        let rate = clock::per_second(seeds, watch.cpu());
        self.row(name, Some(rate), 100, true, "per CPU second");
    }

    /// Runs a plan with different seeds until enough time was spent.
    fn spend(&mut self, name: &'static str, plan: &Plan) -> Spent {
        let watch = Stopwatch::start();
        let mut plan = plan.clone();
        let (mut heights, mut messages, mut signatures) = (0, 0, 0);
        loop {
            let outcome = runtime::run(&plan, RunOptions::default());
            heights += outcome.heights;
            messages += outcome.messages_delivered;
            signatures += signed(&outcome);
            plan.seed += 1;
            if outcome.verdict != Verdict::Pass {
                self.bench.broken.push((name, Ending::of(outcome.verdict)));
                break;
            }
            if watch.cpu() >= PER_ROW || self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Spent {
            heights,
            messages,
            signatures,
            cpu: watch.cpu(),
        }
    }

    fn row(
        &mut self,
        what: &'static str,
        measured: Option<u64>,
        budget: u64,
        at_least: bool,
        unit: &'static str,
    ) {
        self.bench.rows.push(Row {
            what,
            measured,
            budget: Some(budget),
            at_least,
            unit,
        });
    }
}

/// The fewest signatures that a run needs: per height and round a proposal and two votes of each.
fn signed(outcome: &Outcome) -> u64 {
    let rounds: u64 = (outcome.rounds.iter())
        .map(|(round, heights)| (u64::from(*round) + 1) * heights)
        .sum();
    rounds * (2 * outcome.plan.powers.len() as u64 + 1)
}

/// The time in which so many messages are signed, and each verified once.
fn signing_cost(signatures: u64) -> Duration {
    const SAMPLE: u32 = 500;
    let key = Ed25519Key::from_seed(&[7; 32]);
    let public = key.public_key();
    let watch = Stopwatch::start();
    for number in 0..SAMPLE {
        let message = sha256(&number.to_le_bytes());
        let signature = key.sign(&message.0);
        let valid = Ed25519.verify(&public, &message.0, &signature);
        assert!(valid, "a key verifies what it signed");
    }
    let nanos = watch.cpu().as_nanos() * u128::from(signatures) / u128::from(SAMPLE);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn timeouts(propose: u64) -> TimeoutsMs {
    TimeoutsMs {
        propose,
        prevote: propose / 2,
        precommit: propose / 2,
        delta: propose / 4,
        commit: 1,
        skip_commit: true,
        empty_blocks: EmptyBlocksMs::Always,
    }
}

/// A quiet network: equal powers, fast links, no faults.
pub(super) fn plan(validators: usize, heights: u64, crypto: CryptoMode) -> Plan {
    let stable_heights = 1;
    Plan {
        seed: 1,
        powers: vec![1; validators],
        heights: heights - stable_heights,
        stable_heights,
        crypto,
        network: NetworkMode::Virtual,
        byzantine: Vec::new(),
        beyond_one_third: false,
        timeouts: timeouts(200),
        link: Link {
            latency_us: MinMax {
                min: 1_000,
                max: 5_000,
            },
            loss_ppm: 0,
            duplicate_ppm: 0,
            bytes_per_second: None,
        },
        links: Links::default(),
        sync_us: MinMax { min: 100, max: 500 },
        segment_bytes: None,
        clock_offsets_ms: Vec::new(),
        starts_late_ms: Vec::new(),
        block_sync: false,
        retain_blocks: None,
        tx_every_ms: 10,
        clients: Clients::default(),
        faults_end_ms: 600_000,
        changes: Vec::new(),
        params: Vec::new(),
        faults: Vec::new(),
        script: Script::default(),
        overrides: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_least_or_a_most() {
        let row = |measured, at_least| Row {
            what: "x",
            measured,
            budget: Some(100),
            at_least,
            unit: "y",
        };
        assert_eq!(row(Some(101), true).met(), Some(true));
        assert_eq!(row(Some(101), false).met(), Some(false));
        assert_eq!(row(None, true).met(), None);
    }
}
