//! The workload `migrate`: the steps of a migration, and the tables as they are before and after each of them.

use std::path::Path;
use std::time::Duration;

use super::model::{Phases, WorkloadKind};
use super::reader::{Item, Table};
use super::schema;
use super::scratch::{Refused, Scratch};
use super::value::{self, Wrong, write_duration};

/// The time before each step where nothing is said.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// The tables as they are one after the other: as the schema sets them up, then after each step of the migration. None where
/// anything of that is wrong.
pub type Stages = Vec<Scratch>;

/// The statements of each step of the scenario's migration, if it has one, executed on the tables that the schema has set up.
pub fn steps(root: &Table<'_>, folder: &Path, tables: Option<Scratch>) -> (Vec<Vec<String>>, Stages) {
    let Some(tables) = tables else { return (Vec::new(), Stages::new()) };
    let scripts = migration(root).map(|table| (table.find("files"), table.find("steps")));
    let Some((Some(scripts), None) | (None, Some(scripts))) = scripts else { return (Vec::new(), vec![tables]) };
    let (mut steps, mut stages) = (Vec::new(), Stages::new());
    for script in scripts.list().unwrap_or_default() {
        stages.push(tables.without_rows(tables.rules()));
        match step(&script, steps.len() + 1, folder, &tables) {
            Some(statements) => steps.push(statements),
            None => return (Vec::new(), Stages::new()),
        }
    }
    stages.push(tables);
    (steps, stages)
}

/// The table of the first workload that is a migration.
fn migration<'a>(root: &Table<'a>) -> Option<Table<'a>> {
    let tables = root.find("workload")?.one_or_list().into_iter().filter(|item| item.kind() == "table");
    let mut tables = tables.filter_map(|item| item.table("[[workload]]"));
    tables.find(|table| table.find("kind").is_some_and(|kind| kind.as_text() == Some("migrate")))
}

fn step(item: &Item<'_>, number: usize, folder: &Path, tables: &Scratch) -> Option<Vec<String>> {
    let title = || format!("step {number} of the migration is refused");
    let result = if item.key == "files" {
        let file = schema::beside(item, folder, "the file of a step")?;
        let refuse = |Refused { message, at }| {
            let help = foreign_key_help(&message);
            item.wrong_in(&file, at, title(), message, help);
        };
        tables.run_atomic(&file.text).map_err(refuse)
    } else {
        let text = item.text()?;
        let refuse = |Refused { message, at }| {
            let help = foreign_key_help(&message);
            item.wrong_inside(&text, at, title(), message, help);
        };
        tables.run_atomic(&text).map_err(refuse)
    };
    let statements = result.ok()?;
    match statements.is_empty() {
        true => item.wrong(Wrong::brief("has a step without a statement", "this one changes nothing")),
        false => Some(statements),
    }
}

/// People switch foreign keys off while they rebuild a table. Here they stay on.
fn foreign_key_help(message: &str) -> Option<String> {
    let help = "a table that others refer to is rebuilt with its rows in another one meanwhile: they come back under the old \
                name, and what refers to them is DEFERRABLE INITIALLY DEFERRED";
    (message.contains("FOREIGN KEY") || message.contains("foreign_keys")).then(|| help.to_owned())
}

/// The kind `migrate` with these steps.
pub fn migrate(table: &Table<'_>, phases: &Phases, steps: &[Vec<String>]) -> Option<WorkloadKind> {
    let (files, inline) = (table.find("files"), table.find("steps"));
    let pause = table.get("pause", PAUSE, |item| item.parse(value::moment));
    let scripts = match (&files, &inline) {
        (Some(files), Some(inline)) => {
            let help = "keep `files` for files beside the scenario, or `steps` for scripts in it";
            inline.contradicts(files, "the steps are given twice", "and here again", "here", help);
            return None;
        }
        (None, None) => {
            let help = "name a file of statements for each: files = [\"v2-genres.sql\", \"v3-prices.sql\"]";
            table.wrong("the migration has no steps", "", help);
            return None;
        }
        (Some(scripts), None) | (None, Some(scripts)) => scripts,
    };
    if scripts.list()?.is_empty() {
        return scripts.wrong(Wrong::brief("is empty", "a migration has a step at least"));
    }
    let kind = WorkloadKind::Migrate { steps: steps.to_vec(), pause };
    if let Some(faults) = phases.faults.filter(|faults| kind.pauses_max() >= *faults) {
        return scripts.refuse(
            "the migration would outlast the fault phase",
            format!("its pauses take up to {}", write_duration(kind.pauses_max())),
            format!("shorten `pause`, or raise `phases.faults`, which is {}", write_duration(faults)),
        );
    }
    Some(kind)
}
