//! `mix` and `values` of a workload of the user's own statements.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::api::Value;

use super::expect::scalar;
use super::model::{Mixed, Template, Values, WorkloadKind};
use super::reader::{Item, Table, nearest};
use super::scratch::{Checked, Scratch};
use super::value::{self, Wrong};

/// What a good operation looks like.
const EXAMPLE: &str = "{ sql = \"UPDATE t SET n = n + 1 WHERE id = :id\" }";

/// The kind `sql`; its statements are checked where a scratch database is given.
pub fn sql(table: &Table<'_>, scratch: Option<&Scratch>) -> Option<WorkloadKind> {
    let given = match table.find("values") {
        Some(item) => item.table("`values`")?.entries(),
        None => Vec::new(),
    };
    let values: BTreeMap<_, _> = given.iter().filter_map(|item| Some((item.key.clone(), draw(item)?))).collect();
    let Some(mix) = table.find("mix") else {
        table.wrong("the sql workload has no `mix`", "", format!("for instance mix = [{EXAMPLE}]"));
        return None;
    };
    let items = mix.list()?;
    if items.is_empty() {
        return mix.wrong(Wrong::brief("is empty", "there is no operation to choose from"));
    }
    let mut checker = Checker { scratch, given: &given, used: BTreeSet::new() };
    let mix: Vec<Option<Mixed>> = items.iter().map(|item| operation(&item.table("`mix`")?, &mut checker)).collect();
    let mix = mix.into_iter().collect::<Option<Vec<_>>>()?;
    checker.refuse_unused();
    Some(WorkloadKind::Sql { mix, values })
}

fn operation(table: &Table<'_>, checker: &mut Checker<'_>) -> Option<Mixed> {
    let weight = table.get("weight", 1, |item| item.count(1, 1_000_000));
    let atomic = table.get("atomic", false, Item::boolean);
    let level = table.find("level").map(|item| item.word(&[("strong", true)]));
    let read = table.find("read").map(|item| item.boolean());
    let sql = table.find("sql");
    table.finish();
    let Some(sql) = sql else {
        table.wrong("the operation has no `sql`", "", format!("for instance {EXAMPLE}"));
        return None;
    };
    let items = sql.one_or_list();
    if items.is_empty() {
        return sql.wrong(Wrong::brief("is empty", "an operation has a statement at least"));
    }
    let statements: Vec<Option<(Template, bool)>> = items.iter().map(|item| checker.statement(item)).collect();
    let (statements, reads): (Vec<_>, Vec<_>) = statements.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let only_reads = reads.iter().all(|reads| *reads);
    let read = read.or(level).unwrap_or(Some(only_reads))?;
    if read && !only_reads {
        return sql.refuse(
            "a read that writes",
            "`read` and `level` are for operations that only read",
            "leave them out: the operation is then sent as a write",
        );
    }
    Some(Mixed { weight, sql: statements, atomic, read })
}

/// Checks statements against the tables and the values that are drawn for them.
struct Checker<'a> {
    scratch: Option<&'a Scratch>,
    given: &'a [Item<'a>],
    used: BTreeSet<String>,
}

impl Checker<'_> {
    /// A statement, and whether it only reads.
    fn statement(&mut self, item: &Item<'_>) -> Option<(Template, bool)> {
        let text = item.text()?;
        let checked = match self.scratch?.prepare_check(&text) {
            Ok(checked) => checked,
            Err(refused) => {
                item.wrong_inside(&text, refused.at, "this statement is refused".to_owned(), refused.message, None);
                return None;
            }
        };
        self.refuse_unknown(item, &text, &checked);
        self.used.extend(checked.parameters.iter().cloned());
        Some((Template { sql: text, parameters: checked.parameters }, checked.reads))
    }

    fn refuse_unknown(&mut self, item: &Item<'_>, text: &str, checked: &Checked) {
        let names: Vec<&str> = self.given.iter().map(|item| item.key.as_str()).collect();
        for name in checked.parameters.iter().filter(|name| !names.contains(&name.as_str())) {
            let at = text.find(&format!(":{name}")).map_or(0..text.len(), |at| at..at + name.len() + 1);
            let title = format!("nothing gives `:{name}` a value");
            if let Some(near) = nearest(name, &names) {
                // The one that was meant is not unused as well.
                self.used.insert(near.to_owned());
                item.wrong_inside(text, at, title, format!("did you mean `:{near}`?"), None);
            } else {
                let help = format!("add it to the workload: values = {{ {name} = \"1..100\" }}");
                item.wrong_inside(text, at, title, String::new(), Some(help));
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

/// The values that a parameter takes.
fn draw(item: &Item<'_>) -> Option<Values> {
    match item.kind() {
        "string" => item.parse(value::integer_range).map(|(first, last)| Values::Range(first, last)),
        "array" => {
            let list: Vec<Value> = item.list()?.iter().map(scalar).collect::<Option<_>>()?;
            match list.is_empty() {
                true => item.wrong(Wrong::brief("is empty", "there is no value to draw")),
                false => Some(Values::OneOf(list)),
            }
        }
        _ => scalar(item).map(|value| Values::OneOf(vec![value])),
    }
}
