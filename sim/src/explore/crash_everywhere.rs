//! Every storage call of a short run, and at each a crash of its node: before or after the call,
//! with everything unsynced lost, kept, or torn sector by sector.

use std::fmt;

use super::{Ending, Finished, SeedRun, run_one};
use crate::{
    disk::Side,
    nemesis::{Fault, FaultKind, Overrides, Plan, Unsynced, When, draw},
    outcome::{RunOptions, Verdict},
};

/// Heights of such a run unless said otherwise: half of them under crashes, half to recover.
const HEIGHTS: u64 = 6;
/// How many blocks the nodes keep, in every other run.
const RETAINED: u64 = 3;
/// Segments so small that each height begins a new one, and old ones are removed.
const SEGMENT_BYTES: u64 = 2 * 1024;
const SIDES: [Side; 2] = [Side::Before, Side::After];
const FATES: [Unsynced; 3] = [Unsynced::Torn, Unsynced::Lost, Unsynced::Kept];

/// A crash at one storage call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPoint {
    /// Whose call, and who crashes.
    pub node: u16,
    /// The call, counted from 0.
    pub call: u64,
    /// Before or after its effect.
    pub side: Side,
    /// What happens to what was not synced.
    pub disk: Unsynced,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, call, .. } = self;
        let (side, disk) = (self.side_name(), self.disk_name());
        write!(
            f,
            "n{node} crashes {side} storage call {call}, unsynced {disk}"
        )
    }
}

impl CrashPoint {
    /// "before" or "after".
    #[must_use]
    pub fn side_name(&self) -> &'static str {
        match self.side {
            Side::Before => "before",
            Side::After => "after",
        }
    }

    /// "torn", "lost" or "kept".
    #[must_use]
    pub fn disk_name(&self) -> &'static str {
        match self.disk {
            Unsynced::Torn => "torn",
            Unsynced::Lost => "lost",
            Unsynced::Kept => "kept",
        }
    }
}

/// All crash points of a run.
#[derive(Debug)]
pub struct CrashPoints {
    base: Plan,
    points: Vec<CrashPoint>,
    /// How many storage calls there are.
    pub storage_calls: u64,
}

impl CrashPoints {
    /// The points of a seed's run without other faults; the run itself if it does not pass.
    ///
    /// # Errors
    /// If the seed has no plan under these overrides.
    pub fn of(seed: u64, overrides: &Overrides) -> Result<Result<Self, Box<Finished>>, String> {
        let mut base = draw(
            seed,
            &Overrides {
                heights: overrides.heights.or(Some(HEIGHTS)),
                no_faults: true,
                ..overrides.clone()
            },
        )?;
        // Odd seeds remove old blocks, so that crashes come between these steps, too. Heights last
        // long enough there for a node that starts again at once never to be further behind.
        if seed % 2 == 1 {
            base.retain_blocks = Some(RETAINED);
            base.timeouts.skip_commit = false;
            base.timeouts.commit = base.gossip().resend_after.0 / 500_000;
        }
        base.segment_bytes = Some(SEGMENT_BYTES);
        let finished = run_one(&base, RunOptions::default(), false);
        if finished.ending() != Ending::Pass {
            return Ok(Err(Box::new(finished)));
        }
        let calls = &finished.outcome.storage_calls;
        let mut points = Vec::new();
        for (node, calls) in (0u16..).zip(calls) {
            for call in 0..*calls {
                for side in SIDES {
                    points.extend(FATES.map(|disk| CrashPoint {
                        node,
                        call,
                        side,
                        disk,
                    }));
                }
            }
        }
        Ok(Ok(Self {
            base,
            points,
            storage_calls: calls.iter().sum(),
        }))
    }

    /// How many points there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.points.len() as u64
    }

    /// A point by its number.
    #[must_use]
    pub fn point(&self, number: u64) -> Option<CrashPoint> {
        let number = usize::try_from(number).ok()?;
        self.points.get(number).copied()
    }

    /// Runs a point.
    ///
    /// # Errors
    /// If there is no such point.
    pub fn run(&self, number: u64) -> Result<SeedRun, String> {
        let point = self.point(number).ok_or("no such crash point")?;
        let mut plan = self.base.clone();
        plan.faults.push(Fault {
            at: When::Call {
                node: point.node,
                call: point.call,
                side: point.side,
            },
            kind: FaultKind::Crash {
                node: Some(point.node),
                restart_after_ms: Some(plan.link.latency_us.max.div_ceil(250)),
                disk: point.disk,
            },
            off: false,
        });
        let mut finished = run_one(&plan, RunOptions::default(), false);
        let crashes = finished.outcome.faults.get("crash").copied();
        if crashes != Some(1) && finished.ending() == Ending::Pass {
            // The run up to the crash is that of the base: a point that is not reached is a bug of
            // the harness.
            finished.outcome.verdict = Verdict::Harness;
            finished.outcome.panic = Some(format!("{point}: the point was not reached"));
        }
        Ok(SeedRun::new(number, finished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_begins_new_segments_and_removes_old_ones() {
        for seed in 1..=6 {
            let points = CrashPoints::of(seed, &Overrides::default());
            let points = points.unwrap().unwrap();
            let finished = run_one(&points.base, RunOptions::default(), false);
            for disk in &finished.outcome.disks {
                let names = disk.file_names();
                let logs = names.iter().filter(|name| name.starts_with("data/wal/"));
                let first = logs.min().unwrap();
                assert!(
                    first.as_str() > "data/wal/0000000000000001-",
                    "seed {seed}: {first}"
                );
            }
        }
    }

    #[test]
    fn every_storage_call_has_six_crash_points_and_the_first_and_last_are_survived() {
        let overrides = Overrides {
            crypto: Some(crate::nemesis::CryptoMode::Ideal),
            heights: Some(2),
            ..Overrides::default()
        };
        let points = CrashPoints::of(3, &overrides).unwrap().unwrap();
        assert_eq!(points.count(), points.storage_calls * 6);
        assert!(points.point(points.count()).is_none());
        for number in [0, 5, points.count() / 2, points.count() - 1] {
            let run = points.run(number).unwrap();
            assert!(run.failure.is_none(), "{:?}", points.point(number));
            assert_eq!(run.counts.0.get("fault.crash"), Some(&1));
        }
    }
}
