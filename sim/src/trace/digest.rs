//! Stand-in.
use crate::trace::Event;
/// x
#[derive(Debug, Default)]
pub struct Digest(u64);
impl Digest {
    /// x
    pub fn observe(&mut self, e: &Event) {
        self.0 = self.0.wrapping_mul(31).wrapping_add(e.time.0 ^ e.seq);
    }
    /// x
    pub fn hex(&self) -> String {
        format!("{:x}", self.0)
    }
}
