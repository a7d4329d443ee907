//! A chain that grows block by block, with every block validated and every commit signed.

use std::collections::BTreeMap;

use crate::{
    app::{App, Call},
    crypto::{Ed25519, Ed25519Key, Sign},
    ledger::{Genesis, InvalidBlock, State},
    types::{
        Address, Block, BlockId, Bounded, ChainId, Commit, CommitSig, ConfigChange, DuplicateVote,
        Hash, Height, Params, PartSetHeader, PublicKey, Round, Signature, Time, Tx, Validator,
        ValidatorIndex, ValidatorUpdate, Vote, VoteKind,
    },
};

/// How many keys there are; not all of them are validators.
const KEYS: u8 = 8;

pub(super) fn key(id: u8) -> Ed25519Key {
    Ed25519Key::from_seed(&[id; 32])
}

pub(super) fn public(id: u8) -> PublicKey {
    key(id).public_key()
}

/// A block id that names nothing.
pub(super) fn unseen(byte: u8) -> BlockId {
    let hash = Hash([byte; 32]);
    let parts = PartSetHeader { total: 1, hash };
    BlockId { hash, parts }
}

/// A power change through the application.
pub(super) fn app_power(id: u8, power: u64) -> Tx {
    let key = public(id);
    Call::Power { key, power }.to_tx()
}

/// A configuration transaction.
pub(super) fn configure(sequence: u64, change: ConfigChange) -> Tx {
    Call::Configure { sequence, change }.to_tx()
}

/// A power change through a configuration transaction.
pub(super) fn config_power(sequence: u64, id: u8, power: u64) -> Tx {
    let key = public(id);
    configure(sequence, ConfigChange::Power { key, power })
}

pub(super) struct Chain {
    pub(super) state: State,
    app: App,
    keys: BTreeMap<Address, Ed25519Key>,
    last_commit: Option<Commit>,
}

impl Chain {
    /// Validators `0..powers.len()`.
    pub(super) fn new(powers: &[u64], params: Params) -> Self {
        let member = |(id, power): (u8, &u64)| ValidatorUpdate {
            key: public(id),
            power: *power,
        };
        let genesis = Genesis {
            chain: ChainId::try_from(b"ledger-test".to_vec()).unwrap(),
            time: Time(1),
            validators: (0..).zip(powers).map(member).collect(),
            params,
        };
        Self {
            state: State::genesis(&genesis).unwrap(),
            app: App::default(),
            keys: (0..KEYS)
                .map(|id| (public(id).address(), key(id)))
                .collect(),
            last_commit: None,
        }
    }

    /// The next block, built by the proposer of round 0.
    pub(super) fn block(&self, txs: Vec<Tx>, evidence: Vec<DuplicateVote>) -> Block {
        let set = &self.state.validators;
        let proposer = set.get(set.proposer()).unwrap().address;
        let last_commit = self.last_commit.clone();
        self.state
            .next_block(Time(0), proposer, txs, evidence, last_commit)
    }

    /// What the chain says of the next block with this evidence.
    pub(super) fn judge(&self, evidence: Vec<DuplicateVote>) -> Result<(), InvalidBlock> {
        let block = self.block(Vec::new(), evidence);
        self.state.validate(&Ed25519, &block)
    }

    /// Decides the next block, signed by all validators.
    pub(super) fn grow(&mut self, txs: Vec<Tx>, evidence: Vec<DuplicateVote>) {
        let block = self.block(txs, evidence);
        assert_eq!(self.state.validate(&Ed25519, &block), Ok(()));
        let (id, _) = block.cut();
        let mut commit = Commit {
            height: block.header.height,
            round: Round(0),
            block: id,
            signatures: Bounded::default(),
        };
        let bytes = commit.sign_bytes(&self.state.chain, Some(id));
        let sign = |v: &Validator| CommitSig::Block(self.keys[&v.address].sign(&bytes));
        let validators = self.state.validators.validators();
        let signatures: Vec<CommitSig> = validators.iter().map(sign).collect();
        commit.signatures = signatures.try_into().unwrap();
        self.last_commit = Some(commit);
        let (state, app) = self.state.apply(&self.app, id, &block);
        (self.state, self.app) = (state, app);
    }

    /// Decides empty blocks until the next one is of `height`.
    pub(super) fn grow_until_next_is(&mut self, height: u64) {
        while self.state.height.next() < Height(height) {
            self.grow(Vec::new(), Vec::new());
        }
    }

    /// Who validates the next block with which power, by id.
    pub(super) fn powers(&self) -> BTreeMap<u8, u64> {
        let of = |id| Some((id, self.state.validators.index_of(&public(id).address())?));
        let power = |(id, index)| Some((id, self.state.validators.get(index)?.power));
        (0..KEYS).filter_map(of).filter_map(power).collect()
    }

    /// A prevote by `id` in round 0, at the index it has in the next block's set; index 0 if none.
    pub(super) fn vote(&self, id: u8, height: u64, block: Option<BlockId>) -> Vote {
        let address = public(id).address();
        let index = self.state.validators.index_of(&address);
        let mut vote = Vote {
            kind: VoteKind::Prevote,
            height: Height(height),
            round: Round(0),
            block,
            index: index.unwrap_or(ValidatorIndex(0)),
            address,
            signature: Signature([0; 64]),
        };
        self.sign(&mut vote);
        vote
    }

    /// Signs a vote, perhaps anew after a change, with the key of its address.
    pub(super) fn sign(&self, vote: &mut Vote) {
        let bytes = vote.sign_bytes(&self.state.chain);
        vote.signature = self.keys[&vote.address].sign(&bytes);
    }

    /// Proof that `id` prevoted nil and a block in round 0 of `height`.
    pub(super) fn evidence(&self, id: u8, height: u64) -> DuplicateVote {
        let nil = self.vote(id, height, None);
        let block = self.vote(id, height, Some(unseen(1)));
        DuplicateVote::new(nil, block).unwrap()
    }

    /// The same in another round.
    pub(super) fn evidence_of_round(&self, id: u8, height: u64, round: u32) -> DuplicateVote {
        let mut evidence = self.evidence(id, height);
        for vote in [&mut evidence.first, &mut evidence.second] {
            vote.round = Round(round);
            self.sign(vote);
        }
        evidence
    }
}
