//! Blocks from their bytes, read without the engine's decoder.
//!
//! The format is borsh: numbers are little-endian, lists begin with a 32-bit length, optional
//! values and kinds with one byte. What is read is handed out as the engine's plain data, together
//! with the stretches of bytes that digests are taken over.

use engine::types::{
    Address, Block, BlockId, ChainId, Commit, CommitSig, DuplicateVote, Hash, Header, Height,
    PartSetHeader, Round, Signature, Time, Tx, ValidatorIndex, Vote, VoteKind,
};

use super::merkle::{digest, root};

/// The bytes of a commit's head, and of each of its entries.
type RawCommit<'a> = (&'a [u8], Vec<&'a [u8]>);

/// A block and the bytes its digests are taken over.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) block: Block,
    header: &'a [u8],
    txs: Vec<&'a [u8]>,
    evidence: Vec<&'a [u8]>,
    commit: Option<RawCommit<'a>>,
}

/// The order of choices: nil, then blocks by hash, number of parts, and root of the parts.
pub(super) fn rank(choice: Option<BlockId>) -> Option<([u8; 32], u32, [u8; 32])> {
    choice.map(|id| (id.hash.0, id.parts.total, id.parts.hash.0))
}

/// Reads a block; `None` if the bytes are not exactly one.
pub(super) fn read(bytes: &[u8]) -> Option<Read<'_>> {
    let mut rest = Reader(bytes);
    let header = rest.header()?;
    let header_bytes = rest.since(bytes);
    let mut txs = Vec::new();
    let mut plain = Vec::new();
    for _ in 0..rest.u32()? {
        let tx = rest.list()?;
        txs.push(tx);
        plain.push(Tx::try_from(tx.to_vec()).ok()?);
    }
    let (mut evidence, mut proofs) = (Vec::new(), Vec::new());
    for _ in 0..rest.u32()? {
        let before = rest.0;
        let (first, second) = (rest.vote()?, rest.vote()?);
        proofs.push(DuplicateVote { first, second });
        evidence.push(rest.since(before));
    }
    let commit = if rest.flag()? {
        Some(rest.commit()?)
    } else {
        None
    };
    if !rest.0.is_empty() {
        return None;
    }
    let (last_commit, commit) =
        commit.map_or((None, None), |(plain, raw)| (Some(plain), Some(raw)));
    let block = Block {
        header,
        txs: plain.try_into().ok()?,
        evidence: proofs.try_into().ok()?,
        last_commit,
    };
    Some(Read {
        block,
        header: header_bytes,
        txs,
        evidence,
        commit,
    })
}

impl Read<'_> {
    /// The hash that names the block.
    pub(super) fn hash(&self) -> Hash {
        digest(self.header)
    }

    /// The digest of its transactions.
    pub(super) fn data_hash(&self) -> Hash {
        root(&self.txs)
    }

    /// The digest of its evidence.
    pub(super) fn evidence_hash(&self) -> Hash {
        root(&self.evidence)
    }

    /// The digest of the commit it carries; zero if it carries none.
    pub(super) fn commit_hash(&self) -> Hash {
        let hash = |(head, entries): &RawCommit<'_>| root(&[head, &root(entries).0]);
        self.commit.as_ref().map_or(Hash([0; 32]), hash)
    }
}

/// The bytes not yet read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// What was read since the bytes left were `before`.
    fn since(&self, before: &'a [u8]) -> &'a [u8] {
        &before[..before.len() - self.0.len()]
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array::<1>()? {
            [0] => Some(false),
            [1] => Some(true),
            [_] => None,
        }
    }

    fn list(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }

    fn hash(&mut self) -> Option<Hash> {
        self.array().map(Hash)
    }

    fn block_id(&mut self) -> Option<BlockId> {
        let hash = self.hash()?;
        let total = self.u32()?;
        let parts = PartSetHeader {
            total,
            hash: self.hash()?,
        };
        Some(BlockId { hash, parts })
    }

    fn header(&mut self) -> Option<Header> {
        Some(Header {
            chain: ChainId::try_from(self.list()?.to_vec()).ok()?,
            height: Height(self.u64()?),
            time: Time(self.u64()?),
            last_block: if self.flag()? {
                Some(self.block_id()?)
            } else {
                None
            },
            last_commit_hash: self.hash()?,
            data_hash: self.hash()?,
            evidence_hash: self.hash()?,
            validators_hash: self.hash()?,
            app_hash: self.hash()?,
            config_sequence: self.u64()?,
            proposer: Address(self.array()?),
        })
    }

    fn vote(&mut self) -> Option<Vote> {
        Some(Vote {
            kind: match self.array::<1>()? {
                [1] => VoteKind::Prevote,
                [2] => VoteKind::Precommit,
                [_] => return None,
            },
            height: Height(self.u64()?),
            round: Round(self.u32()?),
            block: if self.flag()? {
                Some(self.block_id()?)
            } else {
                None
            },
            index: ValidatorIndex(self.array().map(u16::from_le_bytes)?),
            address: Address(self.array()?),
            signature: Signature(self.array()?),
        })
    }

    fn commit(&mut self) -> Option<(Commit, RawCommit<'a>)> {
        let before = self.0;
        let (height, round) = (Height(self.u64()?), Round(self.u32()?));
        let block = self.block_id()?;
        let head = self.since(before);
        let (mut plain, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..self.u32()? {
            let before = self.0;
            plain.push(match self.array::<1>()? {
                [0] => CommitSig::Absent,
                [1] => CommitSig::Nil(Signature(self.array()?)),
                [2] => CommitSig::Block(Signature(self.array()?)),
                [_] => return None,
            });
            raw.push(self.since(before));
        }
        let signatures = plain.try_into().ok()?;
        Some((
            Commit {
                height,
                round,
                block,
                signatures,
            },
            (head, raw),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::Chain;

    #[test]
    fn what_the_engine_writes_is_read_back_with_the_same_digests() {
        let mut chain = Chain::new(4);
        for _ in 0..3 {
            let decision = chain.next(&[b"one", b"two", b"three"]);
            let bytes = decision.parts.assemble().unwrap();
            let read = read(&bytes).unwrap();
            assert_eq!(read.block, *decision.block);
            assert_eq!(read.hash(), decision.id.hash);
            assert_eq!(read.data_hash(), decision.block.header.data_hash);
            assert_eq!(read.commit_hash(), decision.block.header.last_commit_hash);
        }
    }

    #[test]
    fn no_byte_is_left_over_and_none_may_be_missing() {
        let bytes = Chain::new(4).next(&[b"one"]).parts.assemble().unwrap();
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert!(read(&longer).is_none());
        assert!((0..bytes.len()).all(|len| read(&bytes[..len]).is_none()));
    }
}
