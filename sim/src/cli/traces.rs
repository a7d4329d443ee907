//! What the commands about traces ask the other rooms for.

use std::{fs, path::Path};

use super::{Error, args, commands::TRACED, schedules};
use crate::{
    explore::{self, Ending},
    nemesis::draw,
    report::{Printer, TraceForm},
    scenario::{self, Invalid},
    trace::{self, Filter, Header, Recording, first_different_line},
};

/// Runs something and shows what happens, or shows what was recorded.
pub(super) fn trace(trace: &args::Trace, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let form = match (trace.format, printer.form().json) {
        (args::Format::Ndjson, _) | (_, true) => TraceForm::Ndjson,
        (args::Format::Text, false) => TraceForm::Text,
    };
    if let Some(path) = trace.file.as_deref().filter(|path| is_recording(path)) {
        return recorded(path, trace, form, printer);
    }
    let schedule = trace.file.as_deref().map(scenario::load_schedule);
    let schedule = schedule.transpose()?;
    let plan = match &schedule {
        Some(schedule) => schedule.plan.clone(),
        None => {
            let seed = trace.seed.unwrap_or(0);
            draw(seed, &trace.draw.overrides()).map_err(Error::Usage)?
        }
    };
    let filter = filter(trace, plan.powers.len())?;
    let outcome = explore::run_one(&plan, TRACED, false).outcome;
    let header = Header::of(&outcome, &filter);
    printer.trace(&header, trace::lines(&outcome), form, &filter)?;
    let ending = Ending::of(outcome.verdict);
    schedules::warn(&outcome, schedule.as_ref(), printer)?;
    let (name, heights) = (ending.name(), outcome.heights);
    printer.remark(&format!(
        "the run ended with {name} after {heights} heights"
    ))?;
    Ok(ending.exit())
}

/// Schedules and scenarios are TOML.
fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "ndjson")
}

fn recorded(
    path: &Path,
    trace: &args::Trace,
    form: TraceForm,
    printer: &mut Printer<'_>,
) -> Result<u8, Error> {
    let Recording { header, lines } = read(path)?;
    let filter = filter(trace, usize::from(header.validators))?;
    let taken = lines.iter().filter(|line| filter.takes_line(line));
    let header = Header {
        events: taken.filter(|line| !line.is_decision()).count(),
        ..header
    };
    printer.trace(&header, lines, form, &filter)?;
    Ok(0)
}

fn filter(trace: &args::Trace, nodes: usize) -> Result<Filter, Error> {
    if let Some(node) = trace.nodes.iter().find(|node| usize::from(**node) >= nodes) {
        let text = format!("there is no n{node}: the run has n0 to n{}", nodes - 1);
        return Err(Error::Usage(text));
    }
    let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Ok(Filter {
        nodes: trace.nodes.clone(),
        from_ns: trace.from.map(nanos),
        to_ns: trace.to.map(nanos),
        choices: trace.choices,
    })
}

fn read(path: &Path) -> Result<Recording, Error> {
    let bytes = fs::read(path).map_err(|error| Invalid::whole(path, &error.to_string()))?;
    let read = Recording::read(&bytes).map_err(|unreadable| Invalid {
        path: path.to_owned(),
        at: Some(unreadable.at),
        message: unreadable.what,
    });
    Ok(read?)
}

/// Names the first line in which two recorded traces differ.
pub(super) fn diff(diff: &args::Diff, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let (a, b) = (read(&diff.a)?, read(&diff.b)?);
    let place = first_different_line(&a.lines, &b.lines);
    let ending = if place.is_some() || a.header.digest != b.header.digest {
        Ending::NotDeterministic
    } else {
        Ending::Pass
    };
    printer.traces_compared([&a, &b], place, ending)?;
    Ok(ending.exit())
}
