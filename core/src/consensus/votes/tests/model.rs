//! [`VoteSet`] against a model that keeps a plain list and adds everything up again for each
//! question.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const POWERS: [u64; 5] = [1, 2, 3, 1, 2];
const KIND: VoteKind = VoteKind::Precommit;

/// What may happen to a vote set.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Validator votes for a block.
    Vote(u16, Option<BlockId>),
    /// Peer claims a majority for a block.
    Claim(u16, Option<BlockId>),
}

fn choice() -> impl Strategy<Value = Option<BlockId>> {
    prop_oneof![
        Just(None),
        Just(Some(unseen(1))),
        Just(Some(unseen(2))),
        Just(Some(unseen(3))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u16..5, choice()).prop_map(|(index, block)| Event::Vote(index, block)),
        1 => (0u16..4, choice()).prop_map(|(peer, block)| Event::Claim(peer, block)),
    ]
}

/// Accepted votes and claims in order of arrival; nothing derived is stored but which majority was
/// first.
#[derive(Debug, Default)]
struct Model {
    /// Each validator's first vote.
    first: Vec<(u16, Option<BlockId>)>,
    /// Votes that count for their block.
    counted: Vec<(u16, Option<BlockId>)>,
    claims: Vec<(u16, Option<BlockId>)>,
    majority: Option<Option<BlockId>>,
}

fn power(votes: impl Iterator<Item = u16>) -> u64 {
    votes.map(|index| POWERS[usize::from(index)]).sum()
}

impl Model {
    fn vote(&mut self, index: u16, block: Option<BlockId>) -> (bool, Option<bool>) {
        if self.counted.contains(&(index, block)) {
            return (false, None);
        }
        let conflicts = self.first.iter().any(|(i, _)| *i == index);
        let counts = !conflicts || self.claims.iter().any(|(_, claimed)| *claimed == block);
        if !conflicts {
            self.first.push((index, block));
        }
        if counts {
            self.counted.push((index, block));
        }
        if self.majority.is_none() && self.for_block(block) * 3 > 18 {
            self.majority = Some(block);
        }
        (true, conflicts.then_some(counts))
    }

    /// Whether the claim is new; `None` if it contradicts the peer's first.
    fn claim(&mut self, peer: u16, block: Option<BlockId>) -> Option<bool> {
        let earlier = self.claims.iter().find(|(p, _)| *p == peer).copied();
        if earlier.is_none() {
            self.claims.push((peer, block));
        }
        match earlier {
            None => Some(true),
            Some((_, claimed)) => (claimed == block).then_some(false),
        }
    }

    fn for_block(&self, block: Option<BlockId>) -> u64 {
        let votes = self.counted.iter().filter(|(_, b)| *b == block);
        power(votes.map(|(index, _)| *index))
    }

    fn all(&self) -> u64 {
        power(self.first.iter().map(|(index, _)| *index))
    }
}

fn compare(model: &Model, set: &VoteSet) -> Result<(), TestCaseError> {
    prop_assert_eq!(set.majority(), model.majority);
    prop_assert_eq!(set.has_two_thirds_any(), model.all() * 3 > 18);
    prop_assert_eq!(set.has_all(), model.all() == 9);
    for index in 0..5u16 {
        let at = usize::from(index);
        let first = model.first.iter().find(|(i, _)| *i == index);
        prop_assert_eq!(set.have().get(at), first.is_some());
        let in_majority = model
            .majority
            .filter(|m| model.counted.contains(&(index, *m)));
        let shown = in_majority.or(first.map(|(_, block)| *block));
        prop_assert_eq!(set.vote(at).map(|v| v.block), shown);
        for block in [None, Some(unseen(1)), Some(unseen(2)), Some(unseen(3))] {
            let counted = model.counted.contains(&(index, block));
            prop_assert_eq!(
                set.vote_for(block, at).map(|v| v.block),
                counted.then_some(block)
            );
            let have = set.have_for(block).is_some_and(|have| have.get(at));
            prop_assert_eq!(have, counted);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_vote_set_agrees_with_a_list_of_votes(events in prop::collection::vec(event(), 0..40)) {
        let voters = Voters::new(&POWERS);
        let (mut set, mut model) = (voters.set(KIND), Model::default());
        for event in events {
            match event {
                Event::Claim(peer, block) => {
                    let expected = model.claim(peer, block);
                    let claimed = set.set_peer_majority(PeerId(peer), block);
                    prop_assert_eq!(claimed.ok(), expected);
                }
                Event::Vote(index, block) => {
                    let vote = voters.vote(KIND, 0, block, index);
                    let added = voters.add(&mut set, &vote);
                    let (fresh, conflicting) = model.vote(index, block);
                    prop_assert_eq!(added == Ok(Added::Duplicate), !fresh);
                    prop_assert_eq!(added == Ok(Added::New), fresh && conflicting.is_none());
                    prop_assert_eq!(conflict(added), conflicting);
                }
            }
            compare(&model, &set)?;
        }
        if let Some(Some(block)) = model.majority {
            let commit = set.commit().expect("a majority is a commit");
            let (chain, validators) = (&voters.chain.chain, &voters.chain.validators);
            let proved = crate::crypto::verify_commit(
                &Ed25519, chain, validators, (Height(1), block), &commit,
            );
            prop_assert_eq!(proved, Ok(()));
        }
    }

    #[test]
    fn without_equivocation_the_order_of_votes_does_not_matter(
        (blocks, order) in prop::collection::vec(choice(), 5)
            .prop_flat_map(|blocks| (Just(blocks), Just(vec![0u16, 1, 2, 3, 4]).prop_shuffle())),
        repeats in prop::collection::vec(0u16..5, 0..5),
    ) {
        let voters = Voters::new(&POWERS);
        let (mut straight, mut shuffled) = (voters.set(KIND), voters.set(KIND));
        let add = |set: &mut VoteSet, index: u16| {
            let vote = voters.vote(KIND, 0, blocks[usize::from(index)], index);
            voters.add(set, &vote)
        };
        for index in 0..5 {
            prop_assert_eq!(add(&mut straight, index), Ok(Added::New));
        }
        for index in &order {
            prop_assert_eq!(add(&mut shuffled, *index), Ok(Added::New));
        }
        for index in repeats {
            prop_assert_eq!(add(&mut shuffled, index), Ok(Added::Duplicate));
        }
        prop_assert_eq!(straight.majority(), shuffled.majority());
        prop_assert_eq!(straight.commit(), shuffled.commit());
        prop_assert_eq!(straight.have(), shuffled.have());
    }

    #[test]
    fn the_rounds_of_a_height_agree_with_a_list_of_who_opened_what(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let voters = Voters::equal(3);
        let (mut votes, mut model) = (voters.height(), Rounds::default());
        for step in steps {
            match step {
                Step::Vote(peer, round) => {
                    let vote = voters.vote(KIND, round, None, 0);
                    let added = votes.add(&Ed25519, &vote, Some(PeerId(peer)));
                    prop_assert_eq!(added.is_ok(), model.vote(peer, round));
                }
                Step::Forged(peer, round) => {
                    let mut vote = voters.vote(KIND, round, None, 1);
                    vote.signature = voters.vote(KIND, round, None, 2).signature;
                    prop_assert!(votes.add(&Ed25519, &vote, Some(PeerId(peer))).is_err());
                }
                Step::Connect(peer) => votes.add_peer(PeerId(peer)),
                Step::Leave(peer) => votes.remove_peer(PeerId(peer)),
                Step::Enter(round) => {
                    let forward = round > model.ours || (round == 0 && model.ours == 0);
                    prop_assert_eq!(votes.set_round(Round(round)).is_ok(), forward);
                    model.enter(round);
                }
            }
            let tracked: Vec<u32> = votes.rounds().map(|(round, _)| round.0).collect();
            prop_assert_eq!(tracked, model.tracked.iter().copied().collect::<Vec<_>>());
        }
    }
}

/// What may happen to the rounds of a height.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A peer brings a vote of validator 0.
    Vote(u16, u32),
    /// A peer brings a forgery.
    Forged(u16, u32),
    Connect(u16),
    Leave(u16),
    Enter(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u16..4, 0u32..16).prop_map(|(peer, round)| Step::Vote(peer, round)),
        2 => (0u16..4, 0u32..16).prop_map(|(peer, round)| Step::Forged(peer, round)),
        1 => (0u16..4).prop_map(Step::Connect),
        1 => (0u16..4).prop_map(Step::Leave),
        1 => (0u32..16).prop_map(Step::Enter),
    ]
}

/// Which rounds are tracked, and who opened them. Connections are not in it: they change nothing
/// while few peers come and go.
#[derive(Debug)]
struct Rounds {
    ours: u32,
    tracked: BTreeSet<u32>,
    opened: Vec<(u16, u32)>,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            ours: 0,
            tracked: [0, 1].into(),
            opened: Vec::new(),
        }
    }
}

impl Rounds {
    fn vote(&mut self, peer: u16, round: u32) -> bool {
        if !self.tracked.contains(&round) && round > self.ours + 1 {
            let ahead = |(p, r): &&(u16, u32)| *p == peer && *r > self.ours + 1;
            if self.opened.iter().filter(ahead).count() >= 2 {
                return false;
            }
            self.opened.push((peer, round));
        }
        self.tracked.insert(round);
        true
    }

    fn enter(&mut self, round: u32) {
        if round > self.ours {
            self.ours = round;
            self.tracked.extend([round, round + 1]);
        }
    }
}
