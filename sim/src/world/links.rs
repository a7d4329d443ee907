//! Packets on links with limited bandwidth: they wait at their sender until it is their turn, and
//! only then meet their fate on the way.

use engine::{
    codec::Frame,
    types::{Channel, PeerId},
};

use crate::{
    choice::Ratio,
    nemesis::Plan,
    network::{Latency, LinkModel, Offer, Uplinks},
    world::{Pending, World},
};

/// A packet between a node's output and the network.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) packet: u64,
    pub(super) from: PeerId,
    pub(super) incarnation: u32,
    pub(super) to: PeerId,
    pub(super) frame: Frame,
}

/// The links' queues, if the plan limits their bandwidth.
pub(super) fn uplinks(plan: &Plan) -> Option<Uplinks<Parcel>> {
    plan.link
        .bytes_per_second
        .map(|rate| Uplinks::new(rate.max(1)))
}

/// The links of the plan; without loss and duplication once the faults are over.
pub(super) fn link_model(plan: &Plan, faulty: bool) -> LinkModel {
    let latency = plan.link.latency_us;
    let ppm = |parts: u32| {
        if faulty {
            Ratio::ppm(parts)
        } else {
            Ratio::NEVER
        }
    };
    LinkModel {
        latency: Latency::Uniform {
            min_ns: latency.min * 1_000,
            max_ns: latency.max * 1_000,
        },
        loss: ppm(plan.link.loss_ppm),
        duplicate: ppm(plan.link.duplicate_ppm),
    }
}

impl World {
    /// A packet reaches its link: at once on its way, or in the queue of its channel.
    pub(super) fn hand_to_link(&mut self, parcel: Parcel) {
        let Some(uplinks) = &mut self.uplinks else {
            self.route(parcel);
            return;
        };
        let bytes = parcel.frame.bytes();
        // What is no frame at all waits with the hints.
        let channel = bytes.get(1).copied().and_then(Channel::of_byte);
        let channel = channel.unwrap_or(Channel::State);
        let (size, packet) = (bytes.len() as u64, parcel.packet);
        let (from, to) = (parcel.from, parcel.to);
        match uplinks.offer(self.now, (from, to), channel, size, parcel) {
            Offer::Leaves(at) => self.queue.push(at, Pending::Depart { from, to }),
            Offer::Waits => {}
            Offer::Full => {
                let reason = self.network.refuse();
                self.drop_packet(to, packet, reason.name());
            }
        }
    }

    /// A packet has left its sender.
    pub(super) fn depart(&mut self, from: PeerId, to: PeerId) {
        let now = self.now;
        let left = self
            .uplinks
            .as_mut()
            .and_then(|u| u.depart(now, (from, to)));
        let Some((parcel, next)) = left else {
            return; // the sender has crashed, or the limit was lifted
        };
        if let Some(at) = next {
            self.queue.push(at, Pending::Depart { from, to });
        }
        self.route(parcel);
    }

    /// A sender crashes: what had not left is lost.
    pub(super) fn stop_links(&mut self, sender: PeerId) {
        let lost = self.uplinks.as_mut().map(|u| u.stop(sender));
        for parcel in lost.into_iter().flatten() {
            self.drop_packet(parcel.to, parcel.packet, "unsent");
        }
    }

    /// The faults are over: links carry everything at once.
    pub(super) fn lift_bandwidth(&mut self) {
        for (_, parcel) in self.uplinks.take().into_iter().flat_map(Uplinks::lift) {
            self.route(parcel);
        }
    }
}
