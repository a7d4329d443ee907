//! Packets: from a node's output through the filters of byzantine nodes and the network to another
//! node's input.

use engine::{
    app::{App, Call},
    codec::Frame,
    node::Input,
    types::{Message, PeerId, Span, SyncMessage, Time, Tx, sha256},
};

use crate::{
    byzantine::Leaving,
    choice::Stream,
    network::{Fate, PacketName, damage},
    trace::What,
    world::{Pending, World, links::Parcel},
};

/// The transactions in a frame.
fn txs(frame: &Frame) -> impl Iterator<Item = &Tx> {
    let messages = frame.contents().into_iter().flat_map(|c| c.messages.iter());
    messages.flat_map(|message| {
        let txs = if let Message::Txs(txs) = message {
            &txs[..]
        } else {
            &[]
        };
        txs.iter()
    })
}

/// Whether damage has made up a change of powers or parameters that was not sent.
fn makes_up_a_change(damaged: &Frame, sent: &Frame) -> bool {
    let is_change = |tx: &&Tx| match App::check(tx) {
        Ok(Call::Power { .. } | Call::Configure { .. }) => true,
        Ok(Call::Set { .. }) | Err(_) => false,
    };
    txs(damaged)
        .filter(is_change)
        .any(|change| txs(sent).all(|tx| tx != change))
}

/// What a frame is about, for the coordinates of its fate: height, round and a small number for its
/// kind.
fn about(frame: &Frame) -> ((u64, u32), u8) {
    let Ok(contents) = frame.contents() else {
        return ((0, 0), 0);
    };
    let Some(first) = contents.messages.first() else {
        return ((0, 0), 0);
    };
    match first {
        Message::NewRoundStep { height, round, .. } => ((height.0, round.0), 1),
        Message::NewValidBlock { height, round, .. } => ((height.0, round.0), 2),
        Message::Proposal(proposal) => ((proposal.height.0, proposal.round.0), 3),
        Message::ProposalPol {
            height, pol_round, ..
        } => ((height.0, pol_round.0), 4),
        Message::BlockPart { height, round, .. } => ((height.0, round.0), 5),
        Message::Vote(vote) => ((vote.height.0, vote.round.0), 5 + vote.kind as u8),
        Message::HasVote { height, round, .. } => ((height.0, round.0), 8),
        Message::VoteSetMaj23 { height, round, .. } => ((height.0, round.0), 9),
        Message::VoteSetBits { height, round, .. } => ((height.0, round.0), 10),
        Message::Txs(_) => ((0, 0), 11),
        Message::Evidence(evidence) => {
            let vote = &evidence.first;
            ((vote.height.0, vote.round.0), 12)
        }
        Message::BlockSync(message) => about_sync(message),
    }
}

fn about_sync(message: &SyncMessage) -> ((u64, u32), u8) {
    match message {
        SyncMessage::StatusRequest => ((0, 0), 13),
        SyncMessage::StatusResponse { height, .. } => ((height.0, 0), 14),
        SyncMessage::BlockRequest { height } => ((height.0, 0), 15),
        SyncMessage::BlockResponse { block, .. } => ((block.header.height.0, 0), 16),
        SyncMessage::NoBlockResponse { height } => ((height.0, 0), 17),
    }
}

impl World {
    /// A node hands a frame to the link. A byzantine node's filter may put others in its place.
    pub(super) fn send(&mut self, from: PeerId, to: PeerId, frame: Frame) {
        let Some((frames, counts)) = self.filters.send(from, to, &frame) else {
            self.send_one(from, to, frame);
            return;
        };
        if let Some(what) = counts {
            self.count(what);
        }
        for Leaving { frame, after } in frames {
            if after == Span::ZERO {
                self.send_one(from, to, frame);
            } else {
                let incarnation = self.host(from).starts;
                let late = Pending::Late {
                    from,
                    incarnation,
                    to,
                    frame,
                };
                self.queue.push(self.now.after(after), late);
            }
        }
    }

    /// What a byzantine node held back leaves, unless it has crashed meanwhile.
    pub(super) fn send_late(&mut self, from: PeerId, incarnation: u32, to: PeerId, frame: Frame) {
        if self.host(from).starts == incarnation {
            self.send_one(from, to, frame);
        }
    }

    fn send_one(&mut self, from: PeerId, to: PeerId, frame: Frame) {
        let packet = self.packets;
        self.packets += 1;
        self.trigger_send(from, &frame);
        if !self.host(from).up {
            return; // the fault that waited for this message stopped its sender before it left
        }
        self.emit(
            Some(from),
            What::Sent {
                packet,
                to,
                frame: frame.clone(),
            },
        );
        let incarnation = self.host(from).starts;
        let session = self.sessions.number(from, to);
        let parcel = Parcel {
            packet,
            from,
            incarnation,
            session,
            to,
            frame,
        };
        self.note_stand(&parcel);
        self.hand_to_link(parcel);
    }

    /// A packet is on its way: the network decides what becomes of it.
    pub(super) fn route(&mut self, parcel: Parcel) {
        let Some(parcel) = self.unless_clogged(parcel) else {
            return;
        };
        let (hr, kind) = about(&parcel.frame);
        let (from, to, packet) = (parcel.from, parcel.to, parcel.packet);
        if self.is_held(&parcel) {
            self.drop_packet(to, packet, "held");
            return;
        }
        let fate = self
            .network
            .route(&self.choices, self.now, (from, to), hr, kind);
        match fate {
            Fate::Deliver { at } => self.queue.push(at, Pending::Deliver(parcel)),
            Fate::Twice { first, second } => {
                let again = Parcel {
                    frame: parcel.frame.clone(),
                    ..parcel
                };
                self.queue.push(first, Pending::Deliver(parcel));
                self.queue.push(second, Pending::Deliver(again));
                self.count("duplicate");
            }
            Fate::Corrupted { at, name } => self.corrupt(parcel, at, &name),
            Fate::Dropped(reason) => self.drop_packet(to, packet, reason.name()),
        }
    }

    /// A packet is damaged. Links are authenticated, so the receiver's transport finds it and drops
    /// it; but a byzantine sender knows how to seal what is damaged, and its bytes come through.
    /// Not so a change of powers or parameters that nobody asked for: those who may ask sign it, as
    /// they would in a real chain, and here the world finds it in their place. With it one damaged
    /// bit would hand the whole chain to somebody.
    fn corrupt(&mut self, parcel: Parcel, at: Time, name: &PacketName) {
        if self.is_correct(parcel.from) {
            self.drop_packet(parcel.to, parcel.packet, "corrupt");
            return;
        }
        let mut draw = self.choices.draw(Stream::LinkDamage, name.coords());
        let bytes = damage(parcel.frame.bytes(), &mut draw);
        let frame = Frame::from_bytes(bytes);
        if makes_up_a_change(&frame, &parcel.frame) {
            self.drop_packet(parcel.to, parcel.packet, "corrupt");
            return;
        }
        self.count("corrupt_through");
        self.submit_damaged(parcel.from, &frame);
        self.queue
            .push(at, Pending::Deliver(Parcel { frame, ..parcel }));
    }

    /// Clients do not sign: what still is a transaction after the damage is a new one, which the
    /// byzantine sender has submitted.
    fn submit_damaged(&mut self, from: PeerId, frame: &Frame) {
        for tx in txs(frame) {
            let tx = sha256(tx);
            self.emit(Some(from), What::Submitted { tx });
        }
    }

    pub(super) fn drop_packet(&mut self, to: PeerId, packet: u64, reason: &'static str) {
        self.count(reason);
        self.emit(Some(to), What::Dropped { packet, reason });
    }

    /// A packet arrives. Packets of a connection that its sender has left behind are lost; the
    /// first packet of a new connection tells the receiver that there is one.
    pub(super) fn deliver(&mut self, parcel: Parcel) {
        let Parcel {
            packet,
            from,
            incarnation,
            session,
            to,
            frame,
        } = parcel;
        let current = session == self.sessions.number(from, to);
        let gone = self.sessions.is_gone(from, to);
        let host = self.host(to);
        let known = host.known[usize::from(from.0)];
        let stale = incarnation < known || !current || (gone && incarnation == known);
        if !host.up || stale {
            let reason = if host.up { "stale" } else { "down" };
            self.drop_packet(to, packet, reason);
            return;
        }
        if incarnation > known {
            self.connected(to, from, incarnation);
        }
        if !self.filters.receive(from, to, &frame) {
            self.drop_packet(to, packet, "deaf");
            return;
        }
        self.delivered += 1;
        self.emit(
            Some(to),
            What::Delivered {
                packet,
                from,
                frame: frame.clone(),
            },
        );
        self.input(to, Input::Receive { from, frame });
    }
}

#[cfg(test)]
mod tests {
    use engine::types::{Channel, PublicKey};

    use super::*;

    fn frame(power: u64) -> Frame {
        let key = PublicKey([7; 32]);
        let txs = vec![Call::Power { key, power }.to_tx()];
        let message = Message::Txs(txs.try_into().unwrap());
        Frame::encode(Channel::Mempool, vec![message])
    }

    #[test]
    fn damage_may_repeat_a_change_of_power_but_not_make_one_up() {
        let sent = frame(7);
        assert!(!makes_up_a_change(&frame(7), &sent));
        assert!(makes_up_a_change(&frame(1 << 50), &sent));
        let nothing = Frame::from_bytes(sent.bytes()[..9].to_vec());
        assert!(!makes_up_a_change(&nothing, &sent));
    }
}
