//! A file of operations: each statement is one, and what stands between `BEGIN;` and `COMMIT;` is one of several statements,
//! all or nothing.
//!
//! A comment line `-- :item = 1..100` says what `:item` is drawn from, in every form of `values`. A parameter that nothing is
//! said of is a number from 1 to 100.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use lockstep_node::api::ReadLevel;
use toml::de::DeTable;

use super::mix::{Context, Place, check};
use super::model::{Mixed, Template, Values};
use super::reader::{Item, Problems, Table, nearest};
use super::report::{Problem, Source};
use super::scratch::{Boundary, boundary, split};
use super::{schema, syntax, values};

/// What a parameter is drawn from that nothing is said of.
const DEFAULT: Values = Values::Range(1, 100);

const EXAMPLES: &str = "for instance 1..100, [\"Ada\", \"Bo\", 7], { zipf = \"1..100\" } or { text = \"0..80\" }";

/// The operations of a file that a value names, and what their parameters are drawn from.
pub fn operations(item: &Item<'_>, context: Context<'_>) -> Option<(Vec<Mixed>, BTreeMap<String, Values>)> {
    let file = schema::beside(item, context.folder, "the file of operations")?;
    if context.stages.is_empty() {
        return None;
    }
    let declared = declarations(item, &file);
    let mut reader = Reader { item, file: &file, context, open: None, operations: Vec::new() };
    let read = split(context.stages, &file.text).into_iter().try_for_each(|at| reader.take(at));
    let operations = reader.finish(read)?;
    if operations.is_empty() {
        let help = "write a statement, for instance INSERT INTO t VALUES (:item);";
        item.wrong_in(
            &file,
            0..0,
            "there is no operation in this file".to_owned(),
            String::new(),
            Some(help.to_owned()),
        );
        return None;
    }
    let values = all_values(item, &file, declared, &operations)?;
    Some((operations, values))
}

/// Goes through the statements of a file.
struct Reader<'a> {
    item: &'a Item<'a>,
    file: &'a Arc<Source>,
    context: Context<'a>,
    /// The transaction that is open.
    open: Option<Open>,
    operations: Vec<Mixed>,
}

/// A transaction whose end was not read yet.
struct Open {
    begin: Range<usize>,
    /// Its statements so far, each with whether it only reads.
    statements: Vec<(Template, bool)>,
}

impl Reader<'_> {
    /// Takes the statement at this place of the file.
    fn take(&mut self, at: Range<usize>) -> Option<()> {
        let text = &self.file.text[at.clone()];
        match (boundary(text), self.open.take()) {
            (Some(Boundary::Begin), None) => self.open = Some(Open { begin: at, statements: Vec::new() }),
            (Some(Boundary::Commit), Some(open)) if !open.statements.is_empty() => {
                self.operations.push(operation(open.statements, true));
            }
            (Some(Boundary::Begin), Some(_)) => {
                return self.wrong(at, "a transaction in a transaction", "end the one before with COMMIT; first");
            }
            (Some(Boundary::Commit), Some(_)) => {
                return self.wrong(at, "an empty transaction", "put statements into it");
            }
            (Some(Boundary::Commit), None) => {
                return self.wrong(at, "no transaction is open here", "begin it with BEGIN; or remove this line");
            }
            (None, open) => {
                let place = Place::File(self.item, self.file.clone(), at.start);
                let checked = check(self.context.stages, text, &place)?;
                let statement = (Template { sql: text.to_owned(), parameters: checked.parameters }, checked.reads);
                match open {
                    None => self.operations.push(operation(vec![statement], false)),
                    Some(mut open) => {
                        open.statements.push(statement);
                        self.open = Some(open);
                    }
                }
            }
        }
        Some(())
    }

    fn finish(mut self, read: Option<()>) -> Option<Vec<Mixed>> {
        read?;
        match self.open.take() {
            None => Some(self.operations),
            Some(open) => self.wrong(open.begin, "this transaction does not end", "end it with COMMIT;"),
        }
    }

    fn wrong<T>(&self, at: Range<usize>, title: &str, help: &str) -> Option<T> {
        self.item.wrong_in(self.file, at, title.to_owned(), String::new(), Some(help.to_owned()));
        None
    }
}

fn operation(statements: Vec<(Template, bool)>, atomic: bool) -> Mixed {
    let read = statements.iter().all(|(_, reads)| *reads);
    let read = read.then_some(ReadLevel::Strong);
    Mixed { weight: 1, sql: statements.into_iter().map(|(template, _)| template).collect(), atomic, read }
}

/// What a comment says of a parameter.
struct Declared {
    name: String,
    /// Where the name stands in the file, with its colon.
    at: Range<usize>,
    /// None where what it says is wrong, and was refused.
    values: Option<Values>,
}

/// What the comments of a file say of parameters.
fn declarations(item: &Item<'_>, file: &Arc<Source>) -> Vec<Declared> {
    let mut declared: Vec<Declared> = Vec::new();
    let mut begin = 0;
    for line in file.text.split_inclusive('\n') {
        if let Some(new) = declaration(item, file, begin, line) {
            if declared.iter().any(|known| known.name == new.name) {
                let title = format!("`:{}` is given its values twice", new.name);
                item.wrong_in(file, new.at.clone(), title, String::new(), Some("keep one of them".to_owned()));
            }
            declared.push(new);
        }
        begin += line.len();
    }
    declared
}

/// `-- :name = VALUES`, on a line that begins at this byte of the file.
fn declaration(item: &Item<'_>, file: &Arc<Source>, begin: usize, line: &str) -> Option<Declared> {
    let rest = line.trim_start().strip_prefix("--")?.trim_start().strip_prefix(':')?;
    let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
    let text = rest[name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let place_of = |rest: &str| begin + line.len() - rest.len();
    let at = place_of(rest) - 1..place_of(rest) + name.len();
    let (text_begins, text) = (place_of(text), text.trim_end());
    let values = declared_values(name, text, |problem, span| {
        let within = |place: usize| text_begins + place.min(text.len());
        let place = Some((file.clone(), within(span.start)..within(span.end)));
        item.push(Problem { place, related: None, ..problem });
    });
    Some(Declared { name: name.to_owned(), at, values })
}

/// Reads the values of a parameter; a range may stand without quotes. Each problem is told with the bytes of the text that it
/// is about.
fn declared_values(name: &str, text: &str, tell: impl Fn(Problem, Range<usize>)) -> Option<Values> {
    let bare = text.contains("..") && !text.starts_with(['"', '\'', '[', '{']);
    let key = format!("\"{name}\" = ");
    let source = if bare { format!("{key}\"{text}\"") } else { format!("{key}{text}") };
    let source = Arc::new(Source { path: String::new(), text: source });
    let problems = Problems::new(source.clone());
    let values = match DeTable::parse(&source.text) {
        Ok(document) => values::read(&Table::root(document.get_ref(), &problems).entries()[0]),
        Err(error) => {
            let title = format!("the values of `:{name}` are not understood");
            let (label, help) = (String::new(), Some(EXAMPLES.to_owned()));
            problems.push(Problem { title, label, help, ..syntax::problem(&source, &error) });
            None
        }
    };
    for problem in problems.into_found() {
        let span = problem.place.as_ref().map_or(0..0, |(_, span)| span.clone());
        let inside = |place: usize| place.saturating_sub(key.len());
        tell(problem, inside(span.start)..inside(span.end));
    }
    values
}

/// What all parameters of the operations are drawn from.
fn all_values(
    item: &Item<'_>,
    file: &Arc<Source>,
    declared: Vec<Declared>,
    operations: &[Mixed],
) -> Option<BTreeMap<String, Values>> {
    let templates = operations.iter().flat_map(|operation| &operation.sql);
    let used: BTreeSet<&String> = templates.flat_map(|template| &template.parameters).collect();
    let is_declared = |name: &str| declared.iter().any(|known| known.name == name);
    let undeclared: Vec<&str> = used.iter().map(|name| name.as_str()).filter(|name| !is_declared(name)).collect();
    let mut good = true;
    for unused in declared.iter().filter(|known| !used.contains(&known.name)) {
        let label = nearest(&unused.name, &undeclared).map(|near| format!("did you mean `:{near}`?"));
        let help = "use it in a statement, or remove this line".to_owned();
        let title = format!("no statement uses `:{}`", unused.name);
        item.wrong_in(file, unused.at.clone(), title, label.unwrap_or_default(), Some(help));
        good = false;
    }
    let defaults = undeclared.iter().map(|name| ((*name).to_owned(), DEFAULT));
    let mut all: BTreeMap<String, Values> = defaults.collect();
    for Declared { name, values, .. } in declared {
        good &= values.is_some();
        all.extend(values.map(|values| (name, values)));
    }
    good.then_some(all)
}

#[cfg(test)]
mod tests {
    use lockstep_node::api::Value;

    use super::*;
    use crate::scenario::model::{Workload, WorkloadKind};
    use crate::scenario::{Known, Origin, parse, show};

    const OPERATIONS: &str = "-- What a shop does; all day
-- :item = -1..9
BEGIN TRANSACTION;
  UPDATE stock SET n = n - :n WHERE item = :item; -- one; or more
  INSERT INTO stock(n, note) VALUES (1, ';BEGIN;');
end;
  --:hot={ zipf = '1..50' }
SELECT * FROM stock WHERE item = :hot;
/* BEGIN; */ ;
-- :note = [\"a; b\", 3]\r
UPDATE stock SET note = :note || CASE item WHEN 1 THEN 'BEGIN' END -- :none = 1..2; of this line
;
Begin Immediate;SELECT 1;SELECT :few;Commit -- well
-- :few = 7";

    fn workloads(source: &str, folder: &std::path::Path) -> Vec<Workload> {
        let origin = Origin { name: "shop".into(), path: "shop.toml".into(), folder: folder.to_owned() };
        let known = Known { systems: &["lockstep"], properties: &[], kinds: &[] };
        let scenario = parse(source, &origin, &known).unwrap_or_else(|report| panic!("{report}"));
        let again = parse(&show(&scenario), &origin, &known).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(again.workloads, scenario.workloads, "what is shown reads back as the same");
        scenario.workloads
    }

    #[test]
    fn a_file_means_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ops.sql"), OPERATIONS).unwrap();
        let schema = "CREATE TABLE stock(item INTEGER PRIMARY KEY, n INTEGER, note TEXT)";
        let source = format!("workload = [{{ kind = \"sql\", file = \"ops.sql\" }}]\nschema.sql = \"{schema}\"\n");
        let workloads = workloads(&source, folder.path());
        let WorkloadKind::Sql { mix, values } = &workloads[0].kind else { panic!("it is sql") };
        let kinds: Vec<_> = mix.iter().map(|mixed| (mixed.sql.len(), mixed.atomic, mixed.read)).collect();
        let strong = Some(ReadLevel::Strong);
        assert_eq!(kinds, [(2, true, None), (1, false, strong), (1, false, None), (2, true, strong)]);
        assert!(mix[2].sql[0].sql.ends_with("-- :none = 1..2; of this line"), "{:?}", mix[2].sql);
        assert_eq!(values["item"], Values::Range(-1, 9));
        assert_eq!(values["hot"], Values::Zipf(1, 50));
        assert_eq!(values["note"], Values::OneOf(vec![Value::from("a; b"), Value::Integer(3)]));
        assert_eq!(values["few"], Values::OneOf(vec![Value::Integer(7)]));
        assert_eq!(values["n"], DEFAULT);
    }
}
