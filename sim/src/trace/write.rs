//! How traces are written: text in columns for people, NDJSON for programs.
//!
//! Times are virtual, counted from the start of the run. Writes where it is told to; touches
//! nothing else. The words of the events are in `line.rs`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::{Deserialize, Serialize};

use super::line::{Line, Node, since_start};
use crate::{outcome::Outcome, trace::Event};

/// The version of the NDJSON form, in its first line.
pub(super) const SCHEMA: &str = "sim.trace/1";

/// Which lines are written. The default is all events.
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
        self.covers(event.node.map(Node::from), since_start(event.time))
    }

    /// Whether a line is written.
    #[must_use]
    pub fn takes_line(&self, line: &Line) -> bool {
        let wanted = self.choices || !line.is_decision();
        wanted && self.covers(line.node, line.time_ns)
    }

    fn covers(&self, node: Option<Node>, at: u64) -> bool {
        node.is_none_or(|node| self.nodes.is_empty() || self.nodes.contains(&node.0))
            && self.from_ns.is_none_or(|from| at >= from)
            && self.to_ns.is_none_or(|to| at <= to)
    }
}

/// A time in seconds with six decimals.
pub(crate) fn seconds(ns: u64) -> String {
    let us = ns / 1_000;
    format!("{}.{:06}s", us / 1_000_000, us % 1_000_000)
}

/// The first line of an NDJSON trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the form.
    pub schema: String,
    /// The seed of the run.
    pub seed: u64,
    /// How many nodes it had.
    pub validators: u16,
    /// The digest of all its events.
    pub digest: String,
    /// How many events follow, decisions not counted.
    pub events: usize,
}

impl Header {
    /// The header of the events of a run that a filter takes.
    #[must_use]
    pub fn of(outcome: &Outcome, filter: &Filter) -> Self {
        let taken = outcome.trace.iter().filter(|event| filter.takes(event));
        Self {
            schema: SCHEMA.to_owned(),
            seed: outcome.plan.seed,
            validators: u16::try_from(outcome.plan.powers.len()).unwrap_or(u16::MAX),
            digest: outcome.digest.clone(),
            events: taken.count(),
        }
    }
}

/// The lines of a run: its events, and each decision before the event that came of it.
pub fn lines(outcome: &Outcome) -> impl Iterator<Item = Line> {
    let mut decisions = outcome.decisions.iter().peekable();
    let mut events = outcome.trace.iter().peekable();
    std::iter::from_fn(move || {
        let next = events.peek()?;
        match decisions.next_if(|(seq, ..)| *seq <= next.seq) {
            Some(made) => Some(Line::chosen(made)),
            None => events.next().map(Line::of),
        }
    })
}

/// Writes a trace as one JSON object per line, after a header that names the schema and the run.
///
/// # Errors
/// What the writer says.
pub fn write_ndjson(
    out: &mut dyn Write,
    header: &Header,
    lines: impl IntoIterator<Item = Line>,
    filter: &Filter,
) -> io::Result<()> {
    serde_json::to_writer(&mut *out, header)?;
    writeln!(out)?;
    for line in lines {
        if filter.takes_line(&line) {
            serde_json::to_writer(&mut *out, &line)?;
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
    header: &Header,
    lines: impl IntoIterator<Item = Line>,
    filter: &Filter,
) -> io::Result<()> {
    let nodes: Vec<Node> = (0..header.validators)
        .filter(|node| filter.nodes.is_empty() || filter.nodes.contains(node))
        .map(Node)
        .collect();
    write!(out, "{:>13} ", "time")?;
    for node in &nodes {
        write!(out, " {:<3}", node.to_string())?;
    }
    writeln!(out, "  {:<56}  height/round/step", "event")?;
    let mut places: BTreeMap<Node, String> = BTreeMap::new();
    for line in lines {
        if let (Some(node), Some(place)) = (line.node, line.detail.place()) {
            places.insert(node, place.to_owned());
        }
        if filter.takes_line(&line) {
            let place = line.node.and_then(|node| places.get(&node));
            row(out, &nodes, &line, place)?;
        }
    }
    Ok(())
}

fn row(out: &mut dyn Write, nodes: &[Node], line: &Line, place: Option<&String>) -> io::Result<()> {
    write!(out, "{:>13} ", seconds(line.time_ns))?;
    for node in nodes {
        let here = line.node.is_none_or(|it| it == *node);
        let mark = if here { line.detail.glyph() } else { "" };
        write!(out, " {mark:<3}")?;
    }
    let text = line.detail.to_string();
    match place {
        Some(place) => writeln!(out, "  {text:<56}  {place}"),
        None => writeln!(out, "  {text}"),
    }
}

#[cfg(test)]
mod tests {
    use engine::{
        codec::Frame,
        types::{Height, PeerId, Time},
    };

    use super::*;
    use crate::{
        choice::{Decision, Stream},
        clock::START,
        report::sample,
        trace::{Digest, What, first_difference},
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

    fn outcome() -> Outcome {
        let mut outcome = sample::passed();
        outcome.trace = events();
        outcome
    }

    fn text(outcome: &Outcome, filter: &Filter) -> String {
        let mut out = Vec::new();
        let header = Header::of(outcome, filter);
        write_text(&mut out, &header, lines(outcome), filter).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn ndjson(outcome: &Outcome, filter: &Filter) -> String {
        let mut out = Vec::new();
        let header = Header::of(outcome, filter);
        write_ndjson(&mut out, &header, lines(outcome), filter).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_a_column_per_node() {
        insta::assert_snapshot!(text(&outcome(), &Filter::default()));
    }

    #[test]
    fn ndjson_names_its_schema_first() {
        let text = ndjson(&outcome(), &Filter::default());
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert!(text.starts_with("{\"schema\":\"sim.trace/1\""), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn decisions_stand_before_what_came_of_them_when_they_are_asked_for() {
        let mut outcome = outcome();
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
        let both = text(&outcome, &filter) + &ndjson(&outcome, &filter);
        insta::assert_snapshot!(both);
        filter.choices = false;
        assert!(!text(&outcome, &filter).contains("choose"));
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
