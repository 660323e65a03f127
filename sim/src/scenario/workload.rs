//! `[[workload]]`: what clients do.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::api::Value;

use super::expect::scalar;
use super::model::{Amount, Mixed, Phases, Values, Workload, WorkloadKind};
use super::reader::{Item, Table, suggest};
use super::scratch::{Checked, Scratch};
use super::value::{self, Wrong};

/// The kinds of workloads by their names.
const KINDS: &[(&str, &str)] = &[("bank", "bank"), ("sql", "sql")];

/// Whether any workload is a bank, which brings tables of its own. What is misspelt counts as one, so that its tables
/// do not seem to be missing as well.
pub fn has_bank(root: &Table<'_>) -> bool {
    let Some(all) = root.find("workload") else { return false };
    let is_bank = |item: &Item<'_>| {
        let table = (item.kind() == "table").then(|| item.table("")).flatten();
        let kind = table.and_then(|table| table.find("kind"));
        kind.is_none_or(|kind| kind.as_text() != Some("sql"))
    };
    all.one_or_list().iter().any(is_bank)
}

/// All workloads; their statements are checked where a scratch database is given.
pub fn workloads(root: &Table<'_>, phases: &Phases, scratch: Option<&Scratch>) -> Vec<Workload> {
    root.tables("workload").into_iter().filter_map(|table| workload(table, phases, scratch)).collect()
}

fn workload(table: Table<'_>, phases: &Phases, scratch: Option<&Scratch>) -> Option<Workload> {
    let clients = table.get("clients", 4, |item| item.count(1, 1000));
    let amount = amount(&table, phases);
    let kind = match table.find("kind") {
        Some(item) => item.word(KINDS)?,
        None => "bank",
    };
    let kind = match kind {
        "bank" => Some(WorkloadKind::Bank {
            accounts: table.get("accounts", 10, |item| item.count(2, 100_000)),
            balance: table.get("balance", 100, |item| item.integer(0, 1_000_000_000)),
        }),
        _ => sql(&table, scratch),
    };
    table.finish();
    Some(Workload { clients, amount: amount?, kind: kind? })
}

fn amount(table: &Table<'_>, phases: &Phases) -> Option<Amount> {
    match (table.find("ops"), table.find("rate")) {
        (None, None) => Some(Amount::Ops(100)),
        (Some(ops), None) => ops.large(1).map(Amount::Ops),
        (None, Some(rate)) => {
            if phases.faults.is_none() {
                return rate.at_key().refuse(
                    "`rate` has no end",
                    "a rate goes on until the fault phase ends, and it has no length",
                    "add a table at the end of the file: [phases] with faults = \"20s\"; or give `ops` instead",
                );
            }
            rate.parse(value::rate).map(Amount::RateMilli)
        }
        (Some(ops), Some(rate)) => {
            let help = "keep `ops` for a number of operations, or `rate` for operations until the fault phase ends";
            rate.contradicts(
                &ops,
                "`ops` and `rate` contradict each other",
                "and this how fast",
                "this says how many",
                help,
            );
            None
        }
    }
}

fn sql(table: &Table<'_>, scratch: Option<&Scratch>) -> Option<WorkloadKind> {
    let values = table.find("values");
    let drawn: BTreeMap<String, Values> = match &values {
        Some(item) => {
            item.table("`values`")?.entries().iter().filter_map(|i| Some((i.key.clone(), draw(i)?))).collect()
        }
        None => BTreeMap::new(),
    };
    let given: Vec<String> = match &values {
        Some(item) => item.table("`values`")?.entries().into_iter().map(|item| item.key).collect(),
        None => Vec::new(),
    };
    let Some(mix) = table.find("mix") else {
        let help = "for instance mix = [{ sql = \"UPDATE t SET n = n + 1 WHERE id = :id\" }]";
        table.wrong("the sql workload has no `mix`", "", help);
        return None;
    };
    let mut used = Some(BTreeSet::new());
    let operations: Vec<Option<Mixed>> =
        mix.list()?.iter().map(|item| mixed(item.table("`mix`")?, scratch, &given, &mut used)).collect();
    if operations.is_empty() {
        return mix.wrong(Wrong::brief("is empty", "there is no operation to choose from"));
    }
    if let (Some(used), Some(item)) = (used, values) {
        for unused in item.table("`values`")?.entries().iter().filter(|item| !used.contains(&item.key)) {
            unused.at_key().refuse::<()>(
                format!("no statement uses `:{}`", unused.key),
                "",
                "use it in a statement of `mix`, or remove it",
            );
        }
    }
    Some(WorkloadKind::Sql { mix: operations.into_iter().collect::<Option<_>>()?, values: drawn })
}

/// One operation. Adds the parameters that it uses to `used`, which becomes `None` where they cannot be known.
fn mixed(
    table: Table<'_>,
    scratch: Option<&Scratch>,
    given: &[String],
    used: &mut Option<BTreeSet<String>>,
) -> Option<Mixed> {
    let weight = table.get("weight", 1, |item| item.count(1, 1_000_000));
    let atomic = table.get("atomic", false, Item::boolean);
    let level = table.find("level");
    let read = table.find("read");
    if let Some(level) = &level {
        level.word(&[("strong", ())]);
    }
    let Some(sql) = table.find("sql") else {
        table.wrong(
            "the operation has no `sql`",
            "",
            "for instance { sql = \"UPDATE t SET n = n + 1 WHERE id = :id\" }",
        );
        *used = None;
        return None;
    };
    table.finish();
    let items = sql.one_or_list();
    if items.is_empty() {
        return sql.wrong(Wrong::brief("is empty", "an operation has a statement at least"));
    }
    let mut statements = Vec::new();
    let mut only_reads = true;
    for item in items {
        let text = item.text();
        let checked = text.as_ref().zip(scratch).and_then(|(text, scratch)| statement(&item, text, scratch, given));
        match (&checked, used.as_mut()) {
            (Some(checked), Some(used)) => used.extend(checked.parameters.iter().cloned()),
            _ => *used = None,
        }
        only_reads &= checked.is_some_and(|checked| checked.reads);
        statements.push(text?);
    }
    let read = match (read.as_ref().map(Item::boolean), &level) {
        (Some(read), _) => read?,
        (None, Some(_)) => true,
        (None, None) => only_reads,
    };
    if read && !only_reads && used.is_some() {
        return sql.refuse(
            "a read that writes",
            "`read` and `level` are for operations that only read",
            "leave them out: the operation is then sent as a write",
        );
    }
    Some(Mixed { weight, sql: statements, atomic, read })
}

/// Checks a statement against the tables and the values that are drawn for it.
fn statement(item: &Item<'_>, text: &str, scratch: &Scratch, given: &[String]) -> Option<Checked> {
    let checked = match scratch.prepare_check(text) {
        Ok(checked) => checked,
        Err(refused) => {
            item.wrong_inside(text, refused.at, "this statement is refused".to_owned(), refused.message, None);
            return None;
        }
    };
    let names: Vec<&str> = given.iter().map(String::as_str).collect();
    for name in checked.parameters.iter().filter(|name| !given.contains(name)) {
        let at = text.find(&format!(":{name}")).map_or(0..text.len(), |at| at..at + name.len() + 1);
        let (label, _) = suggest(name, &names);
        let label = if label.starts_with("did") { label } else { String::new() };
        let help = format!("add it to the workload: values = {{ {name} = \"1..100\" }}");
        item.wrong_inside(text, at, format!("nothing gives `:{name}` a value"), label, Some(help));
    }
    Some(checked)
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
