//! Situations of logs and disks at a crash. Pure.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    node::{Entry, Record},
    types::{Height, Lsn, Message, PeerId},
};

use crate::{
    disk::Side,
    nemesis::{Fault, FaultKind, When},
    outcome::Outcome,
    trace::{Event, What},
};

/// A fault that begins in a cut begins nowhere else, so it is enough that it began, that its node
/// crashed with it, and that the node came back.
pub(super) fn crashed_in_cut(outcome: &Outcome, wanted: Side) -> Result<(), String> {
    let in_cut = |fault: &Fault| match fault.at {
        When::Cut { node, side, .. } if side == wanted && !fault.off => {
            Some((PeerId(node), fault.kind.clone()))
        }
        When::Cut { .. }
        | When::Time { .. }
        | When::Own { .. }
        | When::Proposed { .. }
        | When::Append { .. }
        | When::Commit { .. }
        | When::Starting { .. }
        | When::Call { .. } => None,
    };
    let crashes: Vec<(PeerId, FaultKind)> = outcome.plan.faults.iter().filter_map(in_cut).collect();
    let came_back = |(node, kind): &(PeerId, FaultKind)| {
        let mut events = outcome.trace.iter();
        events.any(|event| matches!(&event.what, What::FaultBegan(began) if began == kind))
            && events.any(|event| event.node == Some(*node) && matches!(event.what, What::Crashed))
            && events.any(|event| is_start(event, *node))
    };
    match crashes.iter().filter(|crash| came_back(crash)).count() {
        0 => Err(format!(
            "none of {} crashes in a cut happened",
            crashes.len()
        )),
        _ => Ok(()),
    }
}

fn is_start(event: &Event, node: PeerId) -> bool {
    event.node == Some(node) && matches!(event.what, What::Started { .. })
}

/// So many zeros in one record count.
const ZEROS: usize = 1024;

/// Per node: records with many zeros that may not be durable yet, and whether one is.
pub(super) fn zeros_at_crash(trace: &[Event]) -> Result<(), String> {
    let mut written: BTreeMap<PeerId, Lsn> = BTreeMap::new();
    let mut durable: BTreeSet<PeerId> = BTreeSet::new();
    for event in trace {
        let Some(node) = event.node else {
            continue;
        };
        if let What::Appended { lsn, entry } = &event.what
            && zeros(entry) >= ZEROS
        {
            written.entry(node).or_insert(*lsn);
        } else if let What::Synced { lsn, .. } = &event.what
            && written.get(&node).is_some_and(|zeros| zeros <= lsn)
        {
            durable.insert(node);
        } else if matches!(event.what, What::Crashed) && durable.contains(&node) {
            return Ok(());
        }
    }
    Err(format!(
        "{} nodes had such a record, {} of them durably, and none of these crashed then",
        written.len(),
        durable.len()
    ))
}

/// How many bytes of the block part in a record are zero.
fn zeros(entry: &Entry) -> usize {
    let messages = match &entry.record {
        Record::Received { message, .. } => std::slice::from_ref(message),
        Record::Own { messages } => messages.as_slice(),
        Record::Created { .. }
        | Record::Timeout(_)
        | Record::TxsAvailable(_)
        | Record::Step(_)
        | Record::Released(_)
        | Record::Synced { .. } => &[],
    };
    let part = |message: &Message| {
        if let Message::BlockPart { part, .. } = message {
            part.bytes.iter().filter(|byte| **byte == 0).count()
        } else {
            0
        }
    };
    messages.iter().map(part).sum()
}

/// Per node: the highest height with a durable vote of its own, and the one that was open when it
/// crashed, with whether it has started since.
pub(super) fn pending_at_crash(trace: &[Event]) -> Result<(), String> {
    let mut synced: BTreeMap<PeerId, Height> = BTreeMap::new();
    let mut decided: BTreeMap<PeerId, Height> = BTreeMap::new();
    let mut signed: BTreeMap<PeerId, Height> = BTreeMap::new();
    let mut pending: BTreeMap<PeerId, (Height, bool)> = BTreeMap::new();
    for event in trace {
        let Some(node) = event.node else {
            continue;
        };
        let done = decided.get(&node).copied().unwrap_or_default();
        if let What::Appended { entry, .. } = &event.what {
            signed.extend(own_height(entry).map(|height| (node, height)));
        } else if matches!(event.what, What::Synced { .. }) {
            synced.extend(signed.get(&node).map(|height| (node, *height)));
        } else if matches!(event.what, What::Crashed) {
            let open = synced.get(&node).copied().filter(|height| *height > done);
            pending.extend(open.map(|height| (node, (height, false))));
        } else if let (What::Started { .. }, Some(open)) = (&event.what, pending.get_mut(&node)) {
            open.1 = true;
        } else if let What::Decided { height, .. } = event.what {
            if pending.get(&node) == Some(&(height, true)) {
                return Ok(());
            }
            decided.insert(node, height);
        }
    }
    Err("no node decided a height that it had left in its log at a crash".to_owned())
}

/// The height of a vote that the node has signed itself in this record.
fn own_height(entry: &Entry) -> Option<Height> {
    let Record::Own { messages } = &entry.record else {
        return None;
    };
    messages.iter().find_map(|message| {
        if let Message::Vote(vote) = message {
            Some(vote.height)
        } else {
            None
        }
    })
}
