//! The bodies of the fuzz targets of the engine: functions of bytes that panic if something is
//! wrong. `fuzz/` runs them under libFuzzer, a test runs them on every kept input. No part of the
//! engine's interface; nothing else uses this room.
//!
//! What a target compares with is written here a second time, as simply as possible. Signatures are
//! `toy` ones, so that inputs cost microseconds.

mod decoders;
mod disks;
mod etcd;
mod inputs;
mod live;
mod log;
mod log_ops;
mod messages;
mod sets;
mod solo;
mod stage;
mod states;
mod toy;
mod votes;
mod witness;

pub use decoders::{DECODERS, Decoder};
pub use states::{MARKS, mark_way, take as take_marks};

/// A target: does with the bytes what its name says, and panics if anything is wrong.
pub type Target = fn(&[u8]);

/// All targets of the engine, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("message_decode", decoders::message_decode),
    ("message_roundtrip", messages::message_roundtrip),
    ("block_decode", decoders::block_decode),
    ("entry_decode", decoders::entry_decode),
    ("wal_decode", log::wal_decode),
    ("wal_etcd_frame", etcd::wal_etcd_frame),
    ("wal_names", log::wal_names),
    ("wal_repair", log::wal_repair),
    ("wal_ops_crash", log_ops::wal_ops_crash),
    ("bit_array", sets::bit_array),
    ("part_set", sets::part_set),
    ("vote_set", votes::vote_set),
    ("commit_verify", votes::commit_verify),
    ("evidence", votes::evidence),
    ("privval", disks::privval),
    ("handshake", disks::handshake),
    ("replay_store", disks::replay_store),
    ("gossip_receive", inputs::gossip_receive),
    ("consensus_inputs", inputs::consensus_inputs),
];
