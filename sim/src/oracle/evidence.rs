//! Blocks accuse nobody who is innocent, and nobody twice.
//!
//! Statement: each piece of evidence in a decided block holds two votes of one kind, height, round
//! and validator, for different choices, the lesser first; both are signed by that validator, which
//! was one at that height and stood at the place the votes name; it does not follow the protocol;
//! the votes are of the block's height or an earlier one, and not older than the chain's parameters
//! allow, now or at any height before; and no offence is proved twice on the chain.
//!
//! Source: E1 of the property list; `wb_never_punished` of `ivy-proofs/accountable_safety_2.ivy`;
//! `DuplicateVoteEvidence` and `VerifyEvidence` of Tendermint.
//!
//! That an offence which a correct node could prove gets into a block (E3) is judged by
//! `evidence_committed`. What was proved is counted: the checks are the pieces of evidence judged.
//!
//! Cost: two verifications per piece of evidence.

use std::collections::BTreeSet;

use engine::types::{Address, DuplicateVote, Vote, VoteKind};

use super::{
    Ghost, Oracle, Violation, block,
    facts::{self, Rule},
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "evidence",
    rule: "E1: a block proves only offences that byzantine validators committed, each once and in \
           time (accountable_safety_2.ivy: wb_never_punished)",
};

/// What somebody is accused of.
type Offence = (u64, u32, VoteKind, Address);

/// Judges evidence in blocks.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The last height whose block was judged.
    height: u64,
    /// What the chain has proved. It grows with the misdeeds of a run.
    proved: BTreeSet<Offence>,
    checks: u64,
}

impl Oracle for Evidence {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        while self.height + 1 < ghost.newest() {
            self.height += 1;
            let Some(block) = ghost.block(self.height) else {
                continue;
            };
            for evidence in block.evidence.iter() {
                self.checks += 1;
                let judged = self.judge(ghost, self.height, evidence);
                judged.map_err(|reason| broken(ghost, event, (self.height, evidence), &reason))?;
                self.proved.insert(offence(&evidence.first));
            }
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl Evidence {
    fn judge(&self, ghost: &Ghost, height: u64, evidence: &DuplicateVote) -> Result<(), String> {
        let (first, second) = (&evidence.first, &evidence.second);
        let same = offence(first) == offence(second) && first.index == second.index;
        if !same || block::rank(first.block) >= block::rank(second.block) {
            return Err("the votes do not contradict each other, the lesser first".to_owned());
        }
        let (at, address) = (first.height.0, first.address);
        let oldest = ghost.rules(height).oldest_evidence;
        if at > height || at < oldest {
            return Err(format!("votes of heights {oldest} to {height} may be used"));
        }
        let order = ghost.validators(at).map_or(&[][..], |set| set.order());
        let voter = order.get(first.index.get()).copied();
        let voter = voter.filter(|member| ghost.address(*member) == Some(&address));
        let Some(voter) = voter else {
            let place = first.index.get();
            return Err(format!("{address} is not validator {place} of height {at}"));
        };
        for vote in [first, second] {
            let bytes = vote.sign_bytes(&ghost.setup().chain);
            if !ghost.verify(voter, &bytes, &vote.signature) {
                let name = facts::node(voter);
                return Err(format!("{name} has not signed {vote}"));
            }
        }
        let correct = ghost.setup().validators.get(voter);
        if correct.is_some_and(|member| member.correct) {
            return Err(format!("{} follows the protocol", facts::node(voter)));
        }
        if self.proved.contains(&offence(first)) {
            return Err("an earlier block, or this one, has proved the same".to_owned());
        }
        Ok(())
    }
}

fn offence(vote: &Vote) -> Offence {
    (vote.height.0, vote.round.0, vote.kind, vote.address)
}

fn broken(
    ghost: &Ghost,
    event: &Event,
    (height, evidence): (u64, &DuplicateVote),
    reason: &str,
) -> Box<Violation> {
    let voter = ghost.member(&evidence.first.address);
    let nodes: Vec<usize> = voter.into_iter().collect();
    let what =
        format!("the block of height {height} carries evidence that does not hold: {reason}");
    let facts = vec![
        format!("the votes are {} and {}", evidence.first, evidence.second),
        format!(
            "{} the block of height {height} was decided",
            facts::at(event.time)
        ),
    ];
    RULE.broken(what, (height, &nodes), facts)
}
