//! `[[workload]]`: what clients do.

use std::collections::BTreeSet;

use lockstep_node::api::ReadLevel;

use super::migrate;
use super::mix::{self, Context};
use super::model::{Amount, Layout, Phases, Probability, Workload, WorkloadKind};
use super::reader::{Item, Table};
use super::value::{self, Wrong};
use crate::workload::tables;

/// The kinds of workloads by their names.
const KINDS: &[(&str, &str)] = &[
    ("bank", "bank"),
    ("counter", "counter"),
    ("register", "register"),
    ("append", "append"),
    ("sql", "sql"),
    ("generated", "generated"),
    ("migrate", "migrate"),
];

/// The levels of reads by their names.
pub const LEVELS: &[(&str, ReadLevel)] = &[
    ("strong", ReadLevel::Strong),
    ("linearizable", ReadLevel::Linearizable),
    ("weak", ReadLevel::Weak),
    ("none", ReadLevel::None),
];

/// The layouts of lists by their names.
pub const LAYOUTS: &[(&str, Layout)] = &[("text", Layout::Text), ("rows", Layout::Rows)];

/// The statements that create the tables which the workloads bring along. A misspelt kind counts as a bank, so that its
/// tables do not seem to be missing as well.
pub fn brought(root: &Table<'_>) -> Vec<&'static str> {
    let Some(all) = root.find("workload") else { return Vec::new() };
    let mut statements = Vec::new();
    for item in all.one_or_list() {
        let table = (item.kind() == "table").then(|| item.table("")).flatten();
        let word = |key| table.as_ref().and_then(|table| table.find(key)?.as_text().map(str::to_owned));
        let (kind, layout) = (word("kind").unwrap_or_default(), word("layout").unwrap_or_default());
        let layout = LAYOUTS.iter().find(|(name, _)| *name == layout).map_or(Layout::Text, |(_, layout)| *layout);
        for statement in tables::of_kind(&kind, layout) {
            if !statements.contains(statement) {
                statements.push(*statement);
            }
        }
    }
    statements
}

/// All workloads.
pub fn workloads(root: &Table<'_>, phases: &Phases, context: Context<'_>) -> Vec<Workload> {
    let mut kinds = BTreeSet::new();
    root.tables("workload").into_iter().filter_map(|table| workload(table, phases, context, &mut kinds)).collect()
}

fn workload(
    table: Table<'_>,
    phases: &Phases,
    context: Context<'_>,
    kinds: &mut BTreeSet<&'static str>,
) -> Option<Workload> {
    let kind = match table.find("kind") {
        Some(item) => item.word(KINDS)?,
        None => "bank",
    };
    if kind == "migrate" {
        return migration(&table, phases, context, kinds);
    }
    let clients = table.get("clients", 4, |item| item.count(1, 1000));
    let amount = amount(&table, phases);
    let level = level(&table, kind);
    if kind != "sql" && !kinds.insert(kind) {
        let help = format!("give the first `{kind}` more `clients` and `ops`, or a higher `rate`");
        table.wrong(format!("a second `{kind}` workload"), "both would write the same tables", help);
    }
    let kind = match kind {
        "bank" => Some(WorkloadKind::Bank {
            accounts: table.get("accounts", 10, |item| item.count(2, 100_000)),
            balance: table.get("balance", 100, |item| item.integer(0, 1_000_000_000)),
        }),
        "counter" => Some(WorkloadKind::Counter {
            keys: keys(&table),
            add: table.get("add", (1, 5), |item| counts(item, 1_000_000, "an addition is at least 1: bounds need it")),
            reads: share(&table, "reads", 20),
        }),
        "register" => Some(WorkloadKind::Register {
            keys: keys(&table),
            values: table.get("values", 5, |item| item.count(2, 1_000_000)),
            reads: share(&table, "reads", 50),
            compare_and_set: share(&table, "compare_and_set", 50),
        }),
        "append" => Some(WorkloadKind::Append {
            keys: keys(&table),
            layout: table.get("layout", Layout::Text, |item| item.word(LAYOUTS)),
            length: table.get("length", (1, 4), |item| counts(item, 16, "a transaction has 1 to 16 parts")),
            reads: share(&table, "reads", 50),
        }),
        "generated" => generated(&table),
        _ => mix::sql(&table, context),
    };
    table.finish();
    Some(Workload { clients, amount: amount?, level, kind: kind? })
}

/// Statements drawn at random.
fn generated(table: &Table<'_>) -> Option<WorkloadKind> {
    Some(WorkloadKind::Generated {
        tables: table.get("tables", 4, |item| item.count(2, 20)),
        value_bytes: table.get("value_bytes", 4 << 10, |item| {
            let help = "write an amount of data between \"16B\" and \"1MiB\", for instance \"4KiB\"";
            match item.parse(value::bytes)? {
                bytes @ 16..=0x10_0000 => Some(bytes),
                _ => item.wrong(Wrong::new("is out of range", "a value has 16 bytes to 1 MiB", help)),
            }
        }),
        ddl: table.get("ddl", Probability(100_000), |item| match item.parse(value::probability)? {
            chance if chance.0 <= 500_000 => Some(chance),
            _ => {
                let help =
                    "write a chance up to \"50%\": more changes of the schema leave too few statements that fit it";
                item.wrong(Wrong::new("is too much", "rows must be written and read as well", help))
            }
        }),
    })
}

/// The level of a workload's own reads.
fn level(table: &Table<'_>, kind: &str) -> Option<ReadLevel> {
    if kind == "sql" {
        return None;
    }
    let item = table.find("level")?;
    let level = item.word(LEVELS)?;
    if !matches!(kind, "bank" | "generated") && matches!(level, ReadLevel::None | ReadLevel::Weak) {
        return item.refuse(
            format!("a `{kind}` workload whose reads may be stale"),
            "what these reads return is judged as fresh",
            "write \"linearizable\" or \"strong\"; `bank`, `sql` and `generated` can read at any level",
        );
    }
    Some(level)
}

/// A migration has one client, and does what its steps are.
fn migration(
    table: &Table<'_>,
    phases: &Phases,
    context: Context<'_>,
    kinds: &mut BTreeSet<&'static str>,
) -> Option<Workload> {
    let kind = migrate::migrate(table, phases, context.steps);
    table.finish();
    if !kinds.insert("migrate") {
        let help = "give the first one all steps: one comes after the other";
        table.wrong("a second `migrate` workload", "both would change the same schema", help);
        return None;
    }
    Some(Workload { clients: 1, amount: Amount::Ops(context.steps.len() as u64), level: None, kind: kind? })
}

fn keys(table: &Table<'_>) -> u32 {
    table.get("keys", 5, |item| item.count(1, 1000))
}

/// A chance that leaves room for the opposite: a workload that only reads changes nothing, and one that never does sees
/// nothing.
fn share(table: &Table<'_>, key: &'static str, percent: u32) -> Probability {
    table.get(key, Probability(percent * 10_000), |item| item.parse(value::probability))
}

/// A range of whole numbers from 1 to `most`.
fn counts(item: &Item<'_>, most: u32, label: &str) -> Option<(u32, u32)> {
    let (first, last) = item.parse(value::integer_range)?;
    match (u32::try_from(first), u32::try_from(last)) {
        (Ok(first @ 1..), Ok(last)) if last <= most => Some((first, last)),
        _ => item.wrong(Wrong::new("is out of range", label, format!("both ends must lie between 1 and {most}"))),
    }
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
