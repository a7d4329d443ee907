//! The judges look at runs of the abstract machine: none fires while all rules hold, and with a
//! rule broken the right one does, and no other.

use std::collections::BTreeSet;

use engine::{
    consensus::Decision,
    types::{BlockId, Commit, CommitSig, Message, Round},
};
use stateright::{Checker, Model};

use super::model::{Abstract, Act, Broken, State, VALUES, Value, Vote};
use crate::{
    choice::{Choices, Stream},
    oracle::testing::*,
};

/// A run of the machine, told to the judges.
struct Told {
    model: Abstract,
    history: History,
    blocks: [Decision; 2],
}

impl Told {
    fn new(model: &Abstract) -> Self {
        let mut history = History::new(setup(4, &[model.byzantine]));
        let chain = Chain::new(4);
        let blocks = VALUES.map(|value| {
            history.submit(&tx(&[value]));
            chain.decide(chain.block(&[&[value]]))
        });
        Self {
            model: model.clone(),
            history,
            blocks,
        }
    }

    fn id(&self, vote: Vote) -> Option<BlockId> {
        vote.map(|value| self.blocks[usize::from(value)].id)
    }

    /// The votes that the guard of a step has counted come to the node before the step.
    fn hear(
        &mut self,
        (node, state): (usize, &State),
        cast: impl Fn(usize, &State) -> Option<Vote>,
        message: impl Fn(usize, Option<BlockId>) -> Message,
        byzantine: Vote,
    ) {
        for by in (0..4).filter(|by| *by != node && *by != self.model.byzantine) {
            if let Some(vote) = cast(by, state) {
                self.history.get(node, &message(by, self.id(vote)));
            }
        }
        let id = self.id(byzantine);
        self.history.get(node, &message(self.model.byzantine, id));
    }

    fn hear_prevotes(&mut self, node: usize, state: &State, round: u8, byzantine: Vote) {
        let cast = |by: usize, state: &State| state[by].prevotes[usize::from(round)];
        let message = |by, id| prevote(by, (1, u32::from(round)), id);
        self.hear((node, state), cast, message, byzantine);
    }

    fn hear_precommits(&mut self, node: usize, state: &State, round: u8, byzantine: Vote) {
        let cast = |by: usize, state: &State| state[by].precommits[usize::from(round)];
        let message = |by, id| precommit(by, (1, u32::from(round)), id);
        self.hear((node, state), cast, message, byzantine);
    }

    /// One step of a node, from the state before it.
    fn tell(&mut self, state: &State, node: usize, act: Act) {
        let round = state[node].round;
        let at = (1, u32::from(round));
        match act {
            Act::Propose(value, pol) => {
                if let Some(pol) = pol {
                    self.hear_prevotes(node, state, pol, Some(value));
                }
                let proposal = self.proposal(node, round, (value, pol));
                self.history.sign(node, &proposal);
            }
            Act::Prevote(vote, value, pol) => {
                if let Some(pol) = pol {
                    self.hear_prevotes(node, state, pol, Some(value));
                }
                let by = usize::from(round) % 4;
                let proposal = self.proposal(by, round, (value, pol));
                self.history.get(node, &proposal);
                self.history
                    .see_parts(node, &self.blocks[usize::from(value)]);
                self.history.sign(node, &prevote(node, at, self.id(vote)));
            }
            Act::PrevoteNil => {
                self.history.timeout(node);
                self.history.sign(node, &prevote(node, at, None));
            }
            Act::Lock(value) | Act::Learn(value) => {
                self.hear_prevotes(node, state, round, Some(value));
                if matches!(act, Act::Lock(_)) {
                    let id = self.id(Some(value));
                    self.history.sign(node, &precommit(node, at, id));
                }
            }
            Act::PrecommitNilPolka | Act::PrecommitNilTimeout => {
                self.hear_prevotes(node, state, round, None);
                self.history.timeout(node);
                self.history.sign(node, &precommit(node, at, None));
            }
            Act::NextRound => {
                self.hear_precommits(node, state, round, None);
                self.history.timeout(node);
            }
            Act::Skip(round) => {
                self.hear_prevotes(node, state, round, None);
                self.hear_precommits(node, state, round, None);
            }
            Act::Decide(round, value) => self.decide(state, node, (round, value)),
        }
    }

    /// The commit of those who precommitted a block, and of the byzantine validator.
    fn commit(&self, state: &State, round: u8, decision: &Decision) -> Commit {
        let value = VALUES
            .into_iter()
            .find(|v| self.id(Some(*v)) == Some(decision.id));
        let signature = |by: usize| {
            let voted = state[by].precommits[usize::from(round)] == Some(value);
            let vote = precommit(by, (1, u32::from(round)), Some(decision.id));
            if let Message::Vote(vote) = vote
                && (voted || by == self.model.byzantine)
            {
                return CommitSig::Block(vote.signature);
            }
            CommitSig::Absent
        };
        let signatures: Vec<CommitSig> = (0..4).map(signature).collect();
        Commit {
            round: decision.round,
            signatures: signatures.try_into().unwrap(),
            ..decision.commit.clone()
        }
    }

    fn proposal(&self, by: usize, round: u8, (value, pol): (Value, Option<u8>)) -> Message {
        let id = self.blocks[usize::from(value)].id;
        proposal(by, (1, u32::from(round)), id, pol.map(u32::from))
    }

    fn decide(&mut self, state: &State, node: usize, (round, value): (u8, Value)) {
        self.hear_precommits(node, state, round, Some(value));
        let mut decision = self.blocks[usize::from(value)].clone();
        decision.round = Round(u32::from(round));
        decision.commit = self.commit(state, round, &decision);
        self.history.see_parts(node, &decision);
        let mut app = Chain::new(4);
        let hash = app.apply(&decision);
        self.history.announce(node, &decision, hash);
    }
}

/// A machine of so many rounds.
fn machine(rounds: u8, byzantine: usize, broken: Option<Broken>) -> Abstract {
    Abstract {
        rounds,
        byzantine,
        broken,
    }
}

/// Walks at random until nothing more can happen or a judge fires; returns its name.
fn walk(model: &Abstract, number: u64) -> &'static str {
    let mut draw = Choices::new(number).draw(Stream::Workload, [number, 0, 0, 0]);
    let mut told = Told::new(model);
    let mut state = model.init_states().remove(0);
    for _ in 0..60 {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        if actions.is_empty() || told.history.verdict.is_err() {
            break;
        }
        let one = usize::try_from(draw.below(actions.len() as u64)).unwrap();
        let (node, act) = actions[one];
        told.tell(&state, node, act);
        state = model.next_state(&state, (node, act)).unwrap();
    }
    told.history.fired()
}

/// What judges say of so many walks.
fn fired(broken: Option<Broken>, walks: u64) -> BTreeSet<&'static str> {
    let model = |number: u64| machine(4, usize::try_from(number % 4).unwrap(), broken);
    let walks = 0..walks;
    walks.map(|number| walk(&model(number), number)).collect()
}

#[test]
fn no_judge_fires_while_all_rules_hold() {
    assert_eq!(fired(None, 1_000), BTreeSet::from(["none"]));
}

#[test]
fn a_broken_rule_is_named_by_the_judges_of_what_it_breaks_and_no_other() {
    for (broken, judges, walks) in [
        (Broken::LockForgotten, "lock_safety", 200),
        (Broken::OlderPolkaUnlocks, "lock_safety", 4_000),
        (Broken::PolkaNotAsked, "prevote_justified", 200),
        (
            Broken::HalfIsPolka,
            "precommit_justified proposer_only",
            200,
        ),
        (Broken::HalfIsCommit, "decision_justified", 200),
        (Broken::GivesUpAtOnce, "nil_precommit_justified", 200),
        (Broken::LeavesAtOnce, "round_entry", 200),
        (Broken::EverybodyProposes, "proposer_only", 200),
        (Broken::PrevotesTwice, "vote_once", 200),
    ] {
        let mut expected: BTreeSet<&str> = judges.split(' ').collect();
        expected.insert("none");
        assert_eq!(fired(Some(broken), walks), expected, "{broken:?}");
    }
}

/// 1,193,173 states, and with another byzantine validator fewer.
#[test]
fn every_state_of_two_rounds_agrees() {
    let checker = machine(2, 0, None).checker().spawn_bfs().join();
    checker.assert_properties();
    assert_eq!(checker.unique_state_count(), 1_193_173);
}
