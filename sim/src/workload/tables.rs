//! The tables that workloads bring along.

use super::bank_schema::{BANK_SCHEMA, bank_schema};
use super::{append, counter, migrate, register};
use crate::scenario::model::{Layout, WorkloadKind};

/// The statements that create the tables of a kind of workload; of a bank where the kind is not known, since it is the
/// default. `layout` is that of an append workload.
pub fn of_kind(kind: &str, layout: Layout) -> &'static [&'static str] {
    match kind {
        "counter" => &[counter::TABLE],
        "register" => &[register::TABLE],
        "append" => match layout {
            Layout::Text => &[append::TEXTS],
            Layout::Rows => &[append::ITEMS],
        },
        "sql" | "generated" => &[],
        "migrate" => &[migrate::TABLE],
        _ => BANK_SCHEMA,
    }
}

/// The statements that create a workload's tables and fill them. Those of generated statements are drawn: the setup asks
/// [`generated`](super::generated::shared) for them.
pub fn filled(kind: &WorkloadKind) -> Vec<String> {
    let layout = match kind {
        WorkloadKind::Append { layout, .. } => *layout,
        _ => Layout::Text,
    };
    let create = of_kind(kind.name(), layout).iter().map(|sql| (*sql).to_owned());
    match kind {
        WorkloadKind::Bank { accounts, balance } => bank_schema(*accounts, *balance),
        WorkloadKind::Counter { keys, .. } => create.chain([zeros("counters", *keys)]).collect(),
        WorkloadKind::Register { keys, .. } => create.chain([zeros("registers", *keys)]).collect(),
        WorkloadKind::Append { .. } | WorkloadKind::Sql { .. } | WorkloadKind::Migrate { .. } => create.collect(),
        WorkloadKind::Generated { .. } => Vec::new(),
    }
}

/// Fills a table of ids and values with zeros.
fn zeros(table: &str, keys: u32) -> String {
    format!(
        "WITH RECURSIVE numbers(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < {keys})\n\
         INSERT INTO {table} SELECT id, 0 FROM numbers"
    )
}
