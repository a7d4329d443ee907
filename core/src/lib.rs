//! Engine.

pub mod storage;
pub mod wal;
