//! Engine.

pub mod storage;
