//! What single correct nodes must have signed and decided: `[[expect.vote]]` and
//! `[[expect.decided]]`, in the coordinates of the protocol. Pure.

use std::collections::BTreeMap;

use engine::{
    node::Record,
    types::{BlockId, Message, PeerId, Span, VoteKind},
};
use serde::Deserialize;

use crate::{
    clock::START,
    nemesis::OwnMessage,
    trace::{Event, What},
};

/// What nodes must have signed in one slot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Which nodes: each of them.
    of: Vec<u16>,
    /// The height.
    height: u64,
    /// The round.
    round: u32,
    /// The kind of message.
    slot: OwnMessage,
    /// What it must say.
    says: Content,
    /// The proof-of-lock round that a proposal must name; absent: whatever.
    pol_round: Option<u32>,
}

/// What a message says, or which block was decided. Blocks are told apart by when a proposal of
/// them was first sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// The first block that was proposed at the height.
    First,
    /// Another block.
    Other,
    /// Nil.
    Nil,
    /// There is no such message.
    Nothing,
}

/// What nodes must have decided at a height.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// Which nodes: each of them.
    by: Vec<u16>,
    /// The height.
    height: u64,
    /// The round whose precommits decided; absent: whatever.
    round: Option<u32>,
    /// Which block; absent: whatever.
    block: Option<Content>,
    /// Not before, in milliseconds since the start of the run.
    #[serde(default)]
    after_ms: u64,
    /// Not after.
    before_ms: Option<u64>,
}

/// What a trace holds of all this.
#[derive(Debug, Default)]
pub(super) struct Exact {
    /// The block of each height of which a proposal was sent first.
    first: BTreeMap<u64, BlockId>,
    /// What each node wrote to its log as its own.
    signed: BTreeMap<(u16, u64, u32, OwnMessage), Vec<Said>>,
    /// What each node decided: round, block, and at which millisecond.
    decided: BTreeMap<(u16, u64), (u32, BlockId, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    block: Option<BlockId>,
    pol_round: Option<u32>,
}

impl Exact {
    pub(super) fn of(trace: &[Event]) -> Self {
        let mut exact = Self::default();
        for event in trace {
            if let Some(node) = event.node {
                exact.observe(node, event);
            }
        }
        exact
    }

    fn observe(&mut self, node: PeerId, event: &Event) {
        let what = &event.what;
        if let What::Sent { frame, .. } = what {
            let contents = frame.contents().map(|contents| contents.messages.iter());
            for message in contents.into_iter().flatten() {
                if let Message::Proposal(p) = message {
                    self.first.entry(p.height.0).or_insert(p.block);
                }
            }
        } else if let What::Appended { entry, .. } = what
            && let Record::Own { messages } = &entry.record
        {
            messages.iter().for_each(|message| self.own(node, message));
        } else if let What::Decided {
            height, decision, ..
        } = what
        {
            let ms = event.time.since(START).0 / Span::millis(1).0;
            let made = (decision.round.0, decision.id, ms);
            self.decided.insert((node.0, height.0), made);
        }
    }

    fn own(&mut self, node: PeerId, message: &Message) {
        let (slot, height, round, said) = if let Message::Proposal(p) = message {
            let said = Said {
                block: Some(p.block),
                pol_round: p.pol_round.map(|round| round.0),
            };
            (OwnMessage::Proposal, p.height, p.round, said)
        } else if let Message::Vote(vote) = message {
            let slot = match vote.kind {
                VoteKind::Prevote => OwnMessage::Prevote,
                VoteKind::Precommit => OwnMessage::Precommit,
            };
            let said = Said {
                block: vote.block,
                pol_round: None,
            };
            (slot, vote.height, vote.round, said)
        } else {
            return;
        };
        let at = (node.0, height.0, round.0, slot);
        self.signed.entry(at).or_default().push(said);
    }

    fn content(&self, height: u64, block: Option<BlockId>) -> Content {
        match block {
            None => Content::Nil,
            Some(block) if self.first.get(&height) == Some(&block) => Content::First,
            Some(_) => Content::Other,
        }
    }

    /// What is not as demanded, in words.
    pub(super) fn unsigned(&self, wanted: &Signed) -> Vec<String> {
        let Signed {
            height,
            round,
            slot,
            says,
            ..
        } = *wanted;
        let nothing = (Content::Nothing, None);
        let mut unmet = Vec::new();
        for node in &wanted.of {
            let said = self.signed.get(&(*node, height, round, slot));
            let said = said.into_iter().flatten();
            let mut said: Vec<_> = said
                .map(|said| (self.content(height, said.block), said.pol_round))
                .collect();
            if said.is_empty() {
                said.push(nothing);
            }
            let fits = |(content, pol): &(Content, Option<u32>)| {
                *content == says && (wanted.pol_round.is_none() || *pol == wanted.pol_round)
            };
            if let Some((got, pol)) = said.iter().find(|said| !fits(said)) {
                let mut got = format!("{got:?}");
                if let (Some(_), Some(pol)) = (wanted.pol_round, pol) {
                    got = format!("{got} with the polka of round {pol}");
                }
                let text =
                    format!("n{node} {slot:?} {height}/{round}: expected {says:?}, got {got}");
                unmet.push(text.to_lowercase());
            }
        }
        unmet
    }

    /// The same of decisions.
    pub(super) fn undecided(&self, wanted: &Decided) -> Vec<String> {
        let height = wanted.height;
        let mut unmet = Vec::new();
        for node in &wanted.by {
            let Some((round, block, ms)) = self.decided.get(&(*node, height)) else {
                unmet.push(format!("n{node} did not decide height {height}"));
                continue;
            };
            let block = self.content(height, Some(*block));
            if wanted.round.is_some_and(|wanted| wanted != *round)
                || wanted.block.is_some_and(|wanted| wanted != block)
            {
                let got = format!("n{node} decided {height} in round {round}: {block:?}");
                unmet.push(got.to_lowercase());
            }
            if *ms < wanted.after_ms || wanted.before_ms.is_some_and(|most| *ms > most) {
                unmet.push(format!("n{node} decided {height} at {ms}ms"));
            }
        }
        unmet
    }
}
