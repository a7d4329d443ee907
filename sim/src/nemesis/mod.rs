//! What goes wrong: plans and how seeds draw them.
mod plan;
pub use plan::{
    Behaviour, Byzantine, CryptoMode, Fault, FaultKind, Link, MinMax, OwnMessage, Plan, TimeoutsMs,
    Unsynced, When,
};
