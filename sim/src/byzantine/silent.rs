//! Says nothing at all.

use engine::{codec::Frame, types::PeerId};

use crate::byzantine::{Filter, Leaving, heard::Heard};

/// Sends no frame.
#[derive(Debug)]
pub(super) struct Silent;

impl Filter for Silent {
    fn filter(&mut self, _to: PeerId, _frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        Vec::new()
    }

    fn count(&mut self) -> Option<&'static str> {
        Some("silent")
    }
}
