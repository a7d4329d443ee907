//! The command line: arguments in, report out. Decides nothing but which room is asked.

mod args;
mod commands;
mod directories;
mod help;
mod kept;
mod origin;
mod schedules;
mod traces;
mod values;

use std::{
    io::{self, BufWriter, ErrorKind, IsTerminal, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, error::ErrorKind as UsageKind};

use crate::{
    corpus::CorpusError,
    datadir::NotFound,
    report::{self, Form, Printer},
    scenario::Invalid,
};
use args::{Cli, Command, RunOptions, Save};

/// Why a command came to no verdict.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// A file is damaged or invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Something of the corpus cannot be used.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A data directory is missing or incomplete.
    #[error(transparent)]
    Directory(#[from] NotFound),
    /// There is nothing to run.
    #[error("{0}")]
    Nothing(String),
    /// The result could not be printed, or what a command needs could not be had.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    fn exit(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Invalid(_) | Self::Directory(_) => 7,
            Self::Nothing(_) => 8,
            Self::Corpus(CorpusError::Unknown { .. }) => 2,
            Self::Corpus(CorpusError::Note { .. }) => 7,
            Self::Corpus(CorpusError::Io { .. } | CorpusError::Build(_)) => 1,
            // Whoever read the result has seen enough.
            Self::Io(error) if error.kind() == ErrorKind::BrokenPipe => 0,
            Self::Io(_) => 1,
        }
    }
}

/// The exit code of an interrupted command.
const INTERRUPTED: u8 = 130;

/// Does what the arguments of the process say.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout, complaints to stderr; a closed pipe is nobody's fault.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Some(log) = cli.form.log {
        report::log_engine(log.level(), io::stderr);
    }
    let (stdout, stderr) = (io::stdout(), io::stderr());
    // The named exception to the ban on the environment: https://no-color.org.
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let form = Form {
        json: cli.form.json,
        quiet: cli.form.quiet,
        colour: stdout.is_terminal() && !no_colour,
        terminal: stderr.is_terminal(),
    };
    let (mut out, mut err) = (BufWriter::new(stdout.lock()), stderr);
    let mut printer = Printer::new(&mut out, &mut err, form);
    let done = dispatch(cli, &mut printer);
    let code = match done {
        Ok(code) => code,
        Err(error) => {
            let code = error.exit();
            if code != 0 {
                let _ = printer.complain(&error);
            }
            code
        }
    };
    drop(printer);
    let _ = out.flush();
    ExitCode::from(code)
}

/// The arguments, with those mistakes that clap does not find.
fn parsed() -> Result<Cli, clap::Error> {
    let cli = Cli::try_parse()?;
    let complaint = |kind, text: &str| Err(Cli::command().error(kind, text));
    let bare = cli.seed.is_some() || cli.bare != RunOptions::default();
    match (&cli.command, cli.seed) {
        (Some(_), _) if bare => complaint(
            UsageKind::ArgumentConflict,
            "options of a run stand after the command, such as sim run --seed 1 --validators 4",
        ),
        (None, None) => complaint(
            UsageKind::MissingRequiredArgument,
            "nothing to do; try sim --seed 1, or sim --help",
        ),
        (Some(_), _) | (None, Some(_)) => Ok(cli),
    }
}

fn dispatch(cli: Cli, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let Some(command) = cli.command else {
        let seed = cli.seed.unwrap_or(0);
        return commands::run(seed, &cli.bare, &Save::default(), printer);
    };
    match command {
        Command::Run(run) if run.crash_everywhere => {
            commands::crash_everywhere(run.seed, &run.options, printer)
        }
        Command::Run(run) => commands::run(run.seed, &run.options, &run.save, printer),
        Command::Sweep(sweep) => commands::sweep(&sweep, printer),
        Command::Trace(trace) => traces::trace(&trace, printer),
        Command::Diff(diff) => traces::diff(&diff, printer),
        Command::Scenario(scenario) => commands::scenario(&scenario, printer),
        Command::Bugs(bugs) => commands::bugs(&bugs, printer),
        Command::Corpus(corpus) => kept::corpus(&corpus, printer),
        Command::Wal(wal) => directories::wal(&wal, printer),
        Command::Replay(replay) => schedules::replay(&replay, printer),
        Command::Help(about) => help::help(&about, printer),
        Command::Bench(bench) => commands::bench(&bench, printer),
        Command::Completions { shell } => {
            // Into memory first: the generator panics if it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sim", &mut script);
            printer.raw(&script)?;
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_contradict_nothing() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_have_the_exit_codes_of_the_design() {
        let io = |kind| Error::Io(io::Error::from(kind));
        assert_eq!(Error::Usage(String::new()).exit(), 2);
        assert_eq!(Error::Nothing(String::new()).exit(), 8);
        assert_eq!(io(ErrorKind::BrokenPipe).exit(), 0);
        assert_eq!(io(ErrorKind::StorageFull).exit(), 1);
        let invalid = Invalid::whole("x.toml".as_ref(), "broken");
        assert_eq!(Error::from(invalid).exit(), 7);
    }
}
