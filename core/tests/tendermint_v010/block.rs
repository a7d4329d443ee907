//! Tendermint v0.10's block: its bytes and the digests in its header.

use crate::{
    tree::{Digest20, ripemd160, root},
    wire::{self, Reader, put_bytes, put_int},
};

/// Names a block; all empty for "no block".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockId {
    pub(crate) hash: Digest20,
    pub(crate) total: u64,
    pub(crate) parts_hash: Digest20,
}

impl BlockId {
    fn read(r: &mut Reader<'_>) -> Self {
        Self {
            hash: r.bytes(),
            total: r.int(),
            parts_hash: r.bytes(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.hash);
        put_int(out, self.total);
        put_bytes(out, &self.parts_hash);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) chain: Vec<u8>,
    pub(crate) height: u64,
    /// Nanoseconds.
    pub(crate) time: [u8; 8],
    pub(crate) txs: u64,
    pub(crate) last_block: BlockId,
    pub(crate) last_commit_hash: Digest20,
    pub(crate) data_hash: Digest20,
    pub(crate) validators_hash: Digest20,
    pub(crate) app_hash: Digest20,
}

impl Header {
    fn read(r: &mut Reader<'_>) -> Self {
        Self {
            chain: r.bytes(),
            height: r.int(),
            time: r.fixed(),
            txs: r.int(),
            last_block: BlockId::read(r),
            last_commit_hash: r.bytes(),
            data_hash: r.bytes(),
            validators_hash: r.bytes(),
            app_hash: r.bytes(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.chain);
        put_int(out, self.height);
        out.extend(self.time);
        put_int(out, self.txs);
        self.last_block.put(out);
        for digest in [
            &self.last_commit_hash,
            &self.data_hash,
            &self.validators_hash,
            &self.app_hash,
        ] {
            put_bytes(out, digest);
        }
    }

    /// The block's hash: the root over the fields, each under its name, in the order of the names.
    pub(crate) fn hash(&self) -> Digest20 {
        let mut last_block = Vec::new();
        self.last_block.put(&mut last_block);
        let fields = [
            ("App", wire::bytes(&self.app_hash)),
            ("ChainID", wire::bytes(&self.chain)),
            ("Data", wire::bytes(&self.data_hash)),
            ("Height", wire::int(self.height)),
            ("LastBlockID", last_block),
            ("LastCommit", wire::bytes(&self.last_commit_hash)),
            ("NumTxs", wire::int(self.txs)),
            ("Time", self.time.to_vec()),
            ("Validators", wire::bytes(&self.validators_hash)),
        ];
        let leaf = |(name, value): (&str, Vec<u8>)| {
            let mut bytes = wire::bytes(name.as_bytes());
            bytes.extend(value);
            ripemd160(&bytes)
        };
        root(&fields.map(leaf))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) address: Vec<u8>,
    pub(crate) index: u64,
    pub(crate) height: u64,
    pub(crate) round: u64,
    pub(crate) kind: u8,
    pub(crate) block: BlockId,
    pub(crate) signature: [u8; 64],
}

impl Vote {
    fn read(r: &mut Reader<'_>) -> Self {
        r.one();
        let (address, index, height) = (r.bytes(), r.int(), r.int());
        let (round, kind, block) = (r.int(), r.byte(), BlockId::read(r));
        r.one();
        let signature = r.fixed();
        Self {
            address,
            index,
            height,
            round,
            kind,
            block,
            signature,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![1];
        put_bytes(&mut out, &self.address);
        put_int(&mut out, self.index);
        put_int(&mut out, self.height);
        put_int(&mut out, self.round);
        out.push(self.kind);
        self.block.put(&mut out);
        out.push(1);
        out.extend(self.signature);
        out
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) txs: Vec<Vec<u8>>,
    pub(crate) commit_block: BlockId,
    pub(crate) precommits: Vec<Vote>,
}

impl Block {
    /// Reads a block; every byte must belong to it.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let r = &mut Reader(bytes);
        r.one();
        r.one();
        let header = Header::read(r);
        r.one();
        let txs = (0..r.len()).map(|_| r.bytes()).collect();
        r.one();
        let commit_block = BlockId::read(r);
        let precommits = (0..r.len()).map(|_| Vote::read(r)).collect();
        assert!(r.0.is_empty(), "bytes after the block");
        Self {
            header,
            txs,
            commit_block,
            precommits,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![1, 1];
        self.header.put(&mut out);
        out.push(1);
        put_int(&mut out, self.txs.len() as u64);
        self.txs.iter().for_each(|tx| put_bytes(&mut out, tx));
        out.push(1);
        self.commit_block.put(&mut out);
        put_int(&mut out, self.precommits.len() as u64);
        self.precommits
            .iter()
            .for_each(|vote| out.extend(vote.encode()));
        out
    }

    /// The leaves of the tree over the transactions.
    pub(crate) fn tx_leaves(&self) -> Vec<Digest20> {
        let leaves = self.txs.iter().map(|tx| ripemd160(&wire::bytes(tx)));
        leaves.collect()
    }

    pub(crate) fn last_commit_hash(&self) -> Digest20 {
        let leaves = self.precommits.iter().map(|vote| ripemd160(&vote.encode()));
        root(&leaves.collect::<Vec<_>>())
    }
}
