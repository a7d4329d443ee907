//! The arguments, as clap reads them. No logic.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::values;
use crate::nemesis::{CryptoMode, NetworkMode, Overrides};

/// Deterministic simulation of a BFT consensus engine: one seed, one run, one verdict.
#[derive(Debug, Parser)]
#[command(name = "sim", version, propagate_version = true, after_help = AFTER)]
#[command(disable_help_subcommand = true)]
pub(super) struct Cli {
    /// Runs this seed, like `sim run --seed N`.
    #[arg(long, value_name = "N", value_parser = values::seed)]
    pub(super) seed: Option<u64>,
    #[command(flatten)]
    pub(super) bare: RunOptions,
    #[command(flatten)]
    pub(super) form: Form,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

const AFTER: &str = "\
Examples:
  sim --seed 7341                 run one seed, explain it if it fails
  sim sweep --for 10m             search for failures
  sim trace --seed 7341           what happened, event by event
  sim scenario run --all          run every kept situation

A seed is a decimal number, 0x and hexadecimal digits, or a commit hash (its first 16 digits count).

Exit codes: 0 all held, 1 the simulator failed, 2 usage, 3 safety, 4 liveness, 5 panic,
6 not deterministic, 7 damaged or invalid file, 8 nothing to run, 130 interrupted.";

/// What is measured.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Measures the write-ahead log on real files instead, in the system's temporary directory.
    #[arg(long)]
    pub(super) wal: bool,
    /// Measures the memory of ever longer runs instead.
    #[arg(long, conflicts_with = "wal")]
    pub(super) long: bool,
    /// Measures what each oracle takes of a run instead.
    #[arg(long, conflicts_with_all = ["wal", "long"])]
    pub(super) oracles: bool,
    /// How long a log is read, in MiB.
    #[arg(long, value_name = "N", default_value_t = 256, requires = "wal",
        value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(super) mib: u64,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(super) struct Form {
    /// Prints JSON instead of text.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Prints the result only.
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// Prints what the engine tells about itself to stderr, up to this level.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(super) log: Option<Log>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Log {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Log {
    /// The same as `tracing` knows it.
    pub(super) fn level(self) -> tracing::Level {
        match self {
            Self::Error => tracing::Level::ERROR,
            Self::Warn => tracing::Level::WARN,
            Self::Info => tracing::Level::INFO,
            Self::Debug => tracing::Level::DEBUG,
            Self::Trace => tracing::Level::TRACE,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs one seed and says what it found.
    Run(Run),
    /// Runs many seeds and counts what they found.
    Sweep(Sweep),
    /// Prints everything that happens in a run.
    Trace(Trace),
    /// Names the first line in which two recorded traces differ.
    Diff(Diff),
    /// Lists, runs or checks scenario files.
    #[command(subcommand)]
    Scenario(Scenario),
    /// Lists known bugs, or checks that they are still caught.
    #[command(subcommand)]
    Bugs(Bugs),
    /// Lists, runs and adds runs that once failed.
    #[command(subcommand)]
    Corpus(Corpus),
    /// Runs a schedule again, or verifies what a node has stored by replaying it.
    Replay(Replay),
    /// Shows, checks or repairs a write-ahead log.
    #[command(subcommand)]
    Wal(Wal),
    /// Measures speed and memory against their budgets.
    Bench(Bench),
    /// Explains a topic (invariants, markers) or a command.
    Help(Help),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The seed.
    #[arg(long, value_name = "N", value_parser = values::seed)]
    pub(super) seed: u64,
    /// Crashes every node at every storage call of a short run without other faults.
    #[arg(long, conflicts_with_all = ["check", "save_schedule"])]
    pub(super) crash_everywhere: bool,
    #[command(flatten)]
    pub(super) save: Save,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

/// What a run leaves, whatever it finds.
#[derive(Debug, Default, Args)]
pub(super) struct Save {
    /// Writes each node's disk, as the run leaves it, as real files below this directory.
    #[arg(long = "save-disks", id = "save_disks", value_name = "DIR")]
    pub(super) disks: Option<PathBuf>,
    /// Writes the complete plan and the digest to this file; sim replay FILE runs it again.
    #[arg(long = "save-schedule", id = "save_schedule", value_name = "FILE")]
    pub(super) schedule: Option<PathBuf>,
}

/// How a seed is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct RunOptions {
    /// Runs twice, once without containment, and compares the digests.
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) draw: Draw,
}

/// Heads the options that set what is drawn otherwise.
const DRAWN: &str = "Instead of what the seed draws";

/// What is set instead of drawn from the seed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Draw {
    /// Number of validators.
    #[arg(long, value_name = "N", help_heading = DRAWN)]
    validators: Option<u16>,
    /// Heights to decide, faults and stable period together.
    #[arg(long, value_name = "N", help_heading = DRAWN)]
    heights: Option<u64>,
    /// Number of byzantine validators.
    #[arg(long, value_name = "N", help_heading = DRAWN)]
    byzantine: Option<u16>,
    /// Which signatures; a run takes ed25519, a sweep ideal and every 16th seed both.
    #[arg(long, value_name = "KIND", help_heading = DRAWN)]
    crypto: Option<Crypto>,
    /// What carries the messages: the world's own network, or madsim's endpoints with kills.
    #[arg(long, value_name = "KIND", help_heading = DRAWN)]
    network: Option<Network>,
    /// No faults at all: nobody byzantine, nothing lost, no crashes, exact clocks.
    #[arg(long, help_heading = DRAWN)]
    no_faults: bool,
    /// Every disk is in trouble, and as many break as the others can do without.
    #[arg(long, help_heading = DRAWN, conflicts_with = "no_faults")]
    disk_faults: bool,
    /// Allows byzantine power of one third or more, where nothing is promised.
    #[arg(long, help_heading = DRAWN)]
    beyond_one_third: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Crypto {
    Ed25519,
    Ideal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    Virtual,
    Madsim,
}

impl Draw {
    /// The same as the nemesis knows it.
    pub(super) fn overrides(&self) -> Overrides {
        let crypto = self.crypto.map(|crypto| match crypto {
            Crypto::Ed25519 => CryptoMode::Ed25519,
            Crypto::Ideal => CryptoMode::Ideal,
        });
        let network = match self.network {
            Some(Network::Madsim) => NetworkMode::Madsim,
            Some(Network::Virtual) | None => NetworkMode::Virtual,
        };
        Overrides {
            validators: self.validators,
            heights: self.heights,
            byzantine: self.byzantine,
            crypto,
            network,
            no_faults: self.no_faults,
            disk_faults: self.disk_faults,
            beyond_one_third: self.beyond_one_third,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Sweep {
    /// Which seeds: A..B without B, or A.. with no end; from 0 if not given.
    #[arg(long, value_name = "A..B", value_parser = values::seeds)]
    pub(super) seeds: Option<values::Seeds>,
    /// How long, such as 30s, 10m or 1h; without it, until the last seed.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub(super) time: Option<Duration>,
    /// How many seeds at a time; all processors if not given.
    #[arg(long, short, value_name = "J", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// Fails (1) if a situation that a search must reach, a kind of fault or a byzantine behaviour
    /// never occurred.
    #[arg(long)]
    pub(super) require_markers: bool,
    /// Leaves an oracle out, to see what the others notice without it; may be given again.
    #[arg(long, value_name = "ORACLE", value_parser = values::oracle, conflicts_with = "check")]
    pub(super) without: Vec<&'static str>,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

#[derive(Debug, Args)]
pub(super) struct Trace {
    /// The seed.
    #[arg(long, value_name = "N", value_parser = values::seed)]
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(super) seed: Option<u64>,
    /// A scenario, the schedule of a failure, or its trace.ndjson, which is shown without a run.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Columns for people, or one JSON object per line.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) format: Format,
    /// Only these nodes, such as n1,n2.
    #[arg(long, value_name = "NODES", value_delimiter = ',', value_parser = values::node)]
    pub(super) nodes: Vec<u16>,
    /// Nothing before this simulated time, such as 1.1s or 1100ms.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(super) from: Option<Duration>,
    /// Nothing after this simulated time.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(super) to: Option<Duration>,
    /// Every decision that mattered, too, as an override in a schedule names it.
    #[arg(long)]
    pub(super) choices: bool,
    #[command(flatten)]
    pub(super) draw: Draw,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A trace.ndjson.
    pub(super) a: PathBuf,
    /// Another one.
    pub(super) b: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Ndjson,
}

#[derive(Debug, Subcommand)]
pub(super) enum Scenario {
    /// Lists the scenarios of a directory.
    List {
        #[command(flatten)]
        directory: Directory,
    },
    /// Runs scenarios.
    Run {
        /// The files.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        files: Vec<PathBuf>,
        /// All files of the directory.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        directory: Directory,
        /// Runs each twice, once without containment, and compares the digests.
        #[arg(long)]
        check: bool,
    },
    /// Says whether a file is a valid scenario.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Bugs {
    /// Lists the known bugs.
    List {
        #[command(flatten)]
        directory: BugDirectory,
    },
    /// Builds a patched copy of the workspace for each bug, and searches until it is found.
    Check {
        /// Which bugs; all if none is named.
        ids: Vec<String>,
        #[command(flatten)]
        directory: BugDirectory,
        /// Which seeds, A..B, instead of those that the bug's note names.
        #[arg(long, value_name = "A..B")]
        seeds: Option<String>,
        /// Writes the seed and the numbers that were found into the bug's note.
        #[arg(long)]
        record: bool,
        /// Sweeps without an oracle, to see whether the others notice the bug; may be given again.
        #[arg(long, value_name = "ORACLE", value_parser = values::oracle)]
        #[arg(conflicts_with = "record")]
        without: Vec<&'static str>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Corpus {
    /// Lists the kept runs.
    List {
        #[command(flatten)]
        list: KeptList,
    },
    /// Runs all: those whose bug is fixed must pass, the others must fail as they did.
    Run {
        #[command(flatten)]
        list: KeptList,
    },
    /// Keeps a seed that fails.
    Add {
        /// The seed.
        #[arg(long, value_name = "N", value_parser = values::seed)]
        seed: u64,
        #[command(flatten)]
        found: Found,
        #[command(flatten)]
        draw: Draw,
    },
    /// Keeps a schedule that fails: a file, the directory of a failure, or an input of the fuzz
    /// target schedule.
    Import {
        /// A schedule (*.toml), a directory with schedule.toml, or any other file as an input.
        path: PathBuf,
        #[command(flatten)]
        found: Found,
    },
}

/// Where kept runs are listed.
#[derive(Debug, Args)]
pub(super) struct KeptList {
    /// The list; its schedules are in the directory schedules beside it.
    #[arg(long = "list", id = "list", value_name = "FILE", default_value = crate::corpus::SEEDS)]
    pub(super) path: PathBuf,
}

/// What is written about a run that is kept.
#[derive(Debug, Args)]
pub(super) struct Found {
    /// The bug in one sentence.
    #[arg(long, value_name = "TEXT")]
    pub(super) title: String,
    /// The version or commit that it was found in; this version if not given.
    #[arg(long = "found-at", value_name = "VERSION")]
    pub(super) at: Option<String>,
    #[command(flatten)]
    pub(super) list: KeptList,
}

#[derive(Debug, Args)]
pub(super) struct Help {
    /// A topic: invariants, what is judged; markers, what a search must reach. Or a command, such
    /// as scenario run.
    #[arg(value_name = "TOPIC or COMMAND")]
    pub(super) about: Vec<String>,
    /// Prints a topic as docs/INVARIANTS.md and docs/MARKERS.md hold it.
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
}

#[derive(Debug, Args)]
pub(super) struct BugDirectory {
    /// Where the bugs are.
    #[arg(long = "dir", value_name = "DIR", default_value = crate::corpus::DIRECTORY)]
    pub(super) path: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A file is a schedule (of --save-schedule, or of a failure): it is run again, and the digest
    /// must be the one that it records. A directory is the data directory of a node, with
    /// genesis.toml beside or in it: what it stores is verified and never written.
    #[arg(value_name = "FILE or DIR")]
    pub(super) path: PathBuf,
    /// Steps through the log of a data directory instead: next, back, rs, n, quit.
    #[arg(long, conflicts_with = "json")]
    pub(super) console: bool,
    /// Whose data directory it is; from its name, such as n3, if not given.
    #[arg(long, value_name = "NODE", value_parser = values::node)]
    pub(super) node: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Wal {
    /// Prints the records of a log and where it ends.
    Inspect {
        /// The directory of a log, or the data directory of a node.
        dir: PathBuf,
        /// Nothing before the entry with this index.
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
        /// At most so many records.
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Says whether a log is clean, torn or damaged.
    ///
    /// A torn tail was never known to be synced: a start cuts it, and the exit code is 0. Damage to
    /// synced data is never cut: the exit code is 7.
    Verify {
        /// The directory of a log, or the data directory of a node.
        dir: PathBuf,
    },
    /// Cuts a torn tail and keeps the segment as it was beside it; refuses damage.
    Repair {
        /// The directory of a log, or the data directory of a node.
        dir: PathBuf,
        /// Says what it would do and changes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Directory {
    /// Where the scenarios are.
    #[arg(long = "dir", value_name = "DIR", default_value = "scenarios")]
    pub(super) path: PathBuf,
}
