//! Gauntlet: deterministic simulation of a BFT consensus engine. One seed, one run, one verdict.
//!
//! The rooms, from what makes a run to what it leaves:
//!
//! - `choice` decides everything random, `nemesis` what goes wrong, `scenario` reads situations;
//! - `world` runs hosts on `clock`, `disk` and `network`, with `byzantine` filters and a
//!   `workload`;
//! - `datadir` writes disks out as real files, and reads them;
//! - `oracle` judges, `markers` notes what was reached, `trace` records, `runtime` contains a run,
//!   `explore` makes many;
//! - `report` is the only printer and `cli` the only reader of arguments.

pub mod byzantine;
pub mod choice;
pub mod cli;
pub mod clock;
pub mod corpus;
pub mod datadir;
pub mod disk;
pub mod explore;
#[doc(hidden)]
pub mod fuzz;
pub mod markers;
pub mod nemesis;
pub mod network;
pub mod oracle;
pub mod outcome;
pub mod report;
pub mod runtime;
pub mod scenario;
pub mod trace;
pub mod workload;
pub mod world;
