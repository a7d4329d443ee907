//! The report of a run that failed, in the order in which a person wants it: what broke; where and
//! when; the contradicting facts; the rule; how to see it again.

use std::io::{self, Write};

use super::{COMMAND, Kept, Origin, Style, grouped, run, seconds};
use crate::explore::{Ending, Finished};

/// What broke, brought into one form whatever it was.
struct Broken {
    sentence: String,
    place: String,
    facts: Vec<String>,
    rule: Option<String>,
}

pub(super) fn write(
    out: &mut dyn Write,
    origin: &Origin,
    finished: &Finished,
    kept: Option<&Kept>,
    style: Style,
) -> io::Result<()> {
    let broken = broken(finished);
    writeln!(out, "{}   {}\n", style.bad("FAIL"), broken.sentence)?;
    writeln!(out, "       {}", broken.place)?;
    for fact in broken.facts.iter().flat_map(|fact| fact.lines()) {
        writeln!(out, "       {fact}")?;
    }
    writeln!(out)?;
    if let Some(rule) = broken.rule {
        writeln!(out, "  rule     {rule}\n")?;
    }
    run::figures(out, finished, style)?;
    writeln!(out, "\n  exit     {}", finished.ending().exit())?;
    if let Some(kept) = kept {
        writeln!(out, "  kept     {}", kept.directory.display())?;
    }
    writeln!(out, "  trace    {COMMAND} {}", origin.trace)?;
    writeln!(out, "  again    {COMMAND} {}", origin.again)
}

fn broken(finished: &Finished) -> Broken {
    let outcome = &finished.outcome;
    let stopped = format!("stopped at {}", seconds(outcome.virtual_ms));
    let digest = format!("digest {}", run::short(&outcome.digest));
    let message = outcome.panic.as_deref().unwrap_or("no message");
    let ending = finished.ending();
    if let (Ending::NotDeterministic, Some(difference)) = (ending, &finished.difference) {
        let place = difference.event.map_or_else(
            || "the first different event was not found".to_owned(),
            |event| format!("first different event: number {}", grouped(event)),
        );
        let [first, second] = &difference.digests;
        let mut facts = vec![format!(
            "digests {} and {}",
            run::short(first),
            run::short(second)
        )];
        facts.extend(difference.facts.iter().cloned());
        return Broken {
            sentence: "determinism: two runs of one plan were not the same".to_owned(),
            place,
            facts,
            rule: Some("the same plan gives the same events".to_owned()),
        };
    }
    if let Some(violation) = outcome.violations.first() {
        let nodes: Vec<_> = violation.nodes.iter().map(ToString::to_string).collect();
        let mut place = Vec::new();
        if !nodes.is_empty() {
            place.push(format!("nodes {}", nodes.join(" ")));
        }
        if let Some(height) = violation.height {
            place.push(format!("height {height}"));
        }
        place.extend([stopped, digest]);
        return Broken {
            sentence: format!("{}: {}", violation.oracle, violation.what),
            place: place.join("   "),
            facts: violation.facts.clone(),
            rule: Some(violation.rule.to_owned()),
        };
    }
    let (who, rule) = match ending {
        Ending::Panic => (
            "the engine panicked",
            Some("the engine's assertions hold".to_owned()),
        ),
        Ending::Harness => ("the simulator itself failed", None),
        Ending::Pass | Ending::Safety | Ending::Liveness | Ending::NotDeterministic => {
            ("no oracle says why", None)
        }
    };
    Broken {
        sentence: format!("{}: {who}", ending.name()),
        place: format!("{stopped}   {digest}"),
        facts: vec![message.to_owned()],
        rule,
    }
}
