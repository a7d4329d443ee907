//! Says what the plan's script says, slot by slot and receiver by receiver.
//!
//! With a prevote it also sends the scripted precommit of the round, so that it need not wait for
//! what a correct validator waits for.

use std::sync::Arc;

use engine::{
    codec::Frame,
    types::{BlockId, Height, Message, PeerId, Proposal, Round, Span, Vote, VoteKind},
};

use crate::{
    byzantine::{
        Filter, Leaving,
        forge::{Forgery, forged},
        hand::{At, Hand, frames},
        heard::{Heard, Proposed},
    },
    nemesis::{Line, Say, Script, Slot},
};

/// A validator with a script.
#[derive(Debug)]
pub(super) struct Scripted {
    hand: Hand,
    says: Vec<Say>,
    acted: bool,
}

impl Scripted {
    pub(super) fn new(hand: Hand, script: &Script) -> Self {
        Self {
            hand,
            says: script.says.clone(),
            acted: false,
        }
    }

    fn line(&self, at: At, to: PeerId) -> Option<(Line, Span)> {
        let fits = |say: &&Say| {
            (say.slot, say.height, say.round) == (at.slot, at.height, at.round)
                && say.to.contains(&to.0)
        };
        let say = self.says.iter().find(fits)?;
        Some((say.says, Span::millis(say.late_ms)))
    }

    /// What a node hears in the place of a message, and how much later. `None` for the message.
    fn instead(&self, to: PeerId, message: &Message, heard: &Heard) -> Option<Vec<Later>> {
        let at = self.hand.at(message)?;
        let said = self.line(at, to);
        match message {
            Message::Vote(vote) => {
                let early = self.early(to, vote, heard);
                let this = match said {
                    Some((line, late)) => {
                        let told = self.vote(vote, line, heard);
                        told.map(|message| Later { message, late })
                    }
                    None if early.is_none() => return None,
                    None => Some(Later::now(message)),
                };
                Some(this.into_iter().chain(early).collect())
            }
            Message::Proposal(proposal) => {
                let (line, late) = said?;
                let told = self.proposal(proposal, line, heard).into_iter();
                Some(told.map(|message| Later { message, late }).collect())
            }
            Message::BlockPart { .. } => {
                let (line, late) = said?;
                let message = message.clone();
                let keeps = matches!(line, Line::Nothing | Line::Nil);
                let told = (!keeps).then_some(Later { message, late });
                Some(told.into_iter().collect())
            }
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => None,
        }
    }

    /// The scripted precommit that leaves together with a prevote.
    fn early(&self, to: PeerId, vote: &Vote, heard: &Heard) -> Option<Later> {
        if vote.kind == VoteKind::Precommit {
            return None;
        }
        let at = At {
            slot: Slot::Precommit,
            height: vote.height.0,
            round: vote.round.0,
        };
        let (line, late) = self.line(at, to)?;
        let kind = VoteKind::Precommit;
        let precommit = Vote {
            kind,
            ..vote.clone()
        };
        let message = match line {
            // The truth is not known yet.
            Line::Truth => None,
            Line::Nothing
            | Line::Nil
            | Line::Proposed
            | Line::First
            | Line::Other
            | Line::Second
            | Line::Invalid => self.vote(&precommit, line, heard),
        }?;
        Some(Later { message, late })
    }

    fn vote(&self, vote: &Vote, line: Line, heard: &Heard) -> Option<Message> {
        let (height, round) = (vote.height.0, vote.round.0);
        let block = match line {
            Line::Truth => return Some(Message::Vote(vote.clone())),
            Line::Nothing => return None,
            Line::Nil => None,
            Line::Proposed => Some(*heard.proposed(height, round).first()?),
            Line::First => Some(heard.of_height(height, round).next()?.block),
            Line::Other => Some(other(heard, height, round)?),
            Line::Second => Some(forged(heard, height, round, Forgery::Later)?.0),
            Line::Invalid => Some(forged(heard, height, round, Forgery::Invalid)?.0),
        };
        Some(self.hand.revote(vote, block))
    }

    fn proposal(&self, proposal: &Proposal, line: Line, heard: &Heard) -> Vec<Message> {
        let (height, round) = (proposal.height, proposal.round);
        let first = |with_proof: bool| {
            let first = heard.of_height(height.0, round.0).next();
            first.map_or(Vec::new(), |first| {
                let pol_round = (with_proof && first.round < round.0).then_some(Round(first.round));
                let again = Proposal {
                    pol_round,
                    block: first.block,
                    ..proposal.clone()
                };
                let parts = parts(heard, height, round, first);
                [vec![self.hand.propose(again)], parts].concat()
            })
        };
        let made_up = |forgery: Forgery| {
            let forged = forged(heard, height.0, round.0, forgery);
            forged.map_or(Vec::new(), |(block, parts)| {
                let again = Proposal {
                    pol_round: None,
                    block,
                    ..proposal.clone()
                };
                let part = |index| parts.part(index).map(Arc::clone);
                let parts = parts.have().ones().filter_map(part);
                let parts = parts.map(|part| Message::BlockPart {
                    height,
                    round,
                    part,
                });
                [self.hand.propose(again)]
                    .into_iter()
                    .chain(parts)
                    .collect()
            })
        };
        match line {
            Line::Truth | Line::Proposed => vec![Message::Proposal(proposal.clone())],
            Line::Nothing | Line::Nil => Vec::new(),
            Line::First => first(true),
            Line::Other => first(false),
            Line::Second => made_up(Forgery::Later),
            Line::Invalid => made_up(Forgery::Invalid),
        }
    }
}

/// A message and how much later it leaves.
#[derive(Debug)]
struct Later {
    message: Message,
    late: Span,
}

impl Later {
    fn now(message: &Message) -> Self {
        Self {
            message: message.clone(),
            late: Span::ZERO,
        }
    }
}

/// The last block of a height that is not the first.
fn other(heard: &Heard, height: u64, round: u32) -> Option<BlockId> {
    let first = heard.of_height(height, round).next()?.block;
    let blocks = heard.of_height(height, round).map(|known| known.block);
    blocks.filter(|block| *block != first).last()
}

fn parts(heard: &Heard, height: Height, round: Round, of: Proposed) -> Vec<Message> {
    let part = |part| Message::BlockPart {
        height,
        round,
        part,
    };
    heard
        .parts(height.0, of.block)
        .into_iter()
        .map(part)
        .collect()
}

impl Filter for Scripted {
    fn filter(&mut self, to: PeerId, frame: Frame, heard: &mut Heard) -> Vec<Leaving> {
        self.acted = false;
        let Ok(contents) = frame.contents() else {
            return vec![frame.into()];
        };
        let mut told: Vec<Later> = Vec::new();
        for message in contents.messages.iter() {
            match self.instead(to, message, heard) {
                Some(messages) => {
                    self.acted = true;
                    told.extend(messages);
                }
                None => told.push(Later::now(message)),
            }
        }
        if !self.acted {
            return vec![frame.into()];
        }
        // What waits equally long leaves together.
        let mut waits: Vec<Span> = told.iter().map(|later| later.late).collect();
        waits.sort_unstable();
        waits.dedup();
        let together = |after: Span| {
            let these = told.iter().filter(move |later| later.late == after);
            let frames = frames(these.map(|later| later.message.clone()).collect());
            frames
                .into_iter()
                .map(move |leaving| Leaving { after, ..leaving })
        };
        waits.into_iter().flat_map(together).collect()
    }

    fn count(&mut self) -> Option<&'static str> {
        self.acted.then_some("scripted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byzantine::testing::{
        block, filtered, messages, other_frames, own_vote, proposal, scripted, untouched,
    };

    fn say(slot: Slot, round: u32, to: u16, says: Line, late_ms: u64) -> Say {
        Say {
            height: 1,
            round,
            slot,
            to: vec![to],
            says,
            late_ms,
        }
    }

    #[test]
    fn each_node_hears_the_vote_that_the_script_has_for_it() {
        let says = vec![
            say(Slot::Prevote, 1, 0, Line::Nothing, 0),
            say(Slot::Prevote, 1, 1, Line::First, 7),
            say(Slot::Prevote, 1, 2, Line::Other, 0),
            say(Slot::Prevote, 2, 0, Line::Nil, 0),
            say(Slot::Prevote, 2, 1, Line::Proposed, 0),
        ];
        let (mut filters, hand) = scripted(says);
        for (round, number) in [(0, 1), (1, 2), (2, 3)] {
            filters.send(
                PeerId(3),
                PeerId(0),
                &proposal(&hand, 1, round, block(number)),
            );
        }
        let vote = |round, block| own_vote(&hand, VoteKind::Prevote, 1, round, block);
        let truth = vote(1, None);
        assert!(filtered(&mut filters, 0, &truth).is_empty());
        let (told, count) = filters.send(PeerId(3), PeerId(1), &truth).unwrap();
        assert_eq!((told[0].after, count), (Span::millis(7), Some("scripted")));
        assert_eq!(told[0].frame, vote(1, Some(block(1))));
        let told = filtered(&mut filters, 2, &truth);
        assert_eq!(told, vec![vote(1, Some(block(2)))]);
        let truth = vote(2, Some(block(1)));
        assert_eq!(filtered(&mut filters, 0, &truth), vec![vote(2, None)]);
        let told = filtered(&mut filters, 1, &truth);
        assert_eq!(told, vec![vote(2, Some(block(3)))]);
        assert_eq!(filtered(&mut filters, 2, &truth), vec![truth], "not named");
    }

    #[test]
    fn a_scripted_precommit_leaves_with_the_prevote() {
        let says = vec![say(Slot::Precommit, 0, 0, Line::Proposed, 0)];
        let (mut filters, hand) = scripted(says);
        filters.send(PeerId(3), PeerId(1), &proposal(&hand, 1, 0, block(1)));
        let prevote = own_vote(&hand, VoteKind::Prevote, 1, 0, None);
        let precommit = own_vote(&hand, VoteKind::Precommit, 1, 0, Some(block(1)));
        let told = messages(&filtered(&mut filters, 0, &prevote));
        assert_eq!(told, messages(&[prevote.clone(), precommit]));
        assert_eq!(filtered(&mut filters, 1, &prevote), vec![prevote]);
    }

    #[test]
    fn a_proposer_proposes_the_first_block_again_with_or_without_its_round() {
        let says = vec![
            say(Slot::Proposal, 2, 0, Line::First, 0),
            say(Slot::Proposal, 2, 1, Line::Other, 0),
            say(Slot::Proposal, 2, 2, Line::Nothing, 0),
        ];
        let (mut filters, hand) = scripted(says);
        filters.send(PeerId(3), PeerId(0), &proposal(&hand, 1, 1, block(1)));
        let truth = proposal(&hand, 1, 2, block(2));
        let of = |frames: &[Frame]| match messages(frames).into_iter().next() {
            Some(Message::Proposal(p)) => Some((p.block, p.pol_round)),
            _ => None,
        };
        let told = filtered(&mut filters, 0, &truth);
        assert_eq!(of(&told), Some((block(1), Some(Round(1)))));
        assert_eq!(
            of(&filtered(&mut filters, 1, &truth)),
            Some((block(1), None))
        );
        assert!(filtered(&mut filters, 2, &truth).is_empty());
    }

    #[test]
    fn what_the_script_does_not_name_passes() {
        let (mut filters, hand) = scripted(vec![say(Slot::Prevote, 0, 1, Line::Nothing, 0)]);
        untouched(&mut filters, &other_frames(&hand));
    }
}
