//! Sends bytes that mean nothing: with some frames random ones, and some frames cut or with bits
//! turned.

use engine::{
    codec::Frame,
    types::{Channel, PeerId},
};

use crate::{
    byzantine::{Filter, Leaving, hand::Hand, heard::Heard},
    choice::Draw,
};

/// The longest made-up frame, in bytes.
const MOST: u64 = 300;

/// A validator that sends garbage.
#[derive(Debug)]
pub(super) struct Garbage {
    hand: Hand,
    told: u64,
    garbled: bool,
}

impl Garbage {
    pub(super) fn new(hand: Hand) -> Self {
        Self {
            hand,
            told: 0,
            garbled: false,
        }
    }
}

fn byte(draw: &mut Draw) -> u8 {
    u8::try_from(draw.below(256)).unwrap_or(0)
}

fn index(draw: &mut Draw, len: usize) -> usize {
    usize::try_from(draw.below(len.max(1) as u64)).unwrap_or(0)
}

fn made_up(draw: &mut Draw) -> Frame {
    let len = draw.below(MOST);
    Frame::from_bytes((0..len).map(|_| byte(draw)).collect())
}

/// The frame with up to four bits turned, or without its end.
fn garbled(draw: &mut Draw, frame: &Frame) -> Frame {
    let mut bytes = frame.bytes().to_vec();
    if draw.below(2) == 0 {
        bytes.truncate(index(draw, bytes.len()));
        return Frame::from_bytes(bytes);
    }
    for _ in 0..draw.between(1..=4) {
        let (at, bit) = (index(draw, bytes.len()), draw.below(8));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }
    Frame::from_bytes(bytes)
}

/// Whether bytes are transactions after all: whoever gives those to a node is its client, and
/// clients are the world's.
fn submits(frame: &Frame) -> bool {
    let contents = frame.contents();
    contents.is_ok_and(|contents| contents.channel == Channel::Mempool)
}

impl Filter for Garbage {
    /// Every eighth frame is garbled, and with every eighth comes a made-up one.
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        self.told += 1;
        let mut draw = self.hand.alone(to, self.told);
        let told = match draw.below(8) {
            0 => vec![garbled(&mut draw, &frame)],
            1 => vec![frame.clone(), made_up(&mut draw)],
            _ => vec![frame.clone()],
        };
        self.garbled = told != [frame.clone()] && !told[1..].iter().any(submits);
        self.garbled &= told[0] == frame || !submits(&told[0]);
        let told = if self.garbled { told } else { vec![frame] };
        told.into_iter().map(Leaving::from).collect()
    }

    fn count(&mut self) -> Option<&'static str> {
        self.garbled.then_some("garbage")
    }
}

#[cfg(test)]
mod tests {
    use engine::types::{Message, Tx, VoteKind};

    use super::*;
    use crate::{
        byzantine::testing::{block, filtered, own_vote, stage},
        nemesis::Behaviour,
    };

    #[test]
    fn some_frames_are_garbled_some_have_company_and_most_pass() {
        let (mut filters, hand) = stage(Behaviour::Garbage);
        let frame = own_vote(&hand, VoteKind::Prevote, 1, 0, Some(block(1)));
        let told: Vec<_> = (0..400)
            .map(|_| filtered(&mut filters, 1, &frame))
            .collect();
        let passed = told.iter().filter(|t| **t == [frame.clone()]).count();
        let more = told
            .iter()
            .filter(|t| t.len() == 2 && t[0] == frame)
            .count();
        let changed = told
            .iter()
            .filter(|t| t.len() == 1 && t[0] != frame)
            .count();
        assert_eq!(passed + more + changed, 400);
        assert!(passed > 240 && more > 20 && changed > 20);
    }

    #[test]
    fn transactions_come_from_clients_only() {
        let (mut filters, _) = stage(Behaviour::Garbage);
        let tx = Tx::try_from(vec![7; 40]).unwrap();
        let txs = Message::Txs(vec![tx].try_into().unwrap());
        let frame = Frame::encode(Channel::Mempool, vec![txs]);
        for _ in 0..400 {
            for told in filtered(&mut filters, 1, &frame) {
                assert!(told == frame || !submits(&told));
            }
        }
    }
}
