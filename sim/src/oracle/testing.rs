//! Hand-made histories: events as the world would emit them, with signatures that are cheap to make
//! and cannot be mistaken for one another's.

use std::sync::Arc;

use engine::{
    app::{App, Call, Item},
    codec::Frame,
    consensus::Decision,
    crypto::Verify,
    node::{Entry, Record},
    privval::{SignSlot, SignStep},
    types::{
        Block, BlockId, Bounded, ChainId, Commit, CommitSig, Hash, Header, Height, Lsn, Message,
        Params, PartSet, PeerId, Proposal, PublicKey, Round, Signature, Span, Time, Tx,
        ValidatorIndex, Vote, VoteKind, sha256,
    },
};

use super::{Judge, Member, Setup, Violation, Work, merkle::digest};
use crate::{
    clock::START,
    trace::{Event, What},
};

/// A signature is the digest of key and message, twice.
#[derive(Debug)]
pub(super) struct Plain;

impl Verify for Plain {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        sign_as(key, message) == *signature
    }
}

fn sign_as(key: &PublicKey, message: &[u8]) -> Signature {
    let half = digest(&[&key.0[..], message].concat()).0;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&half);
    signature[32..].copy_from_slice(&half);
    Signature(signature)
}

pub(super) fn chain_id() -> ChainId {
    ChainId::try_from(b"test".to_vec()).unwrap()
}

/// The keys of ten nodes, sorted by address.
pub(super) fn key(node: usize) -> PublicKey {
    let mut keys: Vec<PublicKey> = (1..=10).map(|byte| PublicKey([byte; 32])).collect();
    keys.sort_by_key(PublicKey::address);
    keys[node]
}

/// Nodes of power one; those in `byzantine` are not correct.
pub(super) fn setup(nodes: usize, byzantine: &[usize]) -> Setup {
    let member = |i: usize| Member {
        key: key(i),
        power: 1,
        correct: !byzantine.contains(&i),
    };
    Setup {
        chain: chain_id(),
        validators: (0..nodes).map(member).collect(),
        params: Params::default(),
        verify: Arc::new(Plain),
        within_one_third: 3 * byzantine.len() < nodes,
        work: Work {
            at_least: 10_000,
            per_height: 1_000,
        },
        without: Vec::new(),
    }
}

/// The same without these oracles.
pub(super) fn without(setup: Setup, names: &[&'static str]) -> Setup {
    Setup {
        without: names.to_vec(),
        ..setup
    }
}

/// Some block id.
/// A block of one part, which holds this byte.
pub(super) fn id(byte: u8) -> BlockId {
    BlockId {
        hash: Hash([byte; 32]),
        parts: PartSet::split(&[byte]).header(),
    }
}

/// A proposal of such a block with its part, anything else alone.
fn whole(message: &Message) -> Vec<Message> {
    let mut all = vec![message.clone()];
    if let Message::Proposal(proposal) = message
        && let Hash([byte, ..]) = proposal.block.hash
        && proposal.block == id(byte)
    {
        let parts = PartSet::split(&[byte]);
        all.extend(parts.part(0).map(|part| Message::BlockPart {
            height: proposal.height,
            round: proposal.round,
            part: Arc::clone(part),
        }));
    }
    all
}

pub(super) fn vote(
    by: usize,
    kind: VoteKind,
    (height, round): (u64, u32),
    block: Option<BlockId>,
) -> Message {
    vote_at((by, by), kind, (height, round), block)
}

/// A vote of a node that names a place in the set.
pub(super) fn vote_at(
    (by, place): (usize, usize),
    kind: VoteKind,
    (height, round): (u64, u32),
    block: Option<BlockId>,
) -> Message {
    let index = ValidatorIndex::new(place);
    let (address, signature) = (key(by).address(), Signature([0; 64]));
    let (height, round) = (Height(height), Round(round));
    let mut vote = Vote {
        kind,
        height,
        round,
        block,
        index,
        address,
        signature,
    };
    vote.signature = sign_as(&key(by), &vote.sign_bytes(&chain_id()));
    Message::Vote(vote)
}

pub(super) fn prevote(by: usize, at: (u64, u32), block: Option<BlockId>) -> Message {
    vote(by, VoteKind::Prevote, at, block)
}

pub(super) fn precommit(by: usize, at: (u64, u32), block: Option<BlockId>) -> Message {
    vote(by, VoteKind::Precommit, at, block)
}

pub(super) fn proposal(
    by: usize,
    (height, round): (u64, u32),
    block: BlockId,
    pol: Option<u32>,
) -> Message {
    let (height, round, pol_round) = (Height(height), Round(round), pol.map(Round));
    let signature = Signature([0; 64]);
    let mut proposal = Proposal {
        height,
        round,
        pol_round,
        block,
        signature,
    };
    proposal.signature = sign_as(&key(by), &proposal.sign_bytes(&chain_id()));
    Message::Proposal(proposal)
}

/// Where a message stands in the order of signing.
fn slot(message: &Message) -> Option<SignSlot> {
    let at = |height, round, step| {
        Some(SignSlot {
            height,
            round,
            step,
        })
    };
    match message {
        Message::Proposal(p) => at(p.height, p.round, SignStep::Propose),
        Message::Vote(v) if v.kind == VoteKind::Prevote => at(v.height, v.round, SignStep::Prevote),
        Message::Vote(v) => at(v.height, v.round, SignStep::Precommit),
        Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::BlockPart { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => None,
    }
}

/// A judge, and the pen that writes the history it judges.
pub(super) struct History {
    pub(super) judge: Judge,
    /// How much has happened.
    pub(super) seq: u64,
    lsn: Vec<u64>,
    /// What each node's sign state says.
    pub(super) signed: Vec<Option<SignSlot>>,
    /// The first violation.
    pub(super) verdict: Result<(), Box<Violation>>,
}

impl History {
    pub(super) fn new(setup: Setup) -> Self {
        let lsn = vec![1; setup.validators.len()];
        Self {
            judge: Judge::new(setup),
            seq: 0,
            signed: vec![None; lsn.len()],
            lsn,
            verdict: Ok(()),
        }
    }

    /// Something happens to a node, one millisecond after the last thing.
    pub(super) fn happens(&mut self, node: usize, what: What) -> &mut Self {
        self.seq += 1;
        let node = Some(PeerId(u16::try_from(node).unwrap()));
        let event = Event {
            seq: self.seq,
            time: START.after(Span::millis(self.seq)),
            node,
            what,
        };
        if self.verdict.is_ok() {
            self.verdict = self.judge.observe(&event);
        }
        self
    }

    pub(super) fn append(&mut self, node: usize, message: &Message) -> &mut Self {
        let lsn = Lsn(self.lsn[node]);
        self.lsn[node] += 1;
        let messages = whole(message);
        let record = Record::Own { messages };
        let entry = Arc::new(Entry {
            time: Time(0),
            record,
        });
        self.signed[node] = self.signed[node].max(slot(message));
        self.happens(node, What::Appended { lsn, entry })
    }

    pub(super) fn sync(&mut self, node: usize) -> &mut Self {
        let lsn = Lsn(self.lsn[node] - 1);
        let signed = self.signed[node];
        self.happens(node, What::Synced { lsn, signed })
    }

    pub(super) fn send(&mut self, node: usize, message: &Message) -> &mut Self {
        let frame = Frame::encode(message.channel(), vec![message.clone()]);
        self.happens(
            node,
            What::Sent {
                packet: 0,
                to: PeerId(0),
                frame,
            },
        )
    }

    /// Signs in good order: log, disk, network.
    pub(super) fn sign(&mut self, node: usize, message: &Message) -> &mut Self {
        self.append(node, message).sync(node).send(node, message)
    }

    /// A message comes; a proposal with its block.
    pub(super) fn get(&mut self, node: usize, message: &Message) -> &mut Self {
        for message in whole(message) {
            self.get_alone(node, &message);
        }
        self
    }

    pub(super) fn get_alone(&mut self, node: usize, message: &Message) -> &mut Self {
        let frame = Frame::encode(message.channel(), vec![message.clone()]);
        self.happens(
            node,
            What::Delivered {
                packet: 0,
                from: PeerId(0),
                frame,
            },
        )
    }

    pub(super) fn get_all(&mut self, node: usize, messages: &[Message]) -> &mut Self {
        messages.iter().for_each(|message| {
            self.get(node, message);
        });
        self
    }

    /// A node hears that all others prevote nil: it may precommit nil.
    pub(super) fn nil_polka(&mut self, node: usize, at: (u64, u32)) -> &mut Self {
        let others = (0..self.lsn.len()).filter(|other| *other != node);
        let votes: Vec<Message> = others.map(|by| prevote(by, at, None)).collect();
        self.get_all(node, &votes)
    }

    /// A node hears two others in a round: it may go there.
    pub(super) fn follow(&mut self, node: usize, at: (u64, u32)) -> &mut Self {
        let others = (0..self.lsn.len()).rev().filter(|other| *other != node);
        let votes: Vec<Message> = others.take(2).map(|by| prevote(by, at, None)).collect();
        self.get_all(node, &votes)
    }

    /// A timeout of consensus reaches a node.
    pub(super) fn timeout(&mut self, node: usize) -> &mut Self {
        self.happens(node, What::Fired { timer: "consensus" })
    }

    pub(super) fn crash(&mut self, node: usize) -> &mut Self {
        self.happens(node, What::Crashed)
    }

    /// A node's next record has the number of its first.
    pub(super) fn forget(&mut self, node: usize) {
        self.lsn[node] = 1;
    }

    pub(super) fn start(&mut self, node: usize, height: u64) -> &mut Self {
        let signed = self.signed[node];
        self.happens(
            node,
            What::Started {
                incarnation: 1,
                height: Height(height),
                signed,
            },
        )
    }

    /// A node sees the parts and precommits of a decision, and announces it.
    pub(super) fn decide(&mut self, node: usize, decided: &Decision, app_hash: Hash) -> &mut Self {
        self.see(node, decided).announce(node, decided, app_hash)
    }

    pub(super) fn see(&mut self, node: usize, decided: &Decision) -> &mut Self {
        let at = (decided.block.header.height.0, decided.round.0);
        let bytes = decided.commit.sign_bytes(&chain_id(), Some(decided.id));
        for (place, entry) in decided.commit.signatures.iter().enumerate() {
            let signed = |by: &usize| *entry == CommitSig::Block(sign_as(&key(*by), &bytes));
            let by = (0..10).find(signed).unwrap_or(place);
            let vote = vote_at((by, place), VoteKind::Precommit, at, Some(decided.id));
            self.get(node, &vote);
        }
        self.see_parts(node, decided)
    }

    pub(super) fn see_parts(&mut self, node: usize, decided: &Decision) -> &mut Self {
        let (height, round) = (decided.block.header.height, decided.round);
        for i in decided.parts.have().ones() {
            let part = Arc::clone(decided.parts.part(i).unwrap());
            self.get(
                node,
                &Message::BlockPart {
                    height,
                    round,
                    part,
                },
            );
        }
        self
    }

    pub(super) fn announce(
        &mut self,
        node: usize,
        decided: &Decision,
        app_hash: Hash,
    ) -> &mut Self {
        let height = decided.block.header.height;
        let decision = Arc::new(decided.clone());
        self.happens(
            node,
            What::Decided {
                height,
                app_hash,
                decision,
            },
        )
    }

    pub(super) fn submit(&mut self, tx: &Tx) -> &mut Self {
        self.happens(0, What::Submitted { tx: sha256(tx) })
    }

    /// The name of the oracle that fired.
    pub(super) fn fired(&self) -> &'static str {
        self.verdict
            .as_ref()
            .map_or_else(|violation| violation.oracle, |()| "none")
    }

    pub(super) fn violation(&self) -> &Violation {
        self.verdict.as_ref().expect_err("an oracle fired")
    }
}

/// A transaction that sets a key.
pub(super) fn tx(key: &[u8]) -> Tx {
    let item = |bytes: &[u8]| Item::try_from(bytes.to_vec()).unwrap();
    Call::Set {
        key: item(key),
        value: item(b"value"),
    }
    .to_tx()
}

/// Builds a valid chain, with the engine's own data types.
pub(super) struct Chain {
    height: Height,
    last: Option<(BlockId, Commit)>,
    pub(super) app: App,
    /// The nodes that validate the next height, with their powers.
    pub(super) set: Vec<(usize, u64)>,
    pub(super) config_sequence: u64,
}

impl Chain {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            height: Height::ZERO,
            last: None,
            app: App::default(),
            set: (0..nodes).map(|i| (i, 1)).collect(),
            config_sequence: 0,
        }
    }

    /// The next block, before anybody votes for it.
    pub(super) fn block(&self, keys: &[&[u8]]) -> Block {
        self.block_of(keys.iter().map(|key| tx(key)).collect())
    }

    /// The next block with these transactions.
    pub(super) fn block_of(&self, txs: Vec<Tx>) -> Block {
        let last_commit = self.last.as_ref().map(|(_, commit)| commit.clone());
        let leaf = |(i, power): &(usize, u64)| [&key(*i).0[..], &power.to_le_bytes()].concat();
        let leaves: Vec<Vec<u8>> = self.set.iter().map(leaf).collect();
        let height = self.height.next();
        let header = Header {
            chain: chain_id(),
            height,
            time: Time(1_000 * height.0),
            last_block: self.last.as_ref().map(|(id, _)| *id),
            last_commit_hash: Block::commit_hash(last_commit.as_ref()),
            data_hash: Block::data_hash(&txs),
            evidence_hash: Block::evidence_hash(&[]),
            validators_hash: engine::types::merkle_root(&leaves),
            app_hash: self.app.hash(),
            config_sequence: self.config_sequence,
            proposer: key(self.set[0].0).address(),
        };
        Block {
            header,
            txs: txs.try_into().unwrap(),
            evidence: Bounded::default(),
            last_commit,
        }
    }

    /// Everybody precommits a block; nothing is executed.
    pub(super) fn decide(&self, block: Block) -> Decision {
        let (id, parts) = block.cut();
        let round = Round(0);
        let at = (block.header.height.0, 0);
        let signature = |by| {
            let Message::Vote(vote) = precommit(by, at, Some(id)) else {
                panic!("a vote");
            };
            CommitSig::Block(vote.signature)
        };
        let signatures: Vec<_> = self.set.iter().map(|(by, _)| signature(*by)).collect();
        let signatures = Bounded::try_from(signatures).unwrap();
        let commit = Commit {
            height: block.header.height,
            round,
            block: id,
            signatures,
        };
        Decision {
            round,
            id,
            block: Arc::new(block),
            parts,
            commit,
        }
    }

    /// The chain goes on with a decision.
    pub(super) fn apply(&mut self, decided: &Decision) -> Hash {
        self.height = self.height.next();
        self.app.execute(self.height, &decided.block.txs);
        self.last = Some((decided.id, decided.commit.clone()));
        self.app.hash()
    }

    /// The next block with these keys set, decided by everybody.
    pub(super) fn next(&mut self, keys: &[&[u8]]) -> Decision {
        let decided = self.decide(self.block(keys));
        self.apply(&decided);
        decided
    }
}
