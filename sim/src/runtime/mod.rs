//! Contains a run: a fresh thread, and inside it a madsim runtime whose virtual clock, random
//! source and hashing state are the only ones that anything in the run can reach.
//!
//! Where madsim is not compiled in (`--cfg madsim` comes from `.cargo/config.toml`, and a
//! `RUSTFLAGS` variable replaces it), or with [`RunOptions::plain`], the run does without the
//! containment and gives the same digest. A plan for madsim's own network needs it.

#[cfg(madsim)]
mod endpoints;
#[cfg(madsim)]
mod stage;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
    thread,
};

use engine::types::Time;

use crate::{
    nemesis::Plan,
    outcome::{Outcome, RunOptions},
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
    if let Err(why) = plan.check_network() {
        return harness_failure(&plan, why);
    }
    #[cfg(madsim)]
    if !plan.network.is_virtual() {
        return endpoints::run(plan, options.trace);
    }
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
    let panic = ran.err().map(|_| panic_message());
    world.outcome(panic)
}

/// What this thread panicked with last.
fn panic_message() -> String {
    PANIC.take().unwrap_or_else(|| "no message".to_owned())
}

fn harness_failure(plan: &Plan, what: &str) -> Outcome {
    Outcome::nothing(plan.clone(), Some(what.to_owned()))
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
