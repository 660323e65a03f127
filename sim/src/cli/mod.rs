//! The command-line tool, for this workspace's systems and for anybody's own.
//!
//! Standard output carries results only, so that it can be piped and parsed; errors and progress go to standard error.
//! What is wrong with the input is found before anything runs.

mod arguments;
mod demo;
mod files;
mod output;
mod replay;
mod run;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use crate::status::Status;
use crate::systems::System;
use crate::tool;
use crate::worker;
use arguments::{Arguments, Command};
use output::{Failure, Output};

/// The whole program: parses the command line, does what it says and returns the exit code.
///
/// A crate with a system of its own calls this from its `main`. The same program serves as worker process.
pub fn main(systems: &[&'static dyn System]) -> ExitCode {
    tool::started();
    if worker::was_asked_for() {
        return worker::serve(systems);
    }
    let arguments = Arguments::parse();
    match dispatch(&arguments.command, systems, &mut Output::stdout()) {
        Ok(status) => status.into(),
        Err(failure) => failure.report(),
    }
}

fn dispatch(command: &Command, systems: &[&'static dyn System], out: &mut Output) -> Result<Status, Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments, systems, out),
        Command::Replay(arguments) => replay::replay(arguments, systems, out),
        Command::New { name } => files::new(name, out),
        Command::List { paths } => files::list(paths, systems, out),
        Command::Check { paths, show, seed } => files::check(paths, show.then_some(*seed), systems, out),
        Command::Demo => demo::demo(systems, out),
    }
}
