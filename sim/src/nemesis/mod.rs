//! What goes wrong: plans and how seeds draw them.
mod attacks;
mod byzantine;
mod draw;
mod faults;
mod grammar;
mod plan;
mod powers;
mod reconfigure;
mod script;

pub use draw::{Overrides, draw};
pub use plan::{
    Behaviour, Byzantine, Change, Clients, CryptoMode, EmptyBlocksMs, Fault, FaultKind, Link,
    MinMax, OwnMessage, ParamsChange, Plan, TimeoutsMs, Unsynced, Via, When,
};
pub use script::{Hold, Line, Say, Script, Slot};
