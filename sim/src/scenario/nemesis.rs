//! `[[nemesis]]`: what goes wrong at random.

use std::time::Duration;

use super::event::{at_disk_calls_only_power, numbers, when_reached};
use super::fault::{Around, FAULTS, OWN_LENGTH, fault};
use super::lower::shortest;
use super::model::{Nemesis, Phases, Probability, Strikes};
use super::reader::{Item, Table};
use super::value::{self, Wrong, write_duration};

/// How often a nemesis strikes if the file does not say.
const EVERY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));

/// How long it lasts if the file does not say.
const LASTS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// The most strikes of one nemesis.
const STRIKES_MAX: u128 = 10_000;

/// All nemeses, in the order of the file.
pub fn nemeses(root: &Table<'_>, phases: &Phases, around: &Around<'_>) -> Vec<Nemesis> {
    root.tables("nemesis").into_iter().filter_map(|table| nemesis(&table, phases, around)).collect()
}

fn nemesis(table: &Table<'_>, phases: &Phases, around: &Around<'_>) -> Option<Nemesis> {
    let Some(kind) = table.find("do") else {
        table.wrong(
            "the nemesis does nothing: `do` is missing",
            "",
            format!("give `do` one of: {}", FAULTS.join(", ")),
        );
        return None;
    };
    let strikes = strikes(table, &kind, phases, around.machines);
    let lasts = table.find("for").map(|item| item.parse(positive_range));
    let enabled = table.get("enabled", Probability(1_000_000), |item| item.parse(value::probability));
    let name = kind.word(&FAULTS.map(|name| (name, name)))?;
    let fault = fault(table, name, around);
    if let Some(at) = table.find("at") {
        let help = "say how often: every = \"2s..8s\"; what strikes once at a time of your choice is an [[event]]";
        at.at_key().refuse::<()>("a nemesis has no `at`", "it strikes at random", help);
    }
    table.finish();
    refuse_named(&kind, name)?;
    let own_length = OWN_LENGTH.iter().any(|(fault, _)| *fault == name);
    let lasts = if own_length { None } else { Some(lasts.map_or(Some(LASTS), |lasts| lasts)?) };
    let nemesis = Nemesis { fault: fault?, strikes: strikes?, lasts, enabled, line: table.line() };
    fits(table, &nemesis, phases)?;
    Some(nemesis)
}

/// A wish that names who joins or goes is fulfilled once.
fn refuse_named(kind: &Item<'_>, name: &str) -> Option<()> {
    if !["join", "promote", "remove", "leave", "replace"].contains(&name) {
        return Some(());
    }
    let help = "write do = \"churn\" for members that come and go at random, or make it an [[event]]";
    kind.refuse(format!("`{name}` is no nemesis"), "it can be done once, not again and again", help)
}

fn strikes(table: &Table<'_>, kind: &Item<'_>, phases: &Phases, voters: u32) -> Option<Strikes> {
    let (every, when, times) = (table.find("every"), table.find("when"), table.find("strikes"));
    match (every, when) {
        (Some(every), Some(when)) => {
            let help = "keep `every` for strikes at random times, or `when` for strikes as something happens";
            when.contradicts(&every, "the nemesis has two rhythms", "and this another", "this is one", help);
            None
        }
        (None, Some(when)) => {
            let trigger = when_reached(&when, voters)?;
            at_disk_calls_only_power(table, &trigger);
            let times = times.map_or(Some((1, 1)), |item| how_often(&item))?;
            Some(Strikes::When { trigger, times })
        }
        (every, None) => {
            if let Some(times) = times {
                let help = "say how often by `every`; `strikes` is a number of them, each by its `when`";
                times.at_key().refuse::<()>("`strikes` needs a `when`", "", help);
            }
            let Some(faults) = phases.faults else {
                let help = "give the fault phase a length: phases.faults = \"20s\"";
                let label = "it strikes until the fault phase ends, and nothing says when that is";
                return kind.refuse("a nemesis needs `phases.faults`", label, help);
            };
            let (least, most) = every.as_ref().map_or(Some(EVERY), |item| item.parse(positive_range))?;
            if faults.as_nanos() / least.as_nanos() > STRIKES_MAX
                && let Some(item) = every
            {
                let label =
                    format!("up to {} strikes in {}", faults.as_nanos() / least.as_nanos(), write_duration(faults));
                return item.wrong(Wrong::new("strikes too often", label, format!("at most {STRIKES_MAX} times")));
            }
            Some(Strikes::Every(least, most))
        }
    }
}

fn how_often(item: &Item<'_>) -> Option<(u32, u32)> {
    let (least, most) = numbers(item)?;
    match (u32::try_from(least), u32::try_from(most)) {
        (Ok(least), Ok(most)) if most <= 100 => Some((least, most)),
        _ => item.wrong(Wrong::brief("is too large", "a nemesis with a `when` strikes at most 100 times")),
    }
}

/// Reads `2s` or `2s..8s`, without 0.
fn positive_range(text: &str) -> Result<(Duration, Duration), Wrong> {
    let (least, most) = value::moment(text)?;
    if least.is_zero() {
        return Err(Wrong::brief("must be more than 0", "nothing takes no time"));
    }
    Ok((least, most))
}

/// Refuses what might not strike within the fault phase.
fn fits(table: &Table<'_>, nemesis: &Nemesis, phases: &Phases) -> Option<()> {
    let (Strikes::Every(_, most), Some(faults)) = (&nemesis.strikes, phases.faults) else { return Some(()) };
    let needs = *most + shortest(nemesis);
    if needs <= faults {
        return Some(());
    }
    let what = format!(
        "its first strike comes within {}, and takes {} or more: `phases.faults` is {}",
        write_duration(*most),
        write_duration(shortest(nemesis)),
        write_duration(faults)
    );
    let help = "let it strike more often, for a shorter time, or raise `phases.faults`";
    match table.find("every").or(table.find("for")).or(table.find("do")) {
        Some(item) => item.refuse("the nemesis might never strike", what, help),
        None => None,
    }
}
