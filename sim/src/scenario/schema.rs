//! `[schema]`: the statements that set up the tables.

use std::path::Path;
use std::sync::Arc;

use super::reader::{Item, Problems, Table};
use super::report::{Problem, Source};
use super::scratch::{Refused, Scratch};
use crate::workload::bank_schema::BANK_SCHEMA;

/// The schema's statements, and a database with the tables of the scenario; no database where the schema is wrong.
pub fn schema(root: &Table<'_>, problems: &Problems, folder: &Path, bank: bool) -> (Vec<String>, Option<Scratch>) {
    let scratch = Scratch::empty();
    if bank {
        for statement in BANK_SCHEMA {
            scratch.run(statement).expect("the bank's own tables are valid");
        }
    }
    let Some(table) = root.table("schema") else { return (Vec::new(), Some(scratch)) };
    let statements = match (table.find("file"), table.find("sql")) {
        (Some(file), None) => from_file(&file, problems, folder, &scratch, bank),
        (None, Some(sql)) => from_text(&sql, &scratch, bank),
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

fn from_text(item: &Item<'_>, scratch: &Scratch, bank: bool) -> Option<Vec<String>> {
    let text = item.text()?;
    match scratch.run(&text) {
        Ok(statements) => Some(statements),
        Err(refused) => {
            let help = bank_help(&refused, bank);
            item.wrong_inside(&text, refused.at, "the schema is refused".to_owned(), refused.message, help);
            None
        }
    }
}

fn from_file(
    item: &Item<'_>,
    problems: &Problems,
    folder: &Path,
    scratch: &Scratch,
    bank: bool,
) -> Option<Vec<String>> {
    let path = folder.join(item.text()?);
    let shown = path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let help = "the path is taken from the scenario's own folder";
            return item.refuse(format!("cannot read the schema file: {error}"), format!("looked at {shown}"), help);
        }
    };
    match scratch.run(&text) {
        Ok(statements) => Some(statements),
        Err(refused) => {
            let help = bank_help(&refused, bank);
            let place = Some((Arc::new(Source { path: shown, text }), refused.at));
            let title = "the schema is refused".to_owned();
            problems.push(Problem { title, place, label: refused.message, related: None, help });
            None
        }
    }
}

fn bank_help(refused: &Refused, bank: bool) -> Option<String> {
    let taken = bank && refused.message.contains("already exists");
    taken.then(|| "a bank workload brings the tables `accounts` and `transfers`: name yours otherwise".to_owned())
}
