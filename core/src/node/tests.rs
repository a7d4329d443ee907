//! Tests of whole nodes on a perfect network and disk: they decide, they recover, they keep the
//! barrier.

mod api;
mod evidence;
mod handshake;
mod lost;
mod peers;
mod pruning;
mod sign_state;
mod sync;
mod txs;

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::{
    app::{Call, Item},
    crypto::{Ed25519, Ed25519Key, Sign},
    ledger::Genesis,
    storage::MemoryStorage,
    types::{ChainId, Channel, Span, ValidatorUpdate},
};

/// A node with its disk, as the smallest host there is.
struct Host {
    node: Node,
    store: Store,
    disk: MemoryStorage,
    timers: BTreeMap<Timer, Time>,
    decided: Vec<(Height, crate::types::Hash)>,
    /// Outputs of the durability barrier in order, to look at.
    trail: Vec<&'static str>,
    notices: Vec<Notice>,
    rejected: Vec<(PeerId, Rejection)>,
    /// Heights that came by block sync, and from whom.
    synced: BTreeMap<u64, PeerId>,
}

/// What leaves a liar instead of a message.
type Lie = fn(&Message) -> Option<Message>;

struct Net {
    now: Time,
    config: Config,
    /// How many blocks each node keeps; all without.
    retain_blocks: Option<u64>,
    lies: BTreeMap<PeerId, Lie>,
    hosts: Vec<Host>,
    mail: VecDeque<(PeerId, PeerId, Frame)>,
    /// Nodes that get and send nothing.
    cut: BTreeSet<PeerId>,
}

fn keys(id: u8) -> Keys {
    let sign: Arc<dyn Sign> = Arc::new(Ed25519Key::from_seed(&[id; 32]));
    Keys {
        verify: Arc::new(Ed25519),
        sign: Some(sign),
    }
}

fn genesis(n: u8) -> Genesis {
    let key = |id| keys(id).sign.unwrap().public_key();
    let validators = (0..n)
        .map(|id| ValidatorUpdate {
            key: key(id),
            power: 1,
        })
        .collect();
    Genesis {
        chain: ChainId::try_from(b"test".to_vec()).unwrap(),
        time: Time(1),
        validators,
        params: crate::types::Params::default(),
    }
}

fn quick() -> Config {
    let timeouts = Timeouts {
        commit: Span::millis(10),
        ..Timeouts::default()
    };
    Config {
        timeouts,
        ..Config::default()
    }
}

impl Net {
    fn new(n: u8) -> Self {
        Self::with(n, quick())
    }

    fn with(n: u8, config: Config) -> Self {
        Self::keeping(n, config, None)
    }

    fn keeping(n: u8, config: Config, retain_blocks: Option<u64>) -> Self {
        let now = Time(1_000_000_000);
        let hosts = (0..n).map(|_| None).collect::<Vec<Option<Host>>>();
        let mut net = Self {
            now,
            config,
            retain_blocks,
            lies: BTreeMap::new(),
            hosts: Vec::new(),
            mail: VecDeque::new(),
            cut: BTreeSet::new(),
        };
        for id in 0..hosts.len() {
            let host = net.boot(id, MemoryStorage::default(), n);
            net.hosts.push(host.0);
            net.mail.extend(host.1);
        }
        for id in 0..net.hosts.len() {
            net.connect(id);
        }
        net
    }

    fn boot(
        &self,
        id: usize,
        mut disk: MemoryStorage,
        n: u8,
    ) -> (Host, Vec<(PeerId, PeerId, Frame)>) {
        let config = StoreConfig::default();
        let small = StoreConfig {
            wal: crate::wal::Options {
                segment_bytes: 4096,
                preallocate_bytes: 0,
                ..config.wal
            },
            retain_blocks: self.retain_blocks,
        };
        let (store, found) = Store::start(&mut disk, "data", &genesis(n), small).unwrap();
        let mut out = Vec::new();
        let key = keys(u8::try_from(id).unwrap());
        let node = Node::recover(&self.config, key, found, self.now, &mut out);
        let mut host = Host {
            node,
            store,
            disk,
            timers: BTreeMap::new(),
            decided: Vec::new(),
            trail: Vec::new(),
            notices: Vec::new(),
            rejected: Vec::new(),
            synced: BTreeMap::new(),
        };
        let mail = host.carry_out(self.now, PeerId(u16::try_from(id).unwrap()), out);
        (host, mail)
    }

    fn connect(&mut self, id: usize) {
        for other in (0..self.hosts.len()).filter(|other| *other != id) {
            self.input(id, Input::Connected(PeerId(u16::try_from(other).unwrap())));
        }
    }

    fn input(&mut self, id: usize, input: Input) {
        let mut out = Vec::new();
        let host = &mut self.hosts[id];
        host.node.step(self.now, input, &mut out);
        let mail = host.carry_out(self.now, PeerId(u16::try_from(id).unwrap()), out);
        self.mail.extend(mail);
    }

    /// Delivers all mail, then the next timer; until every node outside the cut has decided
    /// `height`.
    fn run_to(&mut self, height: u64) {
        for _ in 0..400_000 {
            let behind = |(id, host): (usize, &Host)| {
                let cut = self.cut.contains(&PeerId(u16::try_from(id).unwrap()));
                !cut && host.node.consensus().chain().height < Height(height)
            };
            if !self.hosts.iter().enumerate().any(behind) {
                let rejected = self.hosts.iter().flat_map(|host| &host.rejected);
                let unjust: Vec<_> = rejected
                    .filter(|(peer, _)| !self.lies.contains_key(peer))
                    .collect();
                assert!(unjust.is_empty(), "among correct nodes: {unjust:?}");
                return;
            }
            self.next_event();
        }
        panic!("height {height} is not reached");
    }

    /// Delivers all that is sent and all that is due until this much time has passed.
    fn run_for(&mut self, span: Span) {
        let end = self.now.after(span);
        while !self.mail.is_empty() || self.next_timer().0 <= end {
            self.next_event();
        }
        self.now = end;
    }

    fn next_event(&mut self) {
        if let Some((from, to, frame)) = self.mail.pop_front() {
            let told = match self.lies.get(&from) {
                Some(lie) => sync::lied(&frame, *lie),
                None => Some(frame),
            };
            let Some(frame) = told else { return };
            if !self.cut.contains(&from) && !self.cut.contains(&to) {
                self.input(usize::from(to.0), Input::Receive { from, frame });
            }
            return;
        }
        let (at, id, timer) = self.next_timer();
        self.now = self.now.max(at);
        self.hosts[id].timers.remove(&timer);
        self.input(id, Input::Fire(timer));
    }

    fn next_timer(&self) -> (Time, usize, Timer) {
        let next =
            self.hosts.iter().enumerate().flat_map(|(id, host)| {
                host.timers.iter().map(move |(timer, at)| (*at, id, *timer))
            });
        next.min().expect("a node always has a timer")
    }
}

impl Host {
    fn carry_out(
        &mut self,
        now: Time,
        me: PeerId,
        out: Vec<Output>,
    ) -> Vec<(PeerId, PeerId, Frame)> {
        let mut mail = Vec::new();
        let mut pending = VecDeque::from(out);
        while let Some(output) = pending.pop_front() {
            match &output {
                Output::Send { to, frame } => {
                    let contents = frame.contents().unwrap();
                    let index = self.node.consensus().index();
                    let own = |m: &Message| matches!(m, Message::Vote(v) if Some(v.index) == index);
                    if contents.messages.iter().any(own) {
                        self.trail.push("send");
                    }
                    mail.push((me, *to, frame.clone()));
                }
                Output::Arm { timer, at } => {
                    self.timers.insert(*timer, *at);
                }
                Output::Append { entry, .. } => {
                    if matches!(entry.record, Record::Own { .. }) {
                        self.trail.push("append");
                    }
                    if let Record::Synced { height, from } = entry.record {
                        self.synced.insert(height.0, from);
                    }
                }
                Output::Sync(_) => self.trail.push("sync"),
                Output::Decided {
                    height, app_hash, ..
                } => self.decided.push((*height, *app_hash)),
                Output::Rejected { peer, reason } => self.rejected.push((*peer, reason.clone())),
                Output::Refused { reason, .. } => panic!("refused: {reason}"),
                Output::Halted { reason } => panic!("halted: {reason}"),
                Output::Notice(notice) => self.notices.push(notice.clone()),
                Output::SaveSignState(_) | Output::Commit { .. } | Output::Load { .. } => {}
            }
            let answer = self.store.carry_out(&mut self.disk, &output).unwrap();
            if let Some(input) = answer {
                let mut more = Vec::new();
                self.node.step(now, input, &mut more);
                pending.extend(more);
            }
        }
        mail
    }
}

fn set(key: &[u8], value: &[u8]) -> crate::types::Tx {
    let item = |bytes: &[u8]| Item::try_from(bytes.to_vec()).unwrap();
    Call::Set {
        key: item(key),
        value: item(value),
    }
    .to_tx()
}

#[test]
fn four_nodes_decide_the_same_blocks_and_execute_a_transaction() {
    let mut net = Net::new(4);
    net.input(2, Input::Submit(set(b"k", b"v")));
    net.run_to(8);
    let first = net.hosts[0].decided.clone();
    assert!(net.hosts.iter().all(|h| h.decided[..8] == first[..8]));
    assert!(
        net.hosts
            .iter()
            .all(|h| h.node.app().get(b"k") == Some(b"v"))
    );
}

#[test]
fn a_single_validator_decides_alone() {
    let mut net = Net::new(1);
    net.run_to(3);
}

#[test]
fn three_of_four_decide_while_one_is_gone_and_it_catches_up_afterwards() {
    let mut net = Net::new(4);
    net.cut.insert(PeerId(3));
    net.run_to(6);
    assert_eq!(net.hosts[3].node.consensus().chain().height, Height(0));
    net.cut.clear();
    net.run_to(12);
}

#[test]
fn two_of_four_decide_nothing_and_all_go_on_when_the_others_are_back() {
    let mut net = Net::new(4);
    net.run_to(2);
    net.cut.extend([PeerId(2), PeerId(3)]);
    for _ in 0..50 {
        let timer = net.hosts[0]
            .timers
            .pop_first()
            .map(|(timer, at)| (timer, net.now.max(at)));
        let Some((timer, at)) = timer else { break };
        net.now = at;
        net.input(0, Input::Fire(timer));
    }
    assert!(net.hosts[0].node.consensus().chain().height <= Height(3));
    net.cut.clear();
    net.run_to(8);
}

#[test]
fn nothing_signed_is_sent_before_its_record_is_synced() {
    let mut net = Net::new(4);
    net.run_to(3);
    for host in &net.hosts {
        let mut open = 0;
        for step in &host.trail {
            match *step {
                "append" => open += 1,
                "sync" => open = 0,
                _ => assert_eq!(open, 0, "sent with an unsynced own record"),
            }
        }
        assert!(host.trail.contains(&"send"));
    }
}

#[test]
fn a_restarted_node_stands_where_it_stood() {
    let mut net = Net::new(4);
    net.run_to(4);
    for id in 0..4 {
        let before = net.hosts[id].node.clone();
        let mut disk = net.hosts[id].disk.clone();
        disk.restart();
        let (host, mail) = net.boot(id, disk, 4);
        let after = host.node.consensus();
        assert_eq!(after.chain(), before.consensus().chain());
        assert_eq!(after.at(), before.consensus().at());
        assert_eq!(after.locked(), before.consensus().locked());
        assert_eq!(after.valid(), before.consensus().valid());
        assert_eq!(host.node.app(), before.app());
        net.hosts[id] = host;
        net.mail.extend(mail);
        net.connect(id);
    }
    net.run_to(8);
}

#[test]
fn a_directory_whose_state_is_gone_is_not_begun_anew() {
    let mut net = Net::new(1);
    net.run_to(2);
    let mut disk = net.hosts[0].disk.clone();
    crate::storage::Storage::remove(&mut disk, "data/state").unwrap();
    disk.restart();
    let refused = Store::start(&mut disk, "data", &genesis(1), StoreConfig::default());
    assert_eq!(refused.unwrap_err(), StartError::StateLost);
}
