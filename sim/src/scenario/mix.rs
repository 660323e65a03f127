//! `mix` of a workload of the user's own statements.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use lockstep_node::api::ReadLevel;

use super::model::{Mixed, Template, WorkloadKind};
use super::reader::{Item, Table, nearest};
use super::report::Source;
use super::scratch::{Checked, Refused, Scratch, split};
use super::value::Wrong;
use super::values;
use super::workload::LEVELS;
use super::{operations, schema};

/// What a good operation looks like.
const EXAMPLE: &str = "{ sql = \"UPDATE t SET n = n + 1 WHERE id = :id\" }";

/// What a scenario's SQL is checked against.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The folder of the scenario, in which files are looked up.
    pub folder: &'a Path,
    /// Databases with the scenario's tables before and after each step of its migration; none where they are wrong.
    pub stages: &'a [Scratch],
    /// The statements of those steps.
    pub steps: &'a [Vec<String>],
}

/// The kind `sql`.
pub fn sql(table: &Table<'_>, context: Context<'_>) -> Option<WorkloadKind> {
    let (mix, file, values) = (table.find("mix"), table.find("file"), table.find("values"));
    match (mix, file) {
        (Some(mix), None) => listed(&mix, values, context),
        (None, Some(file)) => {
            if let Some(values) = values {
                let help = "say it in a comment of the file, on a line of its own: -- :item = 1..100";
                values.contradicts(
                    &file,
                    "`values` is for a `mix`",
                    "these are not its own",
                    "the operations are here",
                    help,
                );
                return None;
            }
            operations::operations(&file, context).map(|(mix, values)| WorkloadKind::Sql { mix, values })
        }
        (Some(mix), Some(file)) => {
            let help = "keep `file` for a file of operations beside the scenario, or `mix` for operations in it";
            mix.contradicts(&file, "the operations are given twice", "and here again", "here", help);
            None
        }
        (None, None) => {
            let help = format!("for instance mix = [{EXAMPLE}], or file = \"operations.sql\"");
            table.wrong("the sql workload has no `mix`", "", help);
            None
        }
    }
}

/// The operations of a `mix`, with what `values` says.
fn listed(mix: &Item<'_>, values: Option<Item<'_>>, context: Context<'_>) -> Option<WorkloadKind> {
    let given = match values {
        Some(item) => item.table("`values`")?.entries(),
        None => Vec::new(),
    };
    let values: BTreeMap<_, _> =
        given.iter().filter_map(|item| Some((item.key.clone(), values::read(item)?))).collect();
    let items = mix.list()?;
    if items.is_empty() {
        return mix.wrong(Wrong::brief("is empty", "there is no operation to choose from"));
    }
    let mut checker = Checker { context, given: &given, used: BTreeSet::new() };
    let mix: Vec<Option<Mixed>> = items.iter().map(|item| operation(&item.table("`mix`")?, &mut checker)).collect();
    let mix = mix.into_iter().collect::<Option<Vec<_>>>()?;
    checker.refuse_unused();
    Some(WorkloadKind::Sql { mix, values })
}

fn operation(table: &Table<'_>, checker: &mut Checker<'_>) -> Option<Mixed> {
    let weight = table.get("weight", 1, |item| item.count(1, 1_000_000));
    let atomic = table.get("atomic", false, Item::boolean);
    let level = table.find("level").map(|item| item.word(LEVELS));
    let read = table.find("read").map(|item| item.boolean());
    let (sql, file) = (table.find("sql"), table.find("file"));
    table.finish();
    let (item, statements) = match (sql, file) {
        (Some(sql), None) => (sql.clone(), checker.listed(&sql)?),
        (None, Some(file)) => (file.clone(), checker.in_file(&file)?),
        (Some(sql), Some(file)) => {
            let help = "keep `file` for a file beside the scenario, or `sql` for statements in it";
            sql.contradicts(&file, "the operation is given twice", "and here again", "here", help);
            return None;
        }
        (None, None) => {
            table.wrong("the operation has no `sql`", "", format!("for instance {EXAMPLE}"));
            return None;
        }
    };
    let only_reads = statements.iter().all(|(_, reads)| *reads);
    let read = read.or(level.map(|level| level.map(|_| true))).unwrap_or(Some(only_reads))?;
    if read && !only_reads {
        return item.refuse(
            "a read that writes",
            "`read` and `level` are for operations that only read",
            "leave them out: the operation is then sent as a write",
        );
    }
    Some(Mixed {
        weight,
        sql: statements.into_iter().map(|(template, _)| template).collect(),
        atomic,
        read: read.then_some(level.flatten().unwrap_or(ReadLevel::Strong)),
    })
}

/// Checks statements against the tables and the values that are drawn for them.
struct Checker<'a> {
    context: Context<'a>,
    given: &'a [Item<'a>],
    used: BTreeSet<String>,
}

/// Has SQLite look at a statement. It must be valid at some stage: clients of the old tables and of the new ones work side by
/// side.
pub fn check(stages: &[Scratch], text: &str, place: &Place<'_>) -> Option<Checked> {
    let (good, bad): (Vec<_>, Vec<_>) = stages.iter().map(|stage| stage.prepare_check(text)).partition(Result::is_ok);
    match good.into_iter().chain(bad.into_iter().min_by_key(lacks_a_table)).next()? {
        Ok(checked) => Some(checked),
        Err(refused) => {
            place.wrong(text, refused.at, "this statement is refused".to_owned(), refused.message, None);
            None
        }
    }
}

/// Whether a statement is refused since a table is not there. At another stage it may be there, and the reason a better one.
fn lacks_a_table(checked: &Result<Checked, Refused>) -> bool {
    matches!(checked, Err(refused) if refused.message.starts_with("no such table"))
}

/// Where a statement stands.
pub enum Place<'a> {
    /// In the scenario: it is the text of this value.
    Here(&'a Item<'a>),
    /// In a file that this value names, at this byte.
    File(&'a Item<'a>, Arc<Source>, usize),
}

impl Checker<'_> {
    /// The statements of a string or a list of strings, each with whether it only reads.
    fn listed(&mut self, sql: &Item<'_>) -> Option<Vec<(Template, bool)>> {
        let items = sql.one_or_list();
        if items.is_empty() {
            return sql.wrong(Wrong::brief("is empty", "an operation has a statement at least"));
        }
        let statements: Vec<_> = items.iter().map(|item| self.statement(&item.text()?, &Place::Here(item))).collect();
        statements.into_iter().collect()
    }

    /// The statements of a file, each with whether it only reads.
    fn in_file(&mut self, item: &Item<'_>) -> Option<Vec<(Template, bool)>> {
        let file = schema::beside(item, self.context.folder, "the file of statements")?;
        if self.context.stages.is_empty() {
            return None;
        }
        let places = split(self.context.stages, &file.text);
        if places.is_empty() {
            return item.wrong(Wrong::brief("is empty", "an operation has a statement at least"));
        }
        let statement = |at: Range<usize>| {
            let place = Place::File(item, file.clone(), at.start);
            self.statement(&file.text[at], &place)
        };
        let statements: Vec<_> = places.into_iter().map(statement).collect();
        statements.into_iter().collect()
    }

    /// A statement, and whether it only reads.
    fn statement(&mut self, text: &str, place: &Place<'_>) -> Option<(Template, bool)> {
        let checked = check(self.context.stages, text, place)?;
        self.refuse_unknown(place, text, &checked);
        self.used.extend(checked.parameters.iter().cloned());
        Some((Template { sql: text.to_owned(), parameters: checked.parameters }, checked.reads))
    }

    fn refuse_unknown(&mut self, place: &Place<'_>, text: &str, checked: &Checked) {
        let names: Vec<&str> = self.given.iter().map(|item| item.key.as_str()).collect();
        for name in checked.parameters.iter().filter(|name| !names.contains(&name.as_str())) {
            let at = text.find(&format!(":{name}")).map_or(0..text.len(), |at| at..at + name.len() + 1);
            let title = format!("nothing gives `:{name}` a value");
            if let Some(near) = nearest(name, &names) {
                // The one that was meant is not unused as well.
                self.used.insert(near.to_owned());
                place.wrong(text, at, title, format!("did you mean `:{near}`?"), None);
            } else {
                let help = format!("add it to the workload: values = {{ {name} = \"1..100\" }}");
                place.wrong(text, at, title, String::new(), Some(help));
            }
        }
    }

    fn refuse_unused(&self) {
        for unused in self.given.iter().filter(|item| !self.used.contains(&item.key)) {
            let title = format!("no statement uses `:{}`", unused.key);
            unused.at_key().refuse::<()>(title, "", "use it in a statement of `mix`, or remove it");
        }
    }
}

impl Place<'_> {
    /// Adds a problem with some bytes of the statement's text.
    fn wrong(&self, text: &str, at: Range<usize>, title: String, label: String, help: Option<String>) {
        match self {
            Place::Here(item) => item.wrong_inside(text, at, title, label, help),
            Place::File(item, file, begin) => item.wrong_in(file, begin + at.start..begin + at.end, title, label, help),
        }
    }
}
