//! Commands on scenario files: find, list, check, write.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::output::{Failure, Output};
use crate::cases::{self, Case};
use crate::scenario::model::Scenario;
use crate::scenario::{self, Given, SqlFiles};
use crate::status::Status;
use crate::systems::System;
use crate::tool;
use crate::trace::Trace;

/// The folder in which scenarios are looked for and written, below the working directory.
const FOLDER: &str = "scenarios";

/// Loads all scenarios that the paths name, each once, in order.
///
/// # Errors
/// If a path does not exist or holds no scenario, or if any scenario is malformed: all of them are told.
pub fn load(paths: &[PathBuf], systems: &[&'static dyn System], coloured: bool) -> Result<Vec<Arc<Scenario>>, Failure> {
    let mut wrong = String::new();
    let mut scenarios = Vec::new();
    for file in scenario::discover(paths).map_err(Failure::bad)? {
        match cases::load_file(&file, systems) {
            Ok(scenario) => scenarios.push(scenario),
            Err(report) => wrong += &format!("{}\n\n", report.render(coloured).trim_end()),
        }
    }
    if wrong.is_empty() { Ok(scenarios) } else { Err(Failure::Bad(wrong)) }
}

/// Loads the scenario that is made of the user's own SQL.
///
/// # Errors
/// If a file cannot be read, or something is wrong in it.
pub fn load_sql(files: SqlFiles, systems: &[&'static dyn System], coloured: bool) -> Result<Arc<Scenario>, Failure> {
    for (option, file) in [("--schema", &files.schema), ("--workload", &files.workload)] {
        std::fs::read_to_string(file)
            .map_err(|error| Failure::bad(format_args!("{option}: cannot read `{file}`: {error}")))?;
    }
    cases::load(&Given::Sql(files), systems).map_err(|report| Failure::Bad(report.render(coloured)))
}

/// A scenario on a system of the user's choice, or on its own.
///
/// # Errors
/// If there is no such system.
pub fn case(scenario: &Arc<Scenario>, system: Option<&str>, systems: &[&'static dyn System]) -> Result<Case, Failure> {
    let system = system.unwrap_or(&scenario.cluster.system);
    cases::on(scenario, system, systems).map_err(|text| Failure::bad(format_args!("--system: {text}")))
}

/// `list`.
pub fn list(paths: &[PathBuf], systems: &[&'static dyn System], out: &mut Output) -> Result<Status, Failure> {
    let scenarios = load(paths, systems, out.coloured)?;
    let width = scenarios.iter().map(|scenario| scenario.name.chars().count()).max().unwrap_or_default();
    for scenario in &scenarios {
        let about = scenario.about.first().map_or("", String::as_str);
        let seeds = seeds(&scenario.seeds);
        out.line(format!("{:<width$}  {seeds:<8}  {about}", scenario.name).trim_end())?;
        for (system, properties) in &scenario.expect.fails {
            let any = properties.join(" or ");
            out.line(format_args!("{:<width$}  {:<8}  fails on {system} with {any}", "", ""))?;
        }
    }
    Ok(Status::Pass)
}

/// Seeds in short: runs of consecutive ones as ranges.
fn seeds(seeds: &[u64]) -> String {
    let runs = seeds.chunk_by(|one, next| one.checked_add(1) == Some(*next)).map(|run| match run {
        [only] => only.to_string(),
        [first, .., last] => format!("{first}..{last}"),
        [] => unreachable!("a chunk has an element"),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// `check`. What is to be shown may be what a seed makes of the scenario.
pub fn check(
    paths: &[PathBuf],
    show: Option<Option<u64>>,
    systems: &[&'static dyn System],
    out: &mut Output,
) -> Result<Status, Failure> {
    let scenarios = load(paths, systems, out.coloured)?;
    if let Some(seed) = show {
        for scenario in &scenarios {
            if scenarios.len() > 1 {
                out.line(format_args!("# {}", scenario.given))?;
            }
            let lowered = seed.map(|seed| scenario::lower(scenario, seed, &Trace::default()));
            out.text(&scenario::show(lowered.as_ref().unwrap_or(scenario)))?;
        }
    } else {
        let count = scenarios.len();
        out.line(format_args!("{count} {}: well formed", if count == 1 { "scenario" } else { "scenarios" }))?;
    }
    Ok(Status::Pass)
}

/// `new`: writes a scenario to begin with, never over another.
pub fn new(name: &str, out: &mut Output) -> Result<Status, Failure> {
    let name = name.trim_end_matches(".toml");
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !name.split('/').all(plain) {
        let help = "use letters, digits and dashes, with folders before slashes: join/my-case";
        return Err(Failure::bad(format_args!("`{name}` is no name for a scenario: {help}")));
    }
    let path = Path::new(FOLDER).join(format!("{name}.toml"));
    let shown = path.display();
    let cannot = |error: std::io::Error| Failure::bad(format_args!("{shown}: cannot be written: {error}"));
    std::fs::create_dir_all(path.parent().expect("it is below the scenarios' folder")).map_err(cannot)?;
    let mut file = std::fs::File::create_new(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::bad(format_args!("{shown}: exists already and is left as it is; choose another name"))
        }
        _ => cannot(error),
    })?;
    file.write_all(scenario::template(name).as_bytes()).map_err(cannot)?;
    out.line(format_args!("wrote {shown}; run it with"))?;
    out.line(format_args!("  {} run {shown}", tool::name()))?;
    Ok(Status::Pass)
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_are_shown_as_ranges() {
        assert_eq!(super::seeds(&[1, 2, 3, 7, 9, 10]), "1..3,7,9..10");
        assert_eq!(super::seeds(&[u64::MAX]), u64::MAX.to_string());
    }
}
