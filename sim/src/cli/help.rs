//! What `sim help` says: about a topic, or about a command.

use clap::{Command, CommandFactory};

use super::{
    Error,
    args::{Cli, Help},
};
use crate::{markers, oracle, report::Printer};

/// The topics that are no commands.
const INVARIANTS: &str = "invariants";
const MARKERS: &str = "markers";

pub(super) fn help(help: &Help, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let words: Vec<&str> = help.about.iter().map(String::as_str).collect();
    match words.as_slice() {
        [INVARIANTS] if help.markdown => printer.raw(oracle::document().as_bytes())?,
        [INVARIANTS] => printer.invariants()?,
        [MARKERS] if help.markdown => printer.raw(markers::document().as_bytes())?,
        [MARKERS] => printer.markers()?,
        _ if help.markdown => {
            let text = "--markdown is for sim help invariants and sim help markers";
            return Err(Error::Usage(text.to_owned()));
        }
        names => printer.raw(command(names)?.as_bytes())?,
    }
    Ok(0)
}

/// The help of a command.
fn command(names: &[&str]) -> Result<String, Error> {
    let mut command = Cli::command();
    command.build();
    for name in names {
        command = match command.find_subcommand(name) {
            Some(found) => found.clone(),
            None => return Err(unknown(name, &command)),
        };
    }
    Ok(command.render_help().to_string())
}

fn unknown(name: &str, command: &Command) -> Error {
    let commands: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    let known = if command.get_name() == "sim" {
        format!(
            "topics: {INVARIANTS}, {MARKERS}; commands: {}",
            commands.join(", ")
        )
    } else {
        format!("there are: {}", commands.join(", "))
    };
    Error::Usage(format!("nothing is known about '{name}'; {known}"))
}
