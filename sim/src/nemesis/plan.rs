//! A plan: everything that makes one run, as data. A seed draws one, a scenario file states one, a
//! kept schedule is one.
//!
//! Written as TOML, a plan is complete: the same plan gives the same run, whatever drew it. Times
//! are virtual milliseconds since the start of the run, nodes are numbers from 0.

use engine::{
    blocksync,
    consensus::{EmptyBlocks, Timeouts},
    gossip,
    types::{Params, Span},
};
use serde::{Deserialize, Serialize};

use super::{Fault, Links, Script};
use crate::choice::Decision;

/// Which signatures a run uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CryptoMode {
    /// Real Ed25519 signatures, verified with `verify_strict`.
    #[default]
    Ed25519,
    /// Hashes that only the simulated signer works out: unforgeable inside a run, and fast.
    Ideal,
}

/// What carries the messages of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// The world's own queue, links and hosts.
    #[default]
    Virtual,
    /// Madsim's nodes and endpoints: a second opinion on all that the world does by itself.
    Madsim,
}

impl NetworkMode {
    /// Whether it is the world's own.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        *self == Self::Virtual
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Seeds every choice that the plan does not state.
    pub seed: u64,
    /// The nodes' powers at the beginning; a node with power 0 is no validator, it only follows.
    pub powers: Vec<u64>,
    /// The faults end when every correct node has decided this height, or at `faults_end_ms`.
    pub heights: u64,
    /// How many more heights the healed core must decide in the stable phase.
    pub stable_heights: u64,
    /// Which signatures are used.
    #[serde(default)]
    pub crypto: CryptoMode,
    /// What carries the messages.
    #[serde(default, skip_serializing_if = "NetworkMode::is_virtual")]
    pub network: NetworkMode,
    /// Byzantine validators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byzantine: Vec<Byzantine>,
    /// Allows byzantine power of one third or more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beyond_one_third: bool,
    /// How long the steps wait.
    pub timeouts: TimeoutsMs,
    /// All links, before faults.
    pub link: Link,
    /// What else is to say about them.
    #[serde(default, skip_serializing_if = "Links::is_plain")]
    pub links: Links,
    /// Time between a sync and its completion, in microseconds.
    pub sync_us: MinMax,
    /// How long a segment of a log gets before the next is begun, in bytes; absent: 16 KiB, so that
    /// in runs of usual length logs are cut and old segments are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_bytes: Option<u64>,
    /// Each node's clock against world time, in milliseconds; empty for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clock_offsets_ms: Vec<i64>,
    /// When each node first starts, in milliseconds; nodes that are not named start at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts_late_ms: Vec<u64>,
    /// Whether nodes start with block sync, and use it again when they have fallen far behind;
    /// otherwise gossip alone brings old blocks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub block_sync: bool,
    /// How many of the newest blocks each node keeps at least; all without. A node that is off for
    /// more heights than that cannot be helped by the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_blocks: Option<u64>,
    /// Milliseconds between two client transactions; 0 for none.
    #[serde(default)]
    pub tx_every_ms: u64,
    /// What else clients do.
    #[serde(default, skip_serializing_if = "Clients::is_plain")]
    pub clients: Clients,
    /// When the fault phase ends at the latest, in milliseconds; then everything is healed.
    pub faults_end_ms: u64,
    /// Changes of power that clients ask for.
    #[serde(default, rename = "change", skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Changes of the chain's parameters that clients ask for.
    #[serde(
        default,
        rename = "params_change",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub params: Vec<ParamsChange>,
    /// What goes wrong, and when.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// What scripted validators say, and what is held back from whom.
    #[serde(default, skip_serializing_if = "Script::is_empty")]
    pub script: Script,
    /// Single decisions that are given instead of drawn.
    #[serde(default, rename = "override", skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Decision>,
}

/// The least and the most of something drawn uniformly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinMax {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Latency in microseconds, drawn uniformly per message, so messages overtake each other.
    pub latency_us: MinMax,
    /// Lost messages per million.
    #[serde(default)]
    pub loss_ppm: u32,
    /// Duplicated messages per million.
    #[serde(default)]
    pub duplicate_ppm: u32,
    /// What each directed link carries, in bytes per second, until the faults are over; absent: no
    /// limit. At least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

/// The engine's timeouts in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeoutsMs {
    /// For a proposal in round 0.
    pub propose: u64,
    /// For more prevotes in round 0.
    pub prevote: u64,
    /// For more precommits in round 0.
    pub precommit: u64,
    /// Added to each per round.
    pub delta: u64,
    /// For late precommits.
    pub commit: u64,
    /// Start the next height as soon as all precommits are there.
    #[serde(default)]
    pub skip_commit: bool,
    /// Whether heights without transactions are decided.
    #[serde(default)]
    pub empty_blocks: EmptyBlocksMs,
}

/// Whether heights are decided for which nobody has a transaction. While the faults are over,
/// clients submit to nodes of the healed core only, so that `never` cannot stop it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyBlocksMs {
    /// Always.
    #[default]
    Always,
    /// Never.
    Never,
    /// After so many milliseconds.
    EveryMs(u64),
}

/// What clients do beside giving one good transaction to one node at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// How many more transactions come with each.
    pub burst: u64,
    /// How many more nodes get the same transaction, drawn each time.
    pub copies: u64,
    /// Of the others in a burst, how many per million are no transactions, up to the longest.
    pub malformed_ppm: u32,
    /// How many per million are as large as calls can be.
    pub large_ppm: u32,
}

impl Clients {
    /// Whether they do nothing else.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A change of power that a client asks for: it gives the transaction to every correct node that is
/// up. It may be committed late, or after a later one, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When, in milliseconds since the start of the run.
    pub at_ms: u64,
    /// Whose power.
    pub node: u16,
    /// The new power; 0 removes it from the validators.
    pub power: u64,
    /// By which transaction.
    pub via: Via,
}

/// The two ways to change powers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The application asks for it.
    App,
    /// A configuration transaction.
    Config,
}

/// New parameters that a client asks for, by a configuration transaction. Units and bounds are
/// those of [`Params`]; impossible ones change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamsChange {
    /// When, in milliseconds since the start of the run.
    pub at_ms: u64,
    /// The most transactions in a block.
    pub max_block_txs: u32,
    /// The most bytes of transactions in a block.
    pub max_block_bytes: u32,
    /// For how many heights conflicting votes can be used as evidence.
    pub evidence_max_age: u64,
}

impl ParamsChange {
    /// The engine's form.
    #[must_use]
    pub fn to_engine(self) -> Params {
        Params {
            max_block_txs: self.max_block_txs,
            max_block_bytes: self.max_block_bytes,
            evidence_max_age: self.evidence_max_age,
        }
    }
}

/// A byzantine validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Byzantine {
    /// Which node.
    pub node: u16,
    /// What it does.
    pub behaviour: Behaviour,
}

/// What a byzantine validator does. Everything else it does correctly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Signs two proposals and two votes for each round, and tells one half of the nodes one and
    /// the other half the other.
    Equivocate,
    /// Lies about where it stands and what it has; what it signs is true.
    LyingGossip,
    /// The same in every message that tells of its state.
    AlwaysLyingGossip,
    /// Says nothing at all.
    Silent,
    /// Claims blocks that nobody has, and answers questions for blocks with other ones, with
    /// nothing, or not.
    LyingSync,
    /// Forgets its lock: votes for other blocks after it has precommitted one.
    Amnesia,
    /// Gives its votes to one correct validator only.
    HiddenLock,
    /// Keeps proposals, parts and votes from drawn sets of nodes.
    Withhold,
    /// Votes for rounds and heights behind and ahead, too.
    Stale,
    /// Changes one field of every fourth message.
    Mutate,
    /// Sends old frames again.
    Replay,
    /// Sends bytes that mean nothing.
    Garbage,
    /// Says the same over and over.
    Flood,
    /// Sends what it signs about when the others give up waiting.
    Slow,
    /// Says what the plan's script says.
    Scripted,
    /// One of several correct nodes with one key, each with its own part of the network: all
    /// nodes with this behaviour have the key of the first of them.
    Twin,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Equivocate,
        Self::LyingGossip,
        Self::AlwaysLyingGossip,
        Self::Silent,
        Self::LyingSync,
        Self::Amnesia,
        Self::HiddenLock,
        Self::Withhold,
        Self::Stale,
        Self::Mutate,
        Self::Replay,
        Self::Garbage,
        Self::Flood,
        Self::Slow,
        Self::Scripted,
        Self::Twin,
    ];

    /// The name in plans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivocate => "equivocate",
            Self::LyingGossip => "lying_gossip",
            Self::AlwaysLyingGossip => "always_lying_gossip",
            Self::Silent => "silent",
            Self::LyingSync => "lying_sync",
            Self::Amnesia => "amnesia",
            Self::HiddenLock => "hidden_lock",
            Self::Withhold => "withhold",
            Self::Stale => "stale",
            Self::Mutate => "mutate",
            Self::Replay => "replay",
            Self::Garbage => "garbage",
            Self::Flood => "flood",
            Self::Slow => "slow",
            Self::Scripted => "scripted",
            Self::Twin => "twin",
        }
    }
}

impl TimeoutsMs {
    /// The engine's form.
    #[must_use]
    pub fn to_engine(self) -> Timeouts {
        let delta = Span::millis(self.delta);
        Timeouts {
            propose: Span::millis(self.propose),
            propose_delta: delta,
            prevote: Span::millis(self.prevote),
            prevote_delta: delta,
            precommit: Span::millis(self.precommit),
            precommit_delta: delta,
            commit: Span::millis(self.commit),
            skip_commit: self.skip_commit,
            empty_blocks: match self.empty_blocks {
                EmptyBlocksMs::Always => EmptyBlocks::Always,
                EmptyBlocksMs::Never => EmptyBlocks::Never,
                EmptyBlocksMs::EveryMs(ms) => EmptyBlocks::Every(Span::millis(ms)),
            },
        }
    }
}

impl Plan {
    /// When a node first starts, in milliseconds.
    #[must_use]
    pub fn starts_after_ms(&self, node: u16) -> u64 {
        let late = self.starts_late_ms.get(usize::from(node));
        late.copied().unwrap_or(0)
    }

    /// How patient nodes are in block sync: a question, the answerer's disk (which others keep
    /// busy, too) and the answer take half of the time allowed.
    #[must_use]
    pub fn block_sync_config(&self) -> blocksync::Config {
        let answer = Span::micros(2 * self.link.latency_us.max + 16 * self.sync_us.max);
        let request_timeout = answer.plus(Span::millis(10)).times(2);
        blocksync::Config {
            far: self.block_sync.then_some(3),
            request_timeout,
            patience: request_timeout.times(2),
        }
    }

    /// How eagerly nodes talk: an interval holds a message to a peer and back, and the syncs on the
    /// way, so that a node which is not stuck has rarely anything to announce.
    #[must_use]
    pub fn gossip(&self) -> gossip::Config {
        let there_and_back = Span::micros(2 * self.link.latency_us.max + 4 * self.sync_us.max);
        let bounds = (Span::millis(20).0, Span::millis(200).0);
        let interval = Span(there_and_back.0.clamp(bounds.0, bounds.1));
        gossip::Config {
            interval,
            interval_max: interval.times(16),
            resend_after: interval.times(5),
            ..gossip::Config::default()
        }
    }
}
