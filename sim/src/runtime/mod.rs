//! Contains a run: a fresh thread, and inside it a madsim runtime whose virtual clock, random
//! source and hashing state are the only ones that anything in the run can reach.
//!
//! Where madsim is not compiled in (`--cfg madsim` comes from `.cargo/config.toml`, and a
//! `RUSTFLAGS` variable replaces it), or with [`RunOptions::plain`], the run does without the
//! containment and gives the same digest.

#[cfg(madsim)]
pub mod endpoints;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
    thread,
};

use engine::types::Time;

use crate::{
    nemesis::Plan,
    outcome::{Outcome, RunOptions, Verdict},
    world::World,
};

/// Runs a plan on a thread of its own. A panic of the engine becomes an outcome.
#[must_use]
pub fn run(plan: &Plan, options: RunOptions) -> Outcome {
    install_hook();
    let owned = plan.clone();
    let builder = thread::Builder::new()
        .name(THREAD.to_owned())
        .stack_size(STACK_BYTES);
    let joined = builder
        .spawn(move || contained(owned, options))
        .map(thread::JoinHandle::join);
    match joined {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => harness_failure(plan, "the world panicked outside of a run"),
        Err(error) => harness_failure(plan, &error.to_string()),
    }
}

const THREAD: &str = "run";
const STACK_BYTES: usize = 8 << 20;

fn contained(plan: Plan, options: RunOptions) -> Outcome {
    #[cfg(madsim)]
    if !options.plain {
        return in_madsim(plan, options);
    }
    observed(World::new(plan, options), &mut |_| {})
}

/// The driver task: before anything happens at a new time, madsim's clock is moved there.
#[cfg(madsim)]
fn in_madsim(plan: Plan, options: RunOptions) -> Outcome {
    use std::time::Duration;

    use madsim::{Config, runtime::Runtime, time::TimeHandle};

    let runtime = Runtime::with_seed_and_config(plan.seed, Config::default());
    runtime.block_on(async move {
        let clock = TimeHandle::current();
        let mut now = crate::clock::START;
        observed(World::new(plan, options), &mut |time: Time| {
            clock.advance(Duration::from_nanos(time.since(now).0));
            now = time;
        })
    })
}

fn observed(mut world: World, at: &mut dyn FnMut(Time)) -> Outcome {
    let ran = catch_unwind(AssertUnwindSafe(|| world.run(at)));
    let panic = ran
        .err()
        .map(|_| PANIC.take().unwrap_or_else(|| "no message".to_owned()));
    world.outcome(panic)
}

fn harness_failure(plan: &Plan, what: &str) -> Outcome {
    Outcome {
        plan: plan.clone(),
        verdict: Verdict::Harness,
        digest: String::new(),
        heights: 0,
        virtual_ms: 0,
        events: 0,
        messages_delivered: 0,
        rounds: std::collections::BTreeMap::new(),
        faults: std::collections::BTreeMap::new(),
        storage_calls: Vec::new(),
        oracles: std::collections::BTreeMap::new(),
        violations: Vec::new(),
        panic: Some(what.to_owned()),
        reached: crate::markers::Reached::default(),
        trace: Vec::new(),
        decisions: Vec::new(),
        idle_overrides: Vec::new(),
        disks: Vec::new(),
    }
}

thread_local! {
    /// The last panic of this thread: message and place.
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Keeps the message of a panic inside a run for its report instead of printing it.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if thread::current().name() == Some(THREAD) {
                PANIC.set(Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
}
