//! Deterministic simulation of the engine.
pub mod choice;
pub mod clock;
pub mod disk;
pub mod nemesis;
pub mod network;
pub mod oracle;
pub mod outcome;
pub mod runtime;
pub mod trace;
