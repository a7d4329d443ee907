//! Simulator.

pub mod choice;
pub mod clock;
pub mod disk;
pub mod network;
