//! Messages made of bytes and of values that mean something at the moment: the heights, rounds,
//! blocks, parts and validators of a running node. One byte chooses, so that one changed byte is
//! one changed field.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};

use crate::types::{
    Address, BitArray, Block, BlockId, Bounded, BoundedBytes, Commit, CommitSig, DuplicateVote,
    Hash, Height, Message, Part, PartSetHeader, Proof, Proposal, Round, Signature, Step,
    SyncMessage, ValidatorIndex, Vote, VoteKind,
};

/// The dictionary.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// The height of the node.
    pub(super) height: Height,
    /// Its round.
    pub(super) round: Round,
    /// Blocks that were proposed.
    pub(super) blocks: Vec<BlockId>,
    /// Their parts.
    pub(super) parts: Vec<Arc<Part>>,
    /// The validators' addresses, by index.
    pub(super) addresses: Vec<Address>,
    /// Decided blocks with their commits.
    pub(super) decided: Vec<(Arc<Block>, Commit)>,
}

const STEPS: [Step; 8] = [
    Step::NewHeight,
    Step::NewRound,
    Step::Propose,
    Step::Prevote,
    Step::PrevoteWait,
    Step::Precommit,
    Step::PrecommitWait,
    Step::Commit,
];

fn byte(u: &mut Unstructured<'_>) -> Result<u8> {
    u.arbitrary()
}

fn bounded<T, const N: usize>(items: Vec<T>) -> Bounded<T, N> {
    Bounded::try_from(items).unwrap_or_else(|error| panic!("too many: {error}"))
}

impl Live {
    /// Any message, well formed or not.
    pub(super) fn message(&self, u: &mut Unstructured<'_>) -> Result<Message> {
        let (height, round) = (self.height(u)?, self.round(u)?);
        Ok(match byte(u)? % 16 {
            0 => Message::NewRoundStep {
                height,
                round,
                step: STEPS[usize::from(byte(u)? % 8)],
                seconds_since_start: u64::from(byte(u)?),
                last_commit_round: self.maybe_round(u)?,
            },
            1 => Message::NewValidBlock {
                height,
                round,
                parts: self.block(u)?.parts,
                have: self.bits(u)?,
                is_commit: byte(u)? % 2 == 1,
            },
            2 | 3 => Message::Proposal(self.proposal(u, height, round)?),
            4 => Message::ProposalPol {
                height,
                pol_round: round,
                have: self.bits(u)?,
            },
            5 | 6 => Message::BlockPart {
                height,
                round,
                part: self.part(u)?,
            },
            7 | 8 => Message::Vote(self.vote(u, height, round)?),
            9 => {
                let (kind, index) = (kind(u)?, self.index(u)?);
                Message::HasVote {
                    height,
                    round,
                    kind,
                    index,
                }
            }
            10 => {
                let (kind, block) = (kind(u)?, self.choice(u)?);
                Message::VoteSetMaj23 {
                    height,
                    round,
                    kind,
                    block,
                }
            }
            11 => {
                let (kind, block, have) = (kind(u)?, self.choice(u)?, self.bits(u)?);
                Message::VoteSetBits {
                    height,
                    round,
                    kind,
                    block,
                    have,
                }
            }
            12 => self.txs(u)?,
            13 => Message::Evidence(Box::new(self.evidence(u, height, round)?)),
            _ => Message::BlockSync(self.sync(u, height)?),
        })
    }

    /// Around the current height, or anything.
    pub(super) fn height(&self, u: &mut Unstructured<'_>) -> Result<Height> {
        let now = self.height.0;
        Ok(Height(match byte(u)? {
            0..=159 => now,
            160..=191 => now.saturating_sub(1),
            192..=223 => now.saturating_add(1),
            224..=239 => u64::from(byte(u)?),
            240..=247 => u64::MAX,
            248..=255 => u.arbitrary()?,
        }))
    }

    /// Around the current round, or anything.
    pub(super) fn round(&self, u: &mut Unstructured<'_>) -> Result<Round> {
        let now = self.round.0;
        Ok(Round(match byte(u)? {
            0..=127 => now,
            128..=159 => now.saturating_add(1),
            160..=191 => now.saturating_sub(1),
            192..=223 => u32::from(byte(u)? % 8),
            224..=239 => now.saturating_add(u32::from(byte(u)?)),
            240..=247 => u32::MAX,
            248..=255 => u.arbitrary()?,
        }))
    }

    fn maybe_round(&self, u: &mut Unstructured<'_>) -> Result<Option<Round>> {
        match byte(u)? % 2 {
            0 => Ok(None),
            _ => self.round(u).map(Some),
        }
    }

    /// A validator, or an index behind the last.
    fn index(&self, u: &mut Unstructured<'_>) -> Result<ValidatorIndex> {
        let count = u16::try_from(self.addresses.len()).unwrap_or(u16::MAX);
        Ok(ValidatorIndex(match byte(u)? {
            given @ 0..=191 => u16::from(given) % count.max(1),
            192..=223 => count,
            224..=239 => u16::MAX,
            240..=255 => u.arbitrary()?,
        }))
    }

    /// A proposed block, or one that nobody has.
    pub(super) fn block(&self, u: &mut Unstructured<'_>) -> Result<BlockId> {
        let given = byte(u)?;
        let known = self
            .blocks
            .get(usize::from(given) % self.blocks.len().max(1));
        if let (0..=191, Some(id)) = (given, known) {
            return Ok(*id);
        }
        let hash = Hash([given; 32]);
        let total = [1, 1, 2, 3, 0, 336, 337, u32::MAX][usize::from(byte(u)? % 8)];
        Ok(BlockId {
            hash,
            parts: PartSetHeader { total, hash },
        })
    }

    /// A block or nil.
    pub(super) fn choice(&self, u: &mut Unstructured<'_>) -> Result<Option<BlockId>> {
        match byte(u)? % 3 {
            0 => Ok(None),
            _ => self.block(u).map(Some),
        }
    }

    /// As many bits as there are validators or parts, or any number.
    pub(super) fn bits(&self, u: &mut Unstructured<'_>) -> Result<BitArray> {
        let len = match byte(u)? {
            0..=127 => self.addresses.len(),
            128..=159 => self.blocks.first().map_or(1, |id| id.parts.total as usize),
            160..=175 => 0,
            176..=191 => 10_000,
            192..=255 => usize::from(byte(u)?),
        };
        let mut bits = BitArray::new(len.min(10_000));
        let pattern: u64 = u.arbitrary()?;
        (0..len.min(64)).for_each(|at| {
            bits.set(at, pattern >> at & 1 == 1);
        });
        if len > 64 {
            bits.set(len - 1, pattern % 2 == 1);
        }
        Ok(bits)
    }

    /// A part of a proposed block, perhaps changed, or a small one of its own.
    fn part(&self, u: &mut Unstructured<'_>) -> Result<Arc<Part>> {
        let given = byte(u)?;
        let known = self.parts.get(usize::from(given) % self.parts.len().max(1));
        let mut part = match known {
            Some(part) => Part::clone(part),
            None => Part {
                bytes: BoundedBytes::try_from(vec![given]).expect("one byte"),
                proof: Proof {
                    total: 1,
                    index: 0,
                    aunts: Bounded::default(),
                },
            },
        };
        match given {
            0..=159 => {}
            160..=175 => part.proof.index = part.proof.index.wrapping_add(u32::from(byte(u)?)),
            176..=191 => part.proof.total = u32::from(byte(u)?),
            192..=207 => {
                part.proof.aunts = bounded(vec![Hash([given; 32]); usize::from(given % 33)])
            }
            208..=223 => part.bytes = BoundedBytes::default(),
            224..=255 => {
                let mut bytes = part.bytes.to_vec();
                let at = usize::from(u.arbitrary::<u16>()?) % bytes.len();
                bytes[at] ^= 1 << (given % 8);
                part.bytes = BoundedBytes::try_from(bytes).expect("as long as before");
            }
        }
        Ok(Arc::new(part))
    }

    fn proposal(&self, u: &mut Unstructured<'_>, height: Height, round: Round) -> Result<Proposal> {
        Ok(Proposal {
            height,
            round,
            pol_round: self.maybe_round(u)?,
            block: self.block(u)?,
            signature: Signature([byte(u)?; 64]),
        })
    }

    fn vote(&self, u: &mut Unstructured<'_>, height: Height, round: Round) -> Result<Vote> {
        let index = self.index(u)?;
        let own = self.addresses.get(index.get()).copied();
        Ok(Vote {
            kind: kind(u)?,
            height,
            round,
            block: self.choice(u)?,
            index,
            address: match (byte(u)?, own) {
                (0..=239, Some(address)) => address,
                (given, _) => Address([given; 20]),
            },
            signature: Signature([0; 64]),
        })
    }

    /// Two votes that contradict each other, unless something else was chosen.
    fn evidence(
        &self,
        u: &mut Unstructured<'_>,
        height: Height,
        round: Round,
    ) -> Result<DuplicateVote> {
        let first = self.vote(u, height, round)?;
        let mut second = first.clone();
        second.block = self.choice(u)?;
        if byte(u)? > 200 {
            second = self.vote(u, height, round)?;
        }
        let sorted = DuplicateVote::new(first.clone(), second.clone());
        Ok(sorted.unwrap_or(DuplicateVote { first, second }))
    }

    fn txs(&self, u: &mut Unstructured<'_>) -> Result<Message> {
        let mut txs = Vec::new();
        for _ in 0..byte(u)? % 4 {
            let len = usize::from(byte(u)? % 40);
            let bytes = u.bytes(len.min(u.len()))?.to_vec();
            txs.push(BoundedBytes::try_from(bytes).expect("short"));
        }
        Ok(Message::Txs(bounded(txs)))
    }

    fn sync(&self, u: &mut Unstructured<'_>, height: Height) -> Result<SyncMessage> {
        let given = byte(u)?;
        Ok(match given % 6 {
            0 => SyncMessage::StatusRequest,
            1 => SyncMessage::StatusResponse {
                base: self.height(u)?,
                height,
            },
            2 => SyncMessage::BlockRequest { height },
            3 => SyncMessage::NoBlockResponse { height },
            _ => match self
                .decided
                .get(usize::from(given / 6) % self.decided.len().max(1))
            {
                None => SyncMessage::NoBlockResponse { height },
                Some((block, commit)) => {
                    let mut commit = commit.clone();
                    if given > 200 {
                        commit.signatures = bounded(vec![CommitSig::Absent; usize::from(byte(u)?)]);
                    }
                    SyncMessage::BlockResponse {
                        block: Arc::clone(block),
                        commit: Box::new(commit),
                    }
                }
            },
        })
    }
}

pub(super) fn kind(u: &mut Unstructured<'_>) -> Result<VoteKind> {
    Ok(match byte(u)? % 2 {
        0 => VoteKind::Prevote,
        _ => VoteKind::Precommit,
    })
}
