//! What goes wrong: plans and how seeds draw them.
mod attacks;
mod byzantine;
mod clocks;
mod crashes;
mod draw;
mod endpoints;
mod fault;
mod grammar;
mod links;
mod plan;
mod powers;
mod reconfigure;
mod script;
mod words;

pub use clocks::{ClockDrift, ClockFreeze, ClockStep, Pause};
pub use crashes::{CrashLoop, CrashMany, EmptyDisk, ForeignDisk, OldDisk, SecondInstance};
pub use draw::{Overrides, draw};
pub use endpoints::Kill;
pub use fault::{Fault, FaultKind, OwnMessage, Unsynced, When};
pub use links::{Clog, Flap, Isolate, Links, Partial, Shape, Spread, Topology};
pub use plan::{
    Behaviour, Byzantine, Change, Clients, CryptoMode, EmptyBlocksMs, Link, MinMax, NetworkMode,
    ParamsChange, Plan, TimeoutsMs, Via,
};
pub use script::{Hold, Line, Say, Script, Slot};
pub use words::FAULTS;
