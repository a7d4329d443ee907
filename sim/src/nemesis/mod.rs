//! What goes wrong: plans and how seeds draw them.
mod draw;
mod faults;
mod plan;
mod powers;
mod reconfigure;

pub use draw::{Overrides, draw};
pub use plan::{
    Behaviour, Byzantine, Change, Clients, CryptoMode, EmptyBlocksMs, Fault, FaultKind, Link,
    MinMax, OwnMessage, ParamsChange, Plan, TimeoutsMs, Unsynced, Via, When,
};
