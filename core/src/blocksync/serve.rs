//! Answers to peers that sync: how much of this node's time and memory each may take.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{Height, PeerId, Span, Time};

/// How many questions of one peer are answered per second.
pub const MAX_QUESTIONS: u32 = 1_000;
/// How many blocks may be read from the disk for one peer at a time.
pub const MAX_WAITING: usize = 4;

const SECOND: Span = Span::millis(1_000);

/// What to do about a question for a stored block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Read it from the disk.
    Load,
    /// It is being read for somebody.
    Wait,
    /// The peer asks too much: do nothing.
    Refuse,
}

/// What one peer has asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Asking {
    since: Time,
    questions: u32,
    waiting: BTreeSet<Height>,
}

/// Who has asked for what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    peers: BTreeMap<PeerId, Asking>,
}

impl Server {
    /// Forgets a peer: its connection is new, or down.
    pub fn forget(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
    }

    /// Counts a question; whether it may be answered.
    pub fn admit(&mut self, now: Time, peer: PeerId) -> bool {
        let asking = self.peers.entry(peer).or_default();
        if now.since(asking.since) >= SECOND {
            asking.since = now;
            asking.questions = 0;
        }
        asking.questions = asking.questions.saturating_add(1);
        asking.questions <= MAX_QUESTIONS
    }

    /// A peer asks for a block that is not in memory.
    pub fn wait_for(&mut self, peer: PeerId, height: Height) -> Answer {
        let loading = self
            .peers
            .values()
            .any(|asking| asking.waiting.contains(&height));
        let asking = self.peers.entry(peer).or_default();
        if asking.waiting.len() >= MAX_WAITING && !asking.waiting.contains(&height) {
            return Answer::Refuse;
        }
        asking.waiting.insert(height);
        if loading { Answer::Wait } else { Answer::Load }
    }

    /// A block has been read: the peers that wait for it.
    pub fn loaded(&mut self, height: Height) -> Vec<PeerId> {
        let waits = |(peer, asking): (&PeerId, &mut Asking)| {
            asking.waiting.remove(&height).then_some(*peer)
        };
        self.peers.iter_mut().filter_map(waits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(3);

    #[test]
    fn a_peer_may_ask_so_much_per_second_and_no_more() {
        let mut server = Server::default();
        let now = Time(5_000_000_000);
        assert!((0..MAX_QUESTIONS).all(|_| server.admit(now, PEER)));
        assert!(!server.admit(now, PEER), "one too many");
        assert!(server.admit(now, PeerId(4)), "others may");
        assert!(
            server.admit(now.after(SECOND), PEER),
            "a second later it may again"
        );
    }

    #[test]
    fn so_many_blocks_are_read_for_a_peer_and_no_more() {
        let mut server = Server::default();
        let heights = || (1..).map(Height).take(MAX_WAITING);
        assert!(heights().all(|h| server.wait_for(PEER, h) == Answer::Load));
        let more = Height(99);
        assert_eq!(server.wait_for(PEER, more), Answer::Refuse);
        assert_eq!(
            server.wait_for(PEER, Height(1)),
            Answer::Wait,
            "asked again"
        );
        assert_eq!(server.loaded(Height(1)), [PEER]);
        assert_eq!(server.wait_for(PEER, more), Answer::Load);
    }

    #[test]
    fn a_block_is_read_once_for_all_who_wait() {
        let mut server = Server::default();
        assert_eq!(server.wait_for(PEER, Height(7)), Answer::Load);
        assert_eq!(server.wait_for(PeerId(4), Height(7)), Answer::Wait);
        assert_eq!(server.loaded(Height(7)), [PEER, PeerId(4)]);
        assert_eq!(server.loaded(Height(7)), []);
    }

    #[test]
    fn a_new_connection_waits_for_nothing() {
        let mut server = Server::default();
        assert_eq!(server.wait_for(PEER, Height(7)), Answer::Load);
        server.forget(PEER);
        assert_eq!(server.loaded(Height(7)), []);
        assert_eq!(server.wait_for(PEER, Height(7)), Answer::Load);
    }
}
