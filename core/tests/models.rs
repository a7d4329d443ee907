//! Collections of the engine against models that are too simple to be wrong: a set of indexes, a
//! list of votes, a sum.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use engine::{
    consensus::{Added, HeightVoteSet, MAX_CATCHUP_ROUNDS, VoteError},
    crypto::{CommitError, Ed25519, Ed25519Key, Sign, Verify, verify_commit},
    types::{
        BitArray, BlockId, Bounded, BoundedBytes, ChainId, Commit, CommitSig, Hash, Height,
        PART_BYTES, Part, PartError, PartSet, PartSetHeader, PeerId, PublicKey, Round, Signature,
        ValidatorIndex, ValidatorSet, ValidatorUpdate, Vote, VoteKind,
    },
};
use proptest::{collection::vec, prelude::*, sample::Index};

// Bit arrays.

#[derive(Debug, Clone)]
enum BitEvent {
    Set(usize, bool),
    Clear,
    AddAll(Vec<bool>),
    Minus(Vec<bool>),
}

fn bit_event() -> impl Strategy<Value = BitEvent> {
    let bits = || vec(any::<bool>(), 0..200);
    prop_oneof![
        8 => (0usize..210, any::<bool>()).prop_map(|(at, bit)| BitEvent::Set(at, bit)),
        1 => Just(BitEvent::Clear),
        1 => bits().prop_map(BitEvent::AddAll),
        1 => bits().prop_map(BitEvent::Minus),
    ]
}

fn apply_to_bits(array: &mut BitArray, model: &mut [bool], event: BitEvent) -> bool {
    let theirs = |bits: &[bool], i: usize| bits.get(i).copied().unwrap_or(false);
    match event {
        BitEvent::Set(at, bit) => {
            let inside = at < model.len();
            if inside {
                model[at] = bit;
            }
            return array.set(at, bit) == inside;
        }
        BitEvent::Clear => {
            array.clear();
            model.fill(false);
        }
        BitEvent::AddAll(bits) => {
            array.add_all(&bits.iter().copied().collect());
            (0..model.len()).for_each(|i| model[i] |= theirs(&bits, i));
        }
        BitEvent::Minus(bits) => {
            *array = array.minus(&bits.iter().copied().collect());
            (0..model.len()).for_each(|i| model[i] &= !theirs(&bits, i));
        }
    }
    true
}

// Part sets.

/// What is wrong with a part that is offered.
#[derive(Debug, Clone, Copy)]
enum Flaw {
    None,
    OtherBlock,
    OtherIndex,
    OtherTotal,
    FlippedByte,
    Shortened,
    Emptied,
    AuntMissing,
    AuntTooMany,
    AuntChanged,
}

const FLAWS: [Flaw; 12] = [
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::OtherBlock,
    Flaw::OtherIndex,
    Flaw::OtherTotal,
    Flaw::FlippedByte,
    Flaw::Shortened,
    Flaw::Emptied,
    Flaw::AuntMissing,
    Flaw::AuntTooMany,
    Flaw::AuntChanged,
];

fn flawed(whole: &PartSet, other: &PartSet, index: usize, flaw: Flaw) -> Part {
    let total = whole.header().total;
    let mut part = Part::clone(whole.part(index).expect("a whole block"));
    let mut bytes = part.bytes.to_vec();
    let mut aunts = part.proof.aunts.to_vec();
    match flaw {
        Flaw::None => {}
        Flaw::OtherBlock => return Part::clone(other.part(index).expect("as many parts")),
        Flaw::OtherIndex => part.proof.index = (part.proof.index + 1) % total,
        Flaw::OtherTotal => part.proof.total += 1,
        Flaw::FlippedByte => bytes[index] ^= 1,
        Flaw::Shortened => drop(bytes.pop()),
        Flaw::Emptied => bytes.clear(),
        Flaw::AuntMissing => drop(aunts.pop()),
        Flaw::AuntTooMany => aunts.push(Hash::default()),
        Flaw::AuntChanged => aunts[0].0[0] ^= 1,
    }
    part.bytes = BoundedBytes::try_from(bytes).expect("no longer");
    part.proof.aunts = Bounded::try_from(aunts).expect("few");
    part
}

fn refusal(flaw: Flaw, last: bool) -> Option<&'static str> {
    match flaw {
        Flaw::None => None,
        Flaw::OtherTotal => Some("total"),
        Flaw::Emptied => Some("length"),
        // The last part may be short, and then it is its proof that is wrong.
        Flaw::Shortened if !last => Some("length"),
        Flaw::OtherBlock
        | Flaw::OtherIndex
        | Flaw::FlippedByte
        | Flaw::Shortened
        | Flaw::AuntMissing
        | Flaw::AuntTooMany
        | Flaw::AuntChanged => Some("proof"),
    }
}

fn word(error: &PartError) -> &'static str {
    match error {
        PartError::WrongTotal { .. } => "total",
        PartError::WrongProof { .. } => "proof",
        PartError::WrongLength { .. } => "length",
    }
}

// Commits.

/// What a validator contributed, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Absent,
    Nil,
    Block,
    NilSignedForBlock,
    BlockSignedForNil,
    OtherRound,
    OtherHeight,
    OtherChain,
    OtherKey,
    OtherBlock,
    Flipped(usize),
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        20 => Just(Entry::Block),
        8 => Just(Entry::Nil),
        8 => Just(Entry::Absent),
        1 => prop_oneof![
            Just(Entry::NilSignedForBlock),
            Just(Entry::BlockSignedForNil),
            Just(Entry::OtherRound),
            Just(Entry::OtherHeight),
            Just(Entry::OtherChain),
            Just(Entry::OtherKey),
            Just(Entry::OtherBlock),
            (0usize..512).prop_map(Entry::Flipped),
        ],
    ]
}

fn id(byte: u8) -> BlockId {
    let hash = Hash([byte; 32]);
    let parts = PartSetHeader { total: 1, hash };
    BlockId { hash, parts }
}

/// Keys in the order of their addresses.
fn keys(count: usize) -> Vec<Ed25519Key> {
    let seeds = (1u8..).take(count);
    let mut keys: Vec<_> = seeds.map(|s| Ed25519Key::from_seed(&[s; 32])).collect();
    keys.sort_by_key(|key| key.public_key().address());
    keys
}

fn validators(keys: &[Ed25519Key], powers: &[u64]) -> ValidatorSet {
    let member = |(key, power): (&Ed25519Key, &u64)| ValidatorUpdate {
        key: key.public_key(),
        power: *power,
    };
    ValidatorSet::new(&keys.iter().zip(powers).map(member).collect::<Vec<_>>()).expect("a set")
}

fn sign(keys: &[Ed25519Key], empty: &Commit, (i, entry): (usize, Entry)) -> CommitSig {
    let chain = ChainId::default();
    let signed = |commit: &Commit, chain: &ChainId, block: Option<BlockId>, key: usize| {
        keys[key].sign(&commit.sign_bytes(chain, block))
    };
    let block = Some(empty.block);
    let with = |commit: Commit| CommitSig::Block(signed(&commit, &chain, block, i));
    match entry {
        Entry::Absent => CommitSig::Absent,
        Entry::Nil => CommitSig::Nil(signed(empty, &chain, None, i)),
        Entry::Block => CommitSig::Block(signed(empty, &chain, block, i)),
        Entry::NilSignedForBlock => CommitSig::Nil(signed(empty, &chain, block, i)),
        Entry::BlockSignedForNil => CommitSig::Block(signed(empty, &chain, None, i)),
        Entry::OtherBlock => CommitSig::Block(signed(empty, &chain, Some(id(9)), i)),
        Entry::OtherRound => with(Commit {
            round: empty.round.next(),
            ..empty.clone()
        }),
        Entry::OtherHeight => with(Commit {
            height: empty.height.next(),
            ..empty.clone()
        }),
        Entry::OtherChain => {
            let other = ChainId::try_from(b"other".to_vec()).expect("short");
            CommitSig::Block(signed(empty, &other, block, i))
        }
        Entry::OtherKey => CommitSig::Block(signed(empty, &chain, block, (i + 1) % keys.len())),
        Entry::Flipped(bit) => {
            let Signature(mut bytes) = signed(empty, &chain, block, i);
            bytes[bit / 8] ^= 1 << (bit % 8);
            CommitSig::Block(Signature(bytes))
        }
    }
}

// Votes of a height.

/// Accepts every signature: the models below count, they do not verify.
#[derive(Debug)]
struct Everything;

impl Verify for Everything {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &Signature) -> bool {
        true
    }
}

#[derive(Debug, Clone, Copy)]
enum HeightEvent {
    Vote {
        kind: VoteKind,
        round: u32,
        index: u16,
        block: Option<BlockId>,
        peer: u16,
    },
    Round(u32),
    Track(u32),
}

fn height_event() -> impl Strategy<Value = HeightEvent> {
    let kind = prop_oneof![Just(VoteKind::Prevote), Just(VoteKind::Precommit)];
    let block = prop_oneof![Just(None), Just(Some(id(1))), Just(Some(id(2)))];
    prop_oneof![
        20 => (kind, 0u32..9, 0u16..5, block, 0u16..3).prop_map(
            |(kind, round, index, block, peer)| HeightEvent::Vote {
                kind,
                round,
                index,
                block,
                peer,
            }
        ),
        1 => (0u32..7).prop_map(HeightEvent::Round),
        1 => (0u32..9).prop_map(HeightEvent::Track),
    ]
}

const POWERS: [u64; 5] = [3, 1, 2, 1, 2];

/// First votes in order of arrival, and which peer opened which round.
#[derive(Debug, Default)]
struct HeightModel {
    round: u32,
    tracked: BTreeSet<u32>,
    opened: BTreeMap<u16, Vec<u32>>,
    votes: Vec<(VoteKind, u32, u16, Option<BlockId>)>,
}

impl HeightModel {
    fn go(&mut self, round: u32) {
        self.round = self.round.max(round);
        self.tracked.extend([self.round, self.round + 1]);
    }

    /// In one word, what becomes of a vote.
    fn vote(&mut self, vote: (VoteKind, u32, u16, Option<BlockId>), peer: u16) -> &'static str {
        let (kind, round, index, block) = vote;
        if !self.tracked.contains(&round) {
            let next = self.round + 1;
            let opened = self.opened.entry(peer).or_default();
            let ahead = opened.iter().filter(|r| **r > next).count();
            if round > next && ahead == MAX_CATCHUP_ROUNDS {
                return "too many";
            }
            opened.push(round);
            self.tracked.insert(round);
        }
        let slot = |v: &&(VoteKind, u32, u16, Option<BlockId>)| (v.0, v.1, v.2);
        match self.votes.iter().find(|v| slot(v) == (kind, round, index)) {
            Some(first) if first.3 == block => "duplicate",
            Some(_) => "conflict",
            None => {
                self.votes.push(vote);
                "new"
            }
        }
    }

    fn power(&self, voters: impl Fn(&(VoteKind, u32, u16, Option<BlockId>)) -> bool) -> u64 {
        let voters: BTreeSet<u16> = self
            .votes
            .iter()
            .filter(|v| voters(v))
            .map(|v| v.2)
            .collect();
        voters.iter().map(|i| POWERS[usize::from(*i)]).sum()
    }

    fn polka(&self, round: u32) -> Option<Option<BlockId>> {
        let choices = [None, Some(id(1)), Some(id(2))];
        let prevoted = |block| self.power(|v| *v == (VoteKind::Prevote, round, v.2, block));
        choices.into_iter().find(|block| prevoted(*block) * 3 > 18)
    }
}

fn word_of(added: &Result<Added, VoteError>) -> &'static str {
    match added {
        Ok(Added::New) => "new",
        Ok(Added::Duplicate) => "duplicate",
        Ok(Added::Conflict { counted: false, .. }) => "conflict",
        Ok(Added::Conflict { counted: true, .. }) => "counted without a claim",
        Err(VoteError::TooManyRounds { .. }) => "too many",
        Err(_) => "another error",
    }
}

fn compare(votes: &HeightVoteSet, model: &HeightModel) -> Result<(), TestCaseError> {
    prop_assert_eq!(votes.round(), Round(model.round));
    let tracked: BTreeSet<u32> = votes.rounds().map(|(round, _)| round.0).collect();
    prop_assert_eq!(&tracked, &model.tracked);
    for round in tracked {
        let ours = votes.get(Round(round)).expect("tracked");
        let third = model.power(|v| v.1 == round) * 3 > 9;
        prop_assert_eq!(ours.has_one_third_any(), third, "round {}", round);
        let any = model.power(|v| (v.0, v.1) == (VoteKind::Precommit, round)) * 3 > 18;
        prop_assert_eq!(ours.precommits.has_two_thirds_any(), any);
        prop_assert_eq!(ours.prevotes.majority(), model.polka(round));
    }
    let pol = (0..=model.round)
        .rev()
        .find_map(|r| Some((Round(r), model.polka(r)?)));
    prop_assert_eq!(votes.pol_info(), pol);
    Ok(())
}

fn new_vote((kind, round, index, block): (VoteKind, u32, u16, Option<BlockId>)) -> Vote {
    Vote {
        kind,
        height: Height(1),
        round: Round(round),
        block,
        index: ValidatorIndex(index),
        address: keys(5)[usize::from(index)].public_key().address(),
        signature: Signature([0; 64]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_bit_array_agrees_with_bools_through_any_changes(
        mut model in vec(any::<bool>(), 0..200),
        events in vec(bit_event(), 0..30),
    ) {
        let mut array: BitArray = model.iter().copied().collect();
        for event in events {
            prop_assert!(apply_to_bits(&mut array, &mut model, event));
            prop_assert_eq!(&array, &model.iter().copied().collect::<BitArray>());
            prop_assert_eq!(array.count(), model.iter().filter(|bit| **bit).count());
            prop_assert_eq!(array.is_full(), model.iter().all(|bit| *bit));
            let bytes = borsh::to_vec(&array).expect("encoding into memory");
            prop_assert_eq!(borsh::from_slice::<BitArray>(&bytes).ok(), Some(array.clone()));
        }
    }

    #[test]
    fn a_height_of_votes_agrees_with_a_list(events in vec(height_event(), 1..60)) {
        let set = Arc::new(validators(&keys(5), &POWERS));
        let mut votes = HeightVoteSet::new(ChainId::default(), Height(1), set);
        let mut model = HeightModel::default();
        model.go(0);
        for event in events {
            match event {
                HeightEvent::Vote { kind, round, index, block, peer } => {
                    let vote = (kind, round, index, block);
                    let added = votes.add(&Everything, &new_vote(vote), Some(PeerId(peer)));
                    prop_assert_eq!(word_of(&added), model.vote(vote, peer));
                }
                HeightEvent::Round(round) => {
                    let _ = votes.set_round(Round(round));
                    model.go(round);
                }
                HeightEvent::Track(round) => {
                    votes.track(Round(round));
                    model.tracked.insert(round);
                }
            }
            compare(&votes, &model)?;
        }
    }

    #[test]
    fn a_commit_is_proven_exactly_if_a_naive_count_says_so(
        powers in vec(prop_oneof![Just(1u64), 1u64..4], 1..7),
        entries in vec(entry(), 6),
    ) {
        let keys = keys(powers.len());
        let set = validators(&keys, &powers);
        let mut commit = Commit {
            height: Height(3),
            round: Round(1),
            block: id(1),
            signatures: Bounded::default(),
        };
        let entries = &entries[..powers.len()];
        let signed = (0..).zip(entries).map(|(i, e)| sign(&keys, &commit, (i, *e)));
        let signed: Vec<_> = signed.collect();
        commit.signatures = Bounded::try_from(signed).expect("few");
        let honest = |e: &Entry| matches!(e, Entry::Absent | Entry::Nil | Entry::Block);
        // With one validator there is no other key.
        let own = |e: &Entry| powers.len() == 1 && *e == Entry::OtherKey;
        let bad = entries.iter().position(|e| !honest(e) && !own(e));
        let counts = |(_, e): &(_, &Entry)| **e == Entry::Block || **e == Entry::OtherKey;
        let power: u64 = powers.iter().zip(entries).filter(counts).map(|(power, _)| power).sum();
        let total = powers.iter().sum();
        let expected = match bad {
            Some(i) => Err(CommitError::Signature(i)),
            None if power * 3 > total * 2 => Ok(()),
            None => Err(CommitError::NoQuorum { power, total }),
        };
        let at = (Height(3), id(1));
        prop_assert_eq!(verify_commit(&Ed25519, &ChainId::default(), &set, at, &commit), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_part_set_agrees_with_a_set_of_indexes(
        last in 1usize..1_000,
        offers in vec((any::<Index>(), 0..FLAWS.len()), 1..40),
    ) {
        let bytes: Vec<u8> = (0u8..251).cycle().take(4 * PART_BYTES + last).collect();
        let other: Vec<u8> = bytes.iter().map(|b| b ^ 0x55).collect();
        let (whole, other) = (PartSet::split(&bytes), PartSet::split(&other));
        let mut set = PartSet::empty(whole.header()).expect("five parts");
        let mut model = BTreeSet::new();
        for (index, flaw) in offers {
            let (index, flaw) = (index.index(5), FLAWS[flaw]);
            let part = flawed(&whole, &other, index, flaw);
            let claimed = part.proof.index as usize;
            let known = model.contains(&claimed) && part.proof.total == 5;
            let mut expected = refusal(flaw, claimed == 4).map_or(Ok(true), Err);
            // The short last part under another index is first of all too short.
            if matches!(flaw, Flaw::OtherIndex) && index == 4 {
                expected = Err("length");
            }
            // What is here already is not looked at again.
            let expected = if known { Ok(false) } else { expected };
            let before = set.clone();
            let added = set.add(&Arc::new(part)).map_err(|e| word(&e));
            prop_assert_eq!(added, expected, "{:?} of {}", flaw, index);
            if added == Ok(true) {
                model.insert(index);
            } else {
                prop_assert_eq!(&before, &set, "a part that is not taken changes nothing");
            }
            prop_assert_eq!(set.have().ones().collect::<BTreeSet<_>>(), model.clone());
            let all = model.len() == 5;
            prop_assert_eq!((set.is_complete(), set.assemble()), (all, all.then(|| bytes.clone())));
        }
    }
}
