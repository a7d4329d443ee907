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
//! Disks in memory, real signatures, and one queue, by time, for all that will come in. Only the
//! network is simpler than a real host's: it takes no time. An earlier wish of a timer stays in the
//! queue: woken too early, a node only repeats its wish.
//!
//! ```
//! # use std::{collections::{BTreeMap, BTreeSet}, sync::Arc};
//! # use engine::{
//! #     crypto::{Ed25519, Ed25519Key, Keys, Sign},
//! #     ledger::Genesis,
//! #     node::{Config, Input, Node, Output, Store, StoreConfig},
//! #     storage::MemoryStorage,
//! #     types::{ChainId, Height, Params, PeerId, Time, ValidatorUpdate},
//! # };
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys: Vec<_> = (1..=4).map(|seed| Ed25519Key::from_seed(&[seed; 32])).collect();
//! let validators = keys.iter().map(|key| ValidatorUpdate { key: key.public_key(), power: 1 });
//! let (chain, params) = (ChainId::try_from(b"example".to_vec())?, Params::default());
//! let genesis = Genesis { chain, time: Time(1), validators: validators.collect(), params };
//! let (mut hosts, mut queue, mut number) = (Vec::new(), BTreeMap::new(), 0_u64..);
//! for (me, key) in (0..).map(PeerId).zip(keys) {
//!     let (mut disk, mut out) = (MemoryStorage::default(), Vec::new());
//!     let (store, found) = Store::start(&mut disk, "data", &genesis, StoreConfig::default())?;
//!     let keys = Keys { verify: Arc::new(Ed25519), sign: Some(Arc::new(key)) };
//!     let node = Node::recover(&Config::default(), keys, found, Time(1), &mut out);
//!     hosts.push((node, store, disk, out));
//!     let inputs = (0..4).map(PeerId).filter(|peer| *peer != me).map(Input::Connected);
//!     queue.extend(inputs.map(|input| ((Time(1), number.next()), (me, input))));
//! }
//! while hosts.iter().any(|(node, ..)| node.consensus().chain().height == Height(0)) {
//!     let ((now, _), (me, input)) = queue.pop_first().expect("a node always has a timer");
//!     let (node, store, disk, out) = &mut hosts[usize::from(me.0)];
//!     node.step(now, input, out);
//!     for output in out.drain(..) {
//!         let (at, to, input) = match (store.carry_out(disk, &output)?, output) {
//!             (Some(answer), _) => (now, me, answer),
//!             (_, Output::Send { to, frame }) => (now, to, Input::Receive { from: me, frame }),
//!             (_, Output::Arm { timer, at }) => (at.max(now), me, Input::Fire(timer)),
//!             _ => continue,
//!         };
//!         queue.insert((at, number.next()), (to, input));
//!     }
//! }
//! let blocks = hosts.iter().map(|(node, ..)| node.consensus().chain().last_block);
//! assert_eq!(blocks.collect::<BTreeSet<_>>().len(), 1);
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
#[doc(hidden)]
pub mod fuzz;
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
