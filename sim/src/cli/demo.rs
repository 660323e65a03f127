//! `demo`: one scenario on two systems, for people who see this for the first time.

use std::path::PathBuf;

use super::files;
use super::output::{Failure, Output};
use crate::status::Status;
use crate::systems::System;
use crate::worker::{Wants, Worker};

/// The scenario.
const FILE: &str = "scenarios/demo/random-and-a-cut.toml";

/// The system that diverges, and what fails there.
const DIVERGES: (&str, &str) = ("statement-shipping", "tables-equal");

/// The system that holds.
const HOLDS: &str = "lockstep";

/// How many lines of the divergence are shown, so that all fits on one screen.
const DETAILS_MAX: usize = 18;

/// `demo`.
pub fn demo(systems: &[&'static dyn System], out: &mut Output) -> Result<Status, Failure> {
    if !PathBuf::from(FILE).is_file() {
        return Err(Failure::bad(format_args!(
            "{FILE}: there is no such file; start the demo in the workspace's folder"
        )));
    }
    let scenario = files::load(&[FILE.into()], systems, out.coloured)?.remove(0);
    let seed = scenario.seeds.first().copied().unwrap_or(1);
    for about in &scenario.about {
        out.line(about)?;
    }
    let mut answers = Vec::new();
    for name in [DIVERGES.0, HOLDS] {
        let case = files::case(&scenario, Some(name), systems)?;
        let answer = Worker::default().ask(&case.task(seed, Wants::default(), false).job)?;
        out.line("")?;
        out.line(format_args!("{}  {name}  seed {seed}  {}", out.word(answer.status), answer.headline))?;
        for detail in answer.details.iter().take(DETAILS_MAX) {
            out.line(format_args!("  {detail}"))?;
        }
        out.line(format_args!("  {}", case.replay(seed)))?;
        answers.push(answer);
    }
    out.line("")?;
    let diverged = answers[0].status == Status::Failed && answers[0].property.as_deref() == Some(DIVERGES.1);
    if diverged && answers[1].status == Status::Pass {
        out.line("Both systems met the same clients, the same statements and the same faults, from one seed.")?;
        out.line(format_args!(
            "{} ships SQL text, and its replicas computed different rows; {HOLDS} did not.",
            DIVERGES.0
        ))?;
        Ok(Status::Pass)
    } else {
        out.line(format_args!(
            "This is not what the demo shows: {} was to fail with {} and {HOLDS} to pass.",
            DIVERGES.0, DIVERGES.1
        ))?;
        Ok(answers.iter().map(|answer| answer.status).fold(Status::Failed, Status::max))
    }
}
