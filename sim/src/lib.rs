//! Deterministic simulation of the engine.
pub mod choice;
pub mod cli;
pub mod clock;
pub mod disk;
pub mod explore;
pub mod nemesis;
pub mod network;
pub mod oracle;
pub mod outcome;
pub mod report;
pub mod runtime;
pub mod scenario;
pub mod trace;
