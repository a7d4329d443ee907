//! The reports about logs in real directories.

use std::io;

use engine::{
    node::{Entry, Record},
    privval::SignStep,
    types::{Hrs, Message, VoteKind},
    wal::{Content, Format, LogEnd, RawRecord, TornTail, WalError},
};
use serde::Serialize;

use super::{Printer, counted, grouped};
use crate::trace::hex;

/// Which records of a log are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Nothing before the entry with this index.
    pub from: Option<u64>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// The records of a log, while they are printed.
#[derive(Debug, Default)]
pub struct RecordTable {
    filter: RecordFilter,
    segment: String,
    segments: u64,
    records: u64,
    printed: u64,
    reached: bool,
}

/// What a command found out about a log.
#[derive(Debug)]
pub struct LogVerdict {
    /// Where it ends, or what is wrong with it.
    pub end: Result<LogEnd, WalError>,
    /// How many segments and records were read.
    pub read: (u64, u64),
}

/// What became of a torn tail.
#[derive(Debug)]
pub enum Repaired {
    /// Nothing was done, for nothing was wrong or nothing was allowed.
    No,
    /// It was cut.
    Cut {
        /// The copy of the segment as it was.
        copy: Option<String>,
    },
}

impl LogVerdict {
    /// The exit code of the command line.
    #[must_use]
    pub fn exit(&self) -> u8 {
        if self.end.is_ok() { 0 } else { 7 }
    }

    fn word(&self) -> &'static str {
        match &self.end {
            Ok(end) if end.torn.is_some() => "torn",
            Ok(_) => "clean",
            Err(_) => "damaged",
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    schema: &'static str,
    segment: &'a str,
    offset: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    bytes: u64,
    checksum: String,
    crc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
    #[serde(flatten)]
    entry: Option<Decoded>,
    what: String,
}

/// An entry of a consensus log.
#[derive(Serialize)]
struct Decoded {
    time_ns: u64,
    record: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
}

#[derive(Serialize)]
struct Summary<'a> {
    schema: &'static str,
    verdict: &'static str,
    exit: u8,
    segments: u64,
    records: u64,
    format: Option<&'static str>,
    segment: Option<&'a str>,
    offset: Option<u64>,
    torn_bytes: Option<u64>,
    fully_written: Option<bool>,
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<&'a str>,
}

impl RecordTable {
    /// An empty table.
    #[must_use]
    pub fn new(filter: RecordFilter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Counts a record that is not printed.
    pub fn count(&mut self, record: &RawRecord<'_>) {
        self.take(record);
    }

    /// Counts a record; says whether it is printed, and whether it is the first of its segment.
    fn take(&mut self, record: &RawRecord<'_>) -> (bool, bool) {
        self.records += 1;
        let begins = self.segment != record.segment;
        if begins {
            record.segment.clone_into(&mut self.segment);
            self.segments += 1;
        }
        let wanted = |index: u64| self.filter.from.is_none_or(|from| index >= from);
        self.reached |= match record.content {
            Content::Entry { index, .. } => wanted(index),
            Content::Metadata(_) | Content::State(_) | Content::Checksum | Content::Snapshot(_) => {
                self.filter.from.is_none()
            }
        };
        let room = self.filter.limit.is_none_or(|limit| self.printed < limit);
        let shown = self.reached && room;
        self.printed += u64::from(shown);
        (shown, begins || self.printed == 1)
    }

    /// The verdict after the last record.
    #[must_use]
    pub fn verdict(self, end: Result<LogEnd, WalError>) -> LogVerdict {
        let read = (self.segments, self.records);
        LogVerdict { end, read }
    }
}

impl Printer<'_> {
    /// The next record of a log.
    ///
    /// # Errors
    /// What the writer says.
    pub fn wal_record(
        &mut self,
        table: &mut RecordTable,
        record: &RawRecord<'_>,
    ) -> io::Result<()> {
        let (shown, heading) = table.take(record);
        if !shown {
            return Ok(());
        }
        let row = row(record);
        if self.form.json {
            return self.json(&row);
        }
        if heading {
            writeln!(self.out, "{}", record.segment)?;
        }
        let Row {
            offset,
            kind,
            bytes,
            checksum,
            what,
            ..
        } = row;
        writeln!(
            self.out,
            "{offset:>10}  {kind:<8}  {bytes:>7}  {checksum} ok  {what}"
        )
    }

    /// The end of a table: a row for the place where no record could be read, and the verdict.
    ///
    /// # Errors
    /// What the writer says.
    pub fn wal_inspected(&mut self, verdict: &LogVerdict) -> io::Result<()> {
        let bad = match &verdict.end {
            Ok(end) => {
                (end.torn.as_ref()).map(|torn| (torn.offset, torn.bytes.to_string(), "torn"))
            }
            Err(error) => error
                .place()
                .map(|(_, offset)| (offset, "?".to_owned(), "damaged")),
        };
        if let (Some((offset, bytes, word)), false) = (bad, self.form.json) {
            let (kind, none) = ("?", "-");
            writeln!(
                self.out,
                "{offset:>10}  {kind:<8}  {bytes:>7}  {none:<8} {word}"
            )?;
        }
        self.wal_verdict(verdict)
    }

    /// What was found out about a log.
    ///
    /// # Errors
    /// What the writer says.
    pub fn wal_verdict(&mut self, verdict: &LogVerdict) -> io::Result<()> {
        self.wal_repaired(verdict, None, &Repaired::No)
    }

    /// What was found out about a log, and what was or would be done about it.
    ///
    /// # Errors
    /// What the writer says.
    pub fn wal_repaired(
        &mut self,
        verdict: &LogVerdict,
        dry_run: Option<bool>,
        repaired: &Repaired,
    ) -> io::Result<()> {
        if self.form.json {
            return self.json(&summary(verdict, dry_run, repaired));
        }
        let style = self.style();
        let (segments, records) = verdict.read;
        let read = format!(
            "{}, {}",
            counted(segments, "segment"),
            counted(records, "record")
        );
        match &verdict.end {
            Err(error) => {
                let word = style.bad("DAMAGED");
                writeln!(self.out, "{word}  {error}")?;
                writeln!(
                    self.out,
                    "         {read} are good before it; nothing was cut"
                )?;
            }
            Ok(LogEnd {
                torn: None,
                segment,
                offset,
                format,
            }) => {
                let (word, format) = (style.good("CLEAN"), format_name(*format));
                writeln!(self.out, "{word}    {read} in format {format}")?;
                writeln!(self.out, "         ends at offset {offset} of {segment}")?;
            }
            Ok(LogEnd {
                torn: Some(torn), ..
            }) => {
                self.torn(torn, &read)?;
                self.repair(torn, dry_run, repaired)?;
            }
        }
        self.out.flush()
    }

    fn torn(&mut self, torn: &TornTail, read: &str) -> io::Result<()> {
        let TornTail {
            segment,
            offset,
            bytes,
            fully_written,
        } = torn;
        let bytes = grouped(*bytes);
        let word = self.style().good("TORN");
        writeln!(self.out, "{word}     {read} and a torn tail")?;
        writeln!(
            self.out,
            "         {bytes} bytes at offset {offset} of {segment} were never known to be synced"
        )?;
        if *fully_written {
            let text = "no sector of the record is missing: if it was synced, it is damaged";
            writeln!(self.out, "         {text}")?;
        }
        Ok(())
    }

    fn repair(
        &mut self,
        torn: &TornTail,
        dry_run: Option<bool>,
        repaired: &Repaired,
    ) -> io::Result<()> {
        let TornTail {
            segment, offset, ..
        } = torn;
        let copy = format!("{segment}.broken");
        let text = match (repaired, dry_run) {
            (Repaired::Cut { copy: Some(copy) }, _) => {
                format!("cut at offset {offset}; the segment as it was is kept as {copy}")
            }
            (Repaired::Cut { copy: None }, _) => {
                format!("cut at offset {offset}; there was no space to keep the old bytes")
            }
            (Repaired::No, Some(_)) => {
                format!("would cut it at offset {offset} and keep the old bytes as {copy}")
            }
            (Repaired::No, None) => {
                "a start of the node cuts it, and so does wal repair".to_owned()
            }
        };
        writeln!(self.out, "         {text}")
    }
}

fn summary<'a>(
    verdict: &'a LogVerdict,
    dry_run: Option<bool>,
    repaired: &'a Repaired,
) -> Summary<'a> {
    let end = verdict.end.as_ref();
    let torn = end.ok().and_then(|end| end.torn.as_ref());
    let place = match end {
        Ok(end) => Some((end.segment.as_str(), end.offset)),
        Err(error) => error.place(),
    };
    let copy = match repaired {
        Repaired::Cut { copy } => copy.as_deref(),
        Repaired::No => None,
    };
    Summary {
        schema: "sim.wal/1",
        verdict: verdict.word(),
        exit: verdict.exit(),
        segments: verdict.read.0,
        records: verdict.read.1,
        format: end.ok().map(|end| format_name(end.format)),
        segment: place.map(|(segment, _)| segment),
        offset: place.map(|(_, offset)| offset),
        torn_bytes: torn.map(|torn| torn.bytes),
        fully_written: torn.map(|torn| torn.fully_written),
        error: end.err().map(ToString::to_string),
        cut: dry_run.map(|_| matches!(repaired, Repaired::Cut { .. })),
        copy,
    }
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Etcd => "1 (etcd)",
        Format::Native => "2 (native)",
    }
}

fn row<'a>(record: &RawRecord<'a>) -> Row<'a> {
    let mut row = Row {
        schema: "sim.wal.record/1",
        segment: record.segment,
        offset: record.offset,
        kind: "",
        bytes: record.bytes,
        checksum: format!("{:08x}", record.checksum),
        crc: "ok",
        index: None,
        term: None,
        entry: None,
        what: String::new(),
    };
    match record.content {
        Content::Metadata(bytes) => {
            row.kind = "metadata";
            row.what = printable(bytes);
        }
        Content::Checksum => {
            row.kind = "checksum";
            "handed over from the segment before".clone_into(&mut row.what);
        }
        Content::State(state) => {
            row.kind = "state";
            let (term, vote, commit) = (state.term, state.vote, state.commit);
            row.what = format!("term {term}, vote {vote}, commit {commit}");
        }
        Content::Snapshot(snapshot) => {
            row.kind = "snapshot";
            (row.index, row.term) = (Some(snapshot.index), Some(snapshot.term));
            row.what = format!("index {}, term {}", snapshot.index, snapshot.term);
        }
        Content::Entry { index, term, data } => {
            row.kind = "entry";
            (row.index, row.term) = (Some(index), Some(term));
            match Entry::decode(data) {
                Ok(entry) => {
                    let (ms, rest) = (entry.time.0 / 1_000_000, entry.time.0 % 1_000_000 / 1_000);
                    let (seconds, ms) = (ms / 1_000, ms % 1_000);
                    let words = entry.record.to_string();
                    row.what = format!("{index}: {seconds}.{ms:03}{rest:03}s {words}");
                    row.entry = Some(decoded(&entry));
                }
                Err(_) => row.what = format!("{index}: term {term}, {}", printable(data)),
            }
        }
    }
    row
}

/// Short text as it is, other bytes by number.
fn printable(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).ok();
    let plain = text.filter(|text| text.chars().all(|c| !c.is_control()) && text.len() <= 60);
    match plain {
        Some("") => "empty".to_owned(),
        Some(text) => format!("\"{text}\""),
        None => {
            let head = hex(&bytes[..bytes.len().min(16)]);
            let more = if bytes.len() > 16 { "..." } else { "" };
            format!("{} bytes {head}{more}", grouped(bytes.len() as u64))
        }
    }
}

fn decoded(entry: &Entry) -> Decoded {
    let (record, at) = match &entry.record {
        Record::Created { .. } => ("created", None),
        Record::Received { message, .. } => ("received", place(message)),
        Record::Timeout(at) => ("timeout", Some(timeout(*at))),
        Record::Own { messages } => ("own", messages.first().and_then(place)),
        Record::TxsAvailable(_) => ("txs_available", None),
        Record::Released(_) => ("released", None),
        Record::Synced { .. } => ("synced", None),
        Record::Step(at) => ("step", Some(timeout(*at))),
    };
    Decoded {
        time_ns: entry.time.0,
        record,
        height: at.as_ref().map(|at| at.0),
        round: at.as_ref().map(|at| at.1),
        step: at.map(|at| at.2),
    }
}

fn timeout(at: Hrs) -> (u64, u32, String) {
    (at.height.0, at.round.0, format!("{:?}", at.step))
}

/// The height, round and step that a message belongs to.
fn place(message: &Message) -> Option<(u64, u32, String)> {
    let of_kind = |kind: &VoteKind| match kind {
        VoteKind::Prevote => SignStep::Prevote,
        VoteKind::Precommit => SignStep::Precommit,
    };
    let (height, round, step) = match message {
        Message::Proposal(proposal) => (proposal.height, proposal.round, SignStep::Propose),
        Message::BlockPart { height, round, .. } => (*height, *round, SignStep::Propose),
        Message::Vote(vote) => (vote.height, vote.round, of_kind(&vote.kind)),
        Message::VoteSetMaj23 {
            height,
            round,
            kind,
            ..
        } => (*height, *round, of_kind(kind)),
        Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::HasVote { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => return None,
    };
    Some((height.0, round.0, format!("{step:?}")))
}
