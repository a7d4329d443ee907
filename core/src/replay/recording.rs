//! A recorded log, cut into heights.

use std::collections::BTreeSet;

use crate::{
    node::{Entry, Record},
    replay::ReplayFailed,
    storage::Storage,
    types::{Height, Lsn},
    wal::{self, Content, Snapshot, TornTail},
};

/// The records between two ends of height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The height they belong to.
    pub height: Height,
    /// The records in order.
    pub records: Vec<(Lsn, Entry)>,
    /// Whether the log has the end of the height. Only the last part may have none.
    pub ended: bool,
}

/// What a log holds from its first end of height on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// Heights in order; the last one is unfinished.
    pub parts: Vec<Part>,
    /// What was written but not synced when the machine stopped.
    pub torn: Option<TornTail>,
    /// The number of the next record.
    pub next_lsn: Lsn,
    /// The records of heights whose beginning is not known: in the log it was removed with a
    /// segment, or it lies before the checkpoint.
    pub skipped: u64,
    /// What contradicts the rules of the log.
    wrong: Option<String>,
}

impl Recording {
    /// Reads the log of the data directory `dir` without changing it.
    ///
    /// # Errors
    /// If the log is damaged, an entry has no meaning, or heights do not follow each other.
    pub fn read(storage: &mut dyn Storage, dir: &str) -> Result<Self, ReplayFailed> {
        let mut recording = Self::default();
        let end = wal::inspect(storage, &format!("{dir}/wal"), &mut |record| {
            match record.content {
                Content::Entry { index, data, .. } => recording.entry(index, data),
                Content::Snapshot(end) => recording.end(end),
                Content::Metadata(_) | Content::State(_) | Content::Checksum => {}
            }
            Ok(())
        })?;
        recording.torn = end.torn;
        match recording.wrong.take() {
            Some(what) => Err(ReplayFailed::Log(what)),
            None if recording.parts.is_empty() => {
                Err(ReplayFailed::Log("it has no end of height".to_owned()))
            }
            None => Ok(recording),
        }
    }

    fn entry(&mut self, index: u64, data: &[u8]) {
        let expected = self.next_lsn.0;
        if index != expected && (expected > 0 || !self.parts.is_empty()) {
            self.complain(format!("record {index} where {expected} should be"));
        }
        self.next_lsn = Lsn(index.saturating_add(1));
        match (Entry::decode(data), self.parts.last_mut()) {
            (Err(what), _) => self.complain(format!("record {index}: {what}")),
            (Ok(entry), Some(part)) => part.records.push((Lsn(index), entry)),
            (Ok(_), None) => self.skipped += 1,
        }
    }

    fn end(&mut self, end: Snapshot) {
        let ended = Height(end.term);
        if self.next_lsn == Lsn(0) && end.index > 0 {
            // The first thing of the oldest segment that is left.
            self.next_lsn = Lsn(end.index.saturating_add(1));
        }
        if let Some(part) = self.parts.last_mut() {
            part.ended = true;
            if part.height != ended {
                let text = format!("end of height {ended} in height {}", part.height);
                self.complain(text);
            }
        }
        self.parts.push(Part {
            height: ended.next(),
            records: Vec::new(),
            ended: false,
        });
    }

    fn complain(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// Leaves out the heights up to `base`: what they began with is not known any more.
    pub fn skip_to(&mut self, base: Height) {
        let known = |part: &Part| part.height > base;
        let first = self.parts.iter().position(known);
        let gone = self.parts.drain(..first.unwrap_or(self.parts.len()));
        self.skipped += gone.map(|part| part.records.len() as u64).sum::<u64>();
    }

    /// The heights after which parts begin.
    #[must_use]
    pub fn begins_after(&self) -> BTreeSet<Height> {
        let before = |part: &Part| Height(part.height.0.saturating_sub(1));
        self.parts.iter().map(before).collect()
    }

    /// The records of the unfinished height.
    #[must_use]
    pub fn unfinished(&self) -> &[(Lsn, Entry)] {
        self.parts.last().map_or(&[], |part| &part.records)
    }

    /// All records.
    #[must_use]
    pub fn len(&self) -> u64 {
        let records = self.parts.iter().map(|part| part.records.len() as u64);
        records.sum()
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of the records of own messages.
    #[must_use]
    pub fn own(&self) -> BTreeSet<Lsn> {
        let records = self.parts.iter().flat_map(|part| &part.records);
        records
            .filter(|(_, entry)| matches!(entry.record, Record::Own { .. }))
            .map(|(lsn, _)| *lsn)
            .collect()
    }
}
