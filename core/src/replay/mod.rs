//! Looks at what a node has stored without touching it: verified start, replay of a recorded log,
//! and the console that steps through one.
//!
//! Everything runs on an [`Overlay`], a copy-on-write view: the original is never written. The
//! throw-away node has no network; its signer gives out recorded signatures and no others. All of
//! it is bounded by what is stored: each block is executed once, each record played once.

mod args;
mod chain;
mod console;
mod overlay;
mod playback;
mod recording;
mod signer;
mod start;

pub use args::{BlockInfo, Events, MempoolArgs, OrderingArgs, StartupArgs, StorageArgs};
pub use chain::{Chain, Point};
pub use console::{Answer, Console};
pub use overlay::{InitError, Overlay};
pub use playback::{Item, Mismatch, Playback, Played};
pub use recording::{Part, Recording};
pub use signer::RecordedSigner;
pub use start::{
    HasData, Owner, ReplayFailed, ReplaySucceeded, has_data, load, replay_for, temporary_node_id,
    wait_for_confirm,
};

#[cfg(test)]
mod tests;
