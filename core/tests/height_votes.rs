//! The votes of a height against a list of votes that is added up again for each question.
//!
//! Bit arrays, part sets, vote sets of one round and commits have such models as fuzz targets
//! (`core/src/fuzz`), which `fuzz_corpus.rs` runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use engine::{
    consensus::{Added, HeightVoteSet, MAX_CATCHUP_ROUNDS, VoteError},
    crypto::{Ed25519Key, Sign, Verify},
    types::{
        BlockId, ChainId, Hash, Height, PartSetHeader, PeerId, PublicKey, Round, Signature,
        ValidatorIndex, ValidatorSet, ValidatorUpdate, Vote, VoteKind,
    },
};
use proptest::{collection::vec, prelude::*};

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
}
