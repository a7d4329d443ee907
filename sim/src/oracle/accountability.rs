//! Who breaks agreement can be named, and nobody else.
//!
//! Statement: if correct nodes decide differently at a height, the messages that correct nodes have
//! heard there convict validators with more than one third of the power, each of two statements
//! where one is allowed, or of amnesia. And whatever happens, they convict nobody correct.
//!
//! Source: E2; the fork accountability of Tendermint, `Accountability`, `EquivocationBy` and
//! `AmnesiaBy` of `TendermintAcc_004_draft.tla`; `accountable_safety_1.ivy`.
//!
//! The promise needs a correct node in every quorum: byzantine power of at most two thirds. It is
//! asked where byzantine power may reach one third; below that a fork is the engine's fault, and
//! `agreement` says so. That nobody correct is convicted is judged in every run.
//!
//! Cost: per decision a comparison of the height's votes, round by round.

use engine::types::Height;

use super::{
    Ghost, Oracle, Violation,
    conviction::{Conviction, convictions},
    facts::{self, Rule},
    quorum::{Mask, only},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "accountability",
    rule: "E2: a fork convicts more than one third of the power of equivocation or amnesia, and \
           nobody correct is ever convicted (TendermintAcc_004_draft.tla: Accountability)",
};

/// Judges accountability.
#[derive(Debug, Default)]
pub(super) struct Accountability {
    checks: u64,
}

impl Oracle for Accountability {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let What::Decided { height, .. } = &event.what else {
            return Ok(());
        };
        if ghost.correct(event.node).is_none() {
            return Ok(());
        }
        self.checks += 1;
        let convicted = convictions(ghost, height.0);
        nobody_correct(ghost, *height, &convicted)?;
        if is_promised(ghost, height.0) && is_forked(ghost, height.0) {
            enough(ghost, *height, &convicted)?;
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

fn is_correct(ghost: &Ghost, member: usize) -> bool {
    ghost.correct(Some(facts::peer(member))).is_some()
}

fn nobody_correct(
    ghost: &Ghost,
    height: Height,
    convicted: &[Conviction],
) -> Result<(), Box<Violation>> {
    let mut all = convicted.iter();
    let Some(wrong) = all.find(|conviction| is_correct(ghost, conviction.member)) else {
        return Ok(());
    };
    let name = facts::node(wrong.member);
    let what = format!("{name} is correct, and what was heard at height {height} convicts it");
    Err(RULE.broken(what, (height.0, &[wrong.member]), vec![wrong.words()]))
}

/// Whether a fork must convict enough: it may happen, and every quorum has a correct node.
fn is_promised(ghost: &Ghost, height: u64) -> bool {
    let count = ghost.setup().validators.len();
    let byzantine = (0..count).filter(|member| !is_correct(ghost, *member));
    let byzantine: Mask = byzantine.fold(0, |all, member| all | only(member));
    !ghost.setup().within_one_third && !ghost.powers(height).has_quorum(byzantine)
}

fn is_forked(ghost: &Ghost, height: u64) -> bool {
    let decisions = ghost
        .height(height)
        .map_or(&[][..], |seen| seen.decisions());
    let ids = decisions.windows(2);
    ids.into_iter().any(|two| two[0].id != two[1].id)
}

fn enough(ghost: &Ghost, height: Height, convicted: &[Conviction]) -> Result<(), Box<Violation>> {
    let powers = ghost.powers(height.0);
    let who = (convicted.iter()).fold(0, |all, conviction| all | only(conviction.member));
    let (power, total) = (powers.of(who), powers.total());
    if u128::from(power) * 3 > u128::from(total) {
        return Ok(());
    }
    let what = format!(
        "correct nodes decided differently at height {height}, and what they heard convicts only \
         power {power} of {total}: {}",
        facts::names(who)
    );
    let decided: Vec<usize> = (ghost.height(height.0).into_iter())
        .flat_map(|seen| seen.decisions())
        .map(|decision| decision.node)
        .collect();
    let facts = convicted.iter().map(Conviction::words).collect();
    Err(RULE.broken(what, (height.0, &decided), facts))
}
