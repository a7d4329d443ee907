//! Runs many seeds on many threads. Seeds are taken in order and reported in order, so what a sweep
//! prints depends on its seeds and never on which thread was faster.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use super::{Counts, Ending, Finished, Markers, Stopwatch, clock};
use crate::markers::Reached;

/// What to sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// The first seed.
    pub first: u64,
    /// The seed after the last; `None` for no end but that of time.
    pub end: Option<u64>,
    /// No seed is begun after so much real time.
    pub time: Option<Duration>,
    /// Threads.
    pub jobs: usize,
}

/// What a sweep keeps of a seed.
#[derive(Debug)]
pub struct SeedRun {
    /// The seed.
    pub seed: u64,
    /// What happened.
    pub counts: Counts,
    /// What it reached.
    pub reached: Reached,
    /// The run that did not pass, if one did not.
    pub failure: Option<Box<Finished>>,
}

impl SeedRun {
    /// The first run of a seed.
    #[must_use]
    pub fn new(seed: u64, finished: Finished) -> Self {
        let mut run = Self {
            seed,
            counts: Counts::default(),
            reached: Reached::default(),
            failure: None,
        };
        run.add(finished);
        run
    }

    /// Another run of the seed.
    pub fn add(&mut self, finished: Finished) {
        self.counts.merge(&Counts::of(&finished.outcome));
        self.reached = self.reached.or(finished.outcome.reached);
        if self.failure.is_none() && finished.ending() != Ending::Pass {
            self.failure = Some(Box::new(finished));
        }
    }
}

/// Failing seeds that broke the same property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How they ended.
    pub ending: Ending,
    /// The first of them.
    pub first: u64,
    /// How many.
    pub seeds: u64,
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The first seed.
    pub first: u64,
    /// Seeds that were run.
    pub seeds: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Seeds that have no plan under the given overrides, and why the first of them has none.
    pub skipped: (u64, Option<String>),
    /// Failures by the property broken.
    pub kinds: BTreeMap<String, Failure>,
    /// What happened, all runs together.
    pub counts: Counts,
    /// What was reached, and by which seeds.
    pub markers: Markers,
    /// The worst ending.
    pub ending: Ending,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Real milliseconds.
    pub wall_ms: u64,
    /// Processor milliseconds.
    pub cpu_ms: u64,
    /// Seeds per second of processor time.
    pub seeds_per_cpu_s: u64,
}

/// How far a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Seeds done.
    pub done: u64,
    /// Seeds to do, if they are counted.
    pub total: Option<u64>,
    /// Failures so far.
    pub failed: u64,
    /// Real milliseconds so far.
    pub wall_ms: u64,
    /// Real milliseconds at most, if time limits.
    pub limit_ms: Option<u64>,
}

/// What a sweep tells while it runs.
#[derive(Debug)]
pub enum SweepEvent {
    /// A seed failed. These come in order of seeds.
    Failed(u64, Box<Finished>),
    /// Some time went by.
    Progress(Snapshot),
}

type Report = (u64, Result<SeedRun, String>);

/// Runs the seeds with `run` and tells `on` what happens. Stops early if `stop` is set or `on`
/// fails.
///
/// # Errors
/// What `on` says.
pub fn sweep<E>(
    sweep: &Sweep,
    stop: &AtomicBool,
    run: impl Fn(u64) -> Result<SeedRun, String> + Sync,
    mut on: impl FnMut(SweepEvent) -> Result<(), E>,
) -> Result<Summary, E> {
    let watch = Stopwatch::start();
    let next = AtomicU64::new(sweep.first);
    let abandoned = AtomicBool::new(false);
    let goes_on = || {
        let ended = stop.load(Ordering::Relaxed) || abandoned.load(Ordering::Relaxed);
        !ended && sweep.time.is_none_or(|time| watch.wall() < time)
    };
    let mut tally = Tally::new(sweep);
    let told = thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..sweep.jobs.max(1) {
            let sender = sender.clone();
            scope.spawn(|| work(sweep, &next, &goes_on, &run, sender));
        }
        drop(sender);
        let told = collect(&receiver, &mut tally, &watch, &mut on);
        abandoned.store(true, Ordering::Relaxed);
        told
    });
    told?;
    let interrupted = stop.load(Ordering::Relaxed);
    Ok(tally.summary(&watch, interrupted))
}

/// One worker: takes the next seed until there is none.
fn work(
    sweep: &Sweep,
    next: &AtomicU64,
    goes_on: &(impl Fn() -> bool + Sync),
    run: &(impl Fn(u64) -> Result<SeedRun, String> + Sync),
    sender: Sender<Report>,
) {
    while goes_on() {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if sweep.end.is_some_and(|end| seed >= end) || sender.send((seed, run(seed))).is_err() {
            return;
        }
    }
}

const TICK: Duration = Duration::from_millis(200);

/// Brings what the workers send back into the order of the seeds.
fn collect<E>(
    receiver: &mpsc::Receiver<Report>,
    tally: &mut Tally<'_>,
    watch: &Stopwatch,
    on: &mut impl FnMut(SweepEvent) -> Result<(), E>,
) -> Result<(), E> {
    let mut early: BTreeMap<u64, Result<SeedRun, String>> = BTreeMap::new();
    let mut expected = tally.sweep.first;
    let mut told_ms = 0;
    loop {
        match receiver.recv_timeout(TICK) {
            Ok((seed, run)) => {
                early.insert(seed, run);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while let Some(run) = early.remove(&expected) {
            expected = expected.saturating_add(1);
            if let Some((seed, failure)) = tally.add(run) {
                on(SweepEvent::Failed(seed, failure))?;
            }
        }
        let now_ms = watch.wall_ms();
        if now_ms >= told_ms + clock::millis(TICK) {
            told_ms = now_ms;
            on(SweepEvent::Progress(tally.snapshot(now_ms)))?;
        }
    }
}

/// Counts what came in.
struct Tally<'a> {
    sweep: &'a Sweep,
    seeds: u64,
    failed: u64,
    skipped: (u64, Option<String>),
    kinds: BTreeMap<String, Failure>,
    counts: Counts,
    markers: Markers,
    ending: Ending,
}

impl<'a> Tally<'a> {
    fn new(sweep: &'a Sweep) -> Self {
        Self {
            sweep,
            seeds: 0,
            failed: 0,
            skipped: (0, None),
            kinds: BTreeMap::new(),
            counts: Counts::default(),
            markers: Markers::default(),
            ending: Ending::Pass,
        }
    }

    /// Counts a seed; gives back its failure.
    fn add(&mut self, run: Result<SeedRun, String>) -> Option<(u64, Box<Finished>)> {
        let run = match run {
            Ok(run) => run,
            Err(why) => {
                self.skipped.0 += 1;
                self.skipped.1.get_or_insert(why);
                return None;
            }
        };
        self.seeds += 1;
        self.counts.merge(&run.counts);
        self.markers.add(run.seed, run.reached);
        let failure = run.failure?;
        let ending = failure.ending();
        self.failed += 1;
        self.ending = self.ending.worse(ending);
        let kind = self.kinds.entry(failure.kind()).or_insert(Failure {
            ending,
            first: run.seed,
            seeds: 0,
        });
        kind.seeds += 1;
        kind.ending = kind.ending.worse(ending);
        Some((run.seed, failure))
    }

    fn snapshot(&self, wall_ms: u64) -> Snapshot {
        let sweep = self.sweep;
        Snapshot {
            done: self.seeds + self.skipped.0,
            total: sweep.end.map(|end| end.saturating_sub(sweep.first)),
            failed: self.failed,
            wall_ms,
            limit_ms: sweep.time.map(clock::millis),
        }
    }

    fn summary(self, watch: &Stopwatch, interrupted: bool) -> Summary {
        let cpu = watch.cpu();
        Summary {
            first: self.sweep.first,
            seeds: self.seeds,
            failed: self.failed,
            skipped: self.skipped,
            kinds: self.kinds,
            counts: self.counts,
            markers: self.markers,
            ending: self.ending,
            interrupted,
            wall_ms: watch.wall_ms(),
            cpu_ms: clock::millis(cpu),
            seeds_per_cpu_s: clock::per_second(self.seeds, cpu),
        }
    }
}

impl Finished {
    /// The property that broke, the same for all runs that fail alike.
    #[must_use]
    pub fn kind(&self) -> String {
        match (self.ending(), self.outcome.violations.first()) {
            (Ending::NotDeterministic, _) => "determinism".to_owned(),
            (Ending::Pass | Ending::Safety | Ending::Liveness, Some(broken)) => {
                broken.oracle.to_owned()
            }
            (ending, _) => ending.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{outcome::Verdict, report::sample};

    /// Seeds divisible by 7 break agreement, by 11 panic, by 13 have no plan; later ones are
    /// faster.
    fn fake(seed: u64) -> Result<SeedRun, String> {
        for turn in 0..(200 - seed.min(199)) * 500 {
            std::hint::black_box(turn);
        }
        if seed.is_multiple_of(13) {
            return Err(format!("seed {seed} has no plan"));
        }
        let mut outcome = if seed.is_multiple_of(7) {
            sample::failed()
        } else {
            sample::passed()
        };
        if seed.is_multiple_of(11) {
            outcome.verdict = Verdict::Panic;
        }
        outcome.plan.seed = seed;
        Ok(SeedRun::new(
            seed,
            Finished {
                outcome,
                wall_ms: 0,
                difference: None,
            },
        ))
    }

    fn swept(jobs: usize, stop: bool) -> (Vec<u64>, Summary) {
        let plan = Sweep {
            first: 1,
            end: Some(200),
            time: None,
            jobs,
        };
        let mut seeds = Vec::new();
        let told = sweep(&plan, &AtomicBool::new(stop), fake, |event| {
            match event {
                SweepEvent::Failed(seed, _) => seeds.push(seed),
                SweepEvent::Progress(_) => {}
            }
            Ok::<(), Infallible>(())
        });
        let Ok(mut summary) = told;
        (summary.wall_ms, summary.cpu_ms, summary.seeds_per_cpu_s) = (0, 0, 0);
        (seeds, summary)
    }

    #[test]
    fn what_a_sweep_reports_does_not_depend_on_the_number_of_threads() {
        let one = swept(1, false);
        assert!(one.0.is_sorted() && one.0.len() > 30);
        for jobs in [2, 3, 8] {
            assert_eq!(swept(jobs, false), one);
        }
    }

    #[test]
    fn a_summary_counts_failures_by_kind_and_the_worst_wins() {
        let (_, summary) = swept(4, false);
        assert_eq!(summary.seeds + summary.skipped.0, 199);
        assert_eq!(summary.skipped.1.as_deref(), Some("seed 13 has no plan"));
        assert_eq!(summary.ending, Ending::Safety);
        assert_eq!(summary.kinds["agreement"].first, 7);
        assert_eq!(summary.kinds["panic"].first, 11);
        let kinds: u64 = summary.kinds.values().map(|kind| kind.seeds).sum();
        assert_eq!(kinds, summary.failed);
    }

    #[test]
    fn a_stopped_sweep_gives_a_partial_summary() {
        let (_, summary) = swept(2, true);
        assert!(summary.interrupted);
        assert_eq!(summary.seeds, 0);
    }
}
