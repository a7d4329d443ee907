//! What observers see of a node through `tracing`: a span around every step, an event for every
//! output worth telling. Nothing is computed or formatted unless a subscriber asks for it, and no
//! output depends on whether one does.
//!
//! `error`: the node halts. `warn`: a peer is rejected, a validator signed twice. `info`: a height
//! is decided. `debug`: steps, timeouts, polkas, locks, complete blocks. `trace`: everything else
//! that goes out.

use tracing::{Span, debug, error, info, level_filters::LevelFilter, trace, warn};

use crate::{
    consensus::Notice,
    node::{Input, Output},
    types::{BlockId, Hrs, Time},
};

/// The span of a step: what came in, when by the node's clock, and where the node stood.
pub(super) fn step(now: Time, at: Hrs, input: &Input) -> Span {
    tracing::error_span!(
        "step",
        input = name(input),
        now = now.0,
        height = at.height.0,
        round = at.round.0,
        step = %at.step,
    )
}

/// Tells what came out.
pub(super) fn outputs(out: &[Output]) {
    if LevelFilter::current() != LevelFilter::OFF {
        out.iter().for_each(tell);
    }
}

fn name(input: &Input) -> &'static str {
    match input {
        Input::Connected(_) => "Connected",
        Input::Disconnected(_) => "Disconnected",
        Input::Receive { .. } => "Receive",
        Input::Fire(_) => "Fire",
        Input::Durable(_) => "Durable",
        Input::Committed { .. } => "Committed",
        Input::Loaded { .. } => "Loaded",
        Input::Submit(_) => "Submit",
    }
}

fn tell(output: &Output) {
    match output {
        Output::Halted { reason } => error!(reason, "halted"),
        Output::Rejected { peer, reason } => warn!(%peer, %reason, "rejected"),
        Output::Decided {
            height,
            app_hash,
            decision,
        } => {
            let (block, round) = (decision.id, decision.round.0);
            info!(decided = height.0, in_round = round, %block, %app_hash, "decided");
        }
        Output::Refused { tx, reason } => debug!(%tx, %reason, "transaction refused"),
        Output::Notice(notice) => tell_notice(notice),
        Output::Send { to, .. } => trace!(%to, "send"),
        Output::Arm { timer, at } => trace!(?timer, at = at.0, "arm"),
        Output::Append { lsn, .. } => trace!(lsn = lsn.0, "append"),
        Output::SaveSignState(state) => trace!(last = ?state.last(), "save sign state"),
        Output::Sync(lsn) => trace!(lsn = lsn.0, "sync"),
        Output::Commit { state, .. } => debug!(committing = state.height.0, "commit"),
        Output::Load { height } => trace!(wanted = height.0, "load"),
    }
}

fn tell_notice(notice: &Notice) {
    match notice {
        Notice::NewRoundStep(at) => debug!(%at, "new round step"),
        Notice::Vote {
            height,
            round,
            kind,
            index,
        } => trace!(%kind, of = height.0, in_round = round.0, voter = index.0, "vote"),
        Notice::TimeoutPropose(at) => debug!(%at, "timeout propose"),
        Notice::TimeoutWait(at) => debug!(%at, "timeout wait"),
        Notice::CompleteProposal(block) => debug!(%block, "complete proposal"),
        Notice::Polka(round, block) => {
            debug!(in_round = round.0, block = choice(block), "polka");
        }
        Notice::Lock(round, block) => debug!(in_round = round.0, %block, "lock"),
        Notice::Relock(round, block) => debug!(in_round = round.0, %block, "relock"),
        Notice::ValidBlock { block, is_commit } => debug!(%block, is_commit, "valid block"),
        Notice::Evidence(evidence) => warn!(%evidence, "evidence"),
    }
}

fn choice(block: &Option<BlockId>) -> tracing::field::DisplayValue<String> {
    tracing::field::display(block.map_or_else(|| "nil".to_owned(), |id| id.to_string()))
}
