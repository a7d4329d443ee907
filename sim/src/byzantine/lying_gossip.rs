//! Lies about what it has and where it stands; its proposals, parts and votes are true.
//!
//! Each message that only tells of the sender's state is kept or replaced by a lie of its own kind:
//! other heights, rounds and steps, absurd ones too, bit arrays with all or no bits or of another
//! size, other headers and blocks. Now and then it adds lies that nobody asked for: votes it has
//! not, two majorities for one set, a step back inside one frame, bits that ask for everything.
//! What is drawn depends on what the message is about, its receiver, and how many came before.

use engine::{
    codec::Frame,
    types::{
        BitArray, BlockId, Channel, Hash, Height, MAX_BITS, MAX_FRAME_MESSAGES, Message,
        PartSetHeader, PeerId, Round, Step, ValidatorIndex, VoteKind,
    },
};

use crate::{
    byzantine::{Filter, Leaving, heard::Heard},
    choice::{Choices, Draw, Stream},
};

/// Sets this filter's draws apart from those of others for the same node.
const OPERATOR: u64 = 1 << 32;
/// Validators of whose votes it may speak; more than there usually are.
const VOTERS: u64 = 12;
/// How often a lie is drawn anew that happens to be the truth.
const TRIES: u32 = 32;

/// A validator whose gossip lies.
#[derive(Debug)]
pub(super) struct LyingGossip {
    node: PeerId,
    choices: Choices,
    /// Whether it never tells the truth about itself.
    always: bool,
    told: u64,
    lied: bool,
}

impl LyingGossip {
    pub(super) fn new(node: PeerId, choices: Choices, always: bool) -> Self {
        Self {
            node,
            choices,
            always,
            told: 0,
            lied: false,
        }
    }

    fn draw(&mut self, to: PeerId, (height, round): (Height, Round)) -> Draw {
        self.told += 1;
        let node = OPERATOR | u64::from(self.node.0);
        let which = u64::from(to.0) << 48 | self.told;
        let coords = [node, height.0, u64::from(round.0), which];
        self.choices.draw(Stream::Byzantine, coords)
    }

    /// A message as it leaves: in half of the cases as it was, or never.
    fn tell(&mut self, to: PeerId, message: &Message) -> Message {
        let Some(at) = about(message) else {
            return message.clone();
        };
        let mut draw = self.draw(to, at);
        if draw.below(2) == 0 && !self.always {
            return message.clone();
        }
        self.lied = true;
        let first = lie(&mut draw, message);
        if !self.always || first != *message {
            return first;
        }
        // By chance the truth.
        let mut lies = (0..TRIES).map(|_| lie(&mut draw, message));
        lies.find(|told| told != message).unwrap_or(first)
    }

    /// The frames that leave.
    fn say(&mut self, to: PeerId, frame: Frame) -> Vec<Frame> {
        self.lied = false;
        let Ok(contents) = frame.contents() else {
            return vec![frame];
        };
        let Some(at) = contents.messages.first().and_then(about) else {
            return vec![frame];
        };
        let mut told: Vec<Message> = (contents.messages.iter())
            .map(|message| self.tell(to, message))
            .collect();
        let mut draw = self.draw(to, at);
        if draw.below(4) == 0 {
            self.lied = true;
            told.extend(unasked(&mut draw, at));
        }
        let channels = [Channel::State, Channel::Data, Channel::VoteSetBits];
        let on = |channel| {
            let of = told.iter().filter(move |m| m.channel() == channel);
            (channel, of.cloned().collect::<Vec<_>>())
        };
        let chunks = |(channel, messages): (Channel, Vec<Message>)| -> Vec<Frame> {
            let chunks = messages.chunks(MAX_FRAME_MESSAGES);
            chunks
                .map(|chunk| Frame::encode(channel, chunk.to_vec()))
                .collect()
        };
        channels.into_iter().map(on).flat_map(chunks).collect()
    }
}

impl Filter for LyingGossip {
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        let told = self.say(to, frame);
        told.into_iter().map(Leaving::from).collect()
    }

    fn count(&mut self) -> Option<&'static str> {
        let name = if self.always {
            "always_lying_gossip"
        } else {
            "lying_gossip"
        };
        self.lied.then_some(name)
    }
}

/// The height and round of a message that only tells of its sender's state.
fn about(message: &Message) -> Option<(Height, Round)> {
    match message {
        Message::NewRoundStep { height, round, .. }
        | Message::NewValidBlock { height, round, .. }
        | Message::HasVote { height, round, .. }
        | Message::VoteSetMaj23 { height, round, .. }
        | Message::VoteSetBits { height, round, .. }
        | Message::ProposalPol {
            height,
            pol_round: round,
            ..
        } => Some((*height, *round)),
        Message::Proposal(_)
        | Message::BlockPart { .. }
        | Message::Vote(_)
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => None,
    }
}

fn other_height(draw: &mut Draw, height: Height) -> Height {
    match draw.below(6) {
        0 => Height(height.0 + draw.between(1..=3)),
        1 => Height(height.0.saturating_sub(draw.between(1..=3)).max(1)),
        2 => Height(1),
        3 => Height(u64::MAX - draw.below(2)),
        _ => height,
    }
}

fn other_round(draw: &mut Draw, round: Round) -> Round {
    let near = u32::try_from(draw.between(1..=4)).unwrap_or(1);
    match draw.below(6) {
        0 => Round(round.0.saturating_add(near)),
        1 => Round(round.0.saturating_sub(near)),
        2 => Round(999 + near),
        3 => Round(u32::MAX - near),
        _ => round,
    }
}

fn other_kind(draw: &mut Draw, kind: VoteKind) -> VoteKind {
    match (draw.below(3), kind) {
        (0, VoteKind::Prevote) => VoteKind::Precommit,
        (0, VoteKind::Precommit) => VoteKind::Prevote,
        _ => kind,
    }
}

fn other_bits(draw: &mut Draw, bits: &BitArray) -> BitArray {
    let most = u64::try_from(MAX_BITS).unwrap_or(0);
    let size = match draw.below(8) {
        0 => draw.between(0..=2 * bits.len() as u64),
        1 => draw.between(0..=most),
        _ => bits.len() as u64,
    };
    let size = size.min(most);
    match draw.below(3) {
        0 => (0..size).map(|_| true).collect(),
        1 => (0..size).map(|_| false).collect(),
        _ => (0..size).map(|_| draw.below(2) == 1).collect(),
    }
}

fn made_up_header(draw: &mut Draw) -> PartSetHeader {
    let total = u32::try_from(draw.between(1..=3)).unwrap_or(1);
    let hash = Hash([u8::try_from(draw.below(256)).unwrap_or(0); 32]);
    PartSetHeader { total, hash }
}

/// Nil, or a block that nobody proposed.
fn other_block(draw: &mut Draw, block: Option<BlockId>) -> Option<BlockId> {
    match draw.below(3) {
        0 => None,
        1 => {
            let parts = made_up_header(draw);
            let hash = Hash([u8::try_from(draw.below(256)).unwrap_or(0); 32]);
            Some(BlockId { hash, parts })
        }
        _ => block,
    }
}

/// A lie of the same kind.
pub(super) fn lie(draw: &mut Draw, message: &Message) -> Message {
    match message {
        Message::NewRoundStep { .. } => lie_about_step(draw, message),
        Message::NewValidBlock { .. } => lie_about_block(draw, message),
        Message::ProposalPol {
            height,
            pol_round,
            have,
        } => Message::ProposalPol {
            height: *height,
            pol_round: other_round(draw, *pol_round),
            have: other_bits(draw, have),
        },
        Message::HasVote {
            height,
            round,
            kind,
            ..
        } => has_vote(draw, (*height, *round), *kind),
        Message::VoteSetMaj23 {
            height,
            round,
            kind,
            block,
        } => Message::VoteSetMaj23 {
            height: *height,
            round: other_round(draw, *round),
            kind: other_kind(draw, *kind),
            block: other_block(draw, *block),
        },
        Message::VoteSetBits {
            height,
            round,
            kind,
            block,
            have,
        } => Message::VoteSetBits {
            height: *height,
            round: other_round(draw, *round),
            kind: other_kind(draw, *kind),
            block: other_block(draw, *block),
            have: other_bits(draw, have),
        },
        Message::Proposal(_)
        | Message::BlockPart { .. }
        | Message::Vote(_)
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => message.clone(),
    }
}

fn lie_about_step(draw: &mut Draw, message: &Message) -> Message {
    let Message::NewRoundStep {
        height,
        round,
        step,
        seconds_since_start,
        ..
    } = message
    else {
        return message.clone();
    };
    let height = other_height(draw, *height);
    let steps = [
        Step::NewHeight,
        Step::Propose,
        Step::Prevote,
        Step::Precommit,
        Step::Commit,
        *step,
    ];
    let seconds = [*seconds_since_start, 0, 1_000_000, u64::MAX];
    let last = u32::try_from(draw.below(4)).unwrap_or(0);
    Message::NewRoundStep {
        height,
        round: other_round(draw, *round),
        step: draw.pick(&steps).copied().unwrap_or(*step),
        seconds_since_start: draw.pick(&seconds).copied().unwrap_or(0),
        // The one bound it keeps: else nothing of the frame would be heard.
        last_commit_round: (height > Height(1)).then_some(Round(last)),
    }
}

fn lie_about_block(draw: &mut Draw, message: &Message) -> Message {
    let Message::NewValidBlock {
        height,
        round,
        parts,
        have,
        is_commit,
    } = message
    else {
        return message.clone();
    };
    let parts = if draw.below(2) == 0 {
        made_up_header(draw)
    } else {
        *parts
    };
    let fitting = BitArray::new(usize::try_from(parts.total).unwrap_or(1).min(MAX_BITS));
    let have = if fitting.len() == have.len() {
        have
    } else {
        &fitting
    };
    Message::NewValidBlock {
        height: *height,
        round: other_round(draw, *round),
        parts,
        have: other_bits(draw, have),
        is_commit: draw.below(2) == 0 || *is_commit,
    }
}

fn has_vote(draw: &mut Draw, (height, round): (Height, Round), kind: VoteKind) -> Message {
    let most = if draw.below(8) == 0 { 65_536 } else { VOTERS };
    Message::HasVote {
        height: other_height(draw, height),
        round: other_round(draw, round),
        kind: other_kind(draw, kind),
        index: ValidatorIndex(u16::try_from(draw.below(most)).unwrap_or(0)),
    }
}

/// Lies that answer nothing.
fn unasked(draw: &mut Draw, (height, round): (Height, Round)) -> Vec<Message> {
    let kinds = [VoteKind::Prevote, VoteKind::Precommit];
    let kind = draw.pick(&kinds).copied().unwrap_or(VoteKind::Prevote);
    match draw.below(5) {
        0 => (0..VOTERS)
            .map(|_| has_vote(draw, (height, round), kind))
            .collect(),
        1 => (0..3)
            .map(|_| Message::VoteSetMaj23 {
                height,
                round: other_round(draw, round),
                kind,
                block: other_block(draw, None),
            })
            .collect(),
        2 => (0..2)
            .map(|back| Message::NewRoundStep {
                height,
                round: Round(round.0.saturating_add(1 - back)),
                step: Step::Propose,
                seconds_since_start: 0,
                last_commit_round: (height > Height(1)).then_some(Round(0)),
            })
            .collect(),
        3 => vec![Message::ProposalPol {
            height,
            pol_round: round,
            have: (0..VOTERS).map(|_| true).collect(),
        }],
        _ => vec![Message::VoteSetBits {
            height,
            round,
            kind,
            block: other_block(draw, None),
            have: BitArray::new(4 + usize::try_from(draw.below(4)).unwrap_or(0)),
        }],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn step(height: u64) -> Message {
        Message::NewRoundStep {
            height: Height(height),
            round: Round(0),
            step: Step::Prevote,
            seconds_since_start: 0,
            last_commit_round: (height > 1).then_some(Round(0)),
        }
    }

    fn told(seed: u64, frame: &Frame) -> Vec<Frame> {
        let mut liar = LyingGossip::new(PeerId(1), Choices::new(seed), false);
        (0..200)
            .flat_map(|_| liar.say(PeerId(2), frame.clone()))
            .collect()
    }

    #[test]
    fn lies_depend_on_the_seed_alone_and_many_kinds_are_told() {
        let frame = Frame::encode(Channel::State, vec![step(5)]);
        assert_eq!(told(1, &frame), told(1, &frame));
        assert_ne!(told(1, &frame), told(2, &frame));
        let frames = told(1, &frame);
        let contents = frames.iter().filter_map(|frame| frame.contents().ok());
        let names: BTreeSet<&str> = contents
            .flat_map(|c| c.messages.iter().map(Message::name))
            .collect();
        let expected = [
            "HasVote",
            "NewRoundStep",
            "ProposalPOL",
            "VoteSetBits",
            "VoteSetMaj23",
        ];
        assert!(names.iter().eq(&expected), "{names:?}");
    }

    #[test]
    fn who_always_lies_says_nothing_true_about_itself() {
        let mut liar = LyingGossip::new(PeerId(1), Choices::new(1), true);
        let has = |index| Message::HasVote {
            height: Height(5),
            round: Round(0),
            kind: VoteKind::Prevote,
            index: ValidatorIndex(index),
        };
        for message in [step(5), has(0), has(3)] {
            let frame = Frame::encode(Channel::State, vec![message.clone()]);
            for _ in 0..200 {
                let told = liar.say(PeerId(2), frame.clone());
                assert_ne!(
                    told[0].contents().map(|c| c.messages[0].clone()),
                    Ok(message.clone())
                );
            }
        }
    }

    #[test]
    fn most_lies_are_well_formed_so_that_somebody_hears_them() {
        let frame = Frame::encode(Channel::State, vec![step(1)]);
        let frames = told(3, &frame);
        let heard = frames.iter().filter(|frame| frame.contents().is_ok());
        assert!(heard.count() * 10 > frames.len() * 9);
    }

    #[test]
    fn it_does_not_touch_what_is_signed() {
        let vote = engine::types::Vote {
            kind: VoteKind::Prevote,
            height: Height(1),
            round: Round(0),
            block: None,
            index: ValidatorIndex(1),
            address: engine::types::Address::default(),
            signature: engine::types::Signature([0; 64]),
        };
        let frame = Frame::encode(Channel::Vote, vec![Message::Vote(vote)]);
        let frames = told(1, &frame);
        assert!(frames.len() == 200 && frames.iter().all(|told| *told == frame));
    }
}
