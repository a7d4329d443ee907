//! Sends bytes that mean nothing: with some frames random ones, and some frames cut or with bits
//! turned.

use engine::{codec::Frame, types::PeerId};

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

impl Filter for Garbage {
    /// Every eighth frame is garbled, and with every eighth comes a made-up one.
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        self.told += 1;
        let mut draw = self.hand.alone(to, self.told);
        let (this, more) = match draw.below(8) {
            0 => (garbled(&mut draw, &frame), None),
            1 => (frame, Some(made_up(&mut draw))),
            _ => {
                self.garbled = false;
                return vec![frame.into()];
            }
        };
        self.garbled = true;
        [Some(this), more]
            .into_iter()
            .flatten()
            .map(Leaving::from)
            .collect()
    }

    fn count(&mut self) -> Option<&'static str> {
        self.garbled.then_some("garbage")
    }
}

#[cfg(test)]
mod tests {
    use engine::types::VoteKind;

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
}
