//! Properties of votes in any order, and of the rounds that peers may open. That a vote set agrees
//! with a list of its votes is a fuzz target's business (`fuzz/votes.rs`).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const POWERS: [u64; 5] = [1, 2, 3, 1, 2];
const KIND: VoteKind = VoteKind::Precommit;

fn choice() -> impl Strategy<Value = Option<BlockId>> {
    prop_oneof![
        Just(None),
        Just(Some(unseen(1))),
        Just(Some(unseen(2))),
        Just(Some(unseen(3))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

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
