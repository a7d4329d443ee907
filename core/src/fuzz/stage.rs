//! A validator on its own disk among three peers whose keys the target holds. The target says what
//! comes in; the stage carries out what the validator wants and shows it to a [`Witness`].

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    live::Live,
    solo::{DIR, store_config},
    states::{State, went},
    toy::{Checks, Toy, keys_of, members, toys},
    witness::Witness,
};
use crate::{
    codec::Frame,
    crypto::{Sign, Verify},
    ledger::Genesis,
    node::{Config, Input, Node, Output, Record, Store, Timer},
    storage::MemoryStorage,
    types::{
        Address, Block, BlockId, ChainId, Height, Message, Params, Part, PeerId, Proposal, Round,
        Signature, Span, Time, ValidatorIndex, Vote, VoteKind,
    },
};

/// How many outputs one input may cause: frames for three peers, records, timers. Far more than any
/// was seen to cause, far fewer than a loop would.
const MOST_OUTPUTS: usize = 2_000;

/// The validator, its disk and its world.
pub(super) struct Stage {
    pub(super) keys: Vec<Toy>,
    pub(super) node: Node,
    pub(super) live: Live,
    pub(super) now: Time,
    store: Store,
    disk: MemoryStorage,
    timers: BTreeMap<Timer, Time>,
    witness: Witness,
    /// How many more outputs are carried out before the machine stops; `None` for all.
    fuse: Option<usize>,
}

/// The validator's place in the set; the others are peers of the same numbers.
pub(super) const ME: usize = 0;

fn genesis(keys: &[Toy]) -> Genesis {
    Genesis {
        chain: ChainId::try_from(b"stage".to_vec()).expect("short"),
        time: Time(1),
        validators: members(keys, &[1; 4]),
        params: Params::default(),
    }
}

fn start(disk: &mut MemoryStorage, keys: &[Toy], now: Time) -> (Node, Store, Vec<Output>) {
    disk.restart();
    let started = Store::start(disk, DIR, &genesis(keys), store_config());
    let (store, found) = started.unwrap_or_else(|error| panic!("a start is refused: {error}"));
    let mut out = Vec::new();
    let node = Node::recover(&Config::default(), keys_of(keys[ME]), found, now, &mut out);
    (node, store, out)
}

impl Stage {
    /// A fresh validator that is connected to all peers.
    pub(super) fn new() -> Self {
        let (keys, now) = (toys(4), Time(1_000_000_000));
        let addresses: Vec<Address> = keys.iter().map(|k| k.public_key().address()).collect();
        let mut disk = MemoryStorage::default();
        let (node, store, out) = start(&mut disk, &keys, now);
        let mut stage = Self {
            live: Live {
                height: Height::FIRST,
                round: Round::ZERO,
                blocks: Vec::new(),
                parts: Vec::new(),
                addresses: addresses.clone(),
                decided: Vec::new(),
            },
            witness: Witness::new(addresses[ME]),
            timers: BTreeMap::new(),
            fuse: None,
            keys,
            node,
            now,
            store,
            disk,
        };
        stage.carry_out(out);
        (1..4).for_each(|peer| stage.input(Input::Connected(PeerId(peer))));
        stage
    }

    /// The machine stops after so many more outputs.
    pub(super) fn light(&mut self, fuse: usize) {
        self.fuse = Some(fuse);
    }

    /// Whether the validator has stopped for good.
    pub(super) fn is_over(&self) -> bool {
        self.node.halted().is_some()
    }

    pub(super) fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        let from = State::of(self.node.consensus());
        self.node.step(self.now, input, &mut out);
        self.carry_out(out);
        went(from, State::of(self.node.consensus()));
        let at = self.node.consensus().at();
        (self.live.height, self.live.round) = (at.height, at.round);
    }

    /// Messages of one channel from a peer.
    pub(super) fn receive(&mut self, from: u16, messages: Vec<Message>) {
        let chain = genesis(&self.keys).chain;
        for message in &messages {
            if self.is_authentic(&chain, message) {
                self.witness.heard(message);
            }
        }
        let Some(first) = messages.first() else {
            return;
        };
        let frame = Frame::encode(first.channel(), messages);
        self.input(Input::Receive {
            from: PeerId(from),
            frame,
        });
    }

    /// Bytes from a peer.
    pub(super) fn receive_bytes(&mut self, from: u16, bytes: Vec<u8>) {
        let frame = Frame::from_bytes(bytes);
        let messages = frame.contents().map(|contents| contents.messages.to_vec());
        let chain = genesis(&self.keys).chain;
        for message in messages.unwrap_or_default() {
            if self.is_authentic(&chain, &message) {
                self.witness.heard(&message);
            }
        }
        self.input(Input::Receive {
            from: PeerId(from),
            frame,
        });
    }

    fn is_authentic(&self, chain: &ChainId, message: &Message) -> bool {
        if let Message::Vote(vote) = message {
            let key = self.keys.get(vote.index.get()).map(Sign::public_key);
            return key.is_some_and(|key| {
                let right = Checks.verify(&key, &vote.sign_bytes(chain), &vote.signature);
                key.address() == vote.address && right
            });
        }
        if let Message::Proposal(proposal) = message {
            let bytes = proposal.sign_bytes(chain);
            let mut keys = self.keys.iter().map(Sign::public_key);
            return keys.any(|key| Checks.verify(&key, &bytes, &proposal.signature));
        }
        false
    }

    /// The earliest timer goes off, after the time until then.
    pub(super) fn fire(&mut self, which: u8) {
        let mut due: Vec<(Time, Timer)> = self.timers.iter().map(|(t, at)| (*at, *t)).collect();
        due.sort();
        let Some((at, timer)) = due.get(usize::from(which) % due.len().max(1)).copied() else {
            return;
        };
        self.now = self.now.max(at);
        self.timers.remove(&timer);
        self.input(Input::Fire(timer));
    }

    /// The consensus timer goes off until a round or a height begins.
    pub(super) fn next_round(&mut self) {
        let (height, round) = (self.live.height, self.live.round);
        for _ in 0..5 {
            let Some(at) = self.timers.remove(&Timer::Consensus) else {
                return;
            };
            self.now = self.now.max(at);
            self.input(Input::Fire(Timer::Consensus));
            if (self.live.height, self.live.round) != (height, round) {
                return;
            }
        }
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Span::millis(ms));
    }

    /// The machine stops and starts from its disk.
    pub(super) fn crash(&mut self) {
        self.fuse = None;
        self.timers.clear();
        // This disk forgets nothing.
        self.witness.synced();
        let (node, store, out) = start(&mut self.disk, &self.keys, self.now);
        (self.node, self.store) = (node, store);
        self.carry_out(out);
        (1..4).for_each(|peer| self.input(Input::Connected(PeerId(peer))));
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        let mut queue = VecDeque::from(out);
        let mut count = 0;
        while let Some(output) = queue.pop_front() {
            if let Some(fuse) = &mut self.fuse {
                if *fuse == 0 {
                    return self.crash();
                }
                *fuse -= 1;
            }
            count += 1;
            assert!(count < MOST_OUTPUTS, "one input causes work without end");
            self.look(&output);
            let done = self.store.carry_out(&mut self.disk, &output);
            let answer = done.unwrap_or_else(|error| panic!("a plain disk fails: {error}"));
            // What is durable is known only afterwards.
            if let Output::Append { entry, .. } = &output
                && let Record::Own { messages } = &entry.record
            {
                messages
                    .iter()
                    .for_each(|message| self.witness.signed(message));
            }
            if matches!(output, Output::Sync(_) | Output::Commit { .. }) {
                self.witness.synced();
            }
            if let Some(input) = answer {
                let mut more = Vec::new();
                self.node.step(self.now, input, &mut more);
                queue.extend(more);
            }
        }
    }

    /// What the validator says and wants, before it is done.
    fn look(&mut self, output: &Output) {
        if let Output::Arm { timer, at } = output {
            self.timers.insert(*timer, *at);
        }
        if let Output::Send { frame, .. } = output {
            let contents = frame
                .contents()
                .unwrap_or_else(|error| panic!("own frame: {error}"));
            for message in contents.messages.iter() {
                self.witness.sent(message);
                self.learn(message);
            }
        }
        if let Output::Decided {
            height, decision, ..
        } = output
        {
            self.witness.decided(*height, decision.round, decision.id);
            self.live
                .decided
                .push((Arc::clone(&decision.block), decision.commit.clone()));
            self.live.blocks.clear();
            self.live.parts.clear();
        }
    }

    /// Blocks and parts go into the dictionary.
    fn learn(&mut self, message: &Message) {
        if let Message::Proposal(proposal) = message
            && !self.live.blocks.contains(&proposal.block)
        {
            self.live.blocks.push(proposal.block);
        }
        if let Message::BlockPart { part, .. } = message
            && !self.live.parts.contains(part)
        {
            self.live.parts.push(Arc::clone(part));
        }
    }

    /// A vote of this validator, signed.
    pub(super) fn vote(
        &self,
        voter: usize,
        kind: VoteKind,
        round: Round,
        block: Option<BlockId>,
    ) -> Message {
        let mut vote = Vote {
            kind,
            height: self.live.height,
            round,
            block,
            index: ValidatorIndex::new(voter),
            address: self.live.addresses[voter],
            signature: Signature([0; 64]),
        };
        self.sign_vote(voter, &mut vote);
        Message::Vote(vote)
    }

    fn sign_vote(&self, voter: usize, vote: &mut Vote) {
        vote.index = ValidatorIndex::new(voter);
        vote.address = self.live.addresses[voter];
        vote.signature = self.keys[voter].sign(&vote.sign_bytes(&genesis(&self.keys).chain));
    }

    /// The same message, with this validator's name and signature where it has one.
    pub(super) fn re_signed(&self, signer: usize, mut message: Message) -> Message {
        if let Message::Vote(vote) = &mut message {
            self.sign_vote(signer, vote);
        }
        if let Message::Proposal(proposal) = &mut message {
            let bytes = proposal.sign_bytes(&genesis(&self.keys).chain);
            proposal.signature = self.keys[signer].sign(&bytes);
        }
        if let Message::Evidence(evidence) = &mut message {
            self.sign_vote(signer, &mut evidence.first);
            self.sign_vote(signer, &mut evidence.second);
        }
        message
    }

    /// Whose turn it is in the current round.
    pub(super) fn proposer(&self) -> usize {
        self.node.consensus().proposer().get()
    }

    /// A valid block for the current height; other times are other blocks.
    pub(super) fn block(&self, proposer: usize, later: u8) -> Block {
        let chain = self.node.consensus().chain();
        let commit = self
            .node
            .consensus()
            .last_commit()
            .and_then(|votes| votes.commit());
        let time = Time(self.now.0.saturating_add(u64::from(later)));
        let address = self.live.addresses[proposer];
        chain.next_block(time, address, Vec::new(), Vec::new(), commit)
    }

    /// The proposal of a block for the current round, and its parts.
    pub(super) fn propose(
        &mut self,
        proposer: usize,
        block: &Block,
        pol_round: Option<Round>,
    ) -> (Message, Vec<Message>) {
        let (id, parts) = block.cut();
        let (height, round) = (self.live.height, self.live.round);
        let mut proposal = Proposal {
            height,
            round,
            pol_round: pol_round.filter(|pol| *pol < round),
            block: id,
            signature: Signature([0; 64]),
        };
        let bytes = proposal.sign_bytes(&genesis(&self.keys).chain);
        proposal.signature = self.keys[proposer].sign(&bytes);
        let all = (0..).map_while(|index| parts.part(index).map(Arc::clone));
        let part = |part: Arc<Part>| Message::BlockPart {
            height,
            round,
            part,
        };
        let parts: Vec<Message> = all.map(part).collect();
        let proposal = Message::Proposal(proposal);
        self.learn(&proposal);
        parts.iter().for_each(|part| self.learn(part));
        (proposal, parts)
    }
}
