//! What goes wrong: plans and how seeds draw them.
mod draw;
mod fault;
mod plan;
mod powers;
mod reconfigure;

pub use draw::{Overrides, draw};
pub use fault::{Fault, FaultKind, OwnMessage, Unsynced, When};
pub use plan::{
    Behaviour, Byzantine, Change, Clients, CryptoMode, EmptyBlocksMs, Link, MinMax, ParamsChange,
    Plan, TimeoutsMs, Via,
};
