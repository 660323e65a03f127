//! `[[event]]`: what goes wrong, and when.

use std::time::Duration;

use super::expect::mark;
use super::fault::{Around, FAULTS, fault};
use super::model::{During, Event, Phases, Selector, Trigger};
use super::reader::{Item, Table};
use super::selector::selector;
use super::value::{self, Wrong, write_duration};

/// The kinds of work by their names.
pub const DURING: &[(&str, During)] = &[
    ("commit", During::Commit),
    ("checkpoint", During::Checkpoint),
    ("append", During::Append),
    ("copy", During::Copy),
];

/// All events, in the order of the file.
pub fn events(root: &Table<'_>, phases: &Phases, around: &Around<'_>) -> Vec<Event> {
    root.tables("event").into_iter().filter_map(|table| event(table, phases, around)).collect()
}

fn event(table: Table<'_>, phases: &Phases, around: &Around<'_>) -> Option<Event> {
    let line = table.line();
    let trigger = trigger(&table, around.machines, phases);
    let lasts = table.find("for").and_then(|item| lasts(&item, trigger.as_ref(), phases));
    let Some(kind) = table.find("do") else {
        let help = format!("give `do` one of: {}", FAULTS.join(", "));
        table.wrong("the event does nothing: `do` is missing", "", help);
        return None;
    };
    let name = kind.word(&FAULTS.map(|name| (name, name)))?;
    let fault = fault(&table, name, around);
    if let Some(trigger) = &trigger {
        at_disk_calls_only_power(&table, trigger);
    }
    table.finish();
    let event = Event { trigger: trigger?, fault: fault?, lasts, nemesis: None, line };
    if lasts.is_none() {
        fits(&kind, event.length().unwrap_or_default(), Some(&event.trigger), phases)?;
    }
    Some(event)
}

/// A disk call can be cut short only by a loss of power, and only on the machine that makes it.
pub fn at_disk_calls_only_power(table: &Table<'_>, trigger: &Trigger) {
    let (Trigger::Io { .. }, Some(what), Some(when)) = (trigger, table.find("do"), table.find("when")) else { return };
    let Some(kind) = what.as_text() else { return };
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

/// `{ applied = 300 }` and the like.
pub fn when_reached(item: &Item<'_>, voters: u32) -> Option<Trigger> {
    let table = item.table("`when`")?;
    let (applied, mark_item, io) = (table.find("applied"), table.find("mark"), table.find("io"));
    let trigger = match (applied, mark_item, io) {
        (Some(applied), None, None) => numbers(&applied).map(Trigger::Applied),
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
    let nth = table.get("nth", (1, 1), numbers);
    Some(Trigger::Mark { mark: mark(item)?, node, nth })
}

fn when_io(table: &Table<'_>, item: &Item<'_>, voters: u32) -> Option<Trigger> {
    let during = table.get("during", During::Commit, |item| item.word(DURING));
    let node = table.get("node", Selector::Any, |item| match selector(item, voters)? {
        one @ (Selector::Any | Selector::Leader | Selector::Follower | Selector::Node(_)) => Some(one),
        _ => item
            .wrong(Wrong::brief("must be one node", "disk calls are counted on `any`, `leader`, `follower` or `n1` …")),
    });
    Some(Trigger::Io { nth: numbers(item)?, during, node })
}

/// `7`, or a range from which each seed draws: `"1..20"`.
pub fn numbers(item: &Item<'_>) -> Option<(u64, u64)> {
    if item.as_text().is_none() {
        return item.large(1).map(|number| (number, number));
    }
    let (first, last) = item.parse(value::integer_range)?;
    match (u64::try_from(first), u64::try_from(last)) {
        (Ok(first @ 1..), Ok(last)) => Some((first, last)),
        _ => item.wrong(Wrong::brief("is out of range", "what is counted is counted from 1")),
    }
}

fn lasts(item: &Item<'_>, trigger: Option<&Trigger>, phases: &Phases) -> Option<Duration> {
    let lasts = item.parse(value::positive_duration)?;
    fits(item, lasts, trigger, phases)?;
    Some(lasts)
}

/// Refuses what the end of the fault phase would cut short.
fn fits(item: &Item<'_>, length: Duration, trigger: Option<&Trigger>, phases: &Phases) -> Option<()> {
    let Some(faults) = phases.faults else { return Some(()) };
    let begin = match trigger {
        Some(Trigger::At(_, last)) => *last,
        _ => Duration::ZERO,
    };
    if begin + length > faults {
        let (end, faults) = (write_duration(begin + length), write_duration(faults));
        return item.refuse(
            "the event would outlast the fault phase",
            format!("it would end at {end}, and `phases.faults` is {faults}"),
            "shorten it, raise `phases.faults`, or leave `for` out: then it lasts until the fault phase ends",
        );
    }
    Some(())
}
