//! What goes wrong: plans and how seeds draw them.
mod draw;
mod plan;

pub use draw::{Overrides, draw};
pub use plan::{
    Behaviour, Byzantine, CryptoMode, Fault, FaultKind, Link, MinMax, OwnMessage, Plan, TimeoutsMs,
    Unsynced, When,
};
