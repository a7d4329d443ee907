//! What goes wrong: plans and how seeds draw them.
mod draw;
mod plan;

pub use draw::{Overrides, draw};
pub use plan::{
    Behaviour, Byzantine, Clients, CryptoMode, EmptyBlocksMs, Fault, FaultKind, Link, MinMax,
    OwnMessage, Plan, TimeoutsMs, Unsynced, When,
};
