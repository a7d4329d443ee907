//! The report of one run.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{Kept, Origin, Printer, Style, counted, failure, grouped, json, plan, seconds};
use crate::{
    explore::{Ending, Finished},
    nemesis::Plan,
    scenario::{SOURCE, Schedule},
};

impl Printer<'_> {
    /// Says what was drawn, before it is run.
    ///
    /// # Errors
    /// What the writer says.
    pub fn run_begins(&mut self, origin: &Origin, plan: &Plan) -> io::Result<()> {
        if self.form.json || self.form.quiet {
            return Ok(());
        }
        writeln!(self.out, "{}   {}\n", origin.name, plan::summary(plan))?;
        self.out.flush()
    }

    /// Says what a run found.
    ///
    /// # Errors
    /// What the writer says.
    pub fn run_ends(
        &mut self,
        origin: &Origin,
        finished: &Finished,
        kept: Option<&Kept>,
    ) -> io::Result<()> {
        if self.form.json {
            return self.json(&json::run(finished));
        }
        let style = self.style();
        if finished.ending() == Ending::Pass {
            passed(self.out, finished, style)?;
        } else {
            failure::write(self.out, origin, finished, kept, style)?;
        }
        self.out.flush()
    }
}

impl Printer<'_> {
    /// Says what a schedule led to, and whether that is what it records.
    ///
    /// # Errors
    /// What the writer says.
    pub fn schedule_replayed(
        &mut self,
        origin: &Origin,
        schedule: &Schedule,
        finished: &Finished,
        kept: Option<&Kept>,
    ) -> io::Result<()> {
        if self.form.json {
            return self.json(&json::replayed(schedule, finished));
        }
        self.run_ends(origin, finished, kept)?;
        let line = match (&schedule.recorded, &finished.difference) {
            (None, _) => "the file records no digest to compare with".to_owned(),
            (Some(_), Some(_)) => "NOT the digest that the file records".to_owned(),
            (Some(recorded), None) if recorded.is_of_this_code() => {
                "the same digest, by the same code".to_owned()
            }
            (Some(recorded), None) => {
                let code = &recorded.source;
                format!("the same digest, though by other code: {code} then, {SOURCE} now")
            }
        };
        writeln!(self.out, "       recorded   {line}")?;
        self.out.flush()
    }
}

/// The first digits of a digest: enough to compare by eye.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

fn passed(out: &mut dyn Write, finished: &Finished, style: Style) -> io::Result<()> {
    let outcome = &finished.outcome;
    let (heights, time) = (outcome.heights, seconds(outcome.virtual_ms));
    let digest = short(&outcome.digest);
    let word = style.good("PASS");
    writeln!(
        out,
        "{word}   {heights} heights in {time}   digest {digest}"
    )?;
    figures(out, finished, style)
}

/// The figures of a run, whatever it found.
pub(super) fn figures(out: &mut dyn Write, finished: &Finished, style: Style) -> io::Result<()> {
    let outcome = &finished.outcome;
    let rounds: Vec<_> = (outcome.rounds.iter())
        .map(|(round, heights)| format!("{round}: {heights}"))
        .collect();
    let checks: u64 = outcome.oracles.values().sum();
    let oracles = counted(outcome.oracles.len() as u64, "oracle");
    writeln!(out, "       rounds     {}", rounds.join("   "))?;
    writeln!(out, "       faults     {}", counts(&outcome.faults))?;
    writeln!(
        out,
        "       checked    {oracles}, {} over {}",
        counted(checks, "check"),
        counted(outcome.events, "event")
    )?;
    let delivered = counted(outcome.messages_delivered, "message");
    writeln!(out, "       delivered  {delivered}")?;
    let wall = format!("       wall       {}", seconds(finished.wall_ms));
    writeln!(out, "{}", style.faint(&wall))
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let counts: Vec<_> = (counts.iter())
        .map(|(kind, count)| format!("{} {kind}", grouped(*count)))
        .collect();
    counts.join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Form, sample};

    fn origin() -> Origin {
        Origin {
            name: "seed 42".to_owned(),
            again: "--seed 42".to_owned(),
            trace: "trace --seed 42".to_owned(),
            directory: "42".to_owned(),
        }
    }

    fn printed(outcome: crate::outcome::Outcome, form: Form, kept: Option<Kept>) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut err, form);
        let finished = Finished {
            outcome,
            wall_ms: 812,
            difference: None,
        };
        let plan = &finished.outcome.plan;
        printer.run_begins(&origin(), plan).unwrap();
        printer
            .run_ends(&origin(), &finished, kept.as_ref())
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_passing_run_in_text() {
        let text = printed(sample::passed(), Form::default(), None);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_failing_run_in_text() {
        let kept = Kept {
            directory: "target/sim/42".into(),
        };
        let text = printed(sample::failed(), Form::default(), Some(kept));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_panic_in_text() {
        let mut outcome = sample::failed();
        outcome.verdict = crate::outcome::Verdict::Panic;
        outcome.violations.clear();
        outcome.panic = Some("core/src/x.rs:1: a vote counted twice".to_owned());
        let text = printed(outcome, Form::default(), None);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn two_runs_that_differ_in_text() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut err, Form::default());
        let difference = Some(crate::explore::Difference {
            digests: ["aa".repeat(32), "bb".repeat(32)],
            event: Some(18_402),
            facts: vec!["contained: {\"seq\":1}".to_owned(), "plain: {}".to_owned()],
        });
        let finished = Finished {
            outcome: sample::passed(),
            wall_ms: 812,
            difference,
        };
        printer.run_ends(&origin(), &finished, None).unwrap();
        assert_eq!(finished.ending().exit(), 6);
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn json_has_the_fields_of_the_design_and_no_others() {
        let json = true;
        let form = Form {
            json,
            ..Form::default()
        };
        let text = printed(sample::failed(), form, None);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut fields: Vec<_> = value.as_object().unwrap().keys().collect();
        fields.sort();
        let expected = [
            "digest",
            "exit",
            "faults",
            "heights",
            "messages_delivered",
            "oracles",
            "schema",
            "seed",
            "validators",
            "verdict",
            "violations",
            "virtual_ms",
            "wall_ms",
        ];
        assert_eq!(fields, expected);
        assert_eq!(value["schema"], "sim.run/1");
        assert_eq!(
            (&value["exit"], &value["verdict"]),
            (&3.into(), &"safety".into())
        );
        let broken = &value["violations"][0];
        for field in ["oracle", "height", "nodes", "facts", "what"] {
            assert!(!broken[field].is_null(), "{field}");
        }
    }

    #[test]
    fn colours_only_when_asked_for() {
        let colour = true;
        let form = Form {
            colour,
            ..Form::default()
        };
        assert!(printed(sample::passed(), form, None).contains('\u{1b}'));
        assert!(!printed(sample::passed(), Form::default(), None).contains('\u{1b}'));
    }
}
