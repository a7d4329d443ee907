//! Evidence on its way: pushed once to everybody when it is new, handed over to a new connection,
//! and repeated rarely, for a push may be lost.

use crate::{
    codec::Frame,
    gossip::{Gossip, Out, frame_of},
    types::{Channel, DuplicateVote, MAX_EVIDENCE, MAX_FRAME_MESSAGES, Message, PeerId, Time},
};

impl Gossip {
    /// Sends a piece that is new here to every peer but the one it came from.
    pub fn push_evidence(
        &mut self,
        now: Time,
        from: Option<PeerId>,
        evidence: &DuplicateVote,
        out: &mut Vec<Out>,
    ) {
        // The wait for a repetition begins after a pause only: a stream of new evidence does not
        // put it off for ever.
        if now.since(self.evidence_said) >= self.config.interval_max {
            self.evidence_said = now;
        }
        let frame = frame_of(message(evidence));
        for to in self.peers.keys().filter(|peer| Some(**peer) != from) {
            out.push(Out::Send {
                to: *to,
                frame: frame.clone(),
            });
        }
    }

    /// Sends all waiting evidence to a peer whose connection is up. What the peer cannot verify yet
    /// it ignores.
    pub fn hand_over_evidence(&self, to: PeerId, pending: &[DuplicateVote], out: &mut Vec<Out>) {
        for pieces in pending.chunks(MAX_FRAME_MESSAGES) {
            let messages = pieces.iter().map(message).collect();
            let frame = Frame::encode(Channel::Evidence, messages);
            out.push(Out::Send { to, frame });
        }
    }

    /// With an announcement: says again what waits, at most as much as a block holds, unless it did
    /// so, or began to push, within the longest time between two announcements. A peer that has
    /// not reached the height of the votes does not know who may have signed them, and gets
    /// nothing about it.
    pub fn repeat_evidence(&mut self, now: Time, pending: &[DuplicateVote], out: &mut Vec<Out>) {
        if pending.is_empty() || now.since(self.evidence_said) < self.config.interval_max {
            return;
        }
        self.evidence_said = now;
        for (to, peer) in &self.peers {
            let height = peer.round_state().height;
            let reached = |e: &&DuplicateVote| Some(e.first.height) <= height;
            let messages: Vec<Message> = pending
                .iter()
                .filter(reached)
                .take(MAX_EVIDENCE)
                .map(message)
                .collect();
            if !messages.is_empty() {
                let frame = Frame::encode(Channel::Evidence, messages);
                out.push(Out::Send { to: *to, frame });
            }
        }
    }
}

fn message(evidence: &DuplicateVote) -> Message {
    Message::Evidence(Box::new(evidence.clone()))
}
