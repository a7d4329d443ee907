//! Markers of what came to a node.

use engine::{
    codec::Frame,
    types::{Height, Message, Proposal, Round, SyncMessage, VoteKind},
};

use crate::markers::{Marker, Reached, node::View};

/// A frame came.
pub(super) fn heard(reached: &mut Reached, view: &mut View, frame: &Frame) {
    let Ok(contents) = frame.contents() else {
        return;
    };
    for message in contents.messages.iter() {
        reached.mark(kind(message));
        match message {
            Message::Proposal(proposal) => proposed(reached, view, proposal),
            Message::BlockPart { height, round, .. } => part(reached, view, *height, *round),
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::Vote(_)
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => {}
        }
    }
}

fn kind(message: &Message) -> Marker {
    match message {
        Message::NewRoundStep { .. } => Marker::HeardStep,
        Message::NewValidBlock { .. } => Marker::HeardValid,
        Message::Proposal(_) => Marker::HeardProposal,
        Message::ProposalPol { .. } => Marker::HeardPol,
        Message::BlockPart { .. } => Marker::HeardPart,
        Message::Vote(vote) => match vote.kind {
            VoteKind::Prevote => Marker::HeardPrevote,
            VoteKind::Precommit => Marker::HeardPrecommit,
        },
        Message::HasVote { .. } => Marker::HeardHasVote,
        Message::VoteSetMaj23 { .. } => Marker::HeardMaj23,
        Message::VoteSetBits { .. } => Marker::HeardBits,
        Message::Txs(_) => Marker::HeardTxs,
        Message::Evidence(_) => Marker::HeardEvidence,
        Message::BlockSync(message) => match message {
            SyncMessage::StatusRequest => Marker::HeardStatusRequest,
            SyncMessage::StatusResponse { .. } => Marker::HeardStatus,
            SyncMessage::BlockRequest { .. } => Marker::HeardBlockRequest,
            SyncMessage::BlockResponse { .. } => Marker::HeardBlock,
            SyncMessage::NoBlockResponse { .. } => Marker::HeardNoBlock,
        },
    }
}

fn proposed(reached: &mut Reached, view: &mut View, proposal: &Proposal) {
    let (height, round, block) = (proposal.height, proposal.round, proposal.block);
    if let Some((h, r, other)) = view.proposal {
        let two = (h, r) == (height, round) && other != block;
        reached.mark_if(two, Marker::DoubleProposal);
    }
    let later = height == view.at.height && round > view.at.round;
    reached.mark_if(later, Marker::FutureProposal);
    view.proposal = Some((height, round, block));
}

fn part(reached: &mut Reached, view: &View, height: Height, round: Round) {
    let here = (height, round) == (view.at.height, view.at.round);
    let known = view
        .proposal
        .is_some_and(|(h, r, _)| (h, r) == (height, round));
    reached.mark_if(here && !known && !view.proposes, Marker::PartFirst);
}

/// A message was refused.
pub(super) fn rejected(reached: &mut Reached, reason: &str, blames: bool) {
    reached.mark(if blames {
        Marker::PeerBlamed
    } else {
        Marker::MessageRefused
    });
    if let Some(what) = reason.strip_prefix("block sync: ") {
        reached.mark_if(what.starts_with("banned"), Marker::PeerBanned);
        reached.mark_if(what.starts_with("no answer"), Marker::SyncUnanswered);
    }
}
