//! Reads a trace that was written as NDJSON, and compares two. Pure: bytes in, lines out.

use serde::de::DeserializeOwned;

use super::{
    line::Line,
    write::{Header, SCHEMA},
};

/// A trace as it was written: of a whole run, or of what a filter took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The first line.
    pub header: Header,
    /// The others.
    pub lines: Vec<Line>,
}

/// Why bytes are no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {what}", .at.0, .at.1)]
pub struct Unreadable {
    /// Line and column, both from 1.
    pub at: (usize, usize),
    /// What is wrong there.
    pub what: String,
}

impl Recording {
    /// Reads a trace in the form that [`write_ndjson`](super::write_ndjson) writes. Keys that this
    /// version does not know are passed over: a later one may add some.
    ///
    /// # Errors
    /// The first place where it is no trace, goes back in time, or ends before its end.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = text(bytes)?;
        let mut numbered = (1..).zip(text.lines());
        let (_, first) = numbered.next().ok_or_else(|| {
            let what = "empty: the first line of a trace names its schema";
            unreadable(1, 1, what.to_owned())
        })?;
        let header: Header = parse(1, first)?;
        if header.schema != SCHEMA {
            let what = format!("schema \"{}\": this reads \"{SCHEMA}\"", header.schema);
            return Err(unreadable(1, 1, what));
        }
        let mut lines = Vec::new();
        let mut order = Order::default();
        for (number, line) in numbered {
            let line: Line = parse(number, line)?;
            let checked = order.check(&header, &line);
            checked.map_err(|what| unreadable(number, 1, what))?;
            lines.push(line);
        }
        let (promised, found) = (header.events, order.events);
        if promised != found {
            let what =
                format!("{found} events, and the header names {promised}: not the whole file");
            return Err(unreadable(lines.len() + 1, 1, what));
        }
        Ok(Self { header, lines })
    }
}

/// The place of the first line in which two traces differ; `None` if they are the same.
#[must_use]
pub fn first_different_line(a: &[Line], b: &[Line]) -> Option<usize> {
    let both = a.iter().zip(b).position(|(x, y)| x != y);
    both.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// What the lines so far demand of the next.
#[derive(Debug, Default)]
struct Order {
    events: usize,
    next_seq: u64,
    time_ns: u64,
}

impl Order {
    fn check(&mut self, header: &Header, line: &Line) -> Result<(), String> {
        if line.seq < self.next_seq {
            let last = self.next_seq - 1;
            return Err(format!("event {} after event {last}", line.seq));
        }
        if line.time_ns < self.time_ns {
            let (now, then) = (line.time_ns, self.time_ns);
            return Err(format!("{now} ns after {then} ns: time goes back"));
        }
        if let Some(node) = line.node.filter(|node| node.0 >= header.validators) {
            let nodes = header.validators;
            return Err(format!("{node}: the run had {nodes} nodes, from n0"));
        }
        self.time_ns = line.time_ns;
        if !line.is_decision() {
            self.next_seq = line.seq.saturating_add(1);
            self.events += 1;
        }
        Ok(())
    }
}

fn unreadable(line: usize, column: usize, what: String) -> Unreadable {
    let at = (line, column);
    Unreadable { at, what }
}

fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n');
        let column = before.len() - start.map_or(0, |newline| newline + 1) + 1;
        unreadable(line, column, "not UTF-8".to_owned())
    })
}

fn parse<T: DeserializeOwned>(number: usize, line: &str) -> Result<T, Unreadable> {
    serde_json::from_str(line).map_err(|error| {
        let text = error.to_string();
        // Its place is within this line alone.
        let what = text
            .rsplit_once(" at line ")
            .map_or(&*text, |(what, _)| what);
        unreadable(number, error.column().max(1), what.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        r#"{"schema":"sim.trace/1","seed":1,"validators":2,"digest":"ab","events":2}"#;

    fn read(lines: &[&str]) -> Result<Recording, String> {
        Recording::read(lines.join("\n").as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_trace_with_decisions_and_unknown_keys_is_read() {
        let read = read(&[
            HEADER,
            r#"{"seq":4,"time_ns":7,"node":"n1","event":"crashed","why":"unknown"}"#,
            r#"{"seq":5,"time_ns":7,"event":"chosen","stream":"tie","at":[1,0,0,9],"value":3}"#,
            r#"{"seq":5,"time_ns":9,"event":"healed","core":["n0","n1"]}"#,
        ]);
        let lines = read.unwrap().lines;
        let said: Vec<String> = lines.iter().map(|line| line.detail.to_string()).collect();
        let chosen = "choose tie at [1, 0, 0, 9]: 3";
        assert_eq!(said, ["crash", chosen, "healed; core n0 n1"]);
    }

    #[test]
    fn each_thing_that_is_wrong_is_named_with_its_place() {
        let crash = r#"{"seq":4,"time_ns":7,"node":"n1","event":"crashed"}"#;
        let word = r#"{"seq":5,"time_ns":7,"node":"n1","event":"crushed"}"#;
        let early = r#"{"seq":5,"time_ns":6,"node":"n1","event":"crashed"}"#;
        let far = r#"{"seq":5,"time_ns":7,"node":"n2","event":"crashed"}"#;
        let spelt = r#"{"seq":5,"time_ns":7,"node":"n01","event":"crashed"}"#;
        let schema = HEADER.replace("trace/1", "trace/2");
        for (lines, complaint) in [
            (vec![], "1:1: empty"),
            (vec!["[]"], "1:2: "),
            (
                vec![&*schema],
                "1:1: schema \"sim.trace/2\": this reads \"sim.trace/1\"",
            ),
            (vec![HEADER], "1:1: 0 events, and the header names 2"),
            (vec![HEADER, crash], "2:1: 1 events, and the header names 2"),
            (vec![HEADER, crash, crash], "3:1: event 4 after event 4"),
            (
                vec![HEADER, crash, early],
                "3:1: 6 ns after 7 ns: time goes back",
            ),
            (vec![HEADER, crash, far], "3:1: n2: the run had 2 nodes"),
            (vec![HEADER, crash, word], "unknown variant `crushed`"),
            (vec![HEADER, crash, spelt], "\"n01\" is no node"),
            (vec![HEADER, crash, &crash[..20]], "3:20: "),
        ] {
            let said = read(&lines).unwrap_err();
            assert!(said.contains(complaint), "{said} instead of {complaint}");
        }
        let said = Recording::read(b"ab\ncd\xff").unwrap_err();
        assert_eq!(said.to_string(), "2:3: not UTF-8");
    }

    #[test]
    fn the_first_different_line_is_found_and_a_longer_trace_differs_after_the_shorter() {
        let line = |seq| -> Line {
            parse(
                1,
                &format!(r#"{{"seq":{seq},"time_ns":0,"event":"crashed"}}"#),
            )
            .unwrap()
        };
        let all = [line(0), line(1), line(2)];
        assert_eq!(first_different_line(&all, &all), None);
        assert_eq!(first_different_line(&all, &all[..2]), Some(2));
        assert_eq!(first_different_line(&all, &[line(0), line(2)]), Some(1));
    }
}
