//! `[schema]`: the statements that set up the tables.

use std::path::Path;
use std::sync::Arc;

use super::reader::{Item, Table};
use super::report::Source;
use super::scratch::{Refused, Rules, Scratch};

/// The schema's statements, and a database with the tables of the scenario, among them those that its workloads bring;
/// no database where the schema is wrong.
pub fn schema(root: &Table<'_>, folder: &Path, brought: &[&str], rules: Rules) -> (Vec<String>, Option<Scratch>) {
    let scratch = Scratch::empty(rules);
    for statement in brought {
        scratch.run(statement).expect("what workloads bring is valid");
    }
    let brought = &scratch.tables();
    let Some(table) = root.table("schema") else { return (Vec::new(), Some(scratch)) };
    let statements = match (table.find("file"), table.find("sql")) {
        (Some(file), None) => from_file(&file, folder, &scratch, brought),
        (None, Some(sql)) => from_text(&sql, &scratch, brought),
        (Some(file), Some(sql)) => {
            let help = "keep `file` for a file beside the scenario, or `sql` for statements in it";
            sql.contradicts(&file, "the schema is given twice", "and here again", "here", help);
            None
        }
        (None, None) => {
            table.wrong("the schema is empty", "", "give it `file = \"shop.sql\"` or `sql = \"CREATE TABLE …\"`");
            None
        }
    };
    table.finish();
    match statements {
        Some(statements) => (statements, Some(scratch)),
        None => (Vec::new(), None),
    }
}

fn from_text(item: &Item<'_>, scratch: &Scratch, brought: &[String]) -> Option<Vec<String>> {
    let text = item.text()?;
    match scratch.run(&text) {
        Ok(statements) => Some(statements),
        Err(refused) => {
            let help = taken_help(&refused, brought);
            item.wrong_inside(&text, refused.at, "the schema is refused".to_owned(), refused.message, help);
            None
        }
    }
}

fn from_file(item: &Item<'_>, folder: &Path, scratch: &Scratch, brought: &[String]) -> Option<Vec<String>> {
    let file = beside(item, folder, "the schema file")?;
    match scratch.run(&file.text) {
        Ok(statements) => Some(statements),
        Err(refused) => {
            let help = taken_help(&refused, brought);
            item.wrong_in(&file, refused.at, "the schema is refused".to_owned(), refused.message, help);
            None
        }
    }
}

/// The file beside the scenario that a value names.
pub fn beside(item: &Item<'_>, folder: &Path, what: &str) -> Option<Arc<Source>> {
    let path = folder.join(item.text()?);
    let shown = path.display().to_string();
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(Arc::new(Source { path: shown, text })),
        Err(error) => {
            let help = "the path is taken from the scenario's own folder";
            item.refuse(format!("cannot read {what}: {error}"), format!("looked at {shown}"), help)
        }
    }
}

fn taken_help(refused: &Refused, brought: &[String]) -> Option<String> {
    let taken = !brought.is_empty() && refused.message.contains("already exists");
    taken.then(|| format!("the workloads bring tables of their own, {}: name yours otherwise", brought.join(" and ")))
}
