//! Numbers from SHA-256 in counter mode: the same on every machine and with every package.

use engine::types::sha256;

/// A stream of numbers. Each name has its own.
#[derive(Debug)]
pub(crate) struct Draw {
    name: String,
    block: u64,
    left: Vec<u8>,
}

impl Draw {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            block: 0,
            left: Vec::new(),
        }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        if self.left.is_empty() {
            let block = format!("{} {}", self.name, self.block);
            self.left = sha256(block.as_bytes()).0.to_vec();
            self.block += 1;
        }
        self.left.pop().expect("32 bytes")
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// Up to so many bytes.
    pub(crate) fn some_bytes(&mut self, least: usize, most: usize) -> Vec<u8> {
        let len = least + self.size(most - least + 1);
        (0..len).map(|_| self.byte()).collect()
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    pub(crate) fn yes(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.u64() % bound
    }

    /// A length below the bound.
    pub(crate) fn size(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below the bound")
    }

    /// Something in every second case.
    pub(crate) fn maybe<T>(&mut self, some: fn(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| some(self))
    }

    /// From `least` to `most` of something.
    pub(crate) fn several<T>(
        &mut self,
        least: usize,
        most: usize,
        one: fn(&mut Self) -> T,
    ) -> Vec<T> {
        let len = least + self.size(most - least + 1);
        (0..len).map(|_| one(self)).collect()
    }
}
