//! The worker's side: runs what comes in on standard input, one run at a time.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use super::{ARGUMENT, Answer, Job, Said};
use crate::cases;
use crate::scenario::model::Scenario;
use crate::simulate::{Options, simulate};
use crate::status::Status;
use crate::systems::System;
use crate::trace::Entered;

/// Whether this process was started to be a worker.
pub fn was_asked_for() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    arguments.next().is_some_and(|first| first == ARGUMENT) && arguments.next().is_none()
}

/// Serves jobs until the input ends, or the parent stops listening.
pub fn serve(systems: &[&'static dyn System]) -> ExitCode {
    let mut last = None;
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { break };
        let job: Job = serde_json::from_str(&line).expect("only this program's parent writes to a worker");
        let answer = answer(systems, &job, &mut last);
        if say(&Said::Answer(Box::new(answer))).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn say(said: &Said) -> std::io::Result<()> {
    let line = serde_json::to_string(said).expect("what a worker says has string keys only");
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush())
}

/// Tells the parent what entered the digest. A parent that does not listen any more has ended or ends this process.
fn tell(entered: Entered) {
    let _ = say(&Said::Item(entered));
}

/// Runs a job. `last` is the scenario of the job before: most jobs are seeds of one.
fn answer(systems: &[&'static dyn System], job: &Job, last: &mut Option<Arc<Scenario>>) -> Answer {
    let known = last.take().filter(|scenario| scenario.given == job.given);
    let scenario = match known.map_or_else(|| cases::load(&job.given, systems), Ok) {
        Ok(scenario) => scenario,
        Err(report) => return refusal(&report.render(false)),
    };
    *last = Some(scenario.clone());
    let Some(system) = systems.iter().find(|system| system.name() == job.system) else {
        return refusal(&format!("there is no system `{}`", job.system));
    };
    let run = simulate(
        *system,
        &scenario,
        job.seed,
        &Options { listener: job.wants.items.then_some(tell), ..Options::default() },
    );
    Answer::of(&run, job.wants)
}

fn refusal(text: &str) -> Answer {
    let mut lines = text.lines().map(str::to_owned);
    let headline = lines.next().unwrap_or_default();
    Answer::without_run(Status::Bad, headline, lines.collect())
}
