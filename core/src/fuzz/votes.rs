//! Vote sets, commits and evidence against a plain list, a sum, and a list of reasons.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use arbitrary::{Result, Unstructured};

use super::{
    live::kind,
    toy::{Checks, Toy, members, set_of, toys},
};
use crate::{
    app::App,
    consensus::{Added, VoteError, VoteSet},
    crypto::{CommitError, Sign, verify_commit},
    ledger::{EvidenceError, Genesis, State},
    types::{
        Address, BlockId, Bounded, ChainId, Commit, CommitSig, DuplicateVote, Hash, Height,
        Offence, Params, PartSetHeader, PeerId, Round, Signature, Time, ValidatorIndex, Vote,
        VoteKind,
    },
};

const POWERS: [u64; 5] = [1, 2, 3, 1, 2];
const TOTAL: u64 = 9;

fn id(number: u8) -> BlockId {
    let hash = Hash([number; 32]);
    BlockId {
        hash,
        parts: PartSetHeader { total: 1, hash },
    }
}

fn choice(u: &mut Unstructured<'_>) -> Result<Option<BlockId>> {
    Ok(match u.arbitrary::<u8>()? % 4 {
        0 => None,
        number => Some(id(number)),
    })
}

/// Accepted votes and claims in order of arrival.
#[derive(Debug, Default)]
struct Votes {
    /// Each validator's first vote.
    first: Vec<(u16, Option<BlockId>)>,
    /// Votes that count for their block.
    counted: Vec<(u16, Option<BlockId>)>,
    /// Votes whose signature is known.
    claims: Vec<(u16, Option<BlockId>)>,
    majority: Option<Option<BlockId>>,
}

fn power(voters: impl Iterator<Item = u16>) -> u64 {
    voters.map(|index| POWERS[usize::from(index)]).sum()
}

impl Votes {
    /// In one word, what becomes of a good vote.
    fn vote(&mut self, index: u16, block: Option<BlockId>) -> &'static str {
        if self.counted.contains(&(index, block)) {
            return "duplicate";
        }
        let conflicts = self.first.iter().any(|(known, _)| *known == index);
        let counts = !conflicts || self.claims.iter().any(|(_, claimed)| *claimed == block);
        if !conflicts {
            self.first.push((index, block));
        }
        if counts {
            self.counted.push((index, block));
        }
        let votes = self.counted.iter().filter(|(_, counted)| *counted == block);
        if self.majority.is_none() && power(votes.map(|(index, _)| *index)) * 3 > TOTAL * 2 {
            self.majority = Some(block);
        }
        match (conflicts, counts) {
            (false, _) => "new",
            (true, true) => "conflict, counted",
            (true, false) => "conflict",
        }
    }

    fn claim(&mut self, peer: u16, block: Option<BlockId>) -> Option<bool> {
        match self.claims.iter().find(|(known, _)| *known == peer) {
            Some((_, claimed)) => (*claimed == block).then_some(false),
            None => {
                self.claims.push((peer, block));
                Some(true)
            }
        }
    }

    fn agree(&self, set: &VoteSet) {
        let all = power(self.first.iter().map(|(index, _)| *index));
        assert_eq!(set.majority(), self.majority);
        assert_eq!(set.has_two_thirds_any(), all * 3 > TOTAL * 2);
        assert_eq!(set.has_all(), all == TOTAL);
        for index in 0..5_u16 {
            let at = usize::from(index);
            let first = self.first.iter().find(|(known, _)| *known == index);
            assert_eq!(set.have().get(at), first.is_some());
            let chosen = self
                .majority
                .filter(|block| self.counted.contains(&(index, *block)));
            let shown = chosen.or(first.map(|(_, block)| *block));
            assert_eq!(set.vote(at).map(|vote| vote.block), shown);
            for block in [None, Some(id(1)), Some(id(2)), Some(id(3))] {
                let counted = self.counted.contains(&(index, block));
                assert_eq!(set.vote_for(block, at).is_some(), counted);
                assert_eq!(
                    set.have_for(block).is_some_and(|have| have.get(at)),
                    counted
                );
            }
        }
    }
}

/// Votes and claims in any order, some with an impossible voter or another's signature.
pub(super) fn vote_set(bytes: &[u8]) {
    let _ = counted(&mut Unstructured::new(bytes));
}

fn counted(u: &mut Unstructured<'_>) -> Result<()> {
    let keys = toys(5);
    let validators = Arc::new(set_of(&keys, &POWERS));
    let (chain, slot) = (ChainId::default(), (Height(3), Round(1)));
    let kind = kind(u)?;
    let mut set = VoteSet::new(slot.0, slot.1, kind, Arc::clone(&validators));
    let mut model = Votes::default();
    while !u.is_empty() {
        let given: u8 = u.arbitrary()?;
        let block = choice(u)?;
        if given >= 208 {
            let peer = u16::from(given % 4);
            let claimed = set.set_peer_majority(PeerId(peer), block);
            assert_eq!(claimed.ok(), model.claim(peer, block));
        } else {
            let index = u16::from(given % 5);
            let mut vote = Vote {
                kind,
                height: slot.0,
                round: slot.1,
                block,
                index: ValidatorIndex(index),
                address: keys[usize::from(index)].public_key().address(),
                signature: Signature([0; 64]),
            };
            vote.signature = keys[usize::from(index)].sign(&vote.sign_bytes(&chain));
            let flaw = if given < 160 {
                None
            } else {
                spoil(u, &mut vote)?
            };
            let known = model.counted.contains(&(index, block));
            let added = set.add(&Checks, &chain, &vote);
            let expected = match flaw {
                Some("signature") if known => "other signature",
                Some(flaw) => flaw,
                None => model.vote(index, block),
            };
            assert_eq!(word(&added), expected, "{vote}");
        }
        model.agree(&set);
    }
    if let (Some(Some(block)), VoteKind::Precommit) = (model.majority, kind) {
        let commit = set.commit().expect("a majority is a commit");
        let proven = verify_commit(&Checks, &chain, &validators, (slot.0, block), &commit);
        assert_eq!(proven, Ok(()));
    }
    Ok(())
}

/// Makes a vote wrong, and says how; `None` if it was the same again.
fn spoil(u: &mut Unstructured<'_>, vote: &mut Vote) -> Result<Option<&'static str>> {
    let given: u8 = u.arbitrary()?;
    Ok(Some(match given % 6 {
        0 => {
            vote.index = ValidatorIndex(u16::from(u.arbitrary::<u8>()?.max(5)));
            "index"
        }
        1 => {
            vote.index = ValidatorIndex(u.arbitrary::<u16>()?.max(5));
            "index"
        }
        2 => {
            vote.address = Address([given; 20]);
            "address"
        }
        3 => {
            vote.round = vote.round.next();
            "slot"
        }
        4 => {
            vote.height = vote.height.next();
            "slot"
        }
        _ => {
            vote.signature.0[usize::from(given % 64)] ^= 1;
            "signature"
        }
    }))
}

fn word(added: &std::result::Result<Added, VoteError>) -> &'static str {
    match added {
        Ok(Added::New) => "new",
        Ok(Added::Duplicate) => "duplicate",
        Ok(Added::Conflict {
            counted: true,
            evidence,
        }) if evidence.contradicts() => "conflict, counted",
        Ok(Added::Conflict { evidence, .. }) if evidence.contradicts() => "conflict",
        Ok(Added::Conflict { .. }) => "evidence without contradiction",
        Err(VoteError::WrongSlot) => "slot",
        Err(VoteError::UnknownIndex { .. }) => "index",
        Err(VoteError::WrongAddress(_)) => "address",
        Err(VoteError::InvalidSignature(_)) => "signature",
        Err(VoteError::OtherSignature(_)) => "other signature",
        Err(VoteError::TooManyRounds { .. } | VoteError::ConflictingClaim { .. }) => "claim",
    }
}

/// A commit of up to seven validators, each with its own entry, against a sum.
pub(super) fn commit_verify(bytes: &[u8]) {
    let _ = verified(&mut Unstructured::new(bytes));
}

fn verified(u: &mut Unstructured<'_>) -> Result<()> {
    let count = 1 + u.arbitrary::<u8>()? % 7;
    let keys = toys(count);
    let mut powers = Vec::new();
    for _ in 0..count {
        powers.push(u64::from(u.arbitrary::<u8>()? % 4).max(1));
    }
    let (set, chain, block) = (set_of(&keys, &powers), ChainId::default(), id(1));
    let (height, round) = (Height(3), Round(1));
    let signatures = Bounded::default();
    let mut commit = Commit {
        height,
        round,
        block,
        signatures,
    };
    let (mut entries, mut sum, mut wrong) = (Vec::new(), 0, None);
    for (at, key) in keys.iter().enumerate() {
        let (entry, good) = entry(u, &commit, key)?;
        if let CommitSig::Block(_) = entry {
            sum += powers[at];
        }
        wrong = wrong.or((!good).then_some(at));
        entries.push(entry);
    }
    let mut expected = match wrong {
        Some(at) => Err(CommitError::Signature(at)),
        None if sum * 3 > 2 * powers.iter().sum::<u64>() => Ok(()),
        None => Err(CommitError::NoQuorum {
            power: sum,
            total: powers.iter().sum(),
        }),
    };
    let mut at = (height, block);
    match u.arbitrary::<u8>()? {
        0..=199 => {}
        200..=219 => {
            entries.push(CommitSig::Absent);
            let (got, expects) = (entries.len(), keys.len());
            expected = Err(CommitError::Size {
                got,
                expected: expects,
            });
        }
        220..=234 => {
            entries.pop();
            let (got, expects) = (entries.len(), keys.len());
            expected = Err(CommitError::Size {
                got,
                expected: expects,
            });
        }
        235..=244 => {
            at.0 = Height(4);
            expected = Err(CommitError::Height {
                got: height,
                expected: Height(4),
            });
        }
        245..=255 => {
            at.1 = id(2);
            let (got, expects) = (block.hash, id(2).hash);
            expected = Err(CommitError::Block {
                got,
                expected: expects,
            });
        }
    }
    commit.signatures = Bounded::try_from(entries).expect("few");
    assert_eq!(verify_commit(&Checks, &chain, &set, at, &commit), expected);
    Ok(())
}

/// What one validator contributes, and whether its signature is right.
fn entry(u: &mut Unstructured<'_>, commit: &Commit, key: &Toy) -> Result<(CommitSig, bool)> {
    let chain = ChainId::default();
    let signed = |block: Option<BlockId>| key.sign(&commit.sign_bytes(&chain, block));
    let (block, given) = (Some(commit.block), u.arbitrary::<u8>()?);
    Ok(match given {
        0..=159 => (CommitSig::Block(signed(block)), true),
        160..=191 => (CommitSig::Absent, true),
        192..=223 => (CommitSig::Nil(signed(None)), true),
        224..=227 => (CommitSig::Nil(signed(block)), false),
        228..=231 => (CommitSig::Block(signed(None)), false),
        232..=235 => (CommitSig::Block(signed(Some(id(2)))), false),
        236..=247 => (CommitSig::Block(elsewhere(given, commit, key)), false),
        248..=255 => {
            let Signature(mut bytes) = signed(block);
            bytes[usize::from(given % 64)] ^= u.arbitrary::<u8>()?.max(1);
            (CommitSig::Block(Signature(bytes)), false)
        }
    })
}

/// A signature for the same block that holds for another round, height, chain, or validator.
fn elsewhere(given: u8, commit: &Commit, key: &Toy) -> Signature {
    let (mut moved, mut chain, mut key) = (commit.clone(), ChainId::default(), *key);
    match given % 4 {
        0 => moved.round = moved.round.next(),
        1 => moved.height = moved.height.next(),
        2 => chain = ChainId::try_from(b"another chain".to_vec()).expect("short"),
        _ => key = Toy(key.0 + 1),
    }
    key.sign(&moved.sign_bytes(&chain, Some(commit.block)))
}

const AGE: u64 = 3;
const CHAIN: u64 = 5;

/// The chain of four validators after five blocks, in whose fourth validator 2 was convicted of
/// prevoting twice at height 3, round 0.
fn chain() -> &'static (Vec<Toy>, State, Offence) {
    static CHAIN_STATE: OnceLock<(Vec<Toy>, State, Offence)> = OnceLock::new();
    CHAIN_STATE.get_or_init(|| {
        let keys = toys(4);
        let genesis = Genesis {
            chain: ChainId::default(),
            time: Time(1),
            validators: members(&keys, &[1; 4]),
            params: Params {
                evidence_max_age: AGE,
                ..Params::default()
            },
        };
        let mut state = State::genesis(&genesis).expect("a possible chain");
        let (mut app, proposer) = (App::default(), keys[0].public_key().address());
        let slot = (Height(3), Round(0), VoteKind::Prevote);
        let pair = [None, Some(id(1))].map(|block| signed(&keys, slot, 2, block));
        let [a, b] = pair;
        let convicted = DuplicateVote::new(a, b).expect("nil and a block");
        for height in 1..=CHAIN {
            let pieces = if height == 4 {
                vec![convicted.clone()]
            } else {
                Vec::new()
            };
            let block = state.next_block(Time(height), proposer, Vec::new(), pieces, None);
            (state, app) = state.apply(&app, block.cut().0, &block);
        }
        (keys, state, convicted.offence())
    })
}

type Slot = (Height, Round, VoteKind);

fn signed(keys: &[Toy], (height, round, kind): Slot, voter: usize, block: Option<BlockId>) -> Vote {
    let mut vote = Vote {
        kind,
        height,
        round,
        block,
        index: ValidatorIndex::new(voter),
        address: keys[voter].public_key().address(),
        signature: Signature([0; 64]),
    };
    vote.signature = keys[voter].sign(&vote.sign_bytes(&ChainId::default()));
    vote
}

/// Two votes, some spoilt, as evidence for the next block, against a list of reasons.
pub(super) fn evidence(bytes: &[u8]) {
    let _ = judged(&mut Unstructured::new(bytes));
}

fn judged(u: &mut Unstructured<'_>) -> Result<()> {
    let (keys, state, convicted) = chain();
    let voter = usize::from(u.arbitrary::<u8>()? % 4);
    let slot = (
        Height(u64::from(u.arbitrary::<u8>()? % 9)),
        Round(u32::from(u.arbitrary::<u8>()? % 3)),
        kind(u)?,
    );
    let mut first = signed(keys, slot, voter, choice(u)?);
    let mut second = signed(keys, slot, voter, choice(u)?);
    let given: u8 = u.arbitrary()?;
    let mut signatures = true;
    match given % 16 {
        0 => {
            second.signature.0[usize::from(given / 2 % 64)] ^= 1;
            signatures = false;
        }
        1 => {
            first.signature = keys[(voter + 1) % 4].sign(&first.sign_bytes(&ChainId::default()));
            signatures = false;
        }
        2 => second.round = second.round.next(),
        3 => second.kind = VoteKind::Precommit,
        4 => second.height = second.height.next(),
        5 => second.index = ValidatorIndex(u.arbitrary()?),
        6 => {
            let index = ValidatorIndex(u.arbitrary()?);
            (first.index, second.index) = (index, index);
        }
        7 => {
            let address = Address([given; 20]);
            (first.address, second.address) = (address, address);
        }
        _ => {}
    }
    let expected = reason(&first, &second, convicted, keys, signatures);
    let piece = DuplicateVote { first, second };
    let judged = state.check_evidence(&Checks, &piece);
    assert_eq!(judged.as_ref().err().map(name), expected, "{piece}");
    if let Err(error) = judged {
        // Only what no chain could carry proves that its sender is wrong.
        let proves = ["no contradiction", "not validator", "signature"];
        assert_eq!(error.is_fault(), proves.contains(&name(&error)));
    }
    Ok(())
}

fn reason(
    first: &Vote,
    second: &Vote,
    convicted: &Offence,
    keys: &[Toy],
    signatures: bool,
) -> Option<&'static str> {
    let slot = |v: &Vote| (v.height, v.round, v.kind, v.index, v.address);
    if slot(first) != slot(second) || first.block >= second.block {
        return Some("no contradiction");
    }
    let next = CHAIN + 1;
    if first.height.0 > next {
        return Some("future");
    }
    if first.height.0 + AGE < next {
        return Some("expired");
    }
    let known = BTreeSet::from([(convicted.height, convicted.round, convicted.kind)]);
    let same = first.address == convicted.address;
    if same && known.contains(&(first.height, first.round, first.kind)) {
        return Some("convicted");
    }
    let there = keys
        .get(first.index.get())
        .map(|key| key.public_key().address());
    if there != Some(first.address) {
        return Some("not validator");
    }
    (!signatures).then_some("signature")
}

fn name(error: &EvidenceError) -> &'static str {
    match error {
        EvidenceError::NoContradiction => "no contradiction",
        EvidenceError::NotValidator { .. } => "not validator",
        EvidenceError::Signature(_) => "signature",
        EvidenceError::Future { .. } => "future",
        EvidenceError::Expired { .. } => "expired",
        EvidenceError::Convicted(_) => "convicted",
    }
}
