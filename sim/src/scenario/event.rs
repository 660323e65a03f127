//! `[[event]]`: what goes wrong, and when.

use std::time::Duration;

use super::expect::mark;
use super::model::{During, Event, Fault, Phases, Selector, Trigger};
use super::reader::{Item, Table, nearest};
use super::value::{self, Wrong, write_duration};

/// The faults by their names.
const FAULTS: &[(&str, &str)] = &[
    ("power-cut", "power-cut"),
    ("kill", "kill"),
    ("partition", "partition"),
    ("cut", "cut"),
    ("slow-disk", "slow-disk"),
    ("stall-disk", "stall-disk"),
];

/// The keys that only some faults have, and which.
const KEYS: &[(&str, &[&str])] = &[
    ("target", &["power-cut", "kill", "slow-disk", "stall-disk"]),
    ("factor", &["slow-disk"]),
    ("groups", &["partition"]),
    ("from", &["cut"]),
    ("to", &["cut"]),
    ("one_way", &["cut"]),
];

/// The kinds of work by their names.
pub const DURING: &[(&str, During)] =
    &[("commit", During::Commit), ("checkpoint", During::Checkpoint), ("append", During::Append)];

/// The selectors that are no names of nodes.
pub const SELECTORS: &[(&str, Selector)] = &[
    ("leader", Selector::Leader),
    ("any", Selector::Any),
    ("follower", Selector::Follower),
    ("all", Selector::All),
    ("minority", Selector::Minority),
    ("majority", Selector::Majority),
    ("rest", Selector::Rest),
];

/// A selector and where it stands.
type Placed<'a> = (Selector, Item<'a>);

/// All events, in the order of the file.
pub fn events(root: &Table<'_>, voters: u32, phases: &Phases) -> Vec<Event> {
    root.tables("event").into_iter().filter_map(|table| event(table, voters, phases)).collect()
}

fn event(table: Table<'_>, voters: u32, phases: &Phases) -> Option<Event> {
    let line = table.line();
    let trigger = trigger(&table, voters, phases);
    let lasts = table.find("for").and_then(|item| lasts(&item, trigger.as_ref(), phases));
    let Some(kind) = table.find("do") else {
        let names: Vec<&str> = FAULTS.iter().map(|(name, _)| *name).collect();
        table.wrong("the event does nothing: `do` is missing", "", format!("give `do` one of: {}", names.join(", ")));
        return None;
    };
    let kind = kind.word(FAULTS)?;
    for (key, faults) in KEYS.iter().filter(|(key, faults)| !faults.contains(&kind) && table.has(key)) {
        let item = table.find(key)?;
        let help = format!("`{key}` belongs to {}", faults.join(", "));
        item.at_key().refuse::<()>(format!("`{kind}` has no `{key}`"), "", help);
    }
    let fault = fault(&table, kind, voters);
    if let Some(Trigger::Io { .. }) = trigger {
        only_cuts_power(&table, kind);
    }
    table.finish();
    Some(Event { trigger: trigger?, fault: fault?, lasts, line })
}

/// A disk call can be cut short only by a loss of power, and only on the machine that makes it.
fn only_cuts_power(table: &Table<'_>, kind: &str) {
    let (Some(what), Some(when)) = (table.find("do"), table.find("when")) else { return };
    if kind != "power-cut" {
        let help = "let it `do = \"power-cut\"`, or give it a trigger of another kind";
        let title = format!("`{kind}` cannot strike in the middle of a disk call");
        return when.contradicts(&what, &title, "this strikes there", "only `power-cut` can", help);
    }
    if let Some(target) = table.find("target") {
        let help = "leave `target` out, and name the node in `when`: { io = 7, node = \"n1\" }";
        let title = "the power cut has two targets";
        target.contradicts(&when, title, "and this another", "this strikes the node that makes the disk call", help);
    }
}

fn trigger(table: &Table<'_>, voters: u32, phases: &Phases) -> Option<Trigger> {
    match (table.find("at"), table.find("when")) {
        (Some(at), None) => at_time(&at, phases),
        (None, Some(when)) => when_reached(&when, voters),
        (Some(at), Some(when)) => {
            let help = "keep `at` for a time, or `when` for something that happens";
            when.contradicts(&at, "the event has two triggers", "and this another", "this is one", help);
            None
        }
        (None, None) => {
            table.wrong(
                "the event never strikes: it has neither `at` nor `when`",
                "",
                "give it a time, at = \"2s\", or something that happens, when = { applied = 300 }",
            );
            None
        }
    }
}

fn at_time(item: &Item<'_>, phases: &Phases) -> Option<Trigger> {
    let (first, last) = item.parse(value::moment)?;
    if let Some(faults) = phases.faults.filter(|faults| last >= *faults) {
        return item.refuse(
            "the event would strike after the fault phase",
            format!("`phases.faults` ends at {}", write_duration(faults)),
            "let it strike earlier, or raise `phases.faults`",
        );
    }
    Some(Trigger::At(first, last))
}

fn when_reached(item: &Item<'_>, voters: u32) -> Option<Trigger> {
    let table = item.table("`when`")?;
    let (applied, mark_item, io) = (table.find("applied"), table.find("mark"), table.find("io"));
    let trigger = match (applied, mark_item, io) {
        (Some(applied), None, None) => applied.large(1).map(Trigger::Applied),
        (None, Some(mark_item), None) => when_mark(&table, &mark_item, voters),
        (None, None, Some(io)) => when_io(&table, &io, voters),
        _ => {
            let forms = "{ applied = 300 }, { mark = \"leader.elected\", nth = 2 } or { io = 7, during = \"commit\" }";
            return item.wrong(Wrong::new(
                "must have exactly one of `applied`, `mark` and `io`",
                "the event strikes when this happens",
                format!("for instance {forms}"),
            ));
        }
    };
    table.finish();
    trigger
}

fn when_mark(table: &Table<'_>, item: &Item<'_>, voters: u32) -> Option<Trigger> {
    let node = match table.find("node") {
        None => None,
        Some(item) => match selector(&item, voters)? {
            Selector::Any => None,
            Selector::Node(name) => Some(name),
            _ => {
                let label = "marks are counted on one node, or on all together";
                return item.wrong(Wrong::new(
                    "must be the name of a node",
                    label,
                    "leave it out to count on all nodes",
                ));
            }
        },
    };
    let nth = table.get("nth", 1, |item| item.large(1));
    Some(Trigger::Mark { mark: mark(item)?, node, nth })
}

fn when_io(table: &Table<'_>, item: &Item<'_>, voters: u32) -> Option<Trigger> {
    let during = table.get("during", During::Commit, |item| item.word(DURING));
    let node = table.get("node", Selector::Any, |item| match selector(item, voters)? {
        one @ (Selector::Any | Selector::Leader | Selector::Follower | Selector::Node(_)) => Some(one),
        _ => item
            .wrong(Wrong::brief("must be one node", "disk calls are counted on `any`, `leader`, `follower` or `n1` …")),
    });
    Some(Trigger::Io { nth: item.large(1)?, during, node })
}

fn lasts(item: &Item<'_>, trigger: Option<&Trigger>, phases: &Phases) -> Option<Duration> {
    let lasts = item.parse(value::positive_duration)?;
    let Some(faults) = phases.faults else { return Some(lasts) };
    let begin = match trigger {
        Some(Trigger::At(_, last)) => *last,
        _ => Duration::ZERO,
    };
    if begin + lasts > faults {
        let (end, faults) = (write_duration(begin + lasts), write_duration(faults));
        return item.refuse(
            "the event would outlast the fault phase",
            format!("it would end at {end}, and `phases.faults` is {faults}"),
            "shorten it, raise `phases.faults`, or leave `for` out: then it lasts until the fault phase ends",
        );
    }
    Some(lasts)
}

fn fault(table: &Table<'_>, kind: &str, voters: u32) -> Option<Fault> {
    let target = || one_side(table, "target", Selector::Any, voters);
    match kind {
        "power-cut" => target().map(Fault::PowerCut),
        "kill" => target().map(Fault::Kill),
        "stall-disk" => target().map(Fault::StallDisk),
        "slow-disk" => {
            let factor = table.get("factor", 10, |item| item.count(2, 1_000_000));
            target().map(|target| Fault::SlowDisk { target, factor })
        }
        "partition" => partition(table, voters),
        _ => cut(table, voters),
    }
}

fn one_side(table: &Table<'_>, key: &'static str, default: Selector, voters: u32) -> Option<Vec<Selector>> {
    let Some(item) = table.find(key) else { return Some(vec![default]) };
    let placed = selectors(&item, voters)?;
    if let Some((_, rest)) = placed.iter().find(|(selector, _)| *selector == Selector::Rest) {
        return rest.refuse("`rest` of what?", "a target has no other side", "write \"all\", or name the nodes");
    }
    unique(&placed)?;
    Some(plain(&placed))
}

fn cut(table: &Table<'_>, voters: u32) -> Option<Fault> {
    let one_way = table.get("one_way", false, Item::boolean);
    let side = |key, default| match table.find(key) {
        Some(item) => selectors(&item, voters),
        None => table.find("do").map(|item| vec![(default, item)]),
    };
    let (from, to) = (side("from", Selector::Leader), side("to", Selector::Rest));
    let (from, to) = (from?, to?);
    unique(&[from.as_slice(), to.as_slice()].concat())?;
    Some(Fault::Cut { from: plain(&from), to: plain(&to), one_way })
}

fn partition(table: &Table<'_>, voters: u32) -> Option<Fault> {
    if voters == 1 {
        table.wrong("a cluster of one cannot be divided", "", "raise `voters` in `[cluster]`");
        return None;
    }
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

/// One selector or a list of them.
fn selectors<'a>(item: &Item<'a>, voters: u32) -> Option<Vec<Placed<'a>>> {
    let items = item.one_or_list();
    if items.is_empty() {
        return item.wrong(Wrong::new(
            "names nobody",
            "this list is empty",
            "for instance [\"leader\"] or [\"n1\", \"n2\"]",
        ));
    }
    items.into_iter().map(|item| Some((selector(&item, voters)?, item))).collect()
}

fn plain(placed: &[Placed<'_>]) -> Vec<Selector> {
    placed.iter().map(|(selector, _)| selector.clone()).collect()
}

/// Refuses to name the same nodes twice. `any` and `follower` draw another node each time.
fn unique(placed: &[Placed<'_>]) -> Option<()> {
    for (place, (selector, item)) in placed.iter().enumerate() {
        let drawn = matches!(selector, Selector::Any | Selector::Follower);
        if !drawn && placed[..place].iter().any(|(earlier, _)| earlier == selector) {
            let name = selector_name(selector);
            return item.refuse(format!("`{name}` is named twice in one event"), "", "name each node on one side only");
        }
    }
    Some(())
}

/// One selector. Refuses what names nobody in a cluster of this size.
fn selector(item: &Item<'_>, voters: u32) -> Option<Selector> {
    let text = item.text()?;
    let nodes: Vec<String> = (1..=voters).map(|number| format!("n{number}")).collect();
    if nodes.contains(&text) {
        return Some(Selector::Node(text));
    }
    let names: Vec<&str> = SELECTORS.iter().map(|(name, _)| *name).collect();
    let Some((_, selector)) = SELECTORS.iter().find(|(name, _)| *name == text) else {
        let label = nearest(&text, &names).map(|name| format!("did you mean `{name}`?")).unwrap_or_default();
        let help = format!("the nodes are {}; or a role: {}", nodes.join(", "), names.join(", "));
        return item.refuse(format!("there is no node `{text}`"), label, help);
    };
    let least = match selector {
        Selector::Follower => 2,
        Selector::Minority => 3,
        _ => 1,
    };
    if voters < least {
        let label = format!("the cluster has {voters} {}", if voters == 1 { "voter" } else { "voters" });
        return item.refuse(format!("`{text}` names nobody here"), label, "raise `voters` in `[cluster]`");
    }
    Some(selector.clone())
}

/// How a selector is written.
pub fn selector_name(selector: &Selector) -> &str {
    match selector {
        Selector::Node(name) => name,
        other => SELECTORS.iter().find(|(_, known)| known == other).expect("every selector but a node has a name").0,
    }
}
