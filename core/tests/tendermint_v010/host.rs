//! A node with one validator, and the smallest host there is: everything is carried out at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::{
    app::{Call, Item},
    consensus::Notice,
    crypto::{Ed25519, Ed25519Key, Keys, Sign},
    ledger::Genesis,
    node::{Config, Input, Node, Output, Record, Store, StoreConfig, Timer},
    storage::MemoryStorage,
    types::{ChainId, Message, Params, Time, Tx, ValidatorUpdate, VoteKind},
};

/// What a consensus log tells, in the words of Tendermint v0.10's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    EndHeight(u64),
    Step(u64, u64, String),
    Proposal(u64, u64),
    Part(u64, u64, u64),
    Vote(u64, u64, u8),
    Timeout(u64, u64, u8),
}

struct Host {
    node: Node,
    store: Store,
    disk: MemoryStorage,
    timers: BTreeMap<Timer, Time>,
    now: Time,
    events: Vec<Event>,
    /// The transactions of the blocks that upstream committed.
    txs: VecDeque<Vec<Tx>>,
    /// Transactions handed to the node and not committed yet.
    waiting: Vec<Tx>,
}

/// The events of a node that decides a block with each of these lists of transactions, with power
/// 10 like upstream's validator.
pub(crate) fn run(txs: &[Vec<Item>]) -> Vec<Event> {
    let heights = txs.len() as u64;
    let tx = |key: &Item| {
        Call::Set {
            key: key.clone(),
            value: Item::default(),
        }
        .to_tx()
    };
    let txs = txs
        .iter()
        .map(|block| block.iter().map(tx).collect())
        .collect();
    let mut host = Host::start(txs);
    host.submit_next();
    while host.node.consensus().chain().height.0 < heights {
        let (timer, at) = host
            .timers
            .iter()
            .min_by_key(|(_, at)| **at)
            .expect("a timer is armed");
        let (timer, at) = (*timer, *at);
        host.now = host.now.max(at);
        host.timers.remove(&timer);
        host.input(Input::Fire(timer));
    }
    host.events
}

impl Host {
    fn start(txs: VecDeque<Vec<Tx>>) -> Self {
        let key = Ed25519Key::from_seed(&[10; 32]);
        let genesis = Genesis {
            chain: ChainId::try_from(b"tendermint_test".to_vec()).expect("a short name"),
            time: Time(1),
            validators: vec![ValidatorUpdate {
                key: key.public_key(),
                power: 10,
            }],
            params: Params::default(),
        };
        let keys = Keys {
            verify: Arc::new(Ed25519),
            sign: Some(Arc::new(key)),
        };
        let (mut disk, now) = (MemoryStorage::default(), Time(1_000));
        let config = StoreConfig::default();
        let (store, found) =
            Store::start(&mut disk, "data", &genesis, config).expect("an empty disk");
        let mut out = Vec::new();
        let node = Node::recover(&Config::default(), keys, found, now, &mut out);
        let mut host = Self {
            node,
            store,
            disk,
            timers: BTreeMap::new(),
            now,
            events: Vec::new(),
            txs,
            waiting: Vec::new(),
        };
        host.carry_out(out);
        host
    }

    fn submit_next(&mut self) {
        self.waiting = self.txs.pop_front().unwrap_or_default();
        for tx in self.waiting.clone() {
            self.input(Input::Submit(tx));
        }
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.node.step(self.now, input, &mut out);
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Arm { timer, at } => {
                    self.timers.insert(timer, at);
                }
                Output::Append { lsn, entry } => {
                    self.note(&entry.record);
                    self.store
                        .append(&mut self.disk, lsn, &entry)
                        .expect("a good disk");
                }
                Output::SaveSignState(state) => {
                    self.store.write_sign_state(&state);
                }
                Output::Sync(lsn) => {
                    self.store.sync(&mut self.disk).expect("a good disk");
                    self.input(Input::Durable(lsn));
                }
                Output::Commit {
                    decision,
                    validators,
                    state,
                    app,
                } => {
                    assert_eq!(*decision.block.txs, self.waiting, "upstream's transactions");
                    let after = (&*state, &*app);
                    self.store
                        .commit(&mut self.disk, &decision, &validators, after)
                        .expect("a good disk");
                    self.events.push(Event::EndHeight(state.height.0));
                    self.input(Input::Committed(state.height));
                    self.submit_next();
                }
                Output::Notice(Notice::NewRoundStep(at)) => {
                    let step = at.step.to_string();
                    self.events
                        .push(Event::Step(at.height.0, at.round.0.into(), step));
                }
                Output::Notice(_) | Output::Decided { .. } => {}
                unexpected @ (Output::Send { .. }
                | Output::Load { .. }
                | Output::Rejected { .. }
                | Output::Refused { .. }
                | Output::Halted { .. }) => panic!("{unexpected:?}"),
            }
        }
    }

    fn note(&mut self, record: &Record) {
        match record {
            Record::Timeout(at) => {
                let step = at.step as u8;
                self.events
                    .push(Event::Timeout(at.height.0, at.round.0.into(), step));
            }
            Record::Own { messages } => {
                let events = messages.iter().map(own_event);
                self.events.extend(events);
            }
            Record::Created { .. }
            | Record::Received { .. }
            | Record::Released(_)
            | Record::TxsAvailable(_)
            | Record::Synced { .. }
            | Record::Step(_) => {}
        }
    }
}

fn own_event(message: &Message) -> Event {
    match message {
        Message::Proposal(p) => Event::Proposal(p.height.0, p.round.0.into()),
        Message::BlockPart {
            height,
            round,
            part,
        } => Event::Part(height.0, round.0.into(), part.proof.index.into()),
        Message::Vote(v) => {
            let kind = match v.kind {
                VoteKind::Prevote => 1,
                VoteKind::Precommit => 2,
            };
            Event::Vote(v.height.0, v.round.0.into(), kind)
        }
        Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => panic!("a node does not sign {message}"),
    }
}
