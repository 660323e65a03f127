//! `seeds`, `[[invariant]]`, `final` and `[expect]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_node::api::Value;

use super::Known;
use super::marks;
use super::model::{Expect, Invariant, Phases, Progress};
use super::reader::{Item, Table, nearest};
use super::scratch::{Checked, Scratch};
use super::value::{self, Wrong};

/// The most seeds that one scenario may list: each is a test.
const SEEDS_MAX: u64 = 10_000;

/// `"1..3"`, `7`, `[1, 5]` or `["1..3", 9]`; 1, 2 and 3 if absent.
pub fn seeds(root: &Table<'_>) -> Vec<u64> {
    let Some(all) = root.find("seeds") else { return vec![1, 2, 3] };
    let mut seeds = Vec::new();
    let mut seen = BTreeSet::new();
    for item in all.one_or_list() {
        let Some((first, last)) = seed_range(&item) else { continue };
        if last - first >= SEEDS_MAX || seeds.len() as u64 >= SEEDS_MAX {
            let help = format!("at most {SEEDS_MAX}; for more use `cargo sim search`, which stores none of them");
            item.wrong::<()>(Wrong::new("are too many", "every listed seed is a test of its own", help));
            break;
        }
        if (first..=last).any(|seed| !seen.insert(seed)) {
            item.wrong::<()>(Wrong::brief("names a seed twice", "some of these stand before already"));
        }
        seeds.extend(first..=last);
    }
    if all.kind() == "array" && seeds.is_empty() && all.list().is_some_and(|list| list.is_empty()) {
        all.wrong::<()>(Wrong::new("is empty", "no seed, no run", "for instance \"1..3\""));
    }
    seeds
}

fn seed_range(item: &Item<'_>) -> Option<(u64, u64)> {
    if item.as_text().is_none() {
        return item.large(0).map(|seed| (seed, seed));
    }
    let (first, last) = item.parse(value::integer_range)?;
    match (u64::try_from(first), u64::try_from(last)) {
        (Ok(first), Ok(last)) => Some((first, last)),
        _ => item.wrong(Wrong::brief("is out of range", "seeds begin at 0")),
    }
}

/// The invariants; their queries are checked where a scratch database is given.
pub fn invariants(root: &Table<'_>, scratch: Option<&Scratch>) -> Vec<Invariant> {
    let mut names = BTreeSet::new();
    root.tables("invariant").iter().filter_map(|table| invariant(table, scratch, &mut names)).collect()
}

fn invariant(table: &Table<'_>, scratch: Option<&Scratch>, names: &mut BTreeSet<String>) -> Option<Invariant> {
    let sql = table.find("sql");
    let expect = table.get("expect", Value::Integer(0), scalar);
    let name = table.find("name").and_then(|item| {
        let name = item.text()?;
        if !names.insert(name.clone()) {
            item.wrong::<()>(Wrong::brief("is given twice", "another invariant has this name already"));
        }
        Some(name)
    });
    table.finish();
    let Some(sql) = sql else {
        let help = "give a query of one value: sql = \"SELECT count(*) FROM t\"";
        table.wrong("the invariant has no `sql`", "", help);
        return None;
    };
    let sql = one_value(&sql, scratch)?;
    Some(Invariant { name: name.unwrap_or_else(|| sql.clone()), sql, expect })
}

fn one_value(item: &Item<'_>, scratch: Option<&Scratch>) -> Option<String> {
    let sql = item.text()?;
    let Some(scratch) = scratch else { return Some(sql) };
    let checked = query(item, &sql, scratch)?;
    if checked.columns != 1 {
        let label = format!("this one has {} columns", checked.columns);
        return item.wrong(Wrong::new("must give one value", label, "for instance \"SELECT count(*) FROM t WHERE …\""));
    }
    Some(sql)
}

/// Checks a query that the testbed asks of every replica.
fn query(item: &Item<'_>, sql: &str, scratch: &Scratch) -> Option<Checked> {
    let checked = match scratch.prepare_check(sql) {
        Ok(checked) => checked,
        Err(refused) => {
            item.wrong_inside(sql, refused.at, "this query is refused".to_owned(), refused.message, None);
            return None;
        }
    };
    if !checked.reads || checked.columns == 0 {
        return item.wrong(Wrong::brief("must only read", "this is not a query"));
    }
    if let Some(name) = checked.parameters.first() {
        return item.wrong(Wrong::brief("cannot have parameters", format!("nothing gives `{name}` a value here")));
    }
    Some(checked)
}

/// A value of SQLite's, as far as TOML can write it.
pub fn scalar(item: &Item<'_>) -> Option<Value> {
    match item.kind() {
        "integer" => item.integer(i64::MIN, i64::MAX).map(Value::Integer),
        "float" => item.real().map(Value::Real),
        "string" => item.text().map(Value::Text),
        "boolean" => item.wrong(Wrong::brief("must be a number or a string", "SQLite has no booleans: write 1 or 0")),
        _ => item.wrong(Wrong::brief("must be a number or a string", "SQLite has no such value")),
    }
}

/// Tables or queries.
pub fn finals(root: &Table<'_>, scratch: Option<&Scratch>) -> Vec<String> {
    let Some(all) = root.find("final") else { return Vec::new() };
    all.one_or_list().iter().filter_map(|item| final_contents(item, scratch)).collect()
}

fn final_contents(item: &Item<'_>, scratch: Option<&Scratch>) -> Option<String> {
    let text = item.text()?;
    let Some(scratch) = scratch else { return Some(text) };
    let tables = scratch.tables();
    if tables.contains(&text) {
        return Some(text);
    }
    if text.contains(char::is_whitespace) {
        return query(item, &text, scratch).map(|_| text);
    }
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    let label = nearest(&text, &names).map(|name| format!("did you mean `{name}`?"));
    let help = match tables.is_empty() {
        true => "the scenario has no tables: give it a `[schema]` or a bank workload".to_owned(),
        false => format!("the tables are: {}; a query is written in full", names.join(", ")),
    };
    item.refuse(format!("there is no table `{text}`"), label.unwrap_or_default(), help)
}

/// `[expect]` of a scenario for this system.
pub fn expect(root: &Table<'_>, phases: &Phases, system: &str, known: &Known<'_>) -> Expect {
    let Some(table) = root.table("expect") else { return Expect::default() };
    let expect = Expect {
        progress: table.get("progress", Vec::new(), |item| {
            Some(item.one_or_list().iter().filter_map(|item| progress(item, phases)).collect())
        }),
        leaderless: table.find("leaderless").and_then(|item| item.parse(parse_leaderless)),
        sometimes: table.get("sometimes", Vec::new(), |item| Some(item.list()?.iter().filter_map(mark).collect())),
        fails: table.get("fails", BTreeMap::new(), |item| fails(item, system, known)),
    };
    table.finish();
    expect
}

/// The name of a mark.
pub fn mark(item: &Item<'_>) -> Option<String> {
    let name = item.text()?;
    let names = marks::names();
    if names.contains(&name.as_str()) { Some(name) } else { item.unknown("there is no mark", &name, &names) }
}

fn progress(item: &Item<'_>, phases: &Phases) -> Option<Progress> {
    let progress = item.parse(parse_progress)?;
    let settles = if phases.core.is_some() { 2 } else { 1 };
    let end = phases.faults.map(|faults| faults + phases.settle * settles);
    if end.is_some_and(|end| progress.to > end) {
        return item.wrong(Wrong::brief(
            "reaches beyond the run",
            format!("the run ends {} after its faults began", value::write_duration(end.unwrap_or(Duration::ZERO))),
        ));
    }
    Some(progress)
}

fn parse_progress(text: &str) -> Result<Progress, Wrong> {
    let bad = || {
        Wrong::new(
            "is not understood",
            "this is not `N commits in A..B`",
            "for instance \"50 commits in 2s..5s\": at least 50 operations acknowledged between these times",
        )
    };
    let (count, range) = text.split_once(" in ").ok_or_else(bad)?;
    let (number, noun) = count.trim().split_once(' ').ok_or_else(bad)?;
    if !matches!(noun.trim(), "commits" | "commit") {
        return Err(bad());
    }
    let commits = number.parse().map_err(|_| bad())?;
    let (from, to) = value::duration_range(range.trim())?;
    if commits == 0 || from == to {
        return Err(Wrong::brief("asks for nothing", "at least one commit, in a range of two different times"));
    }
    Ok(Progress { commits, from, to })
}

fn parse_leaderless(text: &str) -> Result<Duration, Wrong> {
    let Some(longest) = text.strip_prefix("at most ") else {
        return Err(Wrong::new(
            "is not understood",
            "this is not `at most TIME`",
            "for instance \"at most 3s\": a majority that is up and connected has a leader again within 3 seconds",
        ));
    };
    value::duration(longest.trim())
}

fn fails(item: &Item<'_>, system: &str, known: &Known<'_>) -> Option<BTreeMap<String, String>> {
    let mut fails = BTreeMap::new();
    for entry in item.table("[expect] fails")?.entries() {
        let name = entry.key.clone();
        let Some(property) = entry.text() else { continue };
        if !known.systems.contains(&name.as_str()) {
            entry.at_key().unknown::<()>("there is no system", &name, known.systems);
        } else if name == system {
            entry.at_key().refuse::<()>(
                format!("`{name}` cannot be expected to fail"),
                "it is the system that this scenario must hold on",
                "name another system here, or another one in `[cluster] system`",
            );
        } else if !known.properties.contains(&property.as_str()) {
            entry.unknown::<()>("there is no property", &property, known.properties);
        } else {
            fails.insert(name, property);
        }
    }
    Some(fails)
}
