//! Nodes that sync blocks on a perfect network and disk: late ones, liars, crashes in the middle.

use super::*;
use crate::{
    blocksync::Fault,
    codec::MAX_SYNC_FRAME_MESSAGES,
    types::{Block, Bounded, CommitSig, Signature, SyncMessage, Vote, VoteKind},
};

/// The frame a liar's frame becomes.
pub(super) fn lied(frame: &Frame, lie: Lie) -> Option<Frame> {
    let contents = frame.contents().unwrap();
    let told: Vec<Message> = contents.messages.iter().filter_map(lie).collect();
    (!told.is_empty()).then(|| Frame::encode(contents.channel, told))
}

fn syncing() -> Config {
    let sync = blocksync::Config {
        far: Some(3),
        request_timeout: Span::millis(200),
        patience: Span::millis(400),
    };
    Config {
        block_sync: true,
        sync,
        ..quick()
    }
}

fn peer(id: usize) -> PeerId {
    PeerId(u16::try_from(id).unwrap())
}

impl Net {
    /// Nodes 0 to n - 2 decide `height` while the last one is off; then it starts from its disk.
    fn late_joiner(n: u8, config: Config, height: u64) -> Self {
        let mut net = Self::with(n, config);
        let late = usize::from(n) - 1;
        net.cut.insert(peer(late));
        net.run_to(height);
        net.restart(late);
        net
    }

    /// A node starts again from what its disk has synced, and is connected to everybody.
    fn restart(&mut self, id: usize) {
        let mut disk = self.hosts[id].disk.clone();
        disk.restart();
        self.cut.remove(&peer(id));
        self.mail
            .retain(|(from, to, _)| *from != peer(id) && *to != peer(id));
        let n = u8::try_from(self.hosts.len()).unwrap();
        let (host, mail) = self.boot(id, disk, n);
        self.hosts[id] = host;
        self.mail.extend(mail);
        self.connect(id);
        for other in (0..self.hosts.len()).filter(|other| *other != id) {
            self.input(other, Input::Connected(peer(id)));
        }
    }

    /// Runs until a node has this height.
    fn run_one_to(&mut self, id: usize, height: u64) {
        let others: Vec<PeerId> = (0..self.hosts.len())
            .filter(|o| *o != id)
            .map(peer)
            .collect();
        while self.height(id) < height {
            let next = others.iter().map(|o| self.height(usize::from(o.0))).min();
            self.run_to(next.unwrap().min(self.height(id)) + 1);
        }
    }

    fn height(&self, id: usize) -> u64 {
        self.hosts[id].node.consensus().chain().height.0
    }

    /// Who sent the blocks that this node took by block sync.
    fn synced_from(&mut self, id: usize) -> BTreeMap<u64, PeerId> {
        self.hosts[id].synced.clone()
    }

    fn banned(&self, id: usize) -> BTreeSet<PeerId> {
        let rejected = self.hosts[id].rejected.iter();
        let banned = rejected.filter(|(_, reason)| {
            matches!(
                reason,
                Rejection::BlockSync(Fault::Wrong { .. } | Fault::NotThere(_))
            )
        });
        banned.map(|(peer, _)| *peer).collect()
    }
}

#[test]
fn a_late_joiner_fetches_fifty_blocks_from_several_peers_and_takes_part() {
    let mut net = Net::late_joiner(4, syncing(), 50);
    assert!(net.hosts[3].node.is_syncing());
    net.run_to(55);
    let from = net.synced_from(3);
    assert!(from.len() >= 45, "{} blocks by block sync", from.len());
    let senders: BTreeSet<PeerId> = from.values().copied().collect();
    assert_eq!(senders.len(), 3, "all peers were asked");
    assert!(!net.hosts[3].node.is_syncing());
    assert!(net.hosts[3].trail.contains(&"send"), "it votes again");
    let (late, first) = (&net.hosts[3].decided, &net.hosts[0].decided);
    assert_eq!(late[..50], first[..50]);
}

#[test]
fn a_node_that_falls_behind_in_consensus_probes_and_syncs() {
    let config = Config {
        block_sync: false,
        ..syncing()
    };
    let mut net = Net::with(4, config);
    net.run_to(2);
    net.cut.insert(PeerId(3));
    net.run_to(40);
    assert!(!net.hosts[3].node.is_syncing());
    net.cut.clear();
    net.run_to(45);
    assert!(net.synced_from(3).len() >= 30, "{:?}", net.synced_from(3));
    assert!(!net.hosts[3].node.is_syncing());
}

/// Whether node 3 counts a prevote of node 0 for nil in round 0 of its first height.
fn counts_a_vote(net: &mut Net) -> bool {
    let consensus = net.hosts[3].node.consensus();
    let key = keys(0).sign.unwrap();
    let address = key.public_key().address();
    let index = consensus.validators().index_of(&address).unwrap();
    let mut vote = Vote {
        kind: VoteKind::Prevote,
        height: consensus.at().height,
        round: Round::ZERO,
        block: None,
        index,
        address,
        signature: Signature([0; 64]),
    };
    vote.signature = key.sign(&vote.sign_bytes(&consensus.chain().chain));
    let frame = Frame::encode(Channel::Vote, vec![Message::Vote(vote)]);
    let from = PeerId(0);
    net.input(3, Input::Receive { from, frame });
    let votes = net.hosts[3].node.consensus().votes();
    votes
        .prevotes(Round::ZERO)
        .unwrap()
        .vote(index.get())
        .is_some()
}

/// Tendermint's reactor drops data and votes while it fast-syncs, and tells new peers nothing.
#[test]
fn a_node_that_syncs_takes_no_part_in_consensus() {
    assert!(counts_a_vote(&mut Net::new(4)));
    let mut net = Net::late_joiner(4, syncing(), 20);
    assert!(net.hosts[3].node.is_syncing());
    assert!(!counts_a_vote(&mut net));
    net.mail.clear();
    net.input(3, Input::Connected(PeerId(1)));
    let said = net.mail.iter().filter(|(from, ..)| *from == PeerId(3));
    let channels: Vec<Channel> = said.map(|(.., f)| f.contents().unwrap().channel).collect();
    assert_eq!(channels, [Channel::BlockSync], "it asks what the peer has");
}

#[test]
fn a_cluster_that_starts_with_block_sync_goes_over_to_consensus() {
    let mut net = Net::with(4, syncing());
    net.run_to(5);
    assert!(net.hosts.iter().all(|host| host.synced.is_empty()));
    let mut alone = Net::with(1, syncing());
    alone.run_to(3);
}

fn wrong_block(message: &Message) -> Option<Message> {
    let Message::BlockSync(SyncMessage::BlockResponse { block, commit }) = message else {
        return Some(message.clone());
    };
    let mut other = Block::clone(block);
    other.txs = Bounded::try_from(vec![set(b"lie", b"lie")]).unwrap();
    Some(Message::BlockSync(SyncMessage::BlockResponse {
        block: Arc::new(other),
        commit: commit.clone(),
    }))
}

/// With digests that fit: only the commit tells that nobody decided it.
fn forged_block(message: &Message) -> Option<Message> {
    let Some(Message::BlockSync(SyncMessage::BlockResponse { block, commit })) =
        wrong_block(message)
    else {
        return Some(message.clone());
    };
    let mut other = Block::clone(&block);
    other.header.data_hash = Block::data_hash(&other.txs);
    let mut commit = commit;
    commit.block = other.cut().0;
    Some(Message::BlockSync(SyncMessage::BlockResponse {
        block: Arc::new(other),
        commit,
    }))
}

fn short_commit(message: &Message) -> Option<Message> {
    let Message::BlockSync(SyncMessage::BlockResponse { block, commit }) = message else {
        return Some(message.clone());
    };
    let mut commit = commit.clone();
    let half = commit.signatures.iter().enumerate();
    let half: Vec<_> = half
        .map(|(i, entry)| if i < 2 { CommitSig::Absent } else { *entry })
        .collect();
    commit.signatures = Bounded::try_from(half).unwrap();
    Some(Message::BlockSync(SyncMessage::BlockResponse {
        block: Arc::clone(block),
        commit,
    }))
}

fn no_block(message: &Message) -> Option<Message> {
    let Message::BlockSync(SyncMessage::BlockResponse { block, .. }) = message else {
        return Some(message.clone());
    };
    let height = block.header.height;
    Some(Message::BlockSync(SyncMessage::NoBlockResponse { height }))
}

fn nothing(message: &Message) -> Option<Message> {
    let answer = matches!(
        message,
        Message::BlockSync(SyncMessage::BlockResponse { .. } | SyncMessage::NoBlockResponse { .. })
    );
    (!answer).then(|| message.clone())
}

/// Claims a thousand blocks more than there are.
fn boast(message: &Message) -> Option<Message> {
    let Message::BlockSync(SyncMessage::StatusResponse { height, .. }) = message else {
        return nothing(message);
    };
    let (base, height) = (Height::FIRST, Height(height.0.saturating_add(1_000)));
    Some(Message::BlockSync(SyncMessage::StatusResponse {
        base,
        height,
    }))
}

#[test]
fn a_liar_is_banned_and_the_others_bring_the_right_blocks() {
    for lie in [wrong_block, forged_block, short_commit, no_block] {
        let mut net = Net::late_joiner(4, syncing(), 20);
        net.lies.insert(PeerId(1), lie);
        net.run_to(25);
        assert_eq!(net.banned(3), BTreeSet::from([PeerId(1)]));
        let from = net.synced_from(3);
        assert!(from.len() >= 15, "{} blocks by block sync", from.len());
        assert!(from.values().all(|sender| *sender != PeerId(1)));
    }
}

#[test]
fn where_all_peers_lie_about_blocks_gossip_brings_them() {
    let lies: [Lie; 4] = [wrong_block, no_block, nothing, boast];
    for lie in lies {
        let mut net = Net::late_joiner(4, syncing(), 10);
        for id in 0..3 {
            net.lies.insert(PeerId(id), lie);
        }
        net.run_to(14);
        assert_eq!(net.synced_from(3), BTreeMap::new());
        assert!(!net.hosts[3].node.is_syncing());
    }
}

#[test]
fn liars_cannot_take_a_node_out_of_consensus() {
    let mut net = Net::with(4, syncing());
    net.run_to(2);
    net.lies.insert(PeerId(1), boast);
    let far = SyncMessage::StatusResponse {
        base: Height(1),
        height: Height(u64::MAX),
    };
    let frame = Frame::encode(Channel::BlockSync, vec![Message::BlockSync(far)]);
    net.mail.push_back((PeerId(1), PeerId(0), frame));
    for height in 3..12 {
        net.run_to(height);
        assert!(!net.hosts[0].node.is_syncing());
    }
    assert!(net.synced_from(0).is_empty());
}

#[test]
fn a_node_that_crashes_while_it_syncs_goes_on_where_it_was() {
    let mut net = Net::late_joiner(4, syncing(), 40);
    for height in [5, 6, 20] {
        net.run_one_to(3, height);
        assert!(net.hosts[3].node.is_syncing());
        let before = net.height(3);
        net.restart(3);
        assert!(net.height(3) >= before, "what was committed is there");
    }
    net.run_to(45);
    assert!(!net.hosts[3].node.is_syncing());
}

#[test]
fn a_restarted_node_that_missed_nothing_goes_on_where_it_was() {
    let mut net = Net::with(4, syncing());
    net.run_to(6);
    for id in 0..4 {
        net.restart(id);
    }
    net.run_to(12);
}

#[test]
fn a_flood_of_questions_is_answered_up_to_the_bound() {
    let mut net = Net::with(4, syncing());
    net.run_to(8);
    net.lies.insert(PeerId(1), nothing);
    let ask = Message::BlockSync(SyncMessage::BlockRequest { height: Height(1) });
    let frame = Frame::encode(Channel::BlockSync, vec![ask; MAX_SYNC_FRAME_MESSAGES]);
    net.mail.clear();
    let from = PeerId(1);
    for _ in 0..80 {
        let frame = frame.clone();
        net.input(0, Input::Receive { from, frame });
    }
    let refused = net.hosts[0].rejected.iter();
    let too_many = Rejection::BlockSync(Fault::TooMany);
    let refused = refused.filter(|(_, reason)| *reason == too_many).count();
    let limit = usize::try_from(blocksync::MAX_QUESTIONS).unwrap();
    assert!(refused >= 80 * MAX_SYNC_FRAME_MESSAGES - limit, "{refused}");
    let answers = net.mail.iter().filter(|(_, to, _)| *to == from).count();
    assert!(answers <= limit, "{answers}");
}

#[test]
fn a_block_that_is_not_there_is_answered_so() {
    let mut net = Net::with(4, syncing());
    net.run_to(3);
    net.mail.clear();
    let height = Height(1_000);
    let ask = Message::BlockSync(SyncMessage::BlockRequest { height });
    let frame = Frame::encode(Channel::BlockSync, vec![ask]);
    let from = PeerId(2);
    net.input(0, Input::Receive { from, frame });
    let answer = Message::BlockSync(SyncMessage::NoBlockResponse { height });
    let answer = Frame::encode(Channel::BlockSync, vec![answer]);
    assert!(net.mail.contains(&(PeerId(0), from, answer)));
}
