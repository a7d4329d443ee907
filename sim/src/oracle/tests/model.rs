//! An abstract Tendermint of four validators at one height, explored by `stateright`.
//!
//! The machine is the one of "The latest gossip on BFT consensus" without message passing: a
//! correct node may act on any vote that was ever cast, at any later time, and a timeout may fire
//! whenever its condition holds. One validator is byzantine and has no state: each guard counts a
//! vote of it for whatever helps, and in its turn it proposes anything. So a guard needs the votes
//! of two correct nodes where the paper says 2f + 1, and of one where it says f + 1.
//!
//! Each step of the machine can be told to the judges as events (`tests/refinement.rs`).

use stateright::{Model, Property};

/// Rounds are 0 to this, not included.
pub(super) type Round = u8;
/// One of the two blocks.
pub(super) type Value = u8;
/// A vote: for a block, or nil.
pub(super) type Vote = Option<Value>;

/// The two blocks.
pub(super) const VALUES: [Value; 2] = [0, 1];

/// A rule that can be left out, or be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// L22: a new proposal is prevoted whatever the lock.
    LockForgotten,
    /// L28: an old lock gives way to an even older polka.
    OlderPolkaUnlocks,
    /// L28: an old proposal is prevoted without its polka.
    PolkaNotAsked,
    /// L36: two votes are a polka.
    HalfIsPolka,
    /// L49: two votes are a commit.
    HalfIsCommit,
    /// L61: nil is precommitted without waiting for votes.
    GivesUpAtOnce,
    /// L65: a round is left without waiting for votes.
    LeavesAtOnce,
    /// L11: everybody proposes.
    EverybodyProposes,
    /// A prevote for a block may follow one for nil.
    PrevotesTwice,
}

/// The cluster.
#[derive(Debug, Clone)]
pub(super) struct Abstract {
    /// How many rounds there are.
    pub(super) rounds: Round,
    /// Which of the four is byzantine. Node r proposes in round r.
    pub(super) byzantine: usize,
    /// The rule that does not hold.
    pub(super) broken: Option<Broken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Propose,
    Prevote,
    Precommit,
}

/// A correct node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) round: Round,
    pub(super) step: Step,
    pub(super) locked: Option<(Round, Value)>,
    pub(super) valid: Option<(Round, Value)>,
    pub(super) decided: Option<Value>,
    /// By round: what it has proposed, and with which proof-of-lock round.
    pub(super) proposed: Vec<Option<(Value, Option<Round>)>>,
    /// By round.
    pub(super) prevotes: Vec<Option<Vote>>,
    pub(super) precommits: Vec<Option<Vote>>,
}

/// By number; the byzantine one never moves.
pub(super) type State = [Node; 4];

/// What a correct node does, and why it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// L11.
    Propose(Value, Option<Round>),
    /// L22, L28: for a proposal of the round's proposer, with the round of its polka.
    Prevote(Vote, Value, Option<Round>),
    /// L57.
    PrevoteNil,
    /// L36 in time.
    Lock(Value),
    /// L36 too late: the valid value only.
    Learn(Value),
    /// L44.
    PrecommitNilPolka,
    /// L61.
    PrecommitNilTimeout,
    /// L49.
    Decide(Round, Value),
    /// L65.
    NextRound,
    /// L55.
    Skip(Round),
}

impl Abstract {
    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    /// Whether votes of so many correct nodes and of the byzantine one are more than 2/3.
    fn quorum(&self, correct: usize, wrong: Broken) -> bool {
        correct >= if self.is(wrong) { 1 } else { 2 }
    }

    fn others<'a>(&self, state: &'a State) -> impl Iterator<Item = &'a Node> {
        let byzantine = self.byzantine;
        let all = state.iter().enumerate();
        all.filter(move |(i, _)| *i != byzantine)
            .map(|(_, node)| node)
    }

    fn prevoted(&self, state: &State, round: Round, vote: Vote) -> usize {
        let round = usize::from(round);
        self.others(state)
            .filter(|node| node.prevotes[round] == Some(vote))
            .count()
    }

    fn precommitted(&self, state: &State, round: Round, vote: Vote) -> usize {
        let round = usize::from(round);
        self.others(state)
            .filter(|node| node.precommits[round] == Some(vote))
            .count()
    }

    /// What a node may prevote for: values with their proof-of-lock rounds.
    fn proposals(&self, state: &State, round: Round) -> Vec<(Value, Option<Round>)> {
        let mut all = Vec::new();
        if usize::from(round) % 4 == self.byzantine {
            for value in VALUES {
                all.push((value, None));
                all.extend((0..round).map(|pol| (value, Some(pol))));
            }
        }
        for (i, node) in state.iter().enumerate() {
            let turn = i == usize::from(round) % 4;
            all.extend(node.proposed[usize::from(round)].filter(|_| turn));
        }
        all
    }

    fn propose(&self, (i, node): (usize, &Node), acts: &mut Vec<Act>) {
        let turn = i == usize::from(node.round) % 4 || self.is(Broken::EverybodyProposes);
        let done = node.proposed[usize::from(node.round)].is_some();
        if !turn || done || node.step != Step::Propose {
            return;
        }
        match node.valid {
            Some((round, value)) => acts.push(Act::Propose(value, Some(round))),
            None => acts.extend(VALUES.map(|value| Act::Propose(value, None))),
        }
    }

    fn prevote(&self, state: &State, node: &Node, acts: &mut Vec<Act>) {
        let again = self.is(Broken::PrevotesTwice)
            && node.step == Step::Prevote
            && node.prevotes[usize::from(node.round)] == Some(None);
        if node.step != Step::Propose && !again {
            return;
        }
        for (value, pol) in self.proposals(state, node.round) {
            let locked_on_it = node.locked.is_none_or(|(_, locked)| locked == value);
            let accepts = match pol {
                None => locked_on_it || self.is(Broken::LockForgotten),
                Some(pol) => {
                    let polka = self.prevoted(state, pol, Some(value)) >= 2;
                    if !polka && !self.is(Broken::PolkaNotAsked) {
                        continue;
                    }
                    let older = polka && node.locked.is_none_or(|(round, _)| round <= pol);
                    locked_on_it || older || self.is(Broken::OlderPolkaUnlocks)
                }
            };
            if accepts || !again {
                acts.push(Act::Prevote(accepts.then_some(value), value, pol));
            }
        }
        if !again {
            acts.push(Act::PrevoteNil);
        }
    }

    fn precommit(&self, state: &State, node: &Node, acts: &mut Vec<Act>) {
        let round = node.round;
        for value in VALUES {
            let polka = self.quorum(
                self.prevoted(state, round, Some(value)),
                Broken::HalfIsPolka,
            );
            let known = self
                .proposals(state, round)
                .iter()
                .any(|(v, _)| *v == value);
            match node.step {
                Step::Prevote if polka && known => acts.push(Act::Lock(value)),
                Step::Precommit if polka && known && node.valid != Some((round, value)) => {
                    acts.push(Act::Learn(value));
                }
                Step::Propose | Step::Prevote | Step::Precommit => {}
            }
        }
        if node.step != Step::Prevote {
            return;
        }
        if self.prevoted(state, round, None) >= 2 {
            acts.push(Act::PrecommitNilPolka);
        }
        let voted = |node: &&Node| node.prevotes[usize::from(round)].is_some();
        let waited = self.others(state).filter(voted).count() >= 2;
        if waited || self.is(Broken::GivesUpAtOnce) {
            acts.push(Act::PrecommitNilTimeout);
        }
    }

    fn go_on(&self, state: &State, node: &Node, acts: &mut Vec<Act>) {
        for (round, value) in (0..self.rounds).flat_map(|r| VALUES.map(|v| (r, v))) {
            let votes = self.precommitted(state, round, Some(value));
            if self.quorum(votes, Broken::HalfIsCommit) {
                acts.push(Act::Decide(round, value));
            }
        }
        let here = usize::from(node.round);
        let done = self.others(state).filter(|n| n.precommits[here].is_some());
        let last = node.round + 1 == self.rounds;
        if !last && (done.count() >= 2 || self.is(Broken::LeavesAtOnce)) {
            acts.push(Act::NextRound);
        }
        for round in node.round + 1..self.rounds {
            let at = usize::from(round);
            let there = |n: &&Node| n.prevotes[at].is_some() || n.precommits[at].is_some();
            if self.others(state).any(|n| there(&n)) {
                acts.push(Act::Skip(round));
            }
        }
    }
}

impl Model for Abstract {
    type State = State;
    type Action = (usize, Act);

    fn init_states(&self) -> Vec<State> {
        let none = usize::from(self.rounds);
        let node = Node {
            round: 0,
            step: Step::Propose,
            locked: None,
            valid: None,
            decided: None,
            proposed: vec![None; none],
            prevotes: vec![None; none],
            precommits: vec![None; none],
        };
        vec![std::array::from_fn(|_| node.clone())]
    }

    fn actions(&self, state: &State, actions: &mut Vec<(usize, Act)>) {
        for (i, node) in state.iter().enumerate() {
            if i == self.byzantine || node.decided.is_some() {
                continue;
            }
            let mut acts = Vec::new();
            self.propose((i, node), &mut acts);
            self.prevote(state, node, &mut acts);
            self.precommit(state, node, &mut acts);
            self.go_on(state, node, &mut acts);
            actions.extend(acts.into_iter().map(|act| (i, act)));
        }
    }

    fn next_state(&self, last: &State, (i, act): (usize, Act)) -> Option<State> {
        let mut next = last.clone();
        let node = &mut next[i];
        let at = usize::from(node.round);
        match act {
            Act::Propose(value, pol) => node.proposed[at] = Some((value, pol)),
            Act::Prevote(vote, ..) => node.prevote(vote),
            Act::PrevoteNil => node.prevote(None),
            Act::Lock(value) => {
                node.locked = Some((node.round, value));
                node.valid = Some((node.round, value));
                node.precommit(Some(value));
            }
            Act::Learn(value) => node.valid = Some((node.round, value)),
            Act::PrecommitNilPolka | Act::PrecommitNilTimeout => node.precommit(None),
            Act::Decide(_, value) => node.decided = Some(value),
            Act::NextRound => node.enter(node.round + 1),
            Act::Skip(round) => node.enter(round),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("agreement", |_, state| {
                decided(state).windows(2).all(|two| two[0] == two[1])
            }),
            Property::sometimes("all decide", |_, state| decided(state).len() == 3),
            Property::sometimes("a lock moves", |_, state: &State| {
                let moved = |node: &Node| {
                    let first = node.precommits.first().copied().flatten().flatten();
                    node.locked
                        .is_some_and(|(_, v)| first.is_some_and(|f| f != v))
                };
                state.iter().any(moved)
            }),
            Property::sometimes("a valid value without a lock", |_, state: &State| {
                state
                    .iter()
                    .any(|n| n.valid.is_some() && n.locked.is_none())
            }),
        ]
    }
}

fn decided(state: &State) -> Vec<Value> {
    state.iter().filter_map(|node| node.decided).collect()
}

impl Node {
    fn prevote(&mut self, vote: Vote) {
        self.prevotes[usize::from(self.round)] = Some(vote);
        self.step = Step::Prevote;
    }

    fn precommit(&mut self, vote: Vote) {
        self.precommits[usize::from(self.round)] = Some(vote);
        self.step = Step::Precommit;
    }

    fn enter(&mut self, round: Round) {
        self.round = round;
        self.step = Step::Propose;
    }
}
