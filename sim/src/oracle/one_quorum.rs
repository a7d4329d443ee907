//! Two blocks never have a quorum where there may be one.
//!
//! Statement, over all authentic votes of the run, whoever holds them: in a round at most one value
//! has prevotes of more than two thirds of the power; at a height at most one block has precommits
//! of more than two thirds, all rounds together. A correct node's vote counts once it binds the
//! node, a byzantine one's once a correct node was given it.
//!
//! Source: G2; `classic_safety.ivy`: quorums intersect in a correct node, which votes once. Two
//! quorums of precommits are a fork even if nobody has put one of them together yet: so this fires
//! before anybody decides wrongly, and when nobody ever does.
//!
//! Needs byzantine power below one third. Cost: a walk over the members per vote, one over the
//! height's rounds when a quorum is there.

use engine::types::{BlockId, VoteKind};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::Act,
    quorum::Mask,
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "one_quorum",
    rule: "G2: one value has a quorum of prevotes in a round, one block a quorum of precommits \
           at a height (classic_safety.ivy)",
};

/// Judges all votes of the run together.
#[derive(Debug, Default)]
pub(super) struct OneQuorum {
    checks: u64,
}

/// A value that has a quorum: in which round, and whose.
type Quorum = (u32, Option<BlockId>, Mask);

impl Oracle for OneQuorum {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, _: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news().iter().filter(|news| news.bound) {
            let (height, round) = (news.slot.height, news.slot.round);
            let (kind, all) = match news.slot.act {
                Act::Propose => continue,
                Act::Prevote => (VoteKind::Prevote, quorums(ghost, height, round)),
                Act::Precommit if news.own.value.block().is_none() => continue,
                Act::Precommit => (VoteKind::Precommit, commits(ghost, height)),
            };
            let Some(first) = all.first() else { continue };
            self.checks += 1;
            if let Some(second) = all.iter().find(|other| other.1 != first.1) {
                return Err(broken(ghost, (height, kind), [first, second]));
            }
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

/// The values with a quorum of prevotes in a round.
fn quorums(ghost: &Ghost, height: u64, round: u32) -> Vec<Quorum> {
    let votes = ghost.standing((height, round, VoteKind::Prevote));
    votes
        .filter(|(_, voters)| ghost.powers(height).has_quorum(*voters))
        .map(|(block, voters)| (round, block, voters))
        .collect()
}

/// The blocks with a quorum of precommits at a height.
fn commits(ghost: &Ghost, height: u64) -> Vec<Quorum> {
    let seen = ghost.height(height).into_iter();
    let rounds = seen.flat_map(super::seen::HeightSeen::rounds);
    let all = rounds.flat_map(|round| {
        let votes = ghost.standing((height, round, VoteKind::Precommit));
        votes.map(move |(block, voters)| (round, block, voters))
    });
    all.filter(|(_, block, voters)| block.is_some() && ghost.powers(height).has_quorum(*voters))
        .collect()
}

fn broken(ghost: &Ghost, (height, kind): (u64, VoteKind), both: [&Quorum; 2]) -> Box<Violation> {
    let [first, second] = both.map(|(_, block, _)| facts::block(*block));
    let what = format!("both {first} and {second} have a quorum of {kind}s at height {height}");
    let fact = |(round, block, voters): &Quorum| {
        format!(
            "{kind} {} in round {round} from {}: {}",
            facts::block(*block),
            facts::names(*voters),
            facts::power(ghost, height, *voters)
        )
    };
    RULE.broken(what, (height, &[]), both.map(fact).to_vec())
}
