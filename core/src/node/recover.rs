//! A node from what its disk holds: the chain, the application, the sign state, and the log of the
//! unfinished height.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    app::App,
    blocksync::{BlockSync, Server},
    consensus::{Action, Consensus, Context, VoteSet},
    crypto::Keys,
    gossip::Gossip,
    ledger::State,
    node::{
        Config, Decided, Entry, EvidencePool, Node, Output, Pool, Record,
        own::{Unreleased, slot_of_own},
    },
    privval::{SignSlot, SignState},
    types::{Block, BlockId, Commit, Height, Lsn, Span, Time, ValidatorIndex, VoteKind},
};

/// What [`crate::node::Store::start`] found on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The chain after the last applied block.
    pub state: State,
    /// The application after the same block.
    pub app: App,
    /// The last thing signed.
    pub sign: SignState,
    /// The last applied block, `None` before the first.
    pub last: Option<Decided>,
    /// The first of the stored blocks up to the last one, 0 if there is none.
    pub base: Height,
    /// The log after the end of the last applied height.
    pub log: Vec<(Lsn, Entry)>,
    /// The number of the next record.
    pub next_lsn: Lsn,
    /// How many stored blocks were executed again to bring the application and the state up to the
    /// last of them (`NBlocks`).
    pub replayed: u64,
}

impl Node {
    /// A node that goes on where its disk ends. Outputs that resume the work are appended to `out`.
    ///
    /// The log is replayed with nothing signed and nothing sent: what was signed stands in it. What
    /// the log shows should have been signed, but was not before the crash, is signed afterwards,
    /// if the sign state agrees.
    #[must_use]
    pub fn recover(
        config: &Config,
        keys: Keys,
        mut found: Recovered,
        now: Time,
        out: &mut Vec<Output>,
    ) -> Self {
        let log = std::mem::take(&mut found.log);
        let (height, records, replayed) = (found.state.height, log.len(), found.replayed);
        let begun = log.first().map_or(now, |(_, entry)| entry.time);
        let mut node = Self::begin_replay(config, keys, found, begun, &mut Vec::new());
        let mut committing = Vec::new();
        for (lsn, entry) in log {
            let mut replayed = Vec::new();
            node.replay_record(lsn, entry, &mut replayed);
            committing.extend(
                replayed
                    .into_iter()
                    .filter(|o| matches!(o, Output::Commit { .. })),
            );
        }
        node.replaying = false;
        let at = node.consensus.at();
        tracing::info!(height = height.0, replayed, records, %at, "recovered");
        node.gossip.on_step(now, at, &mut node.outs);
        if config.block_sync {
            node.blocksync.begin(now, &mut node.sync_outs);
            out.extend(committing);
            node.flush_gossip(out);
            node.run_sync(now, out);
        } else {
            node.resume(now, committing, out);
        }
        node
    }

    /// A node that begins the unfinished height at time `begun` and waits for the records of its
    /// log ([`Node::replay_record`]). It signs nothing and tells nobody anything. `found.log` is
    /// not looked at.
    #[must_use]
    pub fn begin_replay(
        config: &Config,
        keys: Keys,
        found: Recovered,
        begun: Time,
        out: &mut Vec<Output>,
    ) -> Self {
        let address = keys.sign.as_ref().map(|key| key.public_key().address());
        let last = found.last.as_ref();
        let seen = last.map(|last| vote_set(last, &found.state, &keys));
        let consensus = Consensus::new(config.timeouts.clone(), address, found.state, seen);
        let height = consensus.chain().height;
        let mut node = Self {
            keys,
            consensus,
            gossip: Gossip::new(config.gossip.clone()),
            app: found.app,
            sign: found.sign,
            pool: Pool::default(),
            evidence: EvidencePool::default(),
            next_lsn: found.next_lsn,
            unreleased: VecDeque::new(),
            unsigned: BTreeMap::new(),
            committing: None,
            base: found.base,
            cache: found.last.into_iter().map(|last| (height, last)).collect(),
            stash: BTreeMap::new(),
            blocksync: BlockSync::new(config.sync.clone(), height.next()),
            server: Server::default(),
            replaying: true,
            halted: None,
            actions: Vec::new(),
            outs: Vec::new(),
            sync_outs: Vec::new(),
        };
        if let Some(block) = node.last_block() {
            node.consensus.set_last_block(&block);
            node.pool.remember(&block.txs);
        }
        node.begin_height(begun, out);
        node
    }

    /// The last applied block.
    fn last_block(&self) -> Option<Block> {
        let (_, last) = self.cache.last_key_value()?;
        Block::decode(&last.parts.assemble()?).ok()
    }

    fn begin_height(&mut self, begun: Time, out: &mut Vec<Output>) {
        let first = self.consensus.chain().last_block.is_none();
        let wait = if first {
            Span::ZERO
        } else {
            self.consensus.timeouts().commit
        };
        let cx = &mut Context {
            now: begun,
            verify: &*self.keys.verify,
            out: &mut self.actions,
        };
        self.consensus.start(cx, wait);
        self.carry_out(begun, out);
    }

    /// Consensus goes on where the log ended.
    pub(super) fn resume(&mut self, now: Time, committing: Vec<Output>, out: &mut Vec<Output>) {
        self.release_again(out);
        self.sign_rest(now, out);
        out.extend(committing);
        self.wake_again(now, out);
    }

    /// What a replay would have signed for this place, if no record of the log has shown it signed.
    #[must_use]
    pub fn asked_to_sign(&self, slot: SignSlot) -> Option<&Action> {
        self.unsigned.get(&slot)
    }

    /// The decision that is being made durable: its block, and the chain after it.
    #[must_use]
    pub fn committing(&self) -> Option<(BlockId, &State)> {
        let committing = self.committing.as_ref()?;
        Some((committing.decision.id, &committing.state))
    }

    /// Handles one record of the log, in a replay.
    pub fn replay_record(&mut self, lsn: Lsn, entry: Entry, out: &mut Vec<Output>) {
        let Entry { time, record } = entry;
        match record {
            Record::Created { .. } | Record::Synced { .. } | Record::Step(_) => {}
            Record::Received { from, message } => self.deliver(time, Some(from), &message, out),
            Record::Timeout(hrs) => {
                let verify = &*self.keys.verify;
                let cx = &mut Context {
                    now: time,
                    verify,
                    out: &mut self.actions,
                };
                self.consensus.on_logged_timeout(cx, hrs);
                self.carry_out(time, out);
            }
            Record::TxsAvailable(height) => {
                let cx = &mut Context {
                    now: time,
                    verify: &*self.keys.verify,
                    out: &mut self.actions,
                };
                if self.consensus.at().height == height {
                    self.consensus.on_txs_available(cx);
                }
                self.carry_out(time, out);
            }
            Record::Own { messages } => {
                for slot in messages.iter().filter_map(slot_of_own) {
                    self.unsigned.remove(&slot);
                }
                self.unreleased.push_back(Unreleased { lsn, messages });
            }
            Record::Released(own) => {
                let at = self.unreleased.iter().position(|u| u.lsn == own);
                if let Some(released) = at.and_then(|at| self.unreleased.remove(at)) {
                    self.release(time, &released.messages, out);
                }
            }
        }
    }
}

/// The precommits that were seen for the last block, as the set that late precommits are added to.
pub(super) fn vote_set(last: &Decided, state: &State, keys: &Keys) -> VoteSet {
    let commit: &Commit = &last.commit;
    let validators = Arc::clone(&last.validators);
    let mut set = VoteSet::new(
        commit.height,
        commit.round,
        VoteKind::Precommit,
        Arc::clone(&validators),
    );
    for index in 0..validators.len() {
        if let Some(vote) = commit.vote(ValidatorIndex::new(index), &validators) {
            // A vote that does not verify is left out; the set's majority is asserted by its user.
            let added = set.add(&*keys.verify, &state.chain, &vote);
            debug_assert!(added.is_ok(), "stored commits were verified before");
        }
    }
    set
}
