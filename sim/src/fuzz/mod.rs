//! The bodies of the fuzz targets that need the simulator; those of the engine are in
//! `engine::fuzz`. Functions of bytes that panic if something is wrong.

mod scenario;
mod schedule;
mod trace;
mod ways;

pub use schedule::{plan_of, plan_of_input};

/// A target: does with the bytes what its name says, and panics if anything is wrong.
pub type Target = fn(&[u8]);

/// All targets of the simulator, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("scenario_toml", scenario::scenario_toml),
    ("schedule", schedule::schedule),
    ("trace_reader", trace::trace_reader),
];
