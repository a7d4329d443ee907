//! Blocks that a scripted proposer makes from its own. Pure.

use engine::types::{Block, BlockId, Hash, PartSet, Time};

use super::heard::Heard;

/// What is changed in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forgery {
    /// Its time is one nanosecond later: another block, as good as the first.
    Later,
    /// Its application hash: a block that nobody may accept.
    Invalid,
}

/// The first block that was proposed in a round, changed: its id and parts. `None` if it was not
/// heard as a whole.
pub(super) fn forged(
    heard: &Heard,
    height: u64,
    round: u32,
    forgery: Forgery,
) -> Option<(BlockId, PartSet)> {
    let original = *heard.proposed(height, round).first()?;
    let mut set = PartSet::empty(original.parts)?;
    for part in heard.parts(height, original) {
        // All are of this block.
        let _ = set.add(&part);
    }
    let mut block = Block::decode(&set.assemble()?).ok()?;
    let header = &mut block.header;
    match forgery {
        Forgery::Later => header.time = Time(header.time.0 + 1),
        Forgery::Invalid => header.app_hash = Hash(header.app_hash.0.map(|byte| !byte)),
    }
    Some(block.cut())
}
