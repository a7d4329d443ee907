//! What each command asks the other rooms for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{Error, INTERRUPTED, args, origin, schedules};
use crate::{
    corpus::{self, CorpusError, KnownBug, Scratch},
    datadir,
    explore::{self, CrashPoints, Ending, Finished, Stopwatch, SweepEvent},
    nemesis::{CryptoMode, Overrides, draw},
    outcome::RunOptions,
    report::{Kept, Origin, Printer},
    scenario::{self, Invalid, Scenario},
};

const UNTRACED: RunOptions = RunOptions {
    trace: false,
    plain: false,
    without: &[],
};
pub(super) const TRACED: RunOptions = RunOptions {
    trace: true,
    plain: false,
    without: &[],
};

pub(super) fn run(
    seed: u64,
    options: &args::RunOptions,
    save: &args::Save,
    printer: &mut Printer<'_>,
) -> Result<u8, Error> {
    let overrides = options.draw.overrides();
    let plan = draw(seed, &overrides).map_err(Error::Usage)?;
    let origin = origin::seed(seed, &overrides);
    printer.run_begins(&origin, &plan)?;
    let finished = explore::run_one(&plan, UNTRACED, options.check);
    if let Some(into) = &save.disks {
        datadir::export(&finished.outcome, into)?;
    }
    if let Some(path) = &save.schedule {
        schedules::save(path, &origin, &finished.outcome)?;
    }
    let kept = keep(&origin, &finished, printer)?;
    printer.run_ends(&origin, &finished, kept.as_ref())?;
    Ok(finished.ending().exit())
}

/// Runs a short run of a seed again and again, with a crash at each of its storage calls.
pub(super) fn crash_everywhere(
    seed: u64,
    options: &args::RunOptions,
    printer: &mut Printer<'_>,
) -> Result<u8, Error> {
    let overrides = Overrides {
        crypto: Some(options.draw.overrides().crypto.unwrap_or(CryptoMode::Ideal)),
        ..options.draw.overrides()
    };
    if !overrides.network.is_virtual() {
        let text = "over --network madsim nodes crash at a time, not at a storage call";
        return Err(Error::Usage(text.to_owned()));
    }
    let points = match CrashPoints::of(seed, &overrides).map_err(Error::Usage)? {
        Ok(points) => points,
        Err(finished) => {
            let origin = origin::seed(seed, &overrides);
            let kept = keep(&origin, &finished, printer)?;
            printer.run_ends(&origin, &finished, kept.as_ref())?;
            return Ok(finished.ending().exit());
        }
    };
    let plan = explore::Sweep {
        first: 0,
        end: Some(points.count()),
        time: None,
        jobs: processors(),
    };
    let stop = stop_on_interrupt()?;
    let mut kinds = BTreeSet::new();
    let summary = explore::sweep(
        &plan,
        &stop,
        |number| points.run(number),
        |event| match event {
            SweepEvent::Progress(now) => Ok(printer.sweep_progress(&now)?),
            SweepEvent::Failed(number, finished) => {
                let Some(point) = points.point(number) else {
                    return Ok(());
                };
                let origin = origin::crash(seed, point);
                if kinds.insert(finished.kind()) {
                    keep(&origin, &finished, printer)?;
                }
                Ok::<(), Error>(printer.sweep_failed(&origin, &finished)?)
            }
        },
    )?;
    let exit = if summary.interrupted {
        INTERRUPTED
    } else {
        summary.ending.exit()
    };
    printer.crash_everywhere_ends(seed, points.storage_calls, &summary, exit)?;
    Ok(exit)
}

/// Leaves the files of a failure. That they cannot be written is said, and changes no verdict.
pub(super) fn keep(
    origin: &Origin,
    finished: &Finished,
    printer: &mut Printer<'_>,
) -> Result<Option<Kept>, Error> {
    if finished.ending() == Ending::Pass {
        return Ok(None);
    }
    let traced = explore::run_one(&finished.outcome.plan, TRACED, false).outcome;
    match Kept::write(origin, finished, &traced) {
        Ok(kept) => Ok(Some(kept)),
        Err(error) => {
            printer.remark(&format!("the failure's files were not written: {error}"))?;
            Ok(None)
        }
    }
}

pub(super) fn sweep(sweep: &args::Sweep, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let overrides = sweep.options.draw.overrides();
    let check = sweep.options.check;
    let options = RunOptions {
        // As long as the process: every run of the sweep reads it.
        without: sweep.without.clone().leak(),
        ..UNTRACED
    };
    let plan = sweep_plan(sweep)?;
    let stop = stop_on_interrupt()?;
    let mut kinds = BTreeSet::new();
    let mut again = BTreeMap::new();
    let summary = explore::sweep(
        &plan,
        &stop,
        |seed| explore::run_seed(seed, &overrides, (options, check)),
        |event| match event {
            SweepEvent::Progress(now) => Ok(printer.sweep_progress(&now)?),
            SweepEvent::Failed(seed, finished) => {
                let overrides = origin::as_run(&overrides, &finished.outcome.plan);
                let origin = origin::seed(seed, &overrides);
                // The first failure of a kind leaves its files; more of them say the same.
                if kinds.insert(finished.kind()) {
                    keep(&origin, &finished, printer)?;
                    again.insert(seed, origin.again.clone());
                }
                Ok::<(), Error>(printer.sweep_failed(&origin, &finished)?)
            }
        },
    )?;
    if let (0, false, Some(why)) = (summary.seeds, summary.interrupted, &summary.skipped.1) {
        return Err(Error::Usage(why.clone()));
    }
    let missed = !summary.markers.missed().is_empty() || !summary.counts.never().is_empty();
    let missed = sweep.require_markers && missed;
    let exit = if summary.interrupted {
        INTERRUPTED
    } else if missed {
        summary.ending.worse(Ending::Harness).exit()
    } else {
        summary.ending.exit()
    };
    printer.sweep_ends(&summary, exit, |seed| {
        again.get(&seed).cloned().unwrap_or_default()
    })?;
    Ok(exit)
}

fn sweep_plan(sweep: &args::Sweep) -> Result<explore::Sweep, Error> {
    let (first, end) = sweep
        .seeds
        .map_or((0, None), |seeds| (seeds.first, seeds.end));
    if end.is_none() && sweep.time.is_none() {
        let text = "a sweep needs an end: --seeds A..B, --for 30s, or both";
        return Err(Error::Usage(text.to_owned()));
    }
    let no_time = sweep.time.is_some_and(|time| time.is_zero());
    if no_time || end.is_some_and(|end| end <= first) {
        return Err(Error::Nothing("no seeds to run".to_owned()));
    }
    Ok(explore::Sweep {
        first,
        end,
        time: sweep.time,
        jobs: sweep.jobs.map_or_else(processors, usize::from),
    })
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A flag that Ctrl-C sets.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(std::io::Error::other)?;
    Ok(stop)
}

pub(super) fn scenario(command: &args::Scenario, printer: &mut Printer<'_>) -> Result<u8, Error> {
    match command {
        args::Scenario::List { directory } => {
            let scenarios = load(&all(&directory.path)?)?;
            printer.scenario_list(&scenarios)?;
            Ok(0)
        }
        args::Scenario::Run {
            files,
            all: every,
            directory,
            check,
        } => {
            let files = if *every {
                all(&directory.path)?
            } else {
                files.clone()
            };
            play(&load(&files)?, *check, printer)
        }
        args::Scenario::Check { files } => check(files, printer),
    }
}

fn all(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let files = scenario::files(directory)?;
    if files.is_empty() {
        let text = format!("no scenarios in {}", directory.display());
        return Err(Error::Nothing(text));
    }
    Ok(files)
}

/// All files are read before anything is run.
fn load(files: &[PathBuf]) -> Result<Vec<Scenario>, Error> {
    files.iter().map(|path| Ok(scenario::load(path)?)).collect()
}

fn play(scenarios: &[Scenario], check: bool, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let stop = stop_on_interrupt()?;
    let watch = Stopwatch::start();
    let (mut worst, mut passed) = (Ending::Pass, 0);
    for scenario in scenarios {
        if stop.load(Ordering::Relaxed) {
            printer.scenarios_end(passed, scenarios.len(), watch.wall_ms())?;
            return Ok(INTERRUPTED);
        }
        let origin = origin::scenario(scenario);
        let played = scenario.play(check);
        let ending = played.ending();
        let kept = if ending == Ending::Pass {
            None
        } else {
            keep(&origin, &played.finished, printer)?
        };
        printer.scenario_played(scenario, &origin, &played, kept.as_ref())?;
        schedules::warn(&played.finished.outcome, None, printer)?;
        worst = worst.worse(ending);
        passed += usize::from(ending == Ending::Pass);
    }
    printer.scenarios_end(passed, scenarios.len(), watch.wall_ms())?;
    Ok(worst.exit())
}

fn check(files: &[PathBuf], printer: &mut Printer<'_>) -> Result<u8, Error> {
    let mut exit = 0;
    for path in files {
        let loaded = match scenario::load(path) {
            Ok(scenario) => names_known_bugs(scenario)?,
            Err(invalid) => Err(invalid),
        };
        if loaded.is_err() {
            exit = 7;
        }
        printer.scenario_checked(loaded.as_ref())?;
    }
    Ok(exit)
}

/// The scenario, if the corpus has the bugs that it names.
fn names_known_bugs(scenario: Scenario) -> Result<Result<Scenario, Invalid>, Error> {
    if scenario.broken_by.is_empty() {
        return Ok(Ok(scenario));
    }
    let bugs = corpus::bugs(Path::new(corpus::DIRECTORY))?;
    let known: Vec<&str> = bugs.iter().map(|bug| bug.id.as_str()).collect();
    Ok(scenario.check_bugs(&known).map(|()| scenario))
}

pub(super) fn bugs(command: &args::Bugs, printer: &mut Printer<'_>) -> Result<u8, Error> {
    match command {
        args::Bugs::List { directory } => {
            printer.bugs_listed(&corpus::bugs(&directory.path)?)?;
            Ok(0)
        }
        args::Bugs::Check {
            ids,
            directory,
            seeds,
            record,
            without,
        } => {
            let wanted = named(corpus::bugs(&directory.path)?, ids, &directory.path)?;
            check_bugs(wanted, (seeds.as_deref(), without), *record, printer)
        }
    }
}

/// The bugs with these names; all if none is named.
fn named(all: Vec<KnownBug>, ids: &[String], directory: &Path) -> Result<Vec<KnownBug>, Error> {
    if ids.is_empty() {
        return Ok(all);
    }
    if let Some(id) = ids.iter().find(|id| all.iter().all(|bug| bug.id != **id)) {
        return Err(Error::Corpus(CorpusError::Unknown {
            id: id.clone(),
            directory: directory.display().to_string(),
        }));
    }
    Ok(all
        .into_iter()
        .filter(|bug| ids.contains(&bug.id))
        .collect())
}

fn check_bugs(
    bugs: Vec<KnownBug>,
    (seeds, without): (Option<&str>, &[&'static str]),
    record: bool,
    printer: &mut Printer<'_>,
) -> Result<u8, Error> {
    let scratch = Scratch::new(Path::new("."), Path::new("target/bugs"));
    let scenarios = load(&all(Path::new("scenarios"))?)?;
    let mut exit = 0;
    for mut bug in bugs {
        let broken = scenarios.iter().filter(|s| s.is_broken_by(&bug.id));
        let broken: Vec<PathBuf> = broken.map(|s| s.path.clone()).collect();
        let checked = corpus::check(&bug, &scratch, (seeds, without), &broken)?;
        if let (true, Some(fired)) = (record, &checked.sweep) {
            bug.record(fired, seeds);
            bug.save()?;
        }
        printer.bug_checked(&bug, &checked)?;
        exit = exit.max(checked.verdict.exit());
    }
    Ok(exit)
}

pub(super) fn bench(arguments: &args::Bench, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let stop = stop_on_interrupt()?;
    let mut told = Ok(());
    let mut on = |row: &'static str| {
        if told.is_ok() {
            told = printer.remark(&format!("measuring {row}"));
        }
    };
    let bench = if arguments.wal {
        let directory = std::env::temp_dir().join("gauntlet-bench-log");
        explore::bench_log(&stop, &directory, arguments.mib << 20, &mut on)?
    } else if arguments.long {
        explore::bench_long(&stop, &mut on)
    } else if arguments.oracles {
        explore::bench_oracles(&stop, &mut on)
    } else {
        explore::bench(&stop, &mut on)
    };
    told?;
    printer.bench(&bench)?;
    let worst = bench.broken.iter().map(|(_, ending)| *ending).max();
    Ok(match worst {
        _ if bench.interrupted => INTERRUPTED,
        Some(ending) => ending.exit(),
        None => 0,
    })
}
