//! What a third of the correct power is locked on, nobody else overtakes.
//!
//! Statement: once correct nodes with at least one third of the power have precommitted a block in
//! a round, no other block gets prevotes of more than two thirds in a later round of that height,
//! over all authentic votes of the run, whoever holds them.
//!
//! Source: G1; `PrecommitsLockValue` of `TendermintAccInv_004_draft.tla`; lemma 3 and the proof of
//! agreement in "The latest gossip on BFT consensus". Those outside the third have at most two
//! thirds, so one of the locked has given its vote away. This fires a round before two decisions
//! can differ.
//!
//! Needs byzantine power below one third. Cost: a walk over the members per vote, one over the
//! height's rounds when a block has a quorum of prevotes.

use engine::types::{BlockId, VoteKind};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::Act,
    quorum::{Mask, members, only},
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "lock_holds",
    rule: "G1: no other block gets a polka once correct nodes with 1/3 of the power have \
           precommitted one (TendermintAccInv_004_draft.tla: PrecommitsLockValue)",
};

/// Judges locks of many against polkas.
#[derive(Debug, Default)]
pub(super) struct LockHolds {
    checks: u64,
}

impl Oracle for LockHolds {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, _: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news().iter().filter(|news| news.bound) {
            let (height, round) = (news.slot.height, news.slot.round);
            let (Act::Prevote, Some(id)) = (news.slot.act, news.own.value.block()) else {
                continue;
            };
            let mut votes = ghost.standing((height, round, VoteKind::Prevote));
            let polka = votes.find(|(block, _)| *block == Some(id));
            let voters = polka.map_or(0, |(_, voters)| voters);
            if round == 0 || !ghost.powers(height).has_quorum(voters) {
                continue;
            }
            self.checks += 1;
            if let Some(locked) = locked_before(ghost, (height, round), id) {
                return Err(broken(ghost, height, locked, (round, id, voters)));
            }
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

/// A round, a block, and who voted for it.
type Votes = (u32, BlockId, Mask);

/// Another block that correct nodes with a third of the power precommitted in an earlier round.
fn locked_before(ghost: &Ghost, (height, round): (u64, u32), id: BlockId) -> Option<Votes> {
    let powers = ghost.powers(height);
    let mut earlier = ghost.height(height)?.rounds().take_while(|r| *r < round);
    earlier.find_map(|earlier| {
        let votes = ghost.standing((height, earlier, VoteKind::Precommit));
        let mut locked = votes.filter_map(|(block, voters)| {
            let correct = members(voters).filter(|voter| ghost.is_correct(*voter));
            Some((block?, correct.fold(0, |all, voter| all | only(voter))))
        });
        let (block, who) = locked.find(|(block, who)| *block != id && powers.is_one_third(*who))?;
        Some((earlier, block, who))
    })
}

fn broken(ghost: &Ghost, height: u64, locked: Votes, polka: Votes) -> Box<Violation> {
    let what = format!(
        "{} has a polka in round {} of height {height} although correct nodes with a third of the \
         power precommitted {} in round {}",
        facts::block(Some(polka.1)),
        polka.0,
        facts::block(Some(locked.1)),
        locked.0
    );
    let fact = |act: &str, (round, block, voters): Votes| {
        format!(
            "{act} {} in round {round} from {}: {}",
            facts::block(Some(block)),
            facts::names(voters),
            facts::power(ghost, height, voters)
        )
    };
    let facts = vec![fact("precommit", locked), fact("prevote", polka)];
    RULE.broken(what, (height, &[]), facts)
}
