//! Only the proposer proposes, once per round, and with the proof it claims.
//!
//! Statement: a correct node signs a proposal only in rounds whose proposer it is, by the rotation
//! computed here from the validators of the height, and one per round; if the proposal names a
//! proof-of-lock round, that round is earlier and the node has seen more than two thirds of the
//! power prevote the block in it.
//!
//! Source: L3; lines 11 to 19 of "The latest gossip on BFT consensus"; action `l_11` of
//! `ivy-proofs/abstract_tendermint.ivy`, `AllIfValidRoundThenTwoThirds` of
//! `TendermintAccInv_004_draft.tla`.
//!
//! Cost: one look into a table per proposal.

use engine::types::VoteKind;

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::{News, Value},
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "proposer_only",
    rule: "L3: a node proposes only in its own turn, one block per round, and names a \
           proof-of-lock round only with its polka (abstract_tendermint.ivy: l_11)",
};

/// Judges proposals.
#[derive(Debug, Default)]
pub(super) struct ProposerOnly {
    checks: u64,
}

impl Oracle for ProposerOnly {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let Value::Proposal { .. } = news.own.value else {
                continue;
            };
            self.checks += 1;
            judge(ghost, event, news)?;
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

fn judge(ghost: &Ghost, event: &Event, news: &News) -> Result<(), Box<Violation>> {
    let (node, slot) = (news.node, news.slot);
    let (height, round) = (slot.height, slot.round);
    let name = facts::node(node);
    let own = facts::own(node, slot, &news.own);
    let broken = |what: &str, fact: String| {
        let what = format!("{name} proposed at height {height}, round {round}, {what}");
        Err(RULE.broken(what, (height, &[node]), vec![fact, own.clone()]))
    };
    let proposer = ghost.proposer(height, round);
    if proposer != Some(node) {
        let whose = proposer.map_or_else(|| "nobody".to_owned(), facts::node);
        return broken(
            "which is not its turn",
            format!("the turn is that of {whose}"),
        );
    }
    let others = ghost.life(node).at(slot).iter();
    let other = others
        .filter(|own| own.binds())
        .find(|own| own.value != news.own.value);
    if let (true, Some(other)) = (news.bound, other) {
        return broken("twice", facts::own(node, slot, other));
    }
    let Value::Proposal {
        block,
        pol_round: Some(pol),
    } = news.own.value
    else {
        return Ok(());
    };
    let proven = pol < round && ghost.polka(node, (height, pol), block);
    if news.made.is_some() && !proven {
        let at = (height, pol, VoteKind::Prevote);
        let seen = facts::seen(ghost, (event.time, node), at, Some(block));
        return broken("with a proof of lock it had not seen", seen);
    }
    Ok(())
}
