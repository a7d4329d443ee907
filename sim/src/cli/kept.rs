//! What the commands about kept runs ask the other rooms for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;

use super::{
    Error,
    args::{self, Cli, Command},
    origin,
};
use crate::{
    corpus::{self, CorpusError, KeptRun, KeptVerdict},
    explore::{self, Ending, Finished},
    fuzz,
    nemesis::{Plan, draw},
    outcome::RunOptions,
    report::{Origin, Printer},
    scenario,
};

pub(super) fn corpus(command: &args::Corpus, printer: &mut Printer<'_>) -> Result<u8, Error> {
    match command {
        args::Corpus::List { list } => {
            printer.kept_listed(&corpus::kept(&list.path)?)?;
            Ok(0)
        }
        args::Corpus::Run { list } => run(&list.path, printer),
        args::Corpus::Add { seed, found, draw } => add(*seed, draw, found, printer),
        args::Corpus::Import { found, path } => import(path, found, printer),
    }
}

/// Runs all; what is fixed must pass, what is open must fail as it did.
fn run(list: &Path, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let kept = corpus::kept(list)?;
    let mut worst = Ending::Pass;
    let mut passed = 0;
    for run in &kept {
        let (origin, plan) = planned(list, run)?;
        let finished = explore::run_one(&plan, RunOptions::default(), false);
        let verdict = judge(run, &finished);
        if verdict == KeptVerdict::Back {
            super::commands::keep(&origin, &finished, printer)?;
            worst = worst.worse(finished.ending());
        }
        passed += usize::from(verdict == KeptVerdict::Fixed);
        printer.kept_played(run, verdict, &origin, &finished)?;
    }
    printer.kept_end(passed, kept.len())?;
    Ok(worst.exit())
}

fn judge(run: &KeptRun, finished: &Finished) -> KeptVerdict {
    let fails = finished.ending() != Ending::Pass;
    match (&run.fixed_at, fails) {
        (Some(_), false) => KeptVerdict::Fixed,
        (Some(_), true) => KeptVerdict::Back,
        (None, true) if is_as_found(run, finished) => KeptVerdict::Open,
        (None, true) => KeptVerdict::Back,
        (None, false) => KeptVerdict::Gone,
    }
}

fn is_as_found(run: &KeptRun, finished: &Finished) -> bool {
    let said = &run.fingerprint;
    finished.kind() == run.oracle && (said.is_empty() || *said == fingerprint(finished))
}

/// What a kept run runs.
fn planned(list: &Path, run: &KeptRun) -> Result<(Origin, Plan), Error> {
    if let Some(path) = run.schedule_path(list) {
        let schedule = scenario::load_schedule(&path)?;
        return Ok((origin::schedule(&path), schedule.plan));
    }
    let seed = run.seed.unwrap_or_default().to_string();
    let words = ["sim", "run", "--seed", &seed];
    let words = words
        .into_iter()
        .chain(run.flags.iter().map(String::as_str));
    let wrong = |what: String| {
        Error::Corpus(CorpusError::Note {
            path: list.display().to_string(),
            what: format!("\"{}\": {what}", run.title),
        })
    };
    let cli = Cli::try_parse_from(words).map_err(|error| wrong(error.to_string()))?;
    let Some(Command::Run(command)) = cli.command else {
        return Err(wrong("no run".to_owned()));
    };
    let overrides = command.options.draw.overrides();
    let plan = draw(command.seed, &overrides).map_err(wrong)?;
    Ok((origin::seed(command.seed, &overrides), plan))
}

fn fingerprint(finished: &Finished) -> String {
    let outcome = &finished.outcome;
    let broken = outcome
        .violations
        .first()
        .map(|broken| broken.what.as_str());
    let sentence = broken.or(outcome.panic.as_deref()).unwrap_or_default();
    corpus::fingerprint(&finished.kind(), sentence)
}

/// Runs what is to be kept, twice: it must fail, each time in the same way.
fn reproduced(plan: &Plan, what: &str) -> Result<Finished, Error> {
    let finished = explore::run_one(plan, RunOptions::default(), true);
    match finished.ending() {
        Ending::Pass => Err(Error::Nothing(format!(
            "{what} passes: there is nothing to keep"
        ))),
        Ending::NotDeterministic => Err(Error::Nothing(format!(
            "{what} does not repeat: two runs gave two digests"
        ))),
        Ending::Liveness | Ending::Panic | Ending::Safety | Ending::Harness => Ok(finished),
    }
}

/// A new entry, unless the list has the bug.
fn entry(kept: &[KeptRun], found: &args::Found, finished: &Finished) -> Result<KeptRun, Error> {
    let fingerprint = fingerprint(finished);
    if let Some(known) = kept.iter().find(|run| run.fingerprint == fingerprint) {
        let text = format!("kept already: \"{}\" ({fingerprint})", known.title);
        return Err(Error::Nothing(text));
    }
    Ok(KeptRun {
        title: found.title.clone(),
        oracle: finished.kind(),
        fingerprint,
        found_at: found
            .at
            .clone()
            .unwrap_or_else(|| engine::VERSION.to_owned()),
        fixed_at: None,
        seed: None,
        flags: Vec::new(),
        schedule: None,
    })
}

fn add(
    seed: u64,
    drawn: &args::Draw,
    found: &args::Found,
    printer: &mut Printer<'_>,
) -> Result<u8, Error> {
    let mut kept = corpus::kept(&found.list.path)?;
    let overrides = drawn.overrides();
    let plan = draw(seed, &overrides).map_err(Error::Usage)?;
    let finished = reproduced(&plan, &format!("seed {seed}"))?;
    let flags = origin::arguments(seed, &overrides);
    let flags = flags
        .split_whitespace()
        .skip(2)
        .map(str::to_owned)
        .collect();
    let run = KeptRun {
        seed: Some(seed),
        flags,
        ..entry(&kept, found, &finished)?
    };
    printer.kept_added(&run)?;
    kept.push(run);
    corpus::save_kept(&found.list.path, kept)?;
    Ok(0)
}

/// Keeps the schedule that a file stands for: one that a sweep left in a directory, one that a test
/// saved, or an input of the fuzz target `schedule`.
fn import(path: &Path, found: &args::Found, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let list = &found.list.path;
    let mut kept = corpus::kept(list)?;
    let given: PathBuf = if path.is_dir() {
        path.join("schedule.toml")
    } else {
        path.to_owned()
    };
    let bytes = fs::read(&given).map_err(|error| {
        Error::Corpus(CorpusError::Note {
            path: given.display().to_string(),
            what: error.to_string(),
        })
    })?;
    let is_toml = given
        .extension()
        .is_some_and(|extension| extension == "toml");
    let plan = if is_toml {
        scenario::load_schedule(&given)?.plan
    } else {
        fuzz::plan_of_input(&bytes).ok_or_else(|| {
            Error::Corpus(CorpusError::Note {
                path: given.display().to_string(),
                what: "no schedule (*.toml), and no input of the fuzz target schedule".to_owned(),
            })
        })?
    };
    let finished = reproduced(&plan, &given.display().to_string())?;
    let name = corpus::file_name(&found.title);
    let run = KeptRun {
        schedule: Some(name.clone()),
        ..entry(&kept, found, &finished)?
    };
    let file = corpus::schedules(list).join(name);
    if file.exists() {
        let text = format!("{} is there already: another title", file.display());
        return Err(Error::Usage(text));
    }
    let text =
        scenario::schedule(&found.title, &finished.outcome).map_err(std::io::Error::other)?;
    fs::write(&file, text)?;
    printer.kept_added(&run)?;
    kept.push(run);
    corpus::save_kept(list, kept)?;
    Ok(0)
}
