//! Deterministic simulation of the engine.
pub mod nemesis;
pub mod oracle;
pub mod outcome;
pub mod trace;
