//! `do`: the faults of the file format, their keys, and what each needs of the cluster.

use std::time::Duration;

use super::model::{Fault, MessageFault, Selector};
use super::reader::{Item, Table};
use super::selector::{Placed, plain, selector, selectors, target, unique};
use super::value::{self, Wrong};
use super::wish::wish;

/// What surrounds a fault.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// How many voters the cluster has at first.
    pub voters: u32,
    /// How many machines there are, those that join included.
    pub machines: u32,
    /// What kinds of messages the system under test tells apart.
    pub kinds: &'a [&'a str],
}

/// The faults by their names.
pub const FAULTS: [&str; 27] = [
    "power-cut",
    "kill",
    "restart",
    "crash-loop",
    "pause",
    "partition",
    "cut",
    "bridge",
    "ring",
    "isolate",
    "clog",
    "swizzle",
    "drop",
    "delay",
    "clock-jump",
    "clock-drift",
    "clock-freeze",
    "slow-disk",
    "stall-disk",
    "wipe",
    "join",
    "promote",
    "remove",
    "leave",
    "replace",
    "transfer",
    "churn",
];

/// The keys that only some faults have, and which.
const KEYS: &[(&str, &[&str])] = &[
    (
        "target",
        &[
            "power-cut",
            "kill",
            "restart",
            "crash-loop",
            "pause",
            "bridge",
            "isolate",
            "swizzle",
            "clock-jump",
            "clock-drift",
            "clock-freeze",
            "slow-disk",
            "stall-disk",
            "wipe",
        ],
    ),
    ("factor", &["slow-disk"]),
    ("groups", &["partition"]),
    ("from", &["cut", "clog", "drop", "delay"]),
    ("to", &["cut", "clog", "drop", "delay", "transfer"]),
    ("one_way", &["cut", "bridge", "ring", "isolate", "clog", "swizzle"]),
    ("by", &["clog", "delay", "clock-jump", "clock-drift", "replace"]),
    ("kind", &["drop", "delay"]),
    ("nth", &["drop", "delay"]),
    ("count", &["drop", "delay"]),
    ("times", &["crash-loop"]),
    ("down", &["crash-loop"]),
    ("up", &["crash-loop"]),
    ("node", &["join", "promote", "remove", "leave", "replace"]),
    ("learner", &["join"]),
    ("least", &["churn"]),
];

/// The faults whose length `for` does not say, and why.
pub const OWN_LENGTH: &[(&str, &str)] = &[
    ("restart", "the process starts again at once; to leave it down for a while, use `kill`"),
    ("crash-loop", "its length follows from `times`, `down` and `up`"),
    ("join", WHEN_DONE),
    ("promote", WHEN_DONE),
    ("remove", WHEN_DONE),
    ("leave", WHEN_DONE),
    ("replace", WHEN_DONE),
    ("transfer", WHEN_DONE),
    ("churn", WHEN_DONE),
];

const WHEN_DONE: &str = "it is over when it is done, and is given up when the fault phase ends";

/// The least number of machines of a cluster in which a fault can do anything.
const LEAST: &[(&str, u32)] = &[
    ("partition", 2),
    ("cut", 2),
    ("isolate", 2),
    ("clog", 2),
    ("swizzle", 2),
    ("drop", 2),
    ("delay", 2),
    ("bridge", 3),
];

/// The fault of this name that a table describes.
pub fn fault(table: &Table<'_>, name: &str, around: &Around<'_>) -> Option<Fault> {
    foreign_keys(table, name);
    enough_nodes(table, name, around.machines)?;
    let target = |default| target(table, default, around.machines);
    let one_way = table.has("one_way") && table.get("one_way", false, Item::boolean);
    Some(match name {
        "power-cut" => Fault::PowerCut(target(Selector::Any)?),
        "kill" => Fault::Kill(target(Selector::Any)?),
        "restart" => Fault::Restart(target(Selector::Any)?),
        "crash-loop" => crash_loop(table, target(Selector::Any)?),
        "pause" => Fault::Pause(target(Selector::Any)?),
        "partition" => partition(table, around.machines)?,
        "cut" => {
            let (from, to) = sides(table, around.machines)?;
            Fault::Cut { from, to, one_way }
        }
        "bridge" => Fault::Bridge { node: bridge(table, around.machines)?, one_way },
        "ring" => Fault::Ring { one_way: ring(table, one_way, around.machines)? },
        "isolate" => Fault::Isolate { target: target(Selector::Leader)?, one_way },
        "clog" => {
            let by = table.find("by").map(|item| item.parse(value::positive_duration));
            let (from, to) = sides(table, around.machines)?;
            Fault::Clog { from, to, one_way, by: by.flatten() }
        }
        "swizzle" => {
            needed(table, "for", "it clogs one node after the other and clears them again: say how long it takes")?;
            Fault::Swizzle { target: target(Selector::Some)?, one_way }
        }
        "drop" => messages(table, MessageFault::Drop, around)?,
        "delay" => {
            let by = needed(table, "by", "say by how much, for instance by = \"300ms\"")?;
            messages(table, MessageFault::Delay(by.parse(value::positive_duration)?), around)?
        }
        "clock-jump" => {
            let by = needed(table, "by", "say how far, for instance by = \"+5s\" or by = \"-5s\"")?;
            Fault::ClockJump { by_ns: by.parse(value::jump)?, target: target(Selector::Any)? }
        }
        "clock-drift" => {
            let by = needed(table, "by", "say how much faster or slower, for instance by = \"-50000ppm\"")?;
            Fault::ClockDrift { by_ppm: by.parse(value::drift_change)?, target: target(Selector::Any)? }
        }
        "clock-freeze" => Fault::ClockFreeze(target(Selector::Any)?),
        "slow-disk" => {
            let factor = table.get("factor", 10, |item| item.count(2, 1_000_000));
            Fault::SlowDisk { target: target(Selector::Any)?, factor }
        }
        "stall-disk" => Fault::StallDisk(target(Selector::Any)?),
        "wipe" => Fault::Wipe(target(Selector::Any)?),
        _ => Fault::Wish(wish(table, name, around)?),
    })
}

/// Refuses keys that belong to other faults. The fault's own are valid, whatever else is wrong.
fn foreign_keys(table: &Table<'_>, name: &str) {
    for (key, _) in KEYS.iter().filter(|(_, faults)| faults.contains(&name)) {
        table.find(key);
    }
    for (key, faults) in KEYS.iter().filter(|(key, faults)| !faults.contains(&name) && table.has(key)) {
        let Some(item) = table.find(key) else { continue };
        let help = format!("`{key}` belongs to {}", faults.join(", "));
        item.at_key().refuse::<()>(format!("`{name}` has no `{key}`"), "", help);
    }
    if let Some((_, why)) = OWN_LENGTH.iter().find(|(fault, _)| *fault == name)
        && let Some(item) = table.find("for")
    {
        item.at_key().refuse::<()>(format!("`{name}` has no `for`"), "", *why);
    }
}

fn enough_nodes(table: &Table<'_>, name: &str, voters: u32) -> Option<()> {
    let Some((_, least)) = LEAST.iter().find(|(fault, least)| *fault == name && voters < *least) else {
        return Some(());
    };
    if voters == 1 {
        table.wrong("a cluster of one cannot be divided", "", "raise `voters` in `[cluster]`");
    } else {
        let title = format!("`{name}` does nothing in a cluster of {voters}");
        table.wrong(title, "", format!("it needs {least} nodes: raise `voters` in `[cluster]`"));
    }
    None
}

/// The value of a key that has no default.
pub fn needed<'a>(table: &Table<'a>, key: &'static str, help: &str) -> Option<Item<'a>> {
    let found = table.find(key);
    if found.is_none() {
        let name = table.find("do").and_then(|item| item.as_text().map(str::to_owned)).unwrap_or_default();
        table.wrong(format!("`{name}` needs `{key}`"), "", help);
    }
    found
}

fn crash_loop(table: &Table<'_>, target: Vec<Selector>) -> Fault {
    let time =
        |key, default| table.get(key, Duration::from_millis(default), |item| item.parse(value::positive_duration));
    let times = table.get("times", 3, |item| item.count(2, 1000));
    Fault::CrashLoop { target, times, down: time("down", 50), up: time("up", 300) }
}

/// The two sides of a fault between nodes.
fn sides(table: &Table<'_>, voters: u32) -> Option<(Vec<Selector>, Vec<Selector>)> {
    let side = |key, default| match table.find(key) {
        Some(item) => selectors(&item, voters),
        None => table.find("do").map(|item| vec![(default, item)]),
    };
    let (from, to): (Option<Vec<Placed<'_>>>, _) = (side("from", Selector::Leader), side("to", Selector::Rest));
    let (from, to) = (from?, to?);
    unique(&[from.as_slice(), to.as_slice()].concat())?;
    Some((plain(&from), plain(&to)))
}

fn partition(table: &Table<'_>, voters: u32) -> Option<Fault> {
    let Some(all) = table.find("groups") else {
        return Some(Fault::Partition(vec![vec![Selector::Leader], vec![Selector::Rest]]));
    };
    let groups: Vec<_> = all.list()?.iter().map(|group| selectors(group, voters)).collect::<Option<_>>()?;
    if groups.len() < 2 {
        return all.wrong(Wrong::new(
            "needs two groups or more",
            "one group alone is not divided from anybody",
            "for instance groups = [[\"leader\"], [\"rest\"]]",
        ));
    }
    let placed = groups.concat();
    if let Some((_, item)) = placed.iter().find(|(selector, _)| *selector == Selector::All) {
        return item.refuse("`all` leaves nobody for the other group", "", "write \"rest\" for all others");
    }
    unique(&placed)?;
    Some(Fault::Partition(groups.iter().map(|group| plain(group)).collect()))
}

/// The node in the middle.
fn bridge(table: &Table<'_>, voters: u32) -> Option<Selector> {
    let Some(item) = table.find("target") else { return Some(Selector::Any) };
    match selector(&item, voters)? {
        one @ (Selector::Any | Selector::Leader | Selector::Follower | Selector::Node(_)) => Some(one),
        _ => item.wrong(Wrong::brief(
            "must be one node",
            "a bridge is the one node that both halves hear: `any`, `leader`, `follower` or `n1` …",
        )),
    }
}

/// Refuses a ring in which everybody is everybody's neighbour.
fn ring(table: &Table<'_>, one_way: bool, voters: u32) -> Option<bool> {
    let least = if one_way { 3 } else { 4 };
    if voters < least {
        let help = format!("it needs {least} nodes: raise `voters` in `[cluster]`");
        table.wrong(format!("a ring of {voters} cuts no link: all are neighbours"), "", help);
        return None;
    }
    Some(one_way)
}

/// `drop` and `delay`.
fn messages(table: &Table<'_>, fate: MessageFault, around: &Around<'_>) -> Option<Fault> {
    let kind = match table.find("kind") {
        Some(item) => Some(message_kind(&item, around.kinds)?),
        None => None,
    };
    let side = |key| match table.find(key) {
        Some(item) => Some((plain(&selectors(&item, around.machines)?), Some(item))),
        None => Some((vec![Selector::All], None)),
    };
    let ((from, from_item), (to, to_item)) = (side("from")?, side("to")?);
    if let (Some(from_item), Some(to_item)) = (from_item, to_item)
        && from == to
        && matches!(from.as_slice(), [Selector::Leader | Selector::Node(_)])
    {
        let help = "leave one of them out to mean all nodes";
        let title = "no node sends messages to itself";
        to_item.contradicts(&from_item, title, "and to the same node", "messages from this node", help);
        return None;
    }
    let nth = table.find("nth").map(|item| item.large(1));
    // "The third" is one message, "all of them" are many.
    let alone = nth.map(|_| 1);
    let count = table.find("count").map_or(Some(alone), |item| item.large(1).map(Some))?;
    Some(Fault::Messages { fate, kind, from, to, nth: nth.map_or(Some(1), |nth| nth)?, count })
}

fn message_kind(item: &Item<'_>, kinds: &[&str]) -> Option<String> {
    let kind = item.text()?;
    if kinds.contains(&kind.as_str()) {
        return Some(kind);
    }
    if kinds.is_empty() {
        let help = "leave `kind` out, and choose messages by `from`, `to` and `nth`";
        return item.refuse("the system under test tells no kinds of messages apart", "", help);
    }
    item.unknown("there is no kind of message", &kind, kinds)
}
