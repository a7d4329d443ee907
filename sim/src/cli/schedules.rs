//! What the commands about schedules ask the other rooms for.

use std::path::Path;

use super::{Error, args, commands::keep, directories, origin};
use crate::{
    explore::Ending,
    outcome::Outcome,
    report::Printer,
    scenario::{self, Schedule},
};

/// Replays a schedule, or what a node has stored: a file is a schedule, a directory a data
/// directory.
pub(super) fn replay(replay: &args::Replay, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let path = &replay.path;
    if path.is_dir() {
        return directories::replay(replay, printer);
    }
    if replay.console || replay.node.is_some() {
        let path = path.display();
        let text = format!("{path} is no directory: --console and --node are about data of a node");
        return Err(Error::Usage(text));
    }
    let schedule = scenario::load_schedule(path)?;
    let origin = origin::schedule(path);
    printer.run_begins(&origin, &schedule.plan)?;
    let finished = schedule.play();
    let kept = match finished.ending() {
        // Its files would say nothing of the run that was recorded.
        Ending::Pass | Ending::NotDeterministic => None,
        Ending::Liveness | Ending::Panic | Ending::Safety | Ending::Harness => {
            keep(&origin, &finished, printer)?
        }
    };
    printer.schedule_replayed(&origin, &schedule, &finished, kept.as_ref())?;
    warn(&finished.outcome, Some(&schedule), printer)?;
    Ok(finished.ending().exit())
}

/// Names the overrides that nothing came of.
pub(super) fn warn(
    outcome: &Outcome,
    schedule: Option<&Schedule>,
    printer: &mut Printer<'_>,
) -> Result<(), Error> {
    for idle in &outcome.idle_overrides {
        let all = outcome.plan.overrides.iter();
        let place = schedule.and_then(|schedule| {
            let number = all.clone().position(|given| given == idle)?;
            let (line, column) = schedule.places.get(number)?;
            Some(format!("{}:{line}:{column}: ", schedule.path.display()))
        });
        let place = place.unwrap_or_default();
        let (stream, at) = (idle.stream, idle.at);
        printer.remark(&format!(
            "warning: {place}nothing was decided about {stream} at {at:?}; \
             trace --choices shows what was"
        ))?;
    }
    Ok(())
}

/// Writes the schedule of a run where it was asked for.
pub(super) fn save(
    path: &Path,
    origin: &crate::report::Origin,
    outcome: &Outcome,
) -> Result<(), Error> {
    crate::report::save_schedule(path, origin, outcome).map_err(|error| {
        let text = format!("{}: {error}", path.display());
        Error::Io(std::io::Error::new(error.kind(), text))
    })
}
