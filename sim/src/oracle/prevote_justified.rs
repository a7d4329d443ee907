//! A prevote for a block needs the proposal of its round.
//!
//! Statement: a correct node prevotes a block in a round only if it has seen a proposal of that
//! block for that round, signed by the round's proposer, and all parts of the block, without which
//! it cannot know whether the block is valid; and if the proposal names a proof-of-lock round, the
//! node has seen more than two thirds of the power prevote the block in that earlier round.
//!
//! Source: L4; lines 22 and 28 of "The latest gossip on BFT consensus"; actions `l_22` and `l_28`
//! of `ivy-proofs/abstract_tendermint.ivy`, `AllIfSentPrevoteThenReceivedProposalOrTwoThirds` of
//! `TendermintAccInv_004_draft.tla`.
//!
//! Cost: one sum of powers per prevote for a block proposed again, else a comparison.

use engine::types::{BlockId, VoteKind};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::{Act, News},
    seen::ProposalSeen,
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "prevote_justified",
    rule: "L4: a prevote for a block follows the proposal of its round, the whole block, and the \
           polka that the proposal names (abstract_tendermint.ivy: l_22, l_28)",
};

/// Judges prevotes.
#[derive(Debug, Default)]
pub(super) struct PrevoteJustified {
    checks: u64,
}

impl Oracle for PrevoteJustified {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let (Act::Prevote, Some(_), Some(id)) =
                (news.slot.act, news.made, news.own.value.block())
            else {
                continue;
            };
            self.checks += 1;
            if !allowed(ghost, news, id) {
                return Err(broken(ghost, event, news, id));
            }
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

/// The proposals of the block in the prevote's round that the node has seen.
fn proposals<'a>(
    ghost: &'a Ghost,
    news: &News,
    id: BlockId,
) -> impl Iterator<Item = &'a ProposalSeen> {
    let (node, slot) = (news.node, news.slot);
    let all = ghost.proposals(slot.height, slot.round).iter();
    all.filter(move |p| p.proposal.block == id && p.seen_by(node))
}

/// Whether the node has seen the whole block.
fn is_whole(ghost: &Ghost, news: &News, id: BlockId) -> bool {
    let seen = ghost.height(news.slot.height);
    seen.is_some_and(|seen| seen.is_complete(news.node, id.parts))
}

fn allowed(ghost: &Ghost, news: &News, id: BlockId) -> bool {
    is_whole(ghost, news, id)
        && proposals(ghost, news, id).any(|seen| match seen.proposal.pol_round {
            None => true,
            Some(pol) => {
                pol.0 < news.slot.round && ghost.polka(news.node, (news.slot.height, pol.0), id)
            }
        })
}

fn broken(ghost: &Ghost, event: &Event, news: &News, id: BlockId) -> Box<Violation> {
    let (node, slot) = (news.node, news.slot);
    let (time, name, block) = (
        facts::at(event.time),
        facts::node(node),
        facts::block(Some(id)),
    );
    let what = format!(
        "{name} prevoted {block} at height {}, round {} without a proposal that allows it",
        slot.height, slot.round
    );
    let mut facts = Vec::new();
    for seen in proposals(ghost, news, id) {
        if let Some(pol) = seen.proposal.pol_round {
            facts.push(format!(
                "{time} {name} had the proposal of {block}, with pol round {pol}"
            ));
            let at = (slot.height, pol.0, VoteKind::Prevote);
            facts.push(facts::seen(ghost, (event.time, node), at, Some(id)));
        }
    }
    if !is_whole(ghost, news, id) {
        facts.push(format!("{time} {name} had not seen all parts of {block}"));
    } else if facts.is_empty() {
        let proposer = ghost.proposer(slot.height, slot.round);
        let proposer = proposer.map_or_else(|| "its proposer".to_owned(), facts::node);
        let round = slot.round;
        facts.push(format!(
            "{time} {name} had no proposal of {block} by {proposer} in {round}"
        ));
    }
    facts.push(facts::own(node, slot, &news.own));
    RULE.broken(what, (slot.height, &[node]), facts)
}
