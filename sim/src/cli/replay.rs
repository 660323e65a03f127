//! `replay`: one run in every detail, then its verdict.

use std::path::Path;
use std::time::Duration;

use super::arguments::ReplayArguments;
use super::files;
use super::output::{Failure, Output};
use super::trace;
use crate::cases;
use crate::report::{self, FAMILIES, Line};
use crate::run::Run;
use crate::simulate::{Options, simulate};
use crate::status::Status;
use crate::systems::System;
use crate::worker::{Answer, Wants, confirm};

/// `replay`.
///
/// It shows what a run is, so a failure is a failure here even where the scenario expects one.
pub fn replay(
    arguments: &ReplayArguments,
    systems: &[&'static dyn System],
    out: &mut Output,
) -> Result<Status, Failure> {
    let scenario = match (&arguments.file, arguments.sql.files()) {
        (Some(folder), _) if folder.is_dir() => {
            let folder = folder.display();
            return Err(Failure::bad(format_args!("{folder}: is a folder; name one of the scenario files in it")));
        }
        (Some(file), _) => files::load(std::slice::from_ref(file), systems, out.coloured)?.remove(0),
        (None, Some(sql)) => files::load_sql(sql, systems, out.coloured)?,
        (None, None) => {
            return Err(Failure::bad("nothing to replay: name a scenario file, or --schema and --workload"));
        }
    };
    let case = files::case(&scenario, arguments.system.as_deref(), systems)?;
    let shown = Shown::new(arguments, scenario.cluster.machines())?;
    let system = systems.iter().find(|system| system.name() == case.system).expect("the case's system exists");

    let run = simulate(*system, &scenario, arguments.seed, &Options { details: true, ..Options::default() });
    if let Some(file) = &arguments.elle {
        write_elle(&run, file)?;
    }
    let lines = report::trace(&run, &|datagram| system.describe(datagram));
    out.text(&trace::render(lines.iter().filter(|line| shown.shows(line)), &arguments.only))?;

    let task = case.task(arguments.seed, Wants::default(), true);
    let answer = confirm(&task.job, Answer::of(&run, Wants::default()))?;
    out.verdict(&case.name(), arguments.seed, &answer, &case.replay(arguments.seed))?;
    Ok(answer.status)
}

fn write_elle(run: &Run, file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let history = report::elle::elle(&run.evidence);
    if history.is_empty() {
        return Err(Failure::bad("--elle: no client appended anything; choose a scenario with an append workload"));
    }
    std::fs::write(file, history).map_err(|error| Failure::bad(format_args!("--elle: {shown}: {error}")))
}

/// What part of the run is shown. Families are picked by the trace itself.
struct Shown {
    from: Duration,
    until: Duration,
    node: Option<String>,
}

impl Shown {
    fn new(arguments: &ReplayArguments, voters: u32) -> Result<Self, Failure> {
        let from = arguments.from.unwrap_or(Duration::ZERO);
        let until = arguments.until.unwrap_or(Duration::MAX);
        if until < from {
            return Err(Failure::bad("--until: is before --from; exchange the two"));
        }
        if let Some(unknown) = arguments.only.iter().find(|family| !FAMILIES.contains(&family.as_str())) {
            return Err(Failure::bad(format_args!("--only: {}", cases::known("family", unknown, FAMILIES))));
        }
        let number = |node: &str| node.strip_prefix('n').and_then(|number| number.parse::<u32>().ok());
        if let Some(node) = arguments.node.as_deref().filter(|node| number(node).is_none_or(|number| number == 0)) {
            let help = format!("nodes are called n1 to n{voters}, and those that join later have higher numbers");
            return Err(Failure::bad(format_args!("--node: there is no node `{node}`; {help}")));
        }
        Ok(Shown { from, until, node: arguments.node.clone() })
    }

    fn shows(&self, line: &Line) -> bool {
        let here = |node: &String| line.machine.is_some_and(|machine| machine.to_string() == *node);
        (self.from..=self.until).contains(&line.at) && self.node.as_ref().is_none_or(here)
    }
}
