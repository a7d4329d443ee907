//! Stub until merged.
/// Stub.
#[derive(Debug)]
pub struct MemoryStorage;
