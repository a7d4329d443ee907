//! A complete Tendermint-style BFT consensus engine without I/O.
//!
//! A host owns clock, network and disk. It gives a [`node::Node`] one [`node::Input`] at a time,
//! with the local time, and carries out the [`node::Output`]s in order; those about the disk it
//! hands to [`node::Store::carry_out`], which returns the answering input. The engine has no
//! clock, no thread, no socket and no randomness of its own: the same inputs at the same times
//! lead to the same outputs.
//!
//! | goes in | comes out |
//! |---|---|
//! | `Connected`, `Disconnected`, `Receive` (frames of peers) | `Send`, `Rejected` |
//! | `Fire` (a timer) | `Arm` |
//! | `Durable` (records up to one) | `Append`, `SaveSignState`, `Sync` |
//! | `Committed` (a height) | `Commit`, afterwards `Decided` |
//! | `Loaded` (an old block) | `Load` |
//! | `Submit` (a transaction) | `Refused` |
//! | | `Notice`, `Halted` |
//!
//! # Four nodes decide a block
//!
//! Disks in memory, real signatures, and a queue for a network. Only the network is simpler than
//! a real host's: time does not pass until the queue is empty.
//!
//! ```
//! use std::{collections::{BTreeMap, VecDeque}, sync::Arc};
//! use engine::{
//!     crypto::{Ed25519, Ed25519Key, Keys, Sign},
//!     ledger::Genesis,
//!     node::{Config, Input, Node, Output, Store, StoreConfig},
//!     storage::MemoryStorage,
//!     types::{ChainId, Params, PeerId, Time, ValidatorUpdate},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let signers: Vec<Arc<dyn Sign>> =
//!     (1..=4).map(|seed| Arc::new(Ed25519Key::from_seed(&[seed; 32])) as Arc<dyn Sign>).collect();
//! let member = |s: &Arc<dyn Sign>| ValidatorUpdate { key: s.public_key(), power: 1 };
//! let validators = signers.iter().map(member).collect();
//! let chain = ChainId::try_from(b"example".to_vec())?;
//! let genesis = Genesis { chain, time: Time(1), validators, params: Params::default() };
//!
//! let (mut hosts, mut outputs) = (Vec::new(), VecDeque::new());
//! for (me, signer) in (0..).map(PeerId).zip(signers) {
//!     let (mut disk, mut out) = (MemoryStorage::default(), Vec::new());
//!     let (store, found) = Store::start(&mut disk, "data", &genesis, StoreConfig::default())?;
//!     let keys = Keys { verify: Arc::new(Ed25519), sign: Some(signer) };
//!     let node = Node::recover(&Config::default(), keys, found, Time(1), &mut out);
//!     outputs.extend(out.into_iter().map(|output| (me, output)));
//!     hosts.push((node, store, disk));
//! }
//! let peers = || (0..4).map(PeerId);
//! let mut inputs: VecDeque<(PeerId, Input)> = peers()
//!     .flat_map(|to| peers().filter(move |p| *p != to).map(move |p| (to, Input::Connected(p))))
//!     .collect();
//!
//! let (mut now, mut timers, mut decided) = (Time(1), BTreeMap::new(), BTreeMap::new());
//! while decided.len() < 4 {
//!     while let Some((me, output)) = outputs.pop_front() {
//!         let (_, store, disk) = &mut hosts[usize::from(me.0)];
//!         inputs.extend(store.carry_out(disk, &output)?.map(|answer| (me, answer)));
//!         match output {
//!             Output::Send { to, frame } => {
//!                 inputs.push_back((to, Input::Receive { from: me, frame }));
//!             }
//!             Output::Arm { timer, at } => drop(timers.insert((me, timer), at)),
//!             Output::Decided { decision, .. } => drop(decided.insert(me, decision.id)),
//!             _ => {}
//!         }
//!     }
//!     let (to, input) = inputs.pop_front().unwrap_or_else(|| {
//!         let next = timers.iter().min_by_key(|(_, at)| **at);
//!         let (&(me, timer), &at) = next.expect("a node always has a timer");
//!         timers.remove(&(me, timer));
//!         now = now.max(at);
//!         (me, Input::Fire(timer))
//!     });
//!     let mut out = Vec::new();
//!     hosts[usize::from(to.0)].0.step(now, input, &mut out);
//!     outputs.extend(out.into_iter().map(|output| (to, output)));
//! }
//! assert!(decided.values().all(|block| *block == decided[&PeerId(0)]));
//! # Ok(())
//! # }
//! ```
//!
//! # Looking inside
//!
//! [`node::Node::round_state`] is a snapshot of what a node knows of its height, as text and, with
//! `serde`, as JSON. [`node::Output::Notice`] tells what happens inside. With a `tracing`
//! subscriber every step is a span (input, local time, height, round, step) and every output worth
//! telling an event; without one this costs a comparison.
//!
//! # Rooms
//!
//! Lowest first; each imports only from below:
//!
//! ```text
//! 5  replay                        verified start, replay of a recorded log, console
//! 4  node                          joins the rooms, owns the durability barrier
//! 3  consensus gossip blocksync    three pure machines
//! 2  wal   ledger   app   privval  what is stored, executed, signed
//! 1  codec   crypto   storage      bytes, keys, the file trait
//! 0  types                         height, round, block, vote, proposal, parts, validators
//! ```
//!
//! `docs/ARCHITECTURE.md` says where each rule lives, `docs/PROTOCOL.md` which line of the paper it
//! is, `docs/TENDERMINT_ROWS.md` what became of each item of Tendermint's consensus package.

pub mod app;
pub mod blocksync;
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

/// The version of formats and rules, and that of the engine: `v<spec>/<major>.<minor>.<revision>`.
/// Every log names it in its metadata.
pub const VERSION: &str = concat!("v1/", env!("CARGO_PKG_VERSION"));
