//! How traces are written: text in columns for people, NDJSON for programs.
//!
//! Times are virtual, counted from the start of the run. Writes where it is told to; touches
//! nothing else. The words of the events are in `line.rs`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    iter::Peekable,
};

use engine::{
    consensus::Notice,
    types::{Hrs, PeerId, Time},
};
use serde::Serialize;

use super::line::{Line, glyph, sentence};
use crate::{
    choice::Decision,
    clock::START,
    trace::{Event, What},
};

/// The version of the NDJSON form, in its first line.
const SCHEMA: &str = "sim.trace/1";

/// Which events are written. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these nodes, and what happens to the world itself; empty for all.
    pub nodes: Vec<u16>,
    /// Nothing before this, in nanoseconds since the start.
    pub from_ns: Option<u64>,
    /// Nothing after this, in nanoseconds since the start.
    pub to_ns: Option<u64>,
    /// Every decision that mattered, too, before the event that came of it. A decision belongs to
    /// no node.
    pub choices: bool,
}

impl Filter {
    /// Whether an event is written.
    #[must_use]
    pub fn takes(&self, event: &Event) -> bool {
        let node = event
            .node
            .is_none_or(|node| self.nodes.is_empty() || self.nodes.contains(&node.0));
        node && self.covers(event.time)
    }

    fn covers(&self, time: Time) -> bool {
        let at = since_start(time);
        self.from_ns.is_none_or(|from| at >= from) && self.to_ns.is_none_or(|to| at <= to)
    }
}

/// Nanoseconds since the start of the run.
pub(super) fn since_start(time: Time) -> u64 {
    time.since(START).0
}

/// Seconds with six decimals.
fn seconds(ns: u64) -> String {
    let us = ns / 1_000;
    format!("{}.{:06}s", us / 1_000_000, us % 1_000_000)
}

/// The first line of an NDJSON trace.
#[derive(Debug, Serialize)]
struct Header<'a> {
    schema: &'static str,
    seed: u64,
    validators: usize,
    digest: &'a str,
    events: usize,
}

/// A decision in NDJSON: the event that it came before, when, and what a schedule would give.
#[derive(Debug, Serialize)]
struct Choice<'a> {
    seq: u64,
    time_ns: u64,
    event: &'static str,
    #[serde(flatten)]
    decision: &'a Decision,
}

/// The decisions that are written, to be taken off event by event.
fn decisions<'a>(
    outcome: &'a crate::outcome::Outcome,
    filter: &'a Filter,
) -> Peekable<impl Iterator<Item = &'a (u64, Time, Decision)>> {
    let all = outcome.decisions.iter();
    all.filter(|(_, time, _)| filter.choices && filter.covers(*time))
        .peekable()
}

/// Writes a trace as one JSON object per line, after a header that names the schema and the run.
///
/// # Errors
/// What the writer says.
pub fn write_ndjson(
    out: &mut dyn Write,
    outcome: &crate::outcome::Outcome,
    filter: &Filter,
) -> io::Result<()> {
    let taken = || outcome.trace.iter().filter(|event| filter.takes(event));
    let header = Header {
        schema: SCHEMA,
        seed: outcome.plan.seed,
        validators: outcome.plan.powers.len(),
        digest: &outcome.digest,
        events: taken().count(),
    };
    serde_json::to_writer(&mut *out, &header)?;
    writeln!(out)?;
    let mut choices = decisions(outcome, filter);
    for event in &outcome.trace {
        while let Some((seq, time, decision)) = choices.next_if(|(seq, ..)| *seq == event.seq) {
            let choice = Choice {
                seq: *seq,
                time_ns: since_start(*time),
                event: "chosen",
                decision,
            };
            serde_json::to_writer(&mut *out, &choice)?;
            writeln!(out)?;
        }
        if filter.takes(event) {
            serde_json::to_writer(&mut *out, &Line::of(event))?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Writes a trace as text: time, a column per node, what happened, and where the node stood.
///
/// # Errors
/// What the writer says.
pub fn write_text(
    out: &mut dyn Write,
    outcome: &crate::outcome::Outcome,
    filter: &Filter,
) -> io::Result<()> {
    let all = 0..u16::try_from(outcome.plan.powers.len()).unwrap_or(u16::MAX);
    let nodes: Vec<u16> = all
        .filter(|node| filter.nodes.is_empty() || filter.nodes.contains(node))
        .collect();
    write!(out, "{:>13} ", "time")?;
    for node in &nodes {
        write!(out, " {:<3}", format!("n{node}"))?;
    }
    writeln!(out, "  {:<56}  height/round/step", "event")?;
    let mut at: BTreeMap<PeerId, Hrs> = BTreeMap::new();
    let mut choices = decisions(outcome, filter);
    for event in &outcome.trace {
        while let Some((_, time, made)) = choices.next_if(|(seq, ..)| *seq == event.seq) {
            let (time, blank) = (seconds(since_start(*time)), 4 * nodes.len());
            let (stream, at, value) = (made.stream, made.at, made.value);
            writeln!(
                out,
                "{time:>13} {:blank$}  choose {stream} at {at:?}: {value}",
                ""
            )?;
        }
        if let (Some(node), What::Notice(Notice::NewRoundStep(now))) = (event.node, &event.what) {
            at.insert(node, *now);
        }
        if filter.takes(event) {
            let place = event.node.and_then(|node| at.get(&node));
            row(out, &nodes, event, place)?;
        }
    }
    Ok(())
}

fn row(out: &mut dyn Write, nodes: &[u16], event: &Event, at: Option<&Hrs>) -> io::Result<()> {
    write!(out, "{:>13} ", seconds(since_start(event.time)))?;
    for node in nodes {
        let here = event.node.is_none_or(|n| n.0 == *node);
        let mark = if here { glyph(&event.what) } else { " " };
        write!(out, " {mark:<3}")?;
    }
    let text = sentence(&event.what);
    match at {
        Some(at) => writeln!(out, "  {text:<56}  {at}"),
        None => writeln!(out, "  {text}"),
    }
}

#[cfg(test)]
mod tests {
    use engine::{codec::Frame, types::Height};

    use super::*;
    use crate::{
        choice::Stream,
        report::sample,
        trace::{Digest, first_difference},
    };

    fn event(seq: u64, us: u64, node: u16, what: What) -> Event {
        Event {
            seq,
            time: Time(START.0 + us * 1_000),
            node: Some(PeerId(node)),
            what,
        }
    }

    fn events() -> Vec<Event> {
        let frame = Frame::from_bytes(vec![9, 9, 9]);
        let (packet, to) = (1, PeerId(1));
        let height = Height(1);
        let started = What::Started {
            incarnation: 0,
            height,
            signed: None,
        };
        let sent = What::Sent {
            packet,
            to,
            frame: frame.clone(),
        };
        let from = PeerId(0);
        vec![
            event(0, 0, 0, started),
            event(1, 1_500, 0, sent),
            event(
                2,
                2_500,
                1,
                What::Delivered {
                    packet,
                    from,
                    frame,
                },
            ),
            event(3, 1_200_000, 1, What::Crashed),
        ]
    }

    fn written(
        write: fn(&mut dyn Write, &crate::outcome::Outcome, &Filter) -> io::Result<()>,
    ) -> String {
        let mut outcome = sample::passed();
        outcome.trace = events();
        let mut out = Vec::new();
        write(&mut out, &outcome, &Filter::default()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_a_column_per_node() {
        insta::assert_snapshot!(written(write_text));
    }

    #[test]
    fn ndjson_names_its_schema_first() {
        let text = written(write_ndjson);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert!(text.starts_with("{\"schema\":\"sim.trace/1\""), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn decisions_stand_before_what_came_of_them_when_they_are_asked_for() {
        let mut outcome = sample::passed();
        outcome.trace = events();
        let made = |seq, us: u64, value| {
            let (stream, at) = (Stream::LinkLatency, [1, 1, 0, 4 << 32]);
            let decision = Decision { stream, at, value };
            (seq, Time(START.0 + us * 1_000), decision)
        };
        outcome.decisions = vec![made(2, 1_500, 7), made(2, 1_500, 8), made(3, 2_600, 9)];
        let mut filter = Filter {
            choices: true,
            to_ns: Some(2_500_000),
            ..Filter::default()
        };
        let (mut text, mut lines) = (Vec::new(), Vec::new());
        write_text(&mut text, &outcome, &filter).unwrap();
        write_ndjson(&mut lines, &outcome, &filter).unwrap();
        let both = [text, lines].concat();
        insta::assert_snapshot!(String::from_utf8(both).unwrap());
        filter.choices = false;
        let mut without = Vec::new();
        write_text(&mut without, &outcome, &filter).unwrap();
        assert!(!String::from_utf8(without).unwrap().contains("choose"));
    }

    #[test]
    fn filters_take_nodes_and_times() {
        let count = |filter: &Filter| events().iter().filter(|e| filter.takes(e)).count();
        assert_eq!(count(&Filter::default()), 4);
        let nodes = vec![1];
        let one = Filter {
            nodes,
            ..Filter::default()
        };
        assert_eq!(count(&one), 2);
        let late = Filter {
            from_ns: Some(2_500_000),
            to_ns: Some(3_000_000),
            ..one
        };
        assert_eq!(count(&late), 1);
    }

    #[test]
    fn the_digest_changes_with_every_field_and_the_first_difference_is_named() {
        let digest = |events: &[Event]| {
            let mut digest = Digest::default();
            events.iter().for_each(|event| digest.observe(event));
            digest.hex()
        };
        let all = events();
        assert_eq!(digest(&all), digest(&events()));
        assert_eq!(digest(&all).len(), 64);
        assert_eq!(first_difference(&all, &events()), None);
        for place in 0..all.len() {
            let mut other = events();
            other[place].time.0 += 1;
            assert_ne!(digest(&all), digest(&other));
            assert_eq!(first_difference(&all, &other), Some(place));
            let mut other = events();
            other[place].node = Some(PeerId(3));
            assert_ne!(digest(&all), digest(&other));
        }
        assert_eq!(first_difference(&all, &all[..3]), Some(3));
    }

    #[test]
    fn the_digest_does_not_depend_on_who_shares_a_frame() {
        let send = |frames: [Frame; 2]| {
            let mut digest = Digest::default();
            for (seq, frame) in (0..).zip(frames) {
                let (packet, to) = (seq, PeerId(1));
                digest.observe(&event(seq, 0, 0, What::Sent { packet, to, frame }));
            }
            digest.hex()
        };
        let frame = Frame::from_bytes(vec![1, 2, 3]);
        let copied = [frame.clone(), Frame::from_bytes(vec![1, 2, 3])];
        let other = [frame.clone(), Frame::from_bytes(vec![1, 2, 4])];
        assert_eq!(send([frame.clone(), frame]), send(copied.clone()));
        assert_ne!(send(copied), send(other));
    }
}
