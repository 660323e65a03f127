//! From a file or a text to a scenario.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::discover::name_of;
use super::fault::Around;
use super::given::Given;
use super::mix::Context;
use super::model::Scenario;
use super::reader::{Problems, Table};
use super::report::{Problem, Report, Source};
use super::scratch::Rules;
use super::{event, expect, machines, migrate, nemesis, network, schema, syntax, workload};

/// The names that a scenario may use and that are defined elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The systems that can be put to the test.
    pub systems: &'a [&'a str],
    /// The properties that are checked.
    pub properties: &'a [&'a str],
    /// The kinds of messages that each system tells apart; none for a system that is not listed.
    pub kinds: &'a [(&'a str, &'a [&'a str])],
}

/// Where a scenario comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The scenario's name.
    pub name: String,
    /// The path of its file as the user gave it.
    pub path: String,
    /// The folder from which its schema file is looked up.
    pub folder: PathBuf,
}

/// Reads a scenario file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, known: &Known<'_>) -> Result<Scenario, Report> {
    let shown = path.display().to_string();
    let source = std::fs::read_to_string(path).map_err(|error| {
        let title = format!("cannot read the scenario `{shown}`: {error}");
        Report::new(vec![Problem { title, place: None, label: String::new(), related: None, help: None }])
    })?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    parse(&source, &Origin { name: name_of(path), path: shown, folder }, known)
}

/// Reads a scenario from its text.
///
/// # Errors
/// Everything that is wrong with it; of mistakes in the TOML itself only the first, since others may follow from it.
pub fn parse(source: &str, origin: &Origin, known: &Known<'_>) -> Result<Scenario, Report> {
    let source = Arc::new(Source { path: origin.path.clone(), text: source.to_owned() });
    let document = match DeTable::parse(&source.text) {
        Ok(document) => document,
        Err(error) => return Err(Report::new(vec![syntax::problem(&source, &error)])),
    };
    let problems = Problems::new(source.clone());
    let scenario = lower(Table::root(document.get_ref(), &problems), &problems, origin, known);
    if problems.none() { Ok(scenario) } else { Err(Report::new(problems.into_found())) }
}

fn lower(root: Table<'_>, problems: &Problems, origin: &Origin, known: &Known<'_>) -> Scenario {
    let cluster = machines::cluster(&root, known);
    let disk = machines::disk(&root, cluster.machines());
    let phases = machines::phases(&root, cluster.voters);
    let kinds = known.kinds.iter().find(|(system, _)| *system == cluster.system).map_or(&[][..], |(_, kinds)| kinds);
    let around = Around { voters: cluster.voters, machines: cluster.machines(), kinds };
    let rules = if cluster.system == machines::SYSTEM { Rules::Lockstep } else { Rules::Plain };
    let (schema, scratch) = schema::schema(&root, &origin.folder, &workload::brought(&root), rules);
    let (steps, stages) = migrate::steps(&root, &origin.folder, scratch);
    // What is asked of replicas in the end, no client asks.
    let tables = stages.last().map(|last| last.without_rows(Rules::Plain));
    let context = Context { folder: &origin.folder, stages: &stages, steps: &steps };
    let scenario = Scenario {
        name: origin.name.clone(),
        given: Given::File(origin.path.clone()),
        about: about(problems.text()),
        seeds: expect::seeds(&root),
        network: network::network(&root, cluster.machines()),
        clock: machines::clock(&root, cluster.machines()),
        workloads: workload::workloads(&root, &phases, context),
        invariants: expect::invariants(&root, tables.as_ref()),
        events: event::events(&root, &phases, &around),
        nemeses: nemesis::nemeses(&root, &phases, &around),
        finals: expect::finals(&root, tables.as_ref()),
        expect: expect::expect(&root, &phases, &cluster.system, known),
        limits: machines::limits(&root, &phases),
        cluster,
        disk,
        schema,
        phases,
    };
    root.finish();
    if problems.none() {
        something_happens(&scenario, problems);
    }
    scenario
}

/// The comment lines at the head of a file, without the `#`.
fn about(text: &str) -> Vec<String> {
    let comment = |line: &str| line.strip_prefix('#').map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned());
    text.lines().map_while(|line| comment(line.trim_end())).collect()
}

fn something_happens(scenario: &Scenario, problems: &Problems) {
    if scenario.workloads.is_empty() && scenario.events.is_empty() && scenario.phases.faults.is_none() {
        let help = "give the clients work, for instance workload = [{ kind = \"bank\", ops = 200 }]";
        let end = problems.text().lines().next().map_or(0, str::len);
        problems.add(
            0..end,
            "nothing happens in this scenario",
            "no workload, no event, no length",
            Some(help.to_owned()),
        );
    }
}
