//! `[network]` and `[[network.link]]`, and how long things take.

use std::time::Duration;

use super::model::{Distribution, Link, LinkRule, Network, Probability};
use super::reader::{Item, Table};
use super::selector::label;
use super::value::{self, Wrong};

/// The forms of `dist`.
const DISTRIBUTIONS: &[(&str, u8)] = &[("constant", 0), ("uniform", 1), ("exponential", 2), ("bimodal", 3)];

/// `[network]`.
pub fn network(root: &Table<'_>, voters: u32) -> Network {
    let (min, max) = (Duration::from_millis(1), Duration::from_millis(4));
    let default = Link {
        latency: Distribution::Uniform { min, max },
        loss: Probability(0),
        duplicate: Probability(0),
        reorder: Probability(0),
        bandwidth: None,
        queue: None,
    };
    let Some(table) = root.table("network") else { return Network { all: default, links: Vec::new() } };
    let all = Link {
        latency: table.get("latency", default.latency, distribution),
        loss: table.get("loss", default.loss, loss),
        duplicate: table.get("duplicate", default.duplicate, |item| item.parse(value::probability)),
        reorder: table.get("reorder", default.reorder, |item| item.parse(value::probability)),
        bandwidth: table.find("bandwidth").and_then(|item| item.parse(value::bandwidth)),
        queue: table.find("queue").and_then(|item| item.parse(value::bytes)),
    };
    if all.bandwidth.is_none() && !table.has("bandwidth") {
        needs_bandwidth(&table);
    }
    let rules = table.tables_called("link", "[[network.link]]");
    let links = rules.into_iter().filter_map(|link| rule(&link, voters, all.bandwidth.is_some())).collect();
    table.finish();
    Network { all, links }
}

/// One `[[network.link]]`.
fn rule(table: &Table<'_>, voters: u32, limited: bool) -> Option<LinkRule> {
    if voters == 1 {
        table.wrong("a cluster of one has no links", "", "raise `voters` in `[cluster]`");
        return None;
    }
    let side = |key| match table.find(key) {
        Some(item) => labels(&item, voters),
        None => Some(None),
    };
    let (from, to) = (side("from"), side("to"));
    let chance = |item: Item<'_>| item.parse(value::probability);
    let rule = LinkRule {
        from: from?,
        to: to?,
        one_way: table.get("one_way", false, Item::boolean),
        latency: table.find("latency").and_then(|item| distribution(&item)),
        loss: table.find("loss").and_then(|item| loss(&item)),
        duplicate: table.find("duplicate").and_then(chance),
        reorder: table.find("reorder").and_then(chance),
        bandwidth: table.find("bandwidth").and_then(|item| item.parse(value::bandwidth)),
        queue: table.find("queue").and_then(|item| item.parse(value::bytes)),
    };
    table.finish();
    if let (Some([from]), Some([to])) = (rule.from.as_deref(), rule.to.as_deref())
        && from == to
    {
        table.wrong(format!("there is no link from `{from}` to itself"), "", "name two nodes, or leave one key out");
    }
    // A misspelt key is a mistake of its own.
    if table.entries().iter().all(|entry| ["from", "to", "one_way"].contains(&entry.key.as_str())) {
        let help = "give it a `latency`, `loss`, `duplicate`, `reorder`, `bandwidth` or `queue` of its own";
        table.wrong("nothing is different on this link", "", help);
    }
    if !limited && rule.bandwidth.is_none() && !table.has("bandwidth") {
        needs_bandwidth(table);
    }
    Some(rule)
}

/// A queue forms only before something narrow.
fn needs_bandwidth(table: &Table<'_>) {
    if let Some(queue) = table.find("queue") {
        let help = "give the link a `bandwidth` too, for instance \"10MiB/s\"";
        queue.at_key().refuse::<()>(
            "nothing ever waits for this link",
            "a link without `bandwidth` has no queue",
            help,
        );
    }
}

/// The labels of some nodes, or all.
fn labels(item: &Item<'_>, voters: u32) -> Option<Option<Vec<String>>> {
    if item.as_text() == Some("all") {
        return Some(None);
    }
    let read = |item: Item<'_>| label(&item, &item.text()?, voters);
    let labels: Vec<String> = item.one_or_list().into_iter().map(read).collect::<Option<_>>()?;
    if labels.is_empty() {
        return item.wrong(Wrong::new("names nobody", "this list is empty", "for instance \"n1\" or [\"n1\", \"n2\"]"));
    }
    Some(Some(labels))
}

fn loss(item: &Item<'_>) -> Option<Probability> {
    let chance = item.parse(value::probability)?;
    if chance.0 == 1_000_000 {
        return item.wrong(Wrong::new(
            "is certain",
            "no message would ever arrive, so no leader could be elected",
            "to cut links for a while, use an event with `do = \"partition\"` or `do = \"cut\"`",
        ));
    }
    Some(chance)
}

/// `"5ms"`, `"1ms..4ms"` or `{ dist = … }`.
pub fn distribution(item: &Item<'_>) -> Option<Distribution> {
    if item.kind() != "table" {
        return item.parse(value::short_distribution);
    }
    let table = item.table(&format!("`{}`", item.key))?;
    let time = |key| required(&table, key).and_then(|item| item.parse(value::duration));
    let found = match required(&table, "dist")?.word(DISTRIBUTIONS)? {
        0 => time("value").map(Distribution::Constant),
        1 => {
            let (min, max) = (time("min"), time("max"));
            min.zip(max).map(|(min, max)| Distribution::Uniform { min, max })
        }
        2 => {
            let (min, mean, max) = (time("min"), time("mean"), time("max"));
            min.zip(mean).zip(max).map(|((min, mean), max)| Distribution::Exponential { min, mean, max })
        }
        _ => bimodal(&table),
    };
    table.finish();
    match found? {
        Distribution::Uniform { min, max } if min > max => unordered(item, "`min` is greater than `max`"),
        Distribution::Exponential { min, mean, max } if min > mean || mean > max => {
            unordered(item, "this must be so: `min` ≤ `mean` ≤ `max`")
        }
        distribution => Some(distribution),
    }
}

fn bimodal(table: &Table<'_>) -> Option<Distribution> {
    let range = |key| required(table, key).and_then(|item| item.parse(value::moment));
    let chance = required(table, "chance").and_then(|item| item.parse(value::probability));
    let (usual, slow) = (range("usual"), range("slow"));
    Some(Distribution::Bimodal { usual: usual?, slow: slow?, chance: chance? })
}

fn unordered<T>(item: &Item<'_>, label: &str) -> Option<T> {
    item.wrong(Wrong::brief("has its bounds in the wrong order", label))
}

fn required<'a>(table: &Table<'a>, key: &'static str) -> Option<Item<'a>> {
    let found = table.find(key);
    if found.is_none() {
        let example = match key {
            "usual" | "slow" | "chance" => {
                "for instance { dist = \"bimodal\", usual = \"1ms..4ms\", slow = \"80ms..200ms\", chance = \"2%\" }"
            }
            _ => {
                "for instance \"5ms\", \"1ms..4ms\" or { dist = \"exponential\", min = \"1ms\", mean = \"8ms\", max = \"400ms\" }"
            }
        };
        table.wrong(format!("`{key}` is missing in {}", table.name), "", example);
    }
    found
}
