//! How long a healed core may take: computed from the plan's delays and timeouts, not guessed.
//!
//! In the stable phase links have no limit of bandwidth: what waited for its turn has left at the
//! beginning. Every message between members of the core arrives within `delay`, unless its
//! receiver was not ready for it; then it is sent again after an announcement, within `repair`. A
//! round lasts at most its three timeouts and a repair for each of its three steps. A height is
//! decided at the latest in the first round with a correct proposer of the core whose valid value
//! is the newest (paper, lemma 7); before it lie at most the rounds of proposers outside the core
//! and of core members that do not know the newest valid value yet, fewer than two per node; where
//! the validators change, two more per node.
//!
//! Where empty blocks are off, each height may first wait for the next transaction, which one node
//! of the core gets from a client and offers to the others.
//!
//! Clocks run evenly then, but one that was set back shows again what it has shown before: what is
//! due by it waits until it is where it was, once.
//!
//! A node that starts with block sync hears of a peer's blocks, or goes over to consensus when its
//! patience ends. At each height every peer may leave it without an answer once; then it is passed
//! over. Whoever has nobody left to ask goes over to consensus, where gossip brings what it missed.

use engine::types::{PeerId, Round, Span, Time};

use crate::{
    nemesis::{EmptyBlocksMs, Plan},
    oracle::Stable,
};

/// The longest way of a message between members of the core: latency, and the disks it waits for.
fn delay(plan: &Plan) -> Span {
    Span::micros(plan.link.latency_us.max).plus(Span::micros(4 * plan.sync_us.max))
}

/// Announcement, answer, announcement of what is still missing, answer: each may wait for a timer.
fn repair(plan: &Plan) -> Span {
    let gossip = plan.gossip();
    gossip
        .interval_max
        .plus(gossip.resend_after)
        .plus(gossip.interval)
        .times(4)
        .plus(delay(plan).times(8))
}

/// What is asked of the core from `from` on, when clocks and disks are where they should be.
///
/// A vote counts as worth an answer when it has been there for two announcements. A peer that
/// stands still is answered by a few of those who can, by twice as many at its next announcement,
/// and so on: by all after as many as it takes to double to the number of nodes. What was sent
/// lately is not sent again at once.
///
/// Each height that a node is behind takes two repairs, one for the commit and one for the block,
/// or with block sync a question to every peer and the patience after which it tries the other way.
///
/// Who is two rounds behind another gets the votes that take it on within the time of gossip, but
/// some of them may only be signed when a timeout of the later round is over; the same again if it
/// has to go by a timeout of its own.
pub(crate) fn stable(plan: &Plan, core: &[PeerId], from: Time) -> Stable {
    let nodes = plan.powers.len() as u64;
    let doublings = u64::from(u64::BITS - nodes.leading_zeros());
    let config = plan.gossip();
    let gossip = config
        .interval_max
        .times(doublings + 4)
        .plus(config.resend_after)
        .plus(config.interval.times(4))
        .plus(delay(plan).times(4));
    let sync = plan.block_sync_config();
    let syncing = if plan.block_sync {
        sync.patience.plus(sync.request_timeout.times(3 * nodes))
    } else {
        Span::ZERO
    };
    let timeouts = plan.timeouts.to_engine();
    let all = |round| {
        let each = [
            timeouts.propose(round),
            timeouts.prevote(round),
            timeouts.precommit(round),
        ];
        each.into_iter().fold(Span::ZERO, Span::plus).times(2)
    };
    let (first, second) = (all(Round(0)), all(Round(1)));
    Stable {
        core: core.to_vec(),
        from,
        gossip,
        catch_up: repair(plan).times(2).plus(syncing),
        follow: gossip.times(3).plus(first),
        follow_delta: Span(second.0.saturating_sub(first.0)),
    }
}

/// A bound for the time until the core has decided `plan.stable_heights` more heights, if its
/// members are at most `behind` heights apart and have reached `round`.
pub(crate) fn time_to_decide(plan: &Plan, core: &[PeerId], round: u32, behind: u64) -> Span {
    let repair = repair(plan);
    let timeouts = plan.timeouts.to_engine();
    let round_time = |r: u32| {
        let r = Round(r);
        timeouts
            .propose(r)
            .plus(timeouts.prevote(r))
            .plus(timeouts.precommit(r))
            .plus(repair.times(3))
    };
    let outside = u32::try_from(plan.powers.len().saturating_sub(core.len())).unwrap_or(u32::MAX);
    // Whoever joins or leaves upsets the turns: some come again before others come at all.
    let nodes = u32::try_from(plan.powers.len()).unwrap_or(u32::MAX);
    let upset = if plan.changes.is_empty() {
        0
    } else {
        2 * nodes
    };
    let rounds = 2 * outside + 4 + upset;
    let first: Span = (round..=round.saturating_add(rounds))
        .map(round_time)
        .fold(Span::ZERO, Span::plus);
    let later: Span = (0..=rounds).map(round_time).fold(Span::ZERO, Span::plus);
    let wait = match plan.timeouts.empty_blocks {
        EmptyBlocksMs::Always => Span::ZERO,
        EmptyBlocksMs::Never => Span::millis(plan.tx_every_ms).plus(repair),
        EmptyBlocksMs::EveryMs(ms) => Span::millis(ms).plus(repair),
    };
    let between = timeouts.commit.plus(repair).plus(wait);
    // Who is behind gets a commit and a block for each height it missed.
    let catch_up = repair.times(2).times(behind);
    let sync = plan.block_sync_config();
    let questions = sync.request_timeout.times(plan.powers.len() as u64);
    let syncing = if plan.block_sync {
        sync.patience.plus(questions.times(behind + 2))
    } else {
        Span::ZERO
    };
    // What a clock says is due waits as long as the clock was set back.
    let set_back = Span::millis(plan.most_set_back_ms());
    first
        .plus(wait)
        .plus(catch_up)
        .plus(syncing)
        .plus(set_back)
        .plus(later.plus(between).times(plan.stable_heights))
}
