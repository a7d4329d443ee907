//! Runs drawn plans until one breaks a property; makes that one small and keeps it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};
use sim::{
    nemesis::Plan,
    outcome::{Outcome, RunOptions},
    runtime, scenario,
};

/// Cases of a property, for each is a whole network.
const CASES: u32 = 96;
/// Runs that making a case small may take.
const SHRINKS: u32 = 4_096;
/// Where schedules of broken properties are kept, below the root of the workspace.
const KEPT: &str = "target/sim/properties";

/// A property and the smallest plan that breaks it.
#[derive(Debug)]
pub(crate) struct Broken {
    name: String,
    /// What was wrong with its run.
    pub(crate) reason: String,
    /// The plan.
    pub(crate) plan: Plan,
    /// Its schedule, below the root of the workspace.
    file: PathBuf,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, reason, plan, ..
        } = self;
        let file = self.file.display();
        let (nodes, byzantine) = (plan.powers.len(), plan.byzantine.len());
        let faults = plan.faults.len();
        writeln!(f, "{name} is broken: {reason}")?;
        writeln!(
            f,
            "smallest case found: {nodes} nodes, {byzantine} byzantine, {faults} faults"
        )?;
        writeln!(f, "run it:  cargo run -p sim -- replay {file}")?;
        write!(
            f,
            "keep it: cargo run -p sim -- corpus import {file} --title \"<the bug>\""
        )
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace")
        .to_owned()
}

/// The same few cases each time. `PROPTEST_CASES` says how many instead, `PROPTEST_RNG_SEED` which
/// ones; the first of many are those of few. The schedule is the only thing that is kept.
fn config() -> Config {
    let given = Config::default();
    let asked = |name: &str| std::env::var_os(name).is_some();
    let or = |name, asked_for, usual| if asked(name) { asked_for } else { usual };
    Config {
        cases: or("PROPTEST_CASES", given.cases, CASES),
        max_shrink_iters: or("PROPTEST_MAX_SHRINK_ITERS", given.max_shrink_iters, SHRINKS),
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        ..given
    }
}

fn run(plan: &Plan) -> Outcome {
    runtime::run(plan, RunOptions::default())
}

/// Runs plans and judges what came of them.
///
/// # Errors
/// The smallest plan that the judge has something against, already kept as a schedule.
pub(crate) fn check(
    name: &str,
    plans: impl Strategy<Value = Plan>,
    judge: fn(&Outcome) -> Result<(), String>,
) -> Result<(), Box<Broken>> {
    let checked = TestRunner::new(config()).run(&plans, |plan| {
        judge(&run(&plan)).map_err(TestCaseError::fail)
    });
    match checked {
        Ok(()) => Ok(()),
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
        Err(TestError::Fail(_, plan)) => Err(Box::new(keep(name, plan, judge))),
    }
}

fn keep(name: &str, plan: Plan, judge: fn(&Outcome) -> Result<(), String>) -> Broken {
    let outcome = run(&plan);
    let reason = judge(&outcome).expect_err("a plan fails each time that it is run");
    let file = Path::new(KEPT).join(name).with_extension("toml");
    let title = format!("the smallest case that broke {name}");
    let text = scenario::schedule(&title, &outcome).expect("a plan can be written");
    fs::create_dir_all(root().join(KEPT)).expect("a directory below target");
    fs::write(root().join(&file), text).expect("a file below target");
    Broken {
        name: name.to_owned(),
        reason,
        plan,
        file,
    }
}
