//! Tests of the machine, and the fixture they share.
//!
//! [`Machine`] is one node's consensus machine among validators whose keys the test holds. It does
//! what `node` does around the machine and nothing more: it signs the votes the machine asks for
//! and hands them back as its own. The names of its methods are the words of the paper, so that a
//! test reads like the situation it describes.
//!
//! With equal powers, validator `r` proposes in round `r`.

mod cometbft_locks;
mod cometbft_rounds;
mod deciding;
pub(super) mod itf;
mod locking;
mod malachite;
mod proposing;
mod quint;
mod random;
mod round_state;
mod rounds;
mod traces;
mod waiting;

use std::{collections::VecDeque, sync::Arc};

use super::*;
use crate::{
    app::{App, Call, Item},
    crypto::{Ed25519, Ed25519Key, Sign},
    ledger::Genesis,
    types::{ChainId, Hash, Params, Part, PeerId, Signature, Tx, ValidatorUpdate, Vote},
};

use VoteKind::{Precommit, Prevote};

/// A block with its id and parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    id: BlockId,
    parts: PartSet,
}

impl Made {
    fn new(block: &Block) -> Self {
        let (id, parts) = block.cut();
        Self { id, parts }
    }

    fn part(&self, index: usize) -> &Arc<Part> {
        self.parts.part(index).expect("a block made here is whole")
    }
}

/// Keys in the order of their addresses, which is the order of validators.
pub(super) fn sorted_keys(count: usize) -> Vec<Ed25519Key> {
    let seeds = (1u8..).take(count);
    let mut keys: Vec<_> = seeds.map(|s| Ed25519Key::from_seed(&[s; 32])).collect();
    keys.sort_by_key(|key| key.public_key().address());
    keys
}

/// The chain before its first block; validator `i` has `powers[i]`.
pub(super) fn chain_of(keys: &[Ed25519Key], powers: &[u64]) -> State {
    let members = keys.iter().zip(powers);
    let validators = members.map(|(key, &power)| ValidatorUpdate {
        key: key.public_key(),
        power,
    });
    let genesis = Genesis {
        chain: ChainId::try_from(b"consensus-test".to_vec()).unwrap(),
        time: Time(1),
        validators: validators.collect(),
        params: Params::default(),
    };
    State::genesis(&genesis).unwrap()
}

/// A vote of validator `index` of height 1, correctly signed.
pub(super) fn signed_vote(
    (chain, key): (&ChainId, &Ed25519Key),
    (height, round): (Height, u32),
    kind: VoteKind,
    block: Option<BlockId>,
    index: u16,
) -> Vote {
    let mut vote = Vote {
        kind,
        height,
        round: Round(round),
        block,
        index: ValidatorIndex(index),
        address: key.public_key().address(),
        signature: Signature([0; 64]),
    };
    vote.signature = key.sign(&vote.sign_bytes(chain));
    vote
}

/// A block id that names nothing anybody has.
pub(super) fn unseen(byte: u8) -> BlockId {
    let hash = Hash([byte; 32]);
    let parts = PartSetHeader { total: 1, hash };
    BlockId { hash, parts }
}

/// What the machine asked for and no expectation has looked at yet.
#[derive(Debug, Default)]
struct Record {
    votes: VecDeque<(VoteKind, u32, Option<BlockId>)>,
    proposes: VecDeque<(u32, Option<(Round, BlockId)>)>,
    notices: Vec<Notice>,
    decision: Option<Decision>,
    halt: Option<String>,
    wake: Option<Time>,
}

/// One node's consensus machine among validators whose keys the test holds.
#[derive(Debug)]
struct Machine {
    keys: Vec<Ed25519Key>,
    app: App,
    last_commit: Option<Commit>,
    now: Time,
    machine: Consensus,
    record: Record,
}

impl Machine {
    /// An observer's machine; validator `i` has `powers[i]`.
    fn new(powers: &[u64]) -> Self {
        let keys = sorted_keys(powers.len());
        let chain = chain_of(&keys, powers);
        Self {
            keys,
            app: App::default(),
            last_commit: None,
            now: Time(1_000),
            machine: Consensus::new(Timeouts::default(), None, chain, None),
            record: Record::default(),
        }
    }

    /// The machine of the validator at `index`.
    fn of_validator(mut self, index: usize) -> Self {
        self.machine.address = Some(self.keys[index].public_key().address());
        self
    }

    fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.machine.timeouts = timeouts;
        self
    }

    /// Four validators of equal power; this is the last one, who does not propose before round 3.
    fn of_four() -> Self {
        Self::new(&[1, 1, 1, 1]).of_validator(3)
    }

    /// Begins the height, and its round 0.
    fn start(&mut self) {
        self.wait_for_height();
        self.timeout(Step::NewHeight, 0);
    }

    /// Begins the height, without starting round 0.
    fn wait_for_height(&mut self) {
        self.run(|machine, cx| machine.start(cx, Span::ZERO));
    }

    /// Runs an input, records what the machine wants, and hands its own votes back.
    fn run<T>(&mut self, input: impl FnOnce(&mut Consensus, &mut Context<'_>) -> T) -> T {
        let mut out = Vec::new();
        let mut cx = Context {
            now: self.now,
            verify: &Ed25519,
            out: &mut out,
        };
        let result = input(&mut self.machine, &mut cx);
        for action in out {
            self.note(action);
        }
        result
    }

    fn note(&mut self, action: Action) {
        match action {
            Action::Propose { round, valid, .. } => {
                self.record.proposes.push_back((round.0, valid));
            }
            Action::Vote {
                kind, round, block, ..
            } => {
                self.record.votes.push_back((kind, round.0, block));
                let index = self.machine.index().expect("only validators vote");
                let own = self.vote(kind, round.0, block, index.0);
                let added = self.run(|machine, cx| machine.on_vote(cx, &own, None));
                assert_eq!(added, Ok(Added::New), "a node votes once");
            }
            Action::Wake(at) => self.record.wake = Some(at),
            Action::Decide(decision) => {
                let earlier = self.record.decision.replace(*decision);
                assert_eq!(earlier, None, "a height is decided once");
            }
            Action::Notice(notice) => self.record.notices.push(notice),
            Action::Halt(reason) => self.record.halt = Some(reason),
        }
    }
}

/// What the test makes.
impl Machine {
    /// A valid block that holds one transaction.
    fn block(&self, name: &str) -> Made {
        Made::new(&self.plain_block(name))
    }

    /// A block whose application hash does not follow from the chain.
    fn invalid_block(&self, name: &str) -> Made {
        let mut block = self.plain_block(name);
        block.header.app_hash = Hash([0xbd; 32]);
        Made::new(&block)
    }

    /// A valid block of two parts.
    fn big_block(&self) -> Made {
        let item = |i: u8| Item::try_from(vec![i; 256]).unwrap();
        let txs = (0..150).map(|i| self.tx(item(i), item(0)));
        let made = Made::new(&self.block_of(txs.collect()));
        assert_eq!(made.id.parts.total, 2);
        made
    }

    fn plain_block(&self, name: &str) -> Block {
        let item = |s: &str| Item::try_from(s.as_bytes().to_vec()).unwrap();
        self.block_of(vec![self.tx(item(name), item("value"))])
    }

    fn tx(&self, key: Item, value: Item) -> Tx {
        Call::Set { key, value }.to_tx()
    }

    fn block_of(&self, txs: Vec<Tx>) -> Block {
        let proposer = self.keys[0].public_key().address();
        let chain = self.machine.chain();
        let last_commit = self.last_commit.clone();
        chain.next_block(Time(500), proposer, txs, Vec::new(), last_commit)
    }

    /// A vote of validator `index` at the current height.
    fn vote(&self, kind: VoteKind, round: u32, block: Option<BlockId>, index: u16) -> Vote {
        let height = self.machine.at().height;
        self.vote_at(height, kind, round, block, index)
    }

    fn vote_at(
        &self,
        height: Height,
        kind: VoteKind,
        round: u32,
        block: Option<BlockId>,
        index: u16,
    ) -> Vote {
        let signer = (&self.machine.chain().chain, &self.keys[usize::from(index)]);
        signed_vote(signer, (height, round), kind, block, index)
    }

    /// The proposal of a round, signed by its proposer.
    fn signed_proposal(&self, round: u32, block: &Made, pol: Option<u32>) -> Proposal {
        let proposer = self.machine.validators().proposer_at(Round(round));
        self.proposal_by(proposer.get(), round, block, pol)
    }

    /// A proposal signed by whichever validator.
    fn proposal_by(&self, signer: usize, round: u32, block: &Made, pol: Option<u32>) -> Proposal {
        let mut proposal = Proposal {
            height: self.machine.at().height,
            round: Round(round),
            pol_round: pol.map(Round),
            block: block.id,
            signature: Signature([0; 64]),
        };
        let bytes = proposal.sign_bytes(&self.machine.chain().chain);
        proposal.signature = self.keys[signer].sign(&bytes);
        proposal
    }
}

/// What comes in.
impl Machine {
    /// The proposal of a round comes in, without its block.
    fn proposal(&mut self, round: u32, block: &Made, pol: Option<u32>) {
        let proposal = self.signed_proposal(round, block, pol);
        assert_eq!(self.offer(&proposal), Ok(()), "{proposal}");
    }

    fn offer(&mut self, proposal: &Proposal) -> Result<(), Refusal> {
        self.run(|machine, cx| machine.on_proposal(cx, proposal))
    }

    /// All parts of a block come in.
    fn parts(&mut self, block: &Made) {
        for index in 0..block.parts.have().len() {
            assert_eq!(self.part(block.part(index)), Ok(()), "part {index}");
        }
    }

    fn part(&mut self, part: &Arc<Part>) -> Result<(), Refusal> {
        let height = self.machine.at().height;
        self.run(|machine, cx| machine.on_block_part(cx, height, part))
            .map(drop)
    }

    /// The proposal and its block come in.
    fn proposed(&mut self, round: u32, block: &Made, pol: Option<u32>) {
        self.proposal(round, block, pol);
        self.parts(block);
    }

    /// Prevotes of these validators come in.
    fn prevotes<const N: usize>(&mut self, round: u32, block: Option<&Made>, from: [u16; N]) {
        self.votes(Prevote, round, block.map(|b| b.id), &from);
    }

    /// Precommits of these validators come in.
    fn precommits<const N: usize>(&mut self, round: u32, block: Option<&Made>, from: [u16; N]) {
        self.votes(Precommit, round, block.map(|b| b.id), &from);
    }

    fn votes(&mut self, kind: VoteKind, round: u32, block: Option<BlockId>, from: &[u16]) {
        for index in from {
            let vote = self.vote(kind, round, block, *index);
            assert_eq!(self.cast(&vote), Ok(Added::New), "{vote}");
        }
    }

    /// A vote comes in, from the peer with the voter's number.
    fn cast(&mut self, vote: &Vote) -> Result<Added, Refusal> {
        let peer = PeerId(vote.index.0);
        self.run(|machine, cx| machine.on_vote(cx, vote, Some(peer)))
    }

    /// The timer of a step of a round of this height runs out.
    fn timeout(&mut self, step: Step, round: u32) {
        let (height, round) = (self.machine.at().height, Round(round));
        let hrs = Hrs {
            height,
            round,
            step,
        };
        self.run(|machine, cx| machine.on_timeout(cx, hrs));
    }

    /// The pending timer runs out. Says which it was.
    fn wake(&mut self) -> Option<Hrs> {
        self.now = self.record.wake.expect("a timer is pending");
        self.run(Consensus::on_wake)
    }

    /// Goes from round `round` to the next, after everybody but this node precommitted nil.
    fn next_round(&mut self, round: u32) {
        self.timeout(Step::PrecommitWait, round);
        self.expect_at(round + 1, Step::Propose);
    }

    /// The decided block is applied and the next height begins.
    fn advance(&mut self) {
        let decision = self.record.decision.take().expect("the height is decided");
        let chain = self.machine.chain();
        let (next, app) = chain.apply(&self.app, decision.id, &decision.block);
        self.app = app;
        self.last_commit = Some(decision.commit);
        self.run(|machine, cx| machine.advance(cx, next));
    }
}

/// What must have come out.
impl Machine {
    /// The next vote the machine asked for.
    #[track_caller]
    fn expect_vote(&mut self, kind: VoteKind, round: u32, block: Option<&Made>) {
        let vote = self.record.votes.pop_front();
        assert_eq!(vote, Some((kind, round, block.map(|b| b.id))));
    }

    #[track_caller]
    fn expect_no_vote(&self) {
        assert_eq!(self.record.votes, [], "no further vote");
    }

    /// The next proposal the machine asked for, with the round its block became valid in.
    #[track_caller]
    fn expect_propose(&mut self, round: u32, valid: Option<(u32, &Made)>) {
        let valid = valid.map(|(round, block)| (Round(round), block.id));
        assert_eq!(self.record.proposes.pop_front(), Some((round, valid)));
    }

    #[track_caller]
    fn expect_no_propose(&self) {
        assert_eq!(self.record.proposes, []);
    }

    #[track_caller]
    fn expect_step(&self, step: Step) {
        assert_eq!(self.machine.at().step, step);
    }

    #[track_caller]
    fn expect_at(&self, round: u32, step: Step) {
        let at = self.machine.at();
        assert_eq!((at.round.0, at.step), (round, step));
    }

    #[track_caller]
    fn expect_locked(&self, locked: Option<(u32, &Made)>) {
        let locked = locked.map(|(round, block)| (Round(round), block.id));
        assert_eq!(self.machine.locked(), locked, "locked");
    }

    #[track_caller]
    fn expect_valid(&self, valid: Option<(u32, &Made)>) {
        let valid = valid.map(|(round, block)| (Round(round), block.id));
        assert_eq!(self.machine.valid(), valid, "valid");
    }

    /// The machine said this since it was last asked.
    #[track_caller]
    fn expect_notice(&mut self, notice: &Notice) {
        let notices = std::mem::take(&mut self.record.notices);
        assert!(notices.contains(notice), "{notice:?} in {notices:?}");
    }

    #[track_caller]
    fn expect_no_notice(&mut self, unwanted: impl Fn(&Notice) -> bool) {
        let notices = std::mem::take(&mut self.record.notices);
        let found = notices.iter().find(|notice| unwanted(notice));
        assert_eq!(found, None);
    }

    #[track_caller]
    fn expect_decided(&self, round: u32, block: &Made) {
        let decision = self.record.decision.as_ref().expect("a decision");
        assert_eq!((decision.round.0, decision.id), (round, block.id));
        assert_eq!(decision.commit.block, block.id);
        assert_eq!(Made::new(&decision.block), *block);
    }

    #[track_caller]
    fn expect_undecided(&self) {
        assert_eq!(self.record.decision, None);
        assert_eq!(self.record.halt, None);
    }
}

/// Validator 3 of four, locked on a block since round 0, at the start of round 1. Its votes of
/// round 0 are dealt with.
fn locked_on_a() -> (Machine, Made) {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0, 1]);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_locked(Some((0, &a)));
    m.next_round(0);
    (m, a)
}

/// Validator 3 of four after it decided a block in round 0 with the precommits of 0, 1 and itself.
fn decided_a() -> (Machine, Made) {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0, 1]);
    m.precommits(0, Some(&a), [0, 1]);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_decided(0, &a);
    (m, a)
}
