//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::scenario::{SqlFiles, value};
use crate::seeds::{self, Seeds};

/// A deterministic simulation testbed for replicated SQLite databases.
#[derive(Debug, Parser)]
#[command(
    version,
    bin_name = "cargo sim",
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_long_help = "\
Examples:
  cargo sim demo                                 one system diverges, one holds
  cargo sim run                                  every scenario with its own seeds
  cargo sim run scenarios/power --seeds 1..1000  one folder, a thousand seeds each
  cargo sim run scenarios/power/leader.toml --seed 7
                                                 one run, shown as a timeline
  cargo sim replay scenarios/power/leader.toml --seed 7 --from 0.9s --node n3
                                                 the same run in every detail
  cargo sim run --schema my.sql --workload ops.sql
                                                 your own SQL, without a scenario
  cargo sim new power/my-case                    a commented scenario to begin with

Exit codes: 0 pass, 1 a property failed, 2 bad scenario or usage, 3 vacuous
(the run shows nothing), 4 nondeterministic, 101 a bug in the testbed."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, those that people need first at the top.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and judge what comes of them
    Run(RunArguments),
    /// Run one seed again and show everything that happens in it
    Replay(ReplayArguments),
    /// Write a commented scenario to begin with: scenarios/NAME.toml
    New {
        /// The scenario's name, with its folder: power/my-case
        name: String,
    },
    /// List scenarios with their seeds and what they are about
    List {
        /// Scenario files, or folders to search for them
        #[arg(default_value = "scenarios")]
        paths: Vec<PathBuf>,
    },
    /// Check scenario files without running them
    Check {
        /// Scenario files, or folders to search for them
        #[arg(default_value = "scenarios")]
        paths: Vec<PathBuf>,
        /// Print each scenario with every default filled in
        #[arg(long)]
        show: bool,
        /// With what this seed makes of it: concrete faults in the place of random ones
        #[arg(long, requires = "show")]
        seed: Option<u64>,
    },
    /// Run one scenario on two systems: see one diverge and the other hold
    Demo,
}

/// `run`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  cargo sim run scenarios/power/leader.toml --seed 7
  cargo sim run --seeds 1..1000 --jobs 2 --keep-going
  cargo sim run scenarios/demo --system statement-shipping
  cargo sim run --json | jq 'select(.status != \"pass\") | .replay'
  cargo sim run --schema my.sql --workload ops.sql --seeds 1..100
  cargo sim run --schema my.sql --workload ops.sql --show > scenarios/mine.toml

A scenario whose [expect] names systems in `fails` is run on those as well with
its own seeds, and passes there if its first failure is a property named. Other
seeds run on its own system only.")]
pub struct RunArguments {
    /// Scenario files, or folders to search for them
    #[arg(default_value = "scenarios", conflicts_with = "schema")]
    pub paths: Vec<PathBuf>,
    /// Run this seed instead of the scenarios' own
    #[arg(long, value_name = "N", conflicts_with = "seeds", value_parser = seeds::number)]
    pub seed: Option<u64>,
    /// Run these seeds, both ends included, instead of the scenarios' own
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<Seeds>,
    /// How many runs at a time, each in a process of its own [default: the number of cores]
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Run on this system instead of the scenarios' own
    #[arg(long, value_name = "NAME")]
    pub system: Option<String>,
    /// Print one JSON object a run, one a line, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Go on after a failure and group all failures at the end
    #[arg(long)]
    pub keep_going: bool,
    /// The user's own SQL instead of scenario files.
    #[command(flatten)]
    pub sql: SqlArguments,
    /// Print the scenario that --schema and --workload make, with every default filled in, and run nothing
    #[arg(long, help_heading = OWN_SQL, requires = "schema")]
    pub show: bool,
}

/// The heading of what takes the place of a scenario file.
const OWN_SQL: &str = "Your own SQL, without a scenario file";

/// The user's own SQL in place of a scenario file.
#[derive(Debug, Args)]
pub struct SqlArguments {
    /// Set up the tables of this file of SQL
    #[arg(long, help_heading = OWN_SQL, value_name = "FILE", requires = "workload")]
    schema: Option<String>,
    /// Let clients do the operations of this file of SQL: every statement is one, BEGIN; … COMMIT; makes one of several
    #[arg(long, help_heading = OWN_SQL, value_name = "FILE", requires = "schema")]
    workload: Option<String>,
    /// How many voters the cluster has [default: 3]
    #[arg(long, help_heading = OWN_SQL, value_name = "N", requires = "schema", value_parser = clap::value_parser!(u32).range(1..=9))]
    voters: Option<u32>,
    /// How many clients there are [default: 4]
    #[arg(long, help_heading = OWN_SQL, value_name = "N", requires = "schema", value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: Option<u32>,
    /// How many operations they do in all [default: 200]
    #[arg(long, help_heading = OWN_SQL, value_name = "N", requires = "schema", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    ops: Option<u64>,
}

impl SqlArguments {
    /// The files, if they are given.
    pub fn files(&self) -> Option<SqlFiles> {
        Some(SqlFiles {
            schema: self.schema.clone()?,
            workload: self.workload.clone()?,
            voters: self.voters.unwrap_or(SqlFiles::VOTERS),
            clients: self.clients.unwrap_or(SqlFiles::CLIENTS),
            ops: self.ops.unwrap_or(SqlFiles::OPS),
        })
    }
}

/// `replay`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  cargo sim replay scenarios/power/leader.toml --seed 7
  cargo sim replay scenarios/power/leader.toml --seed 7 --from 0.9s --until 1.2s
  cargo sim replay scenarios/power/leader.toml --seed 7 --node n3 --only raft,log
  cargo sim replay scenarios/consistency/append-text.toml --seed 7 --elle history.json")]
pub struct ReplayArguments {
    /// The scenario file
    #[arg(required_unless_present = "schema", conflicts_with = "schema")]
    pub file: Option<PathBuf>,
    /// The seed
    #[arg(long, value_name = "N", value_parser = seeds::number)]
    pub seed: u64,
    /// Run on this system instead of the scenario's own
    #[arg(long, value_name = "NAME")]
    pub system: Option<String>,
    /// Show only what happens from this simulated time on, such as 0.9s or 200ms
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub from: Option<Duration>,
    /// Show only what happens up to this simulated time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub until: Option<Duration>,
    /// Show only what happens on this node, such as n3
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// Show only these families of events, separated by commas: client, disk, fault, log, network, raft, sqlite, world
    #[arg(long, value_name = "FAMILIES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Also write what the clients of append workloads saw to this file, one JSON object a line, as Elle reads it
    #[arg(long, value_name = "FILE")]
    pub elle: Option<PathBuf>,
    /// The user's own SQL instead of a scenario file.
    #[command(flatten)]
    pub sql: SqlArguments,
}

/// A simulated time, as scenarios write it.
fn duration(text: &str) -> Result<Duration, String> {
    value::duration(text).map_err(|wrong| {
        let remedy = wrong.help.unwrap_or(wrong.label);
        format!("{}: {remedy}", wrong.title)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_replay_and_new_come_first_in_the_help() {
        let command = Arguments::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(names[..3], ["run", "replay", "new"]);
    }
}
