//! Decisions that are given instead of drawn, and decisions that were made. Touches only memory.
//!
//! Both tables are shared by all clones of the choices of one run, which is one thread's.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use crate::choice::{Coords, Stream};

/// Decisions that are given instead of drawn.
///
/// A value stands for the outcome of the first decision of that draw: the number itself for
/// [`Draw::below`](crate::choice::Draw::below) and [`Draw::between`](crate::choice::Draw::between)
/// (moved into the range if outside), the index for [`Draw::pick`](crate::choice::Draw::pick), 0 or
/// anything else for no and yes of [`Draw::chance`](crate::choice::Draw::chance).
pub type Overrides = BTreeMap<(Stream, Coords), u64>;

/// One decision: that a schedule gives, or that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The stream it belongs to.
    pub stream: Stream,
    /// What it is about.
    pub at: Coords,
    /// Its outcome, as in [`Overrides`].
    pub value: u64,
}

/// The given decisions, each with whether it was ever asked for.
#[derive(Debug, Default)]
pub(super) struct Given(BTreeMap<(Stream, Coords), (u64, AtomicBool)>);

impl Given {
    pub(super) fn new(overrides: &Overrides) -> Self {
        let entry = |(at, value): (&_, &u64)| (*at, (*value, AtomicBool::new(false)));
        Self(overrides.iter().map(entry).collect())
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The given outcome, which is asked for by this.
    pub(super) fn ask(&self, stream: Stream, at: Coords) -> Option<u64> {
        let (value, asked) = self.0.get(&(stream, at))?;
        asked.store(true, Ordering::Relaxed);
        Some(*value)
    }

    /// What was never asked for.
    pub(super) fn idle(&self) -> Vec<Decision> {
        let all = self.0.iter();
        let idle = all.filter(|(_, (_, asked))| !asked.load(Ordering::Relaxed));
        idle.map(|((stream, at), (value, _))| Decision {
            stream: *stream,
            at: *at,
            value: *value,
        })
        .collect()
    }

    /// The outcomes, without who asked.
    pub(super) fn overrides(&self) -> Overrides {
        let all = self.0.iter();
        all.map(|(at, (value, _))| (*at, *value)).collect()
    }
}

/// The decisions that were made since they were last taken, in order.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Vec<Decision>>);

impl Record {
    pub(super) fn add(&self, decision: Decision) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.push(decision);
    }

    pub(super) fn take(&self) -> Vec<Decision> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *made)
    }
}
