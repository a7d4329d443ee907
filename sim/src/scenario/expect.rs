//! What must come of a scenario, and whether it did. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Situation,
    exact::{Decided, Exact, Signed},
};
use crate::{
    markers::Marker,
    outcome::{Outcome, Verdict},
    trace::{Event, What},
};

/// The verdict that a scenario must have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Everything holds.
    #[default]
    Pass,
    /// Safety breaks: more is broken than the protocol promises to bear.
    Safety,
    /// Liveness breaks.
    Liveness,
}

impl Wanted {
    /// The word in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Safety => "safety",
            Self::Liveness => "liveness",
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::Pass => Verdict::Pass,
            Self::Safety => Verdict::Safety,
            Self::Liveness => Verdict::Liveness,
        }
    }
}

/// The table `[expect]` of a scenario file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// How it must end.
    #[serde(default)]
    pub verdict: Wanted,
    /// Which oracle must fire, if one must.
    #[serde(default)]
    pub oracle: Option<String>,
    /// Who must be convicted after a fork, and nobody else; absent: whoever.
    #[serde(default)]
    pub convicted: Option<Vec<u16>>,
    /// How many heights must be decided at least.
    #[serde(default)]
    pub min_heights: u64,
    /// Some height must be decided in this round or a later one.
    #[serde(default)]
    pub min_round: u32,
    /// No height may be decided in a later round.
    #[serde(default)]
    pub max_round: Option<u32>,
    /// Kinds of fault that must have happened at least so many times; 0 means never.
    #[serde(default)]
    pub faults: BTreeMap<String, u64>,
    /// What must have occurred in the trace.
    #[serde(default)]
    pub situations: Vec<Situation>,
    /// Why nodes must have halted or refused to start: each text stands in a reason of the trace,
    /// and each reason has one of the texts, if there are any.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Markers that the run must have reached.
    #[serde(default)]
    pub markers: Vec<Marker>,
    /// What correct nodes must have signed.
    #[serde(default, rename = "vote")]
    pub signed: Vec<Signed>,
    /// What correct nodes must have decided.
    #[serde(default)]
    pub decided: Vec<Decided>,
}

/// The reasons of nodes that halted or did not start.
fn reasons(outcome: &Outcome) -> Vec<&str> {
    let mut reasons = Vec::new();
    for Event { what, .. } in &outcome.trace {
        if let What::StartRefused { reason } | What::Halted { reason } = what {
            reasons.push(reason.as_str());
        }
    }
    reasons
}

impl Expect {
    /// Whether only the events of the run can tell.
    #[must_use]
    pub fn asks_the_trace(&self) -> bool {
        !(self.situations.is_empty()
            && self.reasons.is_empty()
            && self.signed.is_empty()
            && self.decided.is_empty())
    }

    /// The expectations that an outcome does not meet, in words.
    #[must_use]
    pub fn unmet(&self, outcome: &Outcome) -> Vec<String> {
        let mut unmet = Vec::new();
        let mut demand = |met: bool, text: String| {
            if !met {
                unmet.push(text);
            }
        };
        let (wanted, got) = (self.verdict.name(), outcome.verdict);
        demand(
            got == self.verdict.verdict(),
            format!("expected the verdict {wanted}, got {got:?}").to_lowercase(),
        );
        if let Some(oracle) = &self.oracle {
            let fired: Vec<_> = outcome.violations.iter().map(|v| v.oracle).collect();
            let text = format!("expected {oracle} to fire, fired: {}", fired.join(" "));
            demand(fired.contains(&oracle.as_str()), text);
        }
        if let Some(wanted) = &self.convicted {
            let convicted = outcome.violations.iter().flat_map(|v| &v.convicted);
            let convicted: Vec<u16> = convicted.map(|node| node.0).collect();
            let text = format!("expected {wanted:?} to be convicted, convicted: {convicted:?}");
            demand(convicted == *wanted, text);
        }
        let (least, heights) = (self.min_heights, outcome.heights);
        demand(
            heights >= least,
            format!("expected {least} heights, got {heights}"),
        );
        let latest = outcome
            .rounds
            .last_key_value()
            .map_or(0, |(round, _)| *round);
        let (least, most) = (self.min_round, self.max_round.unwrap_or(u32::MAX));
        demand(
            latest >= least,
            format!("expected a decision in round {least} or later, the latest was {latest}"),
        );
        demand(
            latest <= most,
            format!("expected no decision after round {most}, the latest was {latest}"),
        );
        for (kind, least) in &self.faults {
            let count = outcome.faults.get(kind).copied().unwrap_or(0);
            let met = if *least == 0 {
                count == 0
            } else {
                count >= *least
            };
            demand(met, format!("expected {least} {kind}, got {count}"));
        }
        let given = reasons(outcome);
        for text in &self.reasons {
            let met = given.iter().any(|reason| reason.contains(text));
            demand(met, format!("nobody stopped because of: {text}"));
        }
        for reason in given.iter().filter(|_| !self.reasons.is_empty()) {
            let met = self.reasons.iter().any(|text| reason.contains(text));
            demand(met, format!("somebody stopped because of: {reason}"));
        }
        for situation in &self.situations {
            if let Err(why) = situation.occurred(outcome) {
                demand(false, format!("{} did not occur: {why}", situation.name()));
            }
        }
        unmet.extend(self.inexact(outcome));
        unmet
    }

    /// The same of markers and of what single nodes did.
    fn inexact(&self, outcome: &Outcome) -> Vec<String> {
        let missed = self.markers.iter();
        let missed = missed.filter(|marker| !outcome.reached.has(**marker));
        let mut unmet: Vec<String> = missed
            .map(|marker| format!("{marker} was not reached"))
            .collect();
        if !(self.signed.is_empty() && self.decided.is_empty()) {
            let exact = Exact::of(&outcome.trace);
            unmet.extend(self.signed.iter().flat_map(|signed| exact.unsigned(signed)));
            let decided = self.decided.iter();
            unmet.extend(decided.flat_map(|decided| exact.undecided(decided)));
        }
        unmet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn an_outcome_as_expected_leaves_nothing_unmet() {
        let expect = Expect {
            min_heights: 20,
            min_round: 4,
            max_round: Some(4),
            faults: BTreeMap::from([("crash".to_owned(), 1), ("one_way".to_owned(), 0)]),
            ..Expect::default()
        };
        assert_eq!(expect.unmet(&sample::passed()), Vec::<String>::new());
        let broken = Expect {
            verdict: Wanted::Safety,
            oracle: Some("agreement".to_owned()),
            ..Expect::default()
        };
        assert_eq!(broken.unmet(&sample::failed()), Vec::<String>::new());
    }

    #[test]
    fn each_unmet_expectation_is_named() {
        let expect = Expect {
            verdict: Wanted::Liveness,
            oracle: Some("liveness".to_owned()),
            convicted: Some(vec![3]),
            min_heights: 21,
            min_round: 5,
            max_round: Some(3),
            faults: BTreeMap::from([("crash".to_owned(), 0), ("one_way".to_owned(), 1)]),
            situations: vec![Situation::Undisturbed],
            ..Expect::default()
        };
        let unmet = expect.unmet(&sample::passed());
        insta::assert_snapshot!(unmet.join("\n"));
    }

    #[test]
    fn whoever_stops_does_so_for_an_expected_reason() {
        let mut outcome = sample::passed();
        let reason = "the log is gone".to_owned();
        outcome.trace = vec![Event {
            seq: 0,
            time: engine::types::Time(0),
            node: None,
            what: What::StartRefused { reason },
        }];
        let unmet = |reasons: &[&str]| {
            let expect = Expect {
                reasons: reasons.iter().map(ToString::to_string).collect(),
                ..Expect::default()
            };
            expect.unmet(&outcome)
        };
        assert_eq!(unmet(&[]), Vec::<String>::new(), "nothing was asked");
        assert_eq!(unmet(&["log is"]), Vec::<String>::new());
        let nobody = "nobody stopped because of: no space".to_owned();
        assert_eq!(
            unmet(&["log is", "no space"]),
            std::slice::from_ref(&nobody)
        );
        let somebody = "somebody stopped because of: the log is gone".to_owned();
        assert_eq!(unmet(&["no space"]), [nobody, somebody]);
    }
}
