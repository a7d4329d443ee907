//! A complete Tendermint-style BFT consensus engine without I/O.
//!
//! A host gives a [`node::Node`] one [`node::Input`] at a time and carries out its
//! [`node::Output`]s, those about the disk through a [`node::Store`]. The engine has no clock, no
//! thread, no socket and no randomness of its own.
//!
//! Rooms, lowest first; each imports only from below:
//!
//! ```text
//! 5  replay                        verified start, replay of a recorded log, console
//! 4  node                          joins the rooms, owns the durability barrier
//! 3  consensus   gossip            two pure machines
//! 2  wal   ledger   app   privval  what is stored, executed, signed
//! 1  codec   crypto   storage      bytes, keys, the file trait
//! 0  types                         height, round, block, vote, proposal, parts, validators
//! ```
//!
//! `docs/ARCHITECTURE.md` says where each rule lives, `docs/PROTOCOL.md` which line of the paper it
//! is.

pub mod app;
pub mod codec;
pub mod consensus;
pub mod crypto;
pub mod gossip;
pub mod ledger;
pub mod node;
pub mod privval;
pub mod replay;
pub mod storage;
pub mod types;
pub mod wal;
