//! Tendermint v0.10's binary encoding (go-wire): what its blocks are made of.
//!
//! An integer is a byte with the number of bytes that follow, then these, most significant first.
//! Bytes and texts have their length as such an integer in front. A pointer is a 1 before its
//! target.

/// Reads values from the front of some bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    /// A pointer, or the type byte 1 of a key or signature.
    pub(crate) fn one(&mut self) {
        assert_eq!(self.take(1), [1]);
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub(crate) fn int(&mut self) -> u64 {
        let len = self.byte();
        assert!(len <= 8, "no negative number is expected here");
        let bytes = self.take(usize::from(len));
        assert_ne!(bytes.first(), Some(&0), "numbers are as short as possible");
        bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    pub(crate) fn len(&mut self) -> usize {
        usize::try_from(self.int()).expect("a length")
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let len = self.len();
        self.take(len).to_vec()
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().expect("as many as taken")
    }
}

/// Writes an integer.
pub(crate) fn put_int(out: &mut Vec<u8>, n: u64) {
    let bytes = n.to_be_bytes();
    let used = &bytes[usize::try_from(n.leading_zeros() / 8).expect("at most 8")..];
    out.push(u8::try_from(used.len()).expect("at most 8"));
    out.extend(used);
}

/// Writes bytes or a text with its length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Bytes or a text with its length.
pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, value);
    out
}

/// An integer.
pub(crate) fn int(n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, n);
    out
}
