//! `[[workload]]`: what clients do.

use super::mix;
use super::model::{Amount, Phases, Workload, WorkloadKind};
use super::reader::{Item, Table};
use super::scratch::Scratch;
use super::value;

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
        _ => mix::sql(&table, scratch),
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
