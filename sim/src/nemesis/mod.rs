//! What goes wrong: plans and how seeds draw them.
mod clocks;
mod crashes;
mod draw;
mod faults;
mod links;
mod plan;
mod powers;
mod reconfigure;
mod words;

pub use clocks::{ClockDrift, ClockFreeze, ClockStep, Pause};
pub use crashes::{CrashLoop, CrashMany, EmptyDisk, ForeignDisk, OldDisk};
pub use draw::{Overrides, draw};
pub use links::{Clog, Flap, Isolate, Links, Partial, Shape, Spread, Topology};
pub use plan::{
    Behaviour, Byzantine, Change, Clients, CryptoMode, EmptyBlocksMs, Fault, FaultKind, Link,
    MinMax, OwnMessage, ParamsChange, Plan, TimeoutsMs, Unsynced, Via, When,
};
