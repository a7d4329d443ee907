//! The stable phase as judges know it: who is in the core, from when on it must be quick, and what
//! correct nodes have said of where they stand.

use engine::types::{Height, Hrs, PeerId, Round, Span, Step, Time};

use super::quorum::{Mask, only};

/// What the healed core may be asked for, and from when on. The world works it out from the plan's
/// delays and timeouts.
#[derive(Debug, Clone)]
pub struct Stable {
    /// The core.
    pub core: Vec<PeerId>,
    /// Before this time some clock or disk may still be behind.
    pub from: Time,
    /// Within this a member that stands still gets the votes that another one has.
    pub gossip: Span,
    /// Within this a member that is behind gets one height nearer.
    pub catch_up: Span,
    /// Within this a member that is two rounds behind another leaves round 0.
    pub follow: Span,
    /// How much longer for each round after it.
    pub follow_delta: Span,
}

impl Stable {
    /// The core as a set.
    pub(super) fn members(&self) -> Mask {
        let members = self.core.iter().map(|node| only(usize::from(node.0)));
        members.fold(0, |all, member| all | member)
    }
}

/// Where a correct node says that it stands, and since when: of this life only, and forgotten when
/// it decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) height: u64,
    pub(super) round: u32,
    step: Step,
    /// Since when it has been in this round.
    pub(super) round_since: Time,
    /// Since when it has said the same.
    pub(super) since: Time,
}

impl Place {
    /// The same node says where it stands now.
    pub(super) fn said(before: Option<Self>, now: Time, at: Hrs) -> Self {
        let Hrs {
            height: Height(height),
            round: Round(round),
            step,
        } = at;
        let in_round = before.filter(|b| (b.height, b.round) == (height, round));
        let still = in_round.filter(|b| b.step == step);
        Self {
            height,
            round,
            step,
            round_since: in_round.map_or(now, |b| b.round_since),
            since: still.map_or(now, |b| b.since),
        }
    }
}
