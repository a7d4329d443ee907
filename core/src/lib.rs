//! A complete Tendermint-style BFT consensus engine without I/O.
pub mod codec;
pub mod crypto;
pub mod storage;
pub mod types;
