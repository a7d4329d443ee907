//! A complete Tendermint-style BFT consensus engine without I/O.
pub mod app;
pub mod codec;
pub mod consensus;
pub mod crypto;
pub mod gossip;
pub mod ledger;
pub mod node;
pub mod privval;
pub mod storage;
pub mod types;
pub mod wal;
