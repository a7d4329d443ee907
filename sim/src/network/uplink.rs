//! Links with limited bandwidth: one queue per channel on each directed link, and the choice of
//! what leaves next. Touches nothing else.
//!
//! As in Tendermint's `MConnection`, a frame that finds its channel's queue full is refused at once
//! (`TrySend`), and the channel that sent least lately for its priority goes first. One frame
//! leaves at a time and is not interrupted; there, packets of 1,024 bytes alternate. Work is done
//! when a frame is offered and when one has left, never in between.

use std::collections::{BTreeMap, VecDeque};

use engine::types::{Channel, PeerId, Span, Time};

/// A directed link: from, to.
type Pair = (PeerId, PeerId);

/// What a channel sent counts for one fifth less after each such time (`updateStats`).
const DECAY_EVERY: Span = Span::millis(2_000);
/// After so many of these times nothing is left of it.
const DECAYS: u64 = 256;

/// A frame's way to the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The link was idle: the frame has left at this time. Call [`Uplinks::depart`] then.
    Leaves(Time),
    /// It waits. Its turn follows from earlier departures.
    Waits,
    /// The queue of its channel is full: it is gone.
    Full,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<(u64, T)>,
    /// Bytes sent lately, decayed.
    sent: u64,
}

#[derive(Debug)]
struct Uplink<T> {
    lanes: BTreeMap<Channel, Lane<T>>,
    /// What leaves now, and when it will have left.
    leaving: Option<(Time, T)>,
    decayed: Time,
}

/// All links with limited bandwidth that are in use.
#[derive(Debug)]
pub struct Uplinks<T> {
    bytes_per_second: u64,
    links: BTreeMap<Pair, Uplink<T>>,
}

impl<T> Uplinks<T> {
    /// Idle links, each with this bandwidth.
    ///
    /// # Panics
    /// If it is 0: nothing would ever leave.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        assert!(bytes_per_second > 0, "a link carries something");
        Self {
            bytes_per_second,
            links: BTreeMap::new(),
        }
    }

    /// Hands a frame of `bytes` bytes to the link.
    pub fn offer(&mut self, now: Time, at: Pair, channel: Channel, bytes: u64, frame: T) -> Offer {
        let rate = self.bytes_per_second;
        let link = self.links.entry(at).or_insert_with(|| Uplink {
            lanes: BTreeMap::new(),
            leaving: None,
            decayed: now,
        });
        let lane = link.lanes.entry(channel).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            sent: 0,
        });
        if link.leaving.is_some() && lane.waiting.len() >= channel.descriptor().send_queue {
            return Offer::Full;
        }
        lane.waiting.push_back((bytes, frame));
        if link.leaving.is_some() {
            return Offer::Waits;
        }
        link.begin(now, rate).map_or(Offer::Waits, Offer::Leaves)
    }

    /// A frame has left the link, if one has at this very time: the frame, and when the next one
    /// will have left.
    pub fn depart(&mut self, now: Time, at: Pair) -> Option<(T, Option<Time>)> {
        let rate = self.bytes_per_second;
        let link = self.links.get_mut(&at)?;
        let (_, frame) = link.leaving.take_if(|(done, _)| *done == now)?;
        Some((frame, link.begin(now, rate)))
    }

    /// The sender is gone, and with it what had not left: all of it.
    pub fn stop(&mut self, sender: PeerId) -> Vec<T> {
        let of = (sender, PeerId(0))..=(sender, PeerId(u16::MAX));
        let at: Vec<Pair> = self.links.range(of).map(|(at, _)| *at).collect();
        let links = at.into_iter().filter_map(|at| self.links.remove(&at));
        links.flat_map(Uplink::rest).collect()
    }

    /// The limit is lifted: everything that waits, link by link, in the order of its turn.
    #[must_use]
    pub fn lift(self) -> Vec<(Pair, T)> {
        let rest = |(at, link): (Pair, Uplink<T>)| link.rest().into_iter().map(move |f| (at, f));
        self.links.into_iter().flat_map(rest).collect()
    }
}

impl<T> Uplink<T> {
    /// The next frame begins to leave; returns when it will have left.
    fn begin(&mut self, now: Time, bytes_per_second: u64) -> Option<Time> {
        self.decay(now);
        let (bytes, frame) = self.next()?;
        let ns = u128::from(bytes) * u128::from(Span::millis(1_000).0);
        let ns = ns.div_ceil(u128::from(bytes_per_second));
        let done = now.after(Span(u64::try_from(ns).unwrap_or(u64::MAX)));
        self.leaving = Some((done, frame));
        Some(done)
    }

    /// Takes the frame whose turn it is: of the channels with something to send, that with the
    /// least bytes sent lately per priority; of equals the one with the lowest number.
    fn next(&mut self) -> Option<(u64, T)> {
        let mut best: Option<(u128, u128, Channel)> = None;
        for (channel, lane) in &self.lanes {
            let (sent, priority) = (lane.sent, channel.descriptor().priority);
            let (sent, priority) = (u128::from(sent), u128::from(priority));
            let less = best.is_none_or(|(s, p, _)| sent * p < s * priority);
            if !lane.waiting.is_empty() && less {
                best = Some((sent, priority, *channel));
            }
        }
        let lane = self.lanes.get_mut(&best?.2)?;
        let (bytes, frame) = lane.waiting.pop_front()?;
        lane.sent = lane.sent.saturating_add(bytes);
        Some((bytes, frame))
    }

    fn decay(&mut self, now: Time) {
        let times = now.since(self.decayed).0 / DECAY_EVERY.0;
        self.decayed = self.decayed.after(DECAY_EVERY.times(times));
        for _ in 0..times.min(DECAYS) {
            for lane in self.lanes.values_mut() {
                lane.sent -= lane.sent.div_ceil(5);
            }
        }
    }

    fn rest(mut self) -> Vec<T> {
        let mut rest: Vec<T> = self
            .leaving
            .take()
            .map(|(_, frame)| frame)
            .into_iter()
            .collect();
        while let Some((_, frame)) = self.next() {
            rest.push(frame);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::START;

    const LINK: Pair = (PeerId(0), PeerId(1));

    /// Lets everything leave that waits, and names it.
    fn drain(links: &mut Uplinks<&'static str>, mut at: Time) -> Vec<(&'static str, Span)> {
        let mut left = Vec::new();
        while let Some((name, next)) = links.depart(at, LINK) {
            left.push((name, at.since(START)));
            let Some(next) = next else { break };
            at = next;
        }
        left
    }

    fn offer(links: &mut Uplinks<&'static str>, channel: Channel, name: &'static str) -> Offer {
        links.offer(START, LINK, channel, 100, name)
    }

    #[test]
    fn a_frame_takes_its_bytes_and_the_next_waits_for_it() {
        let mut links = Uplinks::new(1_000);
        let first = offer(&mut links, Channel::Vote, "a");
        let done = START.after(Span::millis(100));
        assert_eq!(first, Offer::Leaves(done));
        assert_eq!(offer(&mut links, Channel::Vote, "b"), Offer::Waits);
        assert_eq!(links.depart(START, LINK), None, "not yet");
        let expected = [("a", Span::millis(100)), ("b", Span::millis(200))];
        assert_eq!(drain(&mut links, done), expected);
        let other = links.offer(done, (PeerId(1), PeerId(0)), Channel::Vote, 1, "c");
        assert_eq!(
            other,
            Offer::Leaves(done.after(Span::millis(1))),
            "its own link"
        );
    }

    #[test]
    fn a_channel_is_first_in_first_out() {
        let mut links = Uplinks::new(1_000);
        for name in ["a", "b", "c", "d"] {
            offer(&mut links, Channel::Vote, name);
        }
        let left = drain(&mut links, START.after(Span::millis(100)));
        let names: Vec<_> = left.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }

    #[test]
    fn each_queue_holds_what_its_descriptor_says_and_not_one_more() {
        for channel in Channel::ALL {
            let mut links = Uplinks::new(1_000);
            let leaves = offer(&mut links, channel, "leaving");
            assert!(matches!(leaves, Offer::Leaves(_)));
            for _ in 0..channel.descriptor().send_queue {
                assert_eq!(offer(&mut links, channel, "waiting"), Offer::Waits);
            }
            assert_eq!(offer(&mut links, channel, "too much"), Offer::Full);
            let other = Channel::ALL.into_iter().find(|other| *other != channel);
            let other = other.map(|other| offer(&mut links, other, "other"));
            assert_eq!(other, Some(Offer::Waits), "queues are separate");
        }
    }

    #[test]
    fn of_two_busy_channels_the_one_with_twice_the_priority_sends_twice_as_much() {
        let mut links = Uplinks::new(1_000_000);
        for _ in 0..90 {
            offer(&mut links, Channel::State, "state");
            offer(&mut links, Channel::Data, "data");
        }
        let left = drain(&mut links, START.after(Span::micros(100)));
        assert_eq!(left.len(), 180);
        let data = left[..90].iter().filter(|(name, _)| *name == "data");
        assert!((59..=61).contains(&data.count()));
    }

    #[test]
    fn what_was_sent_long_ago_does_not_count() {
        let mut links = Uplinks::new(1_000_000);
        for _ in 0..50 {
            offer(&mut links, Channel::Data, "early");
        }
        drain(&mut links, START.after(Span::micros(100)));
        // Data has sent more per priority: State goes first.
        let hour = START.after(Span::millis(3_600_000));
        for later in [START.after(Span::millis(10)), hour] {
            let link = |links: &mut Uplinks<_>, channel, name| {
                links.offer(later, LINK, channel, 100, name)
            };
            let Offer::Leaves(at) = link(&mut links, Channel::Vote, "first") else {
                panic!("the link is idle");
            };
            link(&mut links, Channel::Data, "data");
            link(&mut links, Channel::Vote, "vote");
            let left: Vec<_> = drain(&mut links, at)
                .iter()
                .map(|(name, _)| *name)
                .collect();
            let order = if later == hour {
                ["first", "data", "vote"]
            } else {
                ["first", "vote", "data"]
            };
            assert_eq!(left, order);
        }
    }

    #[test]
    fn a_sender_that_stops_takes_along_what_had_not_left() {
        let mut links = Uplinks::new(1_000);
        offer(&mut links, Channel::Vote, "a");
        offer(&mut links, Channel::Data, "b");
        links.offer(START, (PeerId(1), PeerId(0)), Channel::Vote, 100, "other");
        assert_eq!(links.stop(PeerId(0)), ["a", "b"]);
        assert_eq!(links.depart(START.after(Span::millis(100)), LINK), None);
        assert_eq!(links.lift(), [((PeerId(1), PeerId(0)), "other")]);
    }

    #[test]
    fn a_lifted_limit_lets_everything_go_in_its_turn() {
        let mut links = Uplinks::new(1_000);
        for (channel, name) in [
            (Channel::Data, "a"),
            (Channel::Data, "b"),
            (Channel::Vote, "c"),
        ] {
            offer(&mut links, channel, name);
        }
        let names: Vec<_> = links.lift().into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            names,
            ["a", "c", "b"],
            "the channel that has sent nothing first"
        );
    }
}
