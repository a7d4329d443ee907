//! What hostile peers can make a validator keep, measured by a counting allocator.
//!
//! The counts of `Node::size` are what hosts and judges compare with the declared bounds. Here
//! every byte that a storm of hostile messages leaves behind is counted: it is no more than the
//! things that are counted take, and a longer storm leaves no more. One test, so that no other
//! thread allocates meanwhile.

use std::{alloc::System, sync::Arc};

use engine::{
    app::{Call, Item},
    codec::Frame,
    crypto::{Keys, Sign, Verify},
    ledger::Genesis,
    node::{Config, Input, Node, Output, Size, Store, StoreConfig, Timer},
    storage::MemoryStorage,
    types::{
        BitArray, BlockId, Bounded, BoundedBytes, ChainId, DuplicateVote, Hash, Height, Message,
        Params, Part, PartSetHeader, PeerId, Proof, Proposal, PublicKey, Round, Signature, Span,
        Step, SyncMessage, Time, Tx, ValidatorIndex, ValidatorUpdate, Vote, VoteKind, sha256,
    },
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes of a part of a block.
const PART: usize = 4_096;
/// Who signs what it likes.
const BYZANTINE: usize = 3;

/// A key whose signatures are hashes: fast, and checked all the same.
#[derive(Debug, Clone, Copy)]
struct Toy(u8);

#[derive(Debug)]
struct Checks;

impl Sign for Toy {
    fn public_key(&self) -> PublicKey {
        PublicKey([self.0; 32])
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let mut bytes = [self.0; 64];
        bytes[..32].copy_from_slice(&sha256(message).0);
        Signature(bytes)
    }
}

impl Verify for Checks {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        Toy(key.0[0]).sign(message) == *signature
    }
}

/// The validator, of four, that is stormed: the first by address. The last one signs whatever it
/// likes; all three peers pass it on, for more would lead the validator through rounds.
struct Stormed {
    node: Node,
    keys: Vec<Toy>,
    now: Time,
    out: Vec<Output>,
}

fn chain() -> ChainId {
    ChainId::try_from(b"storm".to_vec()).expect("short")
}

impl Stormed {
    fn new() -> Self {
        let mut keys: Vec<Toy> = (1..=4).map(Toy).collect();
        keys.sort_by_key(|key| key.public_key().address());
        let power = |key: &Toy| ValidatorUpdate {
            key: key.public_key(),
            power: 1,
        };
        let genesis = Genesis {
            chain: chain(),
            time: Time(1),
            validators: keys.iter().map(power).collect(),
            params: Params::default(),
        };
        let mut disk = MemoryStorage::default();
        let started = Store::start(&mut disk, "data", &genesis, StoreConfig::default());
        let (_, found) = started.expect("a fresh directory");
        let own = Keys {
            verify: Arc::new(Checks),
            sign: Some(Arc::new(keys[0])),
        };
        let (now, mut out) = (Time(1_000_000_000), Vec::new());
        let node = Node::recover(&Config::default(), own, found, now, &mut out);
        let mut stormed = Self {
            node,
            keys,
            now,
            out,
        };
        stormed.obey();
        (1..4).for_each(|peer| stormed.input(Input::Connected(PeerId(peer))));
        stormed.now = stormed.now.after(Span::millis(10_000));
        stormed.input(Input::Fire(Timer::Consensus));
        stormed
    }

    /// Its log is durable at once, and nobody keeps what it writes and sends.
    fn obey(&mut self) {
        while !self.out.is_empty() {
            for output in std::mem::take(&mut self.out) {
                if let Output::Sync(lsn) = output {
                    self.node.step(self.now, Input::Durable(lsn), &mut self.out);
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.node.step(self.now, input, &mut self.out);
        self.obey();
    }

    fn vote(&self, at: (u64, u32, VoteKind), block: Option<BlockId>) -> Vote {
        let key = self.keys[BYZANTINE];
        let (height, round, kind) = at;
        let mut vote = Vote {
            kind,
            height: Height(height),
            round: Round(round),
            block,
            index: ValidatorIndex::new(BYZANTINE),
            address: key.public_key().address(),
            signature: Signature([0; 64]),
        };
        vote.signature = key.sign(&vote.sign_bytes(&chain()));
        vote
    }

    /// The `i`th message of the storm, from each peer in turn, of each kind in turn.
    fn message(&self, from: u16, i: u32) -> Message {
        let (height, far) = (Height(1 + u64::from(i / 64 % 2)), Round(i / 16));
        let near = Round(i / 16 % 8);
        let kind = if i.is_multiple_of(3) {
            VoteKind::Prevote
        } else {
            VoteKind::Precommit
        };
        let block = (!i.is_multiple_of(5)).then(|| id(i / 128 % 6));
        let mut have = BitArray::new(4);
        have.set(usize::from(from), true);
        match i % 16 {
            0 => Message::Vote(self.vote((height.0, far.0, kind), block)),
            1..=3 => Message::Vote(self.vote((height.0, near.0, kind), block)),
            4 => Message::VoteSetMaj23 {
                height,
                round: far,
                kind,
                block,
            },
            5 => Message::VoteSetMaj23 {
                height,
                round: near,
                kind,
                block,
            },
            6 => Message::VoteSetBits {
                height,
                round: near,
                kind,
                block,
                have,
            },
            7 => Message::HasVote {
                height,
                round: far,
                kind,
                index: ValidatorIndex(from),
            },
            8 => hurry(i, near, far),
            9 => Message::NewValidBlock {
                height,
                round: near,
                parts: PartSetHeader {
                    total: 32,
                    hash: Hash([1; 32]),
                },
                have: BitArray::new(32),
                is_commit: false,
            },
            10 => self.proposal(height, near, i),
            11 => Message::BlockPart {
                height,
                round: near,
                part: Arc::new(part(i)),
            },
            12 => Message::ProposalPol {
                height,
                pol_round: near,
                have,
            },
            13 => self.evidence(i, kind),
            14 => Message::Txs(Bounded::try_from(vec![tx(i)]).expect("one")),
            _ => Message::BlockSync(SyncMessage::BlockRequest {
                height: Height(u64::from(i)),
            }),
        }
    }

    fn evidence(&self, i: u32, kind: VoteKind) -> Message {
        let at = (1, i / 16, kind);
        let [first, second] = [1, 2].map(|block| self.vote(at, Some(id(block))));
        Message::Evidence(Box::new(DuplicateVote::new(first, second).expect("two")))
    }

    fn proposal(&self, height: Height, round: Round, i: u32) -> Message {
        let key = self.keys[BYZANTINE];
        let mut proposal = Proposal {
            height,
            round,
            pol_round: None,
            block: id(i),
            signature: Signature([0; 64]),
        };
        proposal.signature = key.sign(&proposal.sign_bytes(&chain()));
        Message::Proposal(proposal)
    }

    /// So many more messages from each peer.
    fn storm(&mut self, messages: std::ops::Range<u32>) {
        for i in messages {
            for from in 1..4 {
                let message = self.message(from, i);
                let frame = Frame::encode(message.channel(), vec![message]);
                let from = PeerId(from);
                self.now = self.now.after(Span::millis(1));
                self.input(Input::Receive { from, frame });
            }
        }
    }
}

fn id(i: u32) -> BlockId {
    let hash = sha256(&i.to_be_bytes());
    BlockId {
        hash,
        parts: PartSetHeader {
            total: 1 + i % 32,
            hash,
        },
    }
}

/// Somebody claims to be ever further.
fn hurry(i: u32, round: Round, last: Round) -> Message {
    Message::NewRoundStep {
        height: Height(1 + u64::from(i)),
        round,
        step: Step::Prevote,
        seconds_since_start: 0,
        last_commit_round: Some(last),
    }
}

fn part(i: u32) -> Part {
    let bytes = vec![7; PART];
    Part {
        bytes: BoundedBytes::try_from(bytes).expect("short"),
        proof: Proof {
            total: 32,
            index: i % 32,
            aunts: Bounded::default(),
        },
    }
}

/// Sets a key of its own.
fn tx(i: u32) -> Tx {
    let item = |bytes: Vec<u8>| Item::try_from(bytes).expect("short");
    let (key, value) = (item(i.to_be_bytes().to_vec()), item(vec![1; 200]));
    Call::Set { key, value }.to_tx()
}

/// What the things that a node counts may take, in bytes: each with room for its place in a map and
/// for a list that grew by doubling.
fn at_most(size: &Size) -> usize {
    // The rounds ahead, the present one, the next one, and that of the last commit; two kinds.
    let sets = 2 * (size.rounds_ahead + 3);
    let fixed = 64 << 10;
    fixed
        + sets * (size.votes + 4) * 3 * size_of::<Vote>()
        + size.evidence * 2 * size_of::<DuplicateVote>()
        + 3 * size.stash * (PART + size_of::<Message>())
        + size.txs * 4 * (size_of::<Tx>() + size_of::<Hash>())
        + size.tx_bytes
}

#[test]
fn a_storm_leaves_no_more_than_is_counted_and_a_longer_one_leaves_no_more() {
    let mut stormed = Stormed::new();
    let region = Region::new(ALLOCATOR);
    let held = || {
        let change = region.change();
        change.bytes_allocated - change.bytes_deallocated
    };
    stormed.storm(0..80_000);
    let (size, full) = (stormed.node.size(), held());
    assert!(full <= at_most(&size), "{full} bytes for {size:?}");
    assert_eq!(
        stormed.node.consensus().at().round,
        Round(0),
        "one of four leads nobody on"
    );
    assert_eq!(
        (size.rounds_ahead, size.stash),
        (6, 16),
        "what a peer may fill is full"
    );
    assert_eq!((size.evidence, size.txs), (128, 5_000));
    assert_eq!(size.votes, 3, "blocks that are claimed are counted apart");

    stormed.storm(80_000..120_000);
    assert_eq!(stormed.node.size(), size);
    assert!(
        held() <= full,
        "a longer storm leaves {} bytes, not {full}",
        held()
    );
}
