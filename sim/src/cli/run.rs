//! `run`: some or many runs, and what came of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::RunArguments;
use super::files;
use super::output::{Failure, Output};
use crate::cases::{self, Case};
use crate::scenario;
use crate::scenario::model::Scenario;
use crate::seeds::Seeds;
use crate::status::Status;
use crate::systems::System;
use crate::worker::{Answer, Task, Wants, Worker, answer_all};

/// How long a command may take before it shows a progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// `run`.
pub fn run(arguments: &RunArguments, systems: &[&'static dyn System], out: &mut Output) -> Result<Status, Failure> {
    let scenarios = match arguments.sql.files() {
        Some(sql) => vec![files::load_sql(sql, systems, out.coloured)?],
        None => files::load(&arguments.paths, systems, out.coloured)?,
    };
    if arguments.show {
        scenarios.iter().try_for_each(|scenario| out.text(&scenario::show(scenario)))?;
        return Ok(Status::Pass);
    }
    let cases = match arguments.system.as_deref() {
        // Which of the known faults another seed would show, no scenario says.
        None => {
            let own_seeds = arguments.seed.is_none() && arguments.seeds.is_none();
            let cases = scenarios.iter().flat_map(cases::of);
            cases.filter(|case| own_seeds || case.is_own_system()).collect()
        }
        system => scenarios.iter().map(|scenario| files::case(scenario, system, systems)).collect::<Result<_, _>>()?,
    };
    let plan = Plan { cases, seed: arguments.seed, seeds: arguments.seeds };
    match &scenarios[..] {
        [scenario] if !arguments.json && plan.seeds_of(scenario).count() == 1 => single(&plan, out),
        _ => many(arguments, &scenarios, &plan, out),
    }
}

/// Which seeds of which cases.
struct Plan {
    cases: Vec<Case>,
    seed: Option<u64>,
    seeds: Option<Seeds>,
}

impl Plan {
    fn seeds_of<'s>(&self, scenario: &'s Scenario) -> Box<dyn Iterator<Item = u64> + Send + 's> {
        match (self.seed, self.seeds) {
            (Some(seed), _) => Box::new(std::iter::once(seed)),
            (None, Some(seeds)) => Box::new(seeds.iter()),
            (None, None) => Box::new(scenario.seeds.iter().copied()),
        }
    }

    /// All runs, in order: the case, whether it is the case's first seed, the seed.
    fn runs(&self) -> impl Iterator<Item = (&Case, bool, u64)> + Send {
        self.cases.iter().flat_map(|case| {
            self.seeds_of(&case.scenario).enumerate().map(move |(place, seed)| (case, place == 0, seed))
        })
    }
}

/// One seed of one scenario: the short log on each of its systems.
fn single(plan: &Plan, out: &mut Output) -> Result<Status, Failure> {
    let mut worst = Status::Pass;
    for (case, _, seed) in plan.runs() {
        let wants = Wants { short: true, coloured: out.coloured, ..Wants::default() };
        let answer = case.task(seed, wants, true).run(&mut Worker::default())?;
        worst = worst.max(answer.status);
        if let Some(short) = &answer.short {
            out.text(short)?;
        }
        // The short log ends with the run's own verdict; this is what one run cannot know of itself.
        let more = !case.expected.is_empty() || answer.status == Status::Nondeterministic;
        if more || answer.short.is_none() {
            out.verdict(&case.name(), seed, &answer, &case.replay(seed))?;
        }
    }
    Ok(worst)
}

fn many(
    arguments: &RunArguments,
    scenarios: &[Arc<Scenario>],
    plan: &Plan,
    out: &mut Output,
) -> Result<Status, Failure> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or_else(cores, usize::from);
    let wants = Wants { json: arguments.json, ..Wants::default() };
    let tasks = plan.runs().map(|(case, first, seed)| case.task(seed, wants, first));
    let mut runs = plan.runs().peekable();
    let mut campaign = Campaign::new(out, arguments, plan.runs().count() as u64);
    let mut failure = None;
    answer_all(tasks, jobs, &mut |_: Task, answer: Answer| {
        let (case, _, seed) = runs.next().expect("answers come in the order of the runs");
        let last = runs.peek().is_none_or(|(_, first, _)| *first);
        campaign.take(case, seed, last, &answer).unwrap_or_else(|error| {
            failure = Some(error);
            ControlFlow::Break(())
        })
    })?;
    campaign.bar.finish_and_clear();
    match failure {
        Some(failure) => Err(failure),
        None => campaign.summary(scenarios.len()),
    }
}

/// What is known so far.
struct Campaign<'o> {
    out: &'o mut Output,
    json: bool,
    keep_going: bool,
    started: Instant,
    bar: ProgressBar,
    done: u64,
    total: u64,
    worst: Status,
    /// Seeds that passed in the present case, as long as all did.
    passed: u64,
    /// Failures by fingerprint: the failed property and the case. With the seeds, the command that replays the first.
    failures: BTreeMap<(String, String), (Vec<u64>, String)>,
}

impl<'o> Campaign<'o> {
    fn new(out: &'o mut Output, arguments: &RunArguments, total: u64) -> Self {
        Campaign {
            out,
            json: arguments.json,
            keep_going: arguments.keep_going,
            started: now(),
            bar: ProgressBar::hidden(),
            done: 0,
            total,
            worst: Status::Pass,
            passed: 0,
            failures: BTreeMap::new(),
        }
    }

    /// Takes the next answer, the last of its case or not.
    fn take(&mut self, case: &Case, seed: u64, last: bool, answer: &Answer) -> Result<ControlFlow<()>, Failure> {
        self.done += 1;
        self.worst = self.worst.max(answer.status);
        self.show_progress();
        // Lines are written while the bar is off the screen.
        let bar = self.bar.clone();
        bar.suspend(|| self.tell(case, seed, last, answer))?;
        let stop = answer.status != Status::Pass && !self.keep_going;
        Ok(if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn tell(&mut self, case: &Case, seed: u64, last: bool, answer: &Answer) -> Result<(), Failure> {
        if self.json {
            return self.out.line(object(case, seed, answer));
        }
        let name = case.name();
        if answer.status == Status::Pass {
            self.passed += 1;
        } else {
            let replay = case.replay(seed);
            let kind = answer.property.clone().unwrap_or_else(|| answer.status.word().to_lowercase());
            let (seeds, _) = self.failures.entry((kind, name.clone())).or_insert((Vec::new(), replay.clone()));
            seeds.push(seed);
            // More of the same kind are only counted.
            if seeds.len() == 1 {
                self.out.verdict(&name, seed, answer, &replay)?;
            }
        }
        if last {
            let all_passed = !self.failures.keys().any(|(_, failed)| *failed == name);
            if all_passed {
                let seeds = count(self.passed, "seed");
                let expected = match case.expected.as_slice() {
                    [] => String::new(),
                    properties => format!("  fails with {}, as expected", properties.join(" or ")),
                };
                self.out.line(format_args!("{}  {name}  {seeds}{expected}", self.out.word(Status::Pass)))?;
            }
            self.passed = 0;
        }
        Ok(())
    }

    fn show_progress(&mut self) {
        if self.bar.length().is_none() && self.started.elapsed() > PATIENCE {
            let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} seeds  {per_sec}  {msg}  eta {eta}");
            self.bar = ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr())
                .with_style(style.expect("the template is well formed"))
                .with_elapsed(self.started.elapsed());
        }
        let failed: usize = self.failures.values().map(|(seeds, _)| seeds.len()).sum();
        self.bar.set_message(if failed == 0 { String::new() } else { format!("{failed} failed") });
        self.bar.set_position(self.done);
    }

    fn summary(self, scenarios: usize) -> Result<Status, Failure> {
        if self.json {
            return Ok(self.worst);
        }
        let failed: usize = self.failures.values().map(|(seeds, _)| seeds.len()).sum();
        if failed > 1 {
            let kinds = count(self.failures.len() as u64, "kind");
            self.out.line(format_args!("failures: {kinds}, {}", count(failed as u64, "seed")))?;
            for ((kind, name), (seeds, replay)) in &self.failures {
                self.out.line(format_args!("  {kind}  {name}  {}  {replay}", count(seeds.len() as u64, "seed")))?;
            }
        }
        let runs = format!("{}, {}", count(scenarios as u64, "scenario"), count(self.total, "seed"));
        let outcome = match failed {
            0 => "all pass".to_owned(),
            _ if self.done < self.total => {
                format!("stopped at the first failure after {}; --keep-going runs all", count(self.done, "seed"))
            }
            _ => format!("{failed} did not pass"),
        };
        let seconds = self.started.elapsed().as_secs_f64();
        self.out.line(format_args!("{runs}: {outcome} · {seconds:.1} s"))?;
        Ok(self.worst)
    }
}

/// One run as a JSON object, with what the scenario expects of it.
fn object(case: &Case, seed: u64, answer: &Answer) -> serde_json::Value {
    let own = serde_json::json!({
        "case": case.name(),
        "seed": seed,
        "status": answer.status,
        "expected": case.expected,
        "message": answer.headline,
        "details": answer.details,
    });
    let (serde_json::Value::Object(mut object), Some(serde_json::Value::Object(run))) = (own.clone(), &answer.json)
    else {
        return own;
    };
    object.extend(run.clone());
    object.into()
}

fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[expect(clippy::disallowed_methods, reason = "people wait in wall-clock time; no run is simulated in this process")]
fn now() -> Instant {
    Instant::now()
}
