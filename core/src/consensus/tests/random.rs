//! Random inputs, honest and faulty, against rules that are recomputed from nothing but what went
//! in and came out.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};

use super::*;

/// How many of the blocks below are valid; the others are not.
const VALID: usize = 3;
const BLOCKS: usize = 5;

/// An input. Rounds are relative to the machine's, minus one.
#[derive(Debug, Clone)]
enum Event {
    Proposal {
        round: u32,
        block: usize,
        pol: Option<u32>,
        forged: bool,
    },
    Parts(usize),
    Votes {
        kind: VoteKind,
        round: u32,
        block: Option<usize>,
        voters: Vec<u16>,
    },
    Forged {
        kind: VoteKind,
        index: u16,
        flaw: usize,
    },
    /// The round is played as in a good network up to a point, and then the next one begins.
    Play {
        block: usize,
        pol: Option<u32>,
        proposed: bool,
        prevoted: bool,
    },
    Late(u16, Option<usize>),
    Claim {
        kind: VoteKind,
        round: u32,
        block: Option<usize>,
        peer: u16,
    },
    Timeout(Step),
    Wake,
    Advance,
}

fn kind() -> impl Strategy<Value = VoteKind> {
    select(vec![Prevote, Precommit])
}

/// Mostly the machine's own round.
fn round() -> impl Strategy<Value = u32> {
    select(vec![0, 1, 1, 1, 1, 2, 2, 6])
}

fn choice() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![1 => Just(None), 3 => (0..BLOCKS).prop_map(Some)]
}

fn event() -> impl Strategy<Value = Event> {
    let steps = vec![
        Step::NewHeight,
        Step::Propose,
        Step::Propose,
        Step::PrevoteWait,
        Step::PrecommitWait,
        Step::Commit,
    ];
    let votes = (
        kind(),
        round(),
        choice(),
        prop::collection::vec(0u16..4, 1..5),
    );
    let proposal = (round(), 0..BLOCKS, prop::option::of(0u32..3), any::<u8>());
    prop_oneof![
        4 => proposal.prop_map(|(round, block, pol, forged)| Event::Proposal {
            round, block, pol, forged: forged < 20,
        }),
        4 => (0..BLOCKS).prop_map(Event::Parts),
        9 => votes.prop_map(|(kind, round, block, voters)| Event::Votes {
            kind, round, block, voters,
        }),
        1 => (kind(), 0u16..4, 0usize..3)
            .prop_map(|(kind, index, flaw)| Event::Forged { kind, index, flaw }),
        4 => (0..BLOCKS, prop::option::of(0u32..3), any::<bool>(), any::<bool>()).prop_map(
            |(block, pol, proposed, prevoted)| Event::Play { block, pol, proposed, prevoted },
        ),
        1 => (0u16..4, choice()).prop_map(|(index, block)| Event::Late(index, block)),
        1 => (kind(), round(), choice(), 0u16..4).prop_map(|(kind, round, block, peer)| {
            Event::Claim { kind, round, block, peer }
        }),
        3 => select(steps).prop_map(Event::Timeout),
        1 => Just(Event::Wake),
        1 => Just(Event::Advance),
    ]
}

/// What the test knows of a height: what went in and was taken, and what came out.
#[derive(Debug, Default)]
struct Ghost {
    proposals: BTreeSet<(u32, BlockId, Option<u32>)>,
    counted: BTreeSet<(VoteKind, u32, Option<BlockId>, u16)>,
    own: BTreeSet<(VoteKind, u32)>,
    locked: Option<(u32, BlockId)>,
    parts: BTreeSet<usize>,
    decided: bool,
}

/// The machine, the blocks of its height, and the test's own account.
#[derive(Debug)]
struct World {
    m: Machine,
    powers: Vec<u64>,
    me: u16,
    blocks: Vec<Made>,
    ghost: Ghost,
    halted: bool,
}

impl World {
    fn new(powers: &[u64], me: u16) -> Self {
        let mut m = Machine::new(powers).of_validator(usize::from(me));
        m.wait_for_height();
        let (powers, blocks) = (powers.to_vec(), blocks_of(&m));
        let (ghost, halted) = (Ghost::default(), false);
        Self {
            m,
            powers,
            me,
            blocks,
            ghost,
            halted,
        }
    }

    fn round(&self, relative: u32) -> u32 {
        (self.m.machine.at().round.0 + relative).saturating_sub(1)
    }

    fn id(&self, block: Option<usize>) -> Option<BlockId> {
        block.map(|b| self.blocks[b].id)
    }

    fn power(&self, voters: &BTreeSet<u16>) -> u64 {
        voters.iter().map(|i| self.powers[usize::from(*i)]).sum()
    }

    /// More than 2/3, written out again.
    fn quorum(&self, kind: VoteKind, round: u32, block: Option<BlockId>) -> bool {
        let votes = self.ghost.counted.iter();
        let votes = votes.filter(|(k, r, b, _)| (*k, *r, *b) == (kind, round, block));
        let voters = votes.map(|(_, _, _, index)| *index).collect();
        self.power(&voters) > self.powers.iter().sum::<u64>() * 2 / 3
    }

    fn one_third_in(&self, round: u32) -> bool {
        let votes = self.ghost.counted.iter().filter(|(_, r, _, _)| *r == round);
        let voters = votes.map(|(_, _, _, index)| *index).collect();
        self.power(&voters) > self.powers.iter().sum::<u64>() / 3
    }

    fn is_valid_and_here(&self, id: BlockId) -> bool {
        let at = self.blocks.iter().position(|b| b.id == id);
        at.is_some_and(|at| at < VALID && self.ghost.parts.contains(&at))
    }

    fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Proposal {
                round,
                block,
                pol,
                forged,
            } => self.propose(self.round(round), block, pol, forged),
            Event::Parts(block) => {
                self.ghost.parts.insert(block);
                let made = self.blocks[block].clone();
                let _ = self.m.part(made.part(0));
            }
            Event::Votes {
                kind,
                round,
                block,
                voters,
            } => {
                let (round, block) = (self.round(round), self.id(block));
                for index in voters {
                    self.cast(kind, round, block, index)?;
                }
            }
            Event::Forged { kind, index, flaw } => self.forge(kind, index, flaw)?,
            Event::Play {
                block,
                pol,
                proposed,
                prevoted,
            } => self.play(block, pol, (proposed, prevoted))?,
            Event::Late(index, block) => {
                let index = index % u16::try_from(self.powers.len()).unwrap();
                let height = self.m.machine.at().height.prev().unwrap_or(Height::ZERO);
                let vote = self.m.vote_at(height, Precommit, 0, self.id(block), index);
                let _ = self.m.cast(&vote);
            }
            Event::Claim {
                kind,
                round,
                block,
                peer,
            } => {
                let (round, block) = (Round(self.round(round)), self.id(block));
                let _ = self
                    .m
                    .machine
                    .on_majority_claim(round, kind, PeerId(peer), block);
            }
            Event::Timeout(step) => self.m.timeout(step, self.m.machine.at().round.0),
            Event::Wake => {
                if self.m.record.wake.is_some() {
                    let _ = self.m.wake();
                }
            }
            Event::Advance => self.advance(),
        }
        Ok(())
    }

    fn play(
        &mut self,
        block: usize,
        pol: Option<u32>,
        (proposed, prevoted): (bool, bool),
    ) -> Result<(), TestCaseError> {
        let round = self.m.machine.at().round.0;
        self.m.timeout(Step::NewHeight, round);
        if proposed {
            self.propose(round, block, pol, false);
            self.apply(Event::Parts(block))?;
        }
        self.m.timeout(Step::Propose, round);
        if prevoted {
            for index in 0..4 {
                self.cast(Prevote, round, self.id(Some(block)), index)?;
            }
        }
        self.check()?;
        if self.m.machine.at().round.0 == round {
            self.m.timeout(Step::PrecommitWait, round);
        }
        Ok(())
    }

    fn propose(&mut self, round: u32, block: usize, pol: Option<u32>, forged: bool) {
        let pol = pol.filter(|pol| *pol < round);
        let made = self.blocks[block].clone();
        let mut proposal = self.m.signed_proposal(round, &made, pol);
        if forged {
            proposal.signature.0[0] ^= 1;
        }
        let taken = self.m.offer(&proposal);
        if taken.is_ok() && !forged {
            self.ghost.proposals.insert((round, made.id, pol));
        }
    }

    fn cast(
        &mut self,
        kind: VoteKind,
        round: u32,
        block: Option<BlockId>,
        index: u16,
    ) -> Result<(), TestCaseError> {
        if index == self.me || usize::from(index) >= self.powers.len() {
            return Ok(());
        }
        let vote = self.m.vote(kind, round, block, index);
        match self.m.cast(&vote) {
            Ok(Added::New | Added::Conflict { counted: true, .. }) => {
                self.ghost.counted.insert((kind, round, block, index));
            }
            Ok(Added::Duplicate | Added::Conflict { counted: false, .. }) | Err(_) => {}
        }
        self.check()
    }

    fn forge(&mut self, kind: VoteKind, index: u16, flaw: usize) -> Result<(), TestCaseError> {
        let mut vote = self.m.vote(kind, self.round(1), None, self.me);
        match flaw {
            0 => vote.index = ValidatorIndex(index + 4),
            1 => vote.signature.0[5] ^= 1,
            _ => vote.round = vote.round.next(),
        }
        let refused = self.m.cast(&vote);
        let taken = matches!(refused, Ok(Added::New | Added::Conflict { .. }));
        prop_assert!(!taken, "a forged vote is never taken");
        Ok(())
    }

    fn advance(&mut self) {
        if self.ghost.decided && !self.halted {
            // The harness hands the decision out once; it was checked when it came.
            self.m.advance();
            self.blocks = blocks_of(&self.m);
            self.ghost = Ghost::default();
        }
    }

    /// Checks everything that came out since the last time.
    fn check(&mut self) -> Result<(), TestCaseError> {
        while let Some((kind, round, block)) = self.m.record.votes.pop_front() {
            prop_assert!(!self.ghost.decided, "no vote after the decision");
            prop_assert!(
                self.ghost.own.insert((kind, round)),
                "one vote of a kind per round"
            );
            self.ghost.counted.insert((kind, round, block, self.me));
            if let Some(id) = block {
                prop_assert!(self.is_valid_and_here(id), "votes only for valid blocks");
                match kind {
                    Prevote => self.check_prevote(round, id)?,
                    Precommit => {
                        prop_assert!(self.quorum(Prevote, round, block), "a polka before");
                        self.ghost.locked = Some((round, id));
                    }
                }
            }
        }
        let locked = self.ghost.locked.map(|(round, id)| (Round(round), id));
        prop_assert_eq!(self.m.machine.locked(), locked);
        if let Some((round, id)) = self.m.machine.valid() {
            prop_assert!(self.quorum(Prevote, round.0, Some(id)));
            prop_assert!(
                self.m
                    .machine
                    .locked()
                    .is_none_or(|(locked, _)| locked <= round)
            );
        }
        self.check_decision()
    }

    fn check_prevote(&self, round: u32, id: BlockId) -> Result<(), TestCaseError> {
        let proposals = self.ghost.proposals.iter();
        let mut proofs = proposals
            .filter(|(r, b, _)| (*r, *b) == (round, id))
            .map(|(_, _, pol)| *pol);
        let lock = self.ghost.locked.filter(|(_, locked)| *locked != id);
        let justified = proofs.any(|pol| match (pol, lock) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(pol), lock) => {
                let lifted = lock.is_none_or(|(since, _)| since <= pol);
                lifted && pol < round && self.quorum(Prevote, pol, Some(id))
            }
        });
        prop_assert!(justified, "prevote {round} against {:?}", self.ghost.locked);
        Ok(())
    }

    fn check_decision(&mut self) -> Result<(), TestCaseError> {
        if let Some(reason) = self.m.record.halt.take() {
            let rounds: BTreeSet<u32> = self.ghost.counted.iter().map(|vote| vote.1).collect();
            let bad = |round| {
                let mut bad = self.blocks[VALID..].iter();
                bad.any(|block| self.quorum(Precommit, round, Some(block.id)))
            };
            let proved = rounds.into_iter().any(bad);
            prop_assert!(proved, "halted without a reason: {reason}");
            (self.halted, self.ghost.decided) = (true, true);
        }
        if let Some(decision) = &self.m.record.decision {
            let (round, id) = (decision.round.0, decision.id);
            prop_assert!(self.quorum(Precommit, round, Some(id)));
            prop_assert!(self.is_valid_and_here(id));
            self.ghost.decided = true;
        }
        Ok(())
    }
}

fn blocks_of(m: &Machine) -> Vec<Made> {
    let names = ["a", "b", "c", "d", "e"].into_iter().enumerate();
    let make = |(i, name)| {
        if i < VALID {
            m.block(name)
        } else {
            m.invalid_block(name)
        }
    };
    names.map(make).collect()
}

fn powers() -> impl Strategy<Value = Vec<u64>> {
    select(vec![
        vec![1, 1, 1, 1],
        vec![1, 2, 3, 4],
        vec![2, 1, 1],
        vec![5, 1, 1, 1],
        vec![1],
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whatever_comes_in_every_vote_is_lawful_and_nothing_panics(
        powers in powers(),
        me in 0u16..4,
        events in prop::collection::vec(event(), 1..80),
    ) {
        let me = me % u16::try_from(powers.len()).unwrap();
        let mut world = World::new(&powers, me);
        for event in events {
            let before = world.m.machine.at();
            let timed = matches!(
                event,
                Event::Timeout(_) | Event::Wake | Event::Play { .. }
            );
            world.apply(event)?;
            world.check()?;
            let after = world.m.machine.at();
            prop_assert!(after.height > before.height || after >= before, "time runs forward");
            if after.height == before.height && after.round > before.round {
                let next = timed && after.round == before.round.next();
                prop_assert!(next || world.one_third_in(after.round.0), "{before} to {after}");
            }
        }
    }
}
