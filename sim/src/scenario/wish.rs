//! `do`: what an operator wishes of the members, its keys, and the machines that it brings in.

use super::fault::{Around, needed};
use super::machines::MACHINES_MAX;
use super::model::{Selector, Wish};
use super::reader::{Item, Table};
use super::selector::{selector, selector_name};
use super::value::Wrong;

/// The number of the newest machine that the events and nemeses of a file bring in; 0 if they bring in none.
pub fn newest(root: &Table<'_>) -> u32 {
    let text = |table: &Table<'_>, key| table.find(key).and_then(|item| item.as_text().map(str::to_owned));
    let number = |table: Table<'_>| {
        let label = match text(&table, "do")?.as_str() {
            "join" => text(&table, "node"),
            "replace" => text(&table, "by"),
            _ => None,
        };
        label?.strip_prefix('n')?.parse::<u32>().ok().filter(|number| *number <= MACHINES_MAX)
    };
    ["event", "nemesis"].into_iter().flat_map(|list| root.peek(list)).filter_map(number).max().unwrap_or(0)
}

/// The wish of this name that a table describes.
pub fn wish(table: &Table<'_>, name: &str, around: &Around<'_>) -> Option<Wish> {
    Some(match name {
        "join" => {
            let learner = table.has("learner") && table.get("learner", false, Item::boolean);
            Wish::Join { node: newcomer(table, "node", around)?, learner }
        }
        "promote" => Wish::Promote(one(table, "node", around)?),
        "remove" => Wish::Remove(one(table, "node", around)?),
        "leave" => Wish::Leave(one(table, "node", around)?),
        "transfer" => Wish::Transfer(one(table, "to", around)?),
        "replace" => replace(table, around)?,
        _ => churn(table, around)?,
    })
}

fn replace(table: &Table<'_>, around: &Around<'_>) -> Option<Wish> {
    if let (Some(node), Some(by)) = (table.find("node"), table.find("by"))
        && node.as_text().is_some_and(|text| by.as_text() == Some(text))
    {
        let help = format!("bring in a machine that is no founder: by = \"n{}\"", around.voters + 1);
        by.contradicts(&node, "no node replaces itself", "and this the same", "this node is to go", &help);
        return None;
    }
    Some(Wish::Replace { node: one(table, "node", around)?, by: newcomer(table, "by", around)? })
}

fn churn(table: &Table<'_>, around: &Around<'_>) -> Option<Wish> {
    if around.machines == around.voters {
        let help = "give the cluster machines that can join: spares = 2 in `[cluster]`";
        table.wrong("`churn` has nobody to bring in", "", help);
        return None;
    }
    Some(Wish::Churn { least: table.get("least", 3.min(around.voters), |item| item.count(1, around.voters)) })
}

/// The machine that is to be switched on.
fn newcomer(table: &Table<'_>, key: &'static str, around: &Around<'_>) -> Option<String> {
    let first = around.voters + 1;
    let item = needed(table, key, &format!("name the machine that is to join, for instance {key} = \"n{first}\""))?;
    let text = item.text()?;
    let number = text.strip_prefix('n').and_then(|number| number.parse::<u32>().ok()).filter(|number| *number > 0);
    match number {
        Some(number) if number <= around.voters => {
            let founders = format!("the cluster is founded by n1 to n{}", around.voters);
            let help = format!("name a machine that is not yet there: n{first}, n{} …", first + 1);
            item.refuse(format!("`{text}` is a founder"), founders, help)
        }
        Some(number) if number > MACHINES_MAX => {
            let help = "let fewer join, or lower `voters` in `[cluster]`; a machine that has left can join again";
            item.refuse(format!("there is no machine `{text}`"), format!("at most {MACHINES_MAX} take part"), help)
        }
        Some(_) => Some(text),
        None => item.wrong(Wrong::new(
            "is no machine",
            "machines are called n1, n2 …",
            format!("for instance \"n{first}\""),
        )),
    }
}

/// The one node that a wish is about.
fn one(table: &Table<'_>, key: &'static str, around: &Around<'_>) -> Option<Selector> {
    let item = needed(table, key, &format!("say which node, for instance {key} = \"n2\" or {key} = \"follower\""))?;
    match selector(&item, around.machines)? {
        one @ (Selector::Any | Selector::Leader | Selector::Follower | Selector::Node(_)) => Some(one),
        several => {
            let label = format!("`{}` may be several", selector_name(&several));
            item.wrong(Wrong::new("must be one node", label, "`any`, `leader`, `follower` or `n1` …"))
        }
    }
}
