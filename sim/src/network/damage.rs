//! What damage does to the bytes of a packet. Pure; touches nothing else.

use crate::choice::Draw;

/// The most bytes that one damage changes, or puts in.
const MOST: u64 = 8;

/// Other bytes than these: some bits flipped, the end cut off, or something put in.
#[must_use]
pub fn damage(bytes: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    let len = bytes.len() as u64;
    let place = |draw: &mut Draw, below: u64| usize::try_from(draw.below(below)).unwrap_or(0);
    match draw.below(3) {
        0 if len > 0 => {
            for _ in 0..draw.between(1..=MOST) {
                let (at, bit) = (place(draw, len), draw.below(8));
                damaged[at] ^= 1 << bit;
            }
        }
        1 if len > 0 => damaged.truncate(place(draw, len)),
        _ => {
            let at = place(draw, len + 1);
            let more = (0..draw.between(1..=MOST)).map(|_| draw.next_u64().to_le_bytes()[0]);
            let more: Vec<u8> = more.collect();
            damaged.splice(at..at, more);
        }
    }
    if damaged == bytes {
        // Bits that were flipped twice.
        damaged.push(0);
    }
    damaged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::{Choices, Stream};

    #[test]
    fn damage_changes_every_packet_and_does_so_in_three_ways() {
        let (mut flipped, mut shorter, mut longer) = (0, 0, 0);
        for number in 0..300_u16 {
            let bytes = vec![7; usize::from(number % 50)];
            let draw = || Choices::new(1).draw(Stream::LinkDamage, [u64::from(number), 0, 0, 0]);
            let damaged = damage(&bytes, &mut draw());
            assert_ne!(damaged, bytes);
            assert_eq!(damaged, damage(&bytes, &mut draw()), "the same every time");
            match damaged.len().cmp(&bytes.len()) {
                std::cmp::Ordering::Less => shorter += 1,
                std::cmp::Ordering::Equal => flipped += 1,
                std::cmp::Ordering::Greater => longer += 1,
            }
        }
        assert!(flipped > 50 && shorter > 50 && longer > 50);
    }
}
