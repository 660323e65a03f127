//! `[cluster]`, `[clock]`, `[disk]`, `[phases]` and `[limits]`.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_node::replica::DEAD_ELECTIONS_MIN;
use lockstep_node::sqlite::limits::{LOOK_EVERY, Limits as SqlLimits};

use super::model::{Clock, ClockError, Cluster, Disk, Distribution, Limits, Phases, PowerCut, Probability, RaftTiming};
use super::network::distribution;
use super::reader::{Item, Table};
use super::value::{self, Wrong};
use super::{Known, selector, wish};

/// The system that is meant where none is named.
pub const SYSTEM: &str = "lockstep";

/// The most machines, founders and those that join.
pub const MACHINES_MAX: u32 = 9;

/// The shortest life of a session, in entries: one that expires before its first use is of no use to anybody.
const SESSION_LIFETIME_MIN: u32 = 8;

/// The shortest time between heartbeats or without one. Nodes count whole milliseconds: of anything shorter nothing but
/// rounding would be left.
const TIMING_MIN: Duration = Duration::from_millis(5);

/// How long clients wait for an answer. It takes a few round trips; a second is longer than an election.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(1);

/// Stands in for a length that is wrong.
const FAULTS_LONG: Duration = Duration::from_secs(600);

/// `[cluster]`.
pub fn cluster(root: &Table<'_>, known: &Known<'_>) -> Cluster {
    let raft = RaftTiming {
        election: (Duration::from_millis(150), Duration::from_millis(300)),
        heartbeat: Duration::from_millis(50),
        compact_every: None,
        lease: false,
        remove_dead_after: None,
    };
    let sql = SqlLimits::default();
    let Some(table) = root.table("cluster") else {
        let spares = wish::newest(root).saturating_sub(3);
        let session_lifetime = Cluster::SESSION_LIFETIME;
        return Cluster { system: SYSTEM.to_owned(), voters: 3, spares, session_lifetime, raft, sql };
    };
    // A wrong number is taken for the largest, so that no node which an event names seems to be missing as well.
    let voters = table.find("voters").map_or(3, |item| item.count(1, MACHINES_MAX).unwrap_or(MACHINES_MAX));
    let spares = table.find("spares").and_then(|item| spares(&item, voters)).unwrap_or(0);
    let cluster = Cluster {
        system: table.get("system", SYSTEM.to_owned(), |item| system(item, known)),
        voters,
        spares: spares.max(wish::newest(root).saturating_sub(voters)),
        session_lifetime: table.get("session_lifetime", Cluster::SESSION_LIFETIME, |item| {
            item.count(SESSION_LIFETIME_MIN, Cluster::SESSION_LIFETIME)
        }),
        raft: table.get("raft", raft.clone(), |item| Some(timing(&item.table("[cluster] raft")?, raft))),
        sql: table.get("sql", sql, |item| Some(sql_limits(&item.table("[cluster] sql")?, sql))),
    };
    table.finish();
    cluster
}

/// What statements may cost. The least of each is what the statements of the testbed's own workloads need.
fn sql_limits(table: &Table<'_>, default: SqlLimits) -> SqlLimits {
    let steps = u64::from(LOOK_EVERY);
    let limits = SqlLimits {
        statement_steps: table.get("statement_steps", default.statement_steps, |item| item.large(steps)),
        entry_steps: table.get("entry_steps", default.entry_steps, |item| item.large(steps)),
        value_bytes: table.get("value_bytes", default.value_bytes, |item| item.count(1000, 64 << 20)),
        pattern_bytes: table.get("pattern_bytes", default.pattern_bytes, |item| item.count(1, 50_000)),
        temporary_bytes: table.get("temporary_bytes", default.temporary_bytes, |item| item.large(64 << 10)),
    };
    table.finish();
    limits
}

/// How many machines may join.
fn spares(item: &Item<'_>, voters: u32) -> Option<u32> {
    let spares = item.count(0, MACHINES_MAX)?;
    if voters + spares > MACHINES_MAX {
        let label = format!("with {voters} voters these are {} machines", voters + spares);
        return item.wrong(Wrong::new("are too many", label, format!("at most {MACHINES_MAX} machines in all")));
    }
    Some(spares)
}

fn system(item: &Item<'_>, known: &Known<'_>) -> Option<String> {
    let name = item.text()?;
    if known.systems.contains(&name.as_str()) {
        Some(name)
    } else {
        item.unknown("there is no system", &name, known.systems)
    }
}

fn timing(table: &Table<'_>, default: RaftTiming) -> RaftTiming {
    let election = table.find("election");
    let heartbeat = table.find("heartbeat");
    let timing = RaftTiming {
        election: election.as_ref().and_then(election_range).unwrap_or(default.election),
        heartbeat: heartbeat
            .as_ref()
            .and_then(|item| counted(item, item.parse(value::positive_duration)?))
            .unwrap_or(default.heartbeat),
        compact_every: table.find("compact_every").and_then(|item| item.large(8)),
        lease: table.get("lease", default.lease, Item::boolean),
        remove_dead_after: None,
    };
    let dead_after = table.find("remove_dead_after").and_then(|item| dead_after(&item, timing.election.1));
    let timing = RaftTiming { remove_dead_after: dead_after, ..timing };
    if timing.heartbeat * 2 > timing.election.0
        && let Some(item) = heartbeat.or(election)
    {
        let (least, beat) = (value::write_duration(timing.election.0), value::write_duration(timing.heartbeat));
        item.refuse::<()>(
            "heartbeats are too rare for the election timeout",
            format!("heartbeats every {beat}, elections after {least} of silence"),
            "let `heartbeat` be at most half of the shortest election timeout, or one late message unseats the leader",
        );
    }
    table.finish();
    timing
}

/// After how long a silent member is removed.
fn dead_after(item: &Item<'_>, election: Duration) -> Option<Duration> {
    let after = counted(item, item.parse(value::positive_duration)?)?;
    let (least, election) = (election * DEAD_ELECTIONS_MIN, value::write_duration(election));
    if after < least {
        let label = "nodes that restart or are cut off for a moment are silent for as long";
        let help = format!(
            "the least is {}, {DEAD_ELECTIONS_MIN} times the longest election timeout of {election}: whoever is removed \
             does not come back by itself",
            value::write_duration(least)
        );
        return item.wrong(Wrong::new("is too short", label, help));
    }
    Some(after)
}

fn election_range(item: &Item<'_>) -> Option<(Duration, Duration)> {
    let (least, most) = item.parse(value::duration_range)?;
    if least == most {
        return item.wrong(Wrong::new(
            "leaves no room for chance",
            "all nodes would time out together and split the vote",
            "let the second end be about twice the first, for instance \"150ms..300ms\"",
        ));
    }
    Some((counted(item, least)?, counted(item, most)?))
}

/// A time as nodes count it.
fn counted(item: &Item<'_>, time: Duration) -> Option<Duration> {
    let whole = Duration::from_millis(u64::try_from(time.as_millis()).expect("a scenario's times have a bound"));
    let shown = value::write_duration(time);
    if whole != time {
        let help = format!("for instance \"{}\"", value::write_duration(whole.max(TIMING_MIN)));
        let label = format!("nodes count milliseconds, and {shown} is not a whole number of them");
        return item.wrong(Wrong::new("needs whole milliseconds", label, help));
    }
    if time < TIMING_MIN {
        let label = format!("nodes count whole milliseconds, and {shown} are too few of them");
        let help = format!("the least is {}", value::write_duration(TIMING_MIN));
        return item.wrong(Wrong::new("is too short", label, help));
    }
    Some(time)
}

/// `[clock]`.
pub fn clock(root: &Table<'_>, voters: u32) -> Clock {
    let default = Clock { offset_ns: ClockError::UpTo(0), drift_ppm: ClockError::UpTo(0) };
    let Some(table) = root.table("clock") else { return default };
    let up_to = |item: &Item<'_>| {
        let time = item.parse(value::duration)?;
        Some(ClockError::UpTo(u64::try_from(time.as_nanos()).expect("a scenario's times have a bound")))
    };
    let drift = |item: &Item<'_>| Some(ClockError::UpTo(item.parse(value::drift)?.into()));
    let clock = Clock {
        offset_ns: table.get("offset", default.offset_ns, |item| match item.kind() {
            "table" => each(item, voters, value::jump),
            _ => up_to(item),
        }),
        drift_ppm: table.get("drift", default.drift_ppm, |item| match item.kind() {
            "table" => each(item, voters, value::drift_change),
            _ => drift(item),
        }),
    };
    table.finish();
    clock
}

/// `{ n1 = "+2s", n3 = "-500ms" }`.
fn each(item: &Item<'_>, voters: u32, read: fn(&str) -> Result<i64, Wrong>) -> Option<ClockError> {
    let mut errors = BTreeMap::new();
    for entry in item.table(&format!("`{}`", item.key))?.entries() {
        let node = selector::label(&entry.at_key(), &entry.key, voters)?;
        errors.insert(node, entry.parse(read)?);
    }
    Some(ClockError::Each(errors))
}

/// `[disk]`.
pub fn disk(root: &Table<'_>, voters: u32) -> Disk {
    let micros = |min, max| Distribution::Uniform { min: Duration::from_micros(min), max: Duration::from_micros(max) };
    let default = Disk {
        fsync: micros(200, 4000),
        access: micros(10, 100),
        power_cut: PowerCut { lost: Probability(500_000), torn: Probability(200_000) },
        budget: None,
    };
    let Some(table) = root.table("disk") else { return default };
    let cut = default.power_cut;
    let disk = Disk {
        fsync: table.get("fsync", default.fsync, distribution),
        access: table.get("access", default.access, distribution),
        power_cut: table.get("power_cut", cut, |item| power_cut(item, cut)),
        budget: table.find("budget").and_then(|item| item.count(1, voters)),
    };
    table.finish();
    disk
}

fn power_cut(item: &Item<'_>, default: PowerCut) -> Option<PowerCut> {
    let table = item.table("[disk] power_cut")?;
    let (lost, torn) = (table.find("lost"), table.find("torn"));
    let chance = |item: &Option<Item<'_>>| item.as_ref().and_then(|item| item.parse(value::probability));
    let cut = match (chance(&lost), chance(&torn)) {
        (Some(lost), Some(torn)) => PowerCut { lost, torn },
        // One that is given alone takes from the default of the other what does not fit.
        (Some(lost), None) => PowerCut { lost, torn: default.torn.min(Probability(1_000_000 - lost.0)) },
        (None, Some(torn)) => PowerCut { torn, lost: default.lost.min(Probability(1_000_000 - torn.0)) },
        (None, None) => default,
    };
    if cut.lost.0 + cut.torn.0 > 1_000_000 {
        item.refuse::<()>(
            "`lost` and `torn` are more than certain together",
            "a write is lost, torn or kept: at most 100% in all",
            "lower one of them; what is left to 100% is the chance that a write is kept",
        );
    }
    table.finish();
    Some(cut)
}

/// `[phases]`.
pub fn phases(root: &Table<'_>, voters: u32) -> Phases {
    let settle = Duration::from_secs(10);
    let Some(table) = root.table("phases") else { return Phases { faults: None, core: None, settle } };
    let phases = Phases {
        // A wrong length is taken for a long one, so that nothing seems to lie beyond it as well.
        faults: table.find("faults").map(|item| item.parse(value::positive_duration).unwrap_or(FAULTS_LONG)),
        core: table.find("core").and_then(|item| core(&item, voters)),
        settle: table.get("settle", settle, |item| item.parse(value::positive_duration)),
    };
    table.finish();
    phases
}

/// How many nodes are healed first.
fn core(item: &Item<'_>, voters: u32) -> Option<u32> {
    let majority = voters / 2 + 1;
    let core = match item.as_text() {
        Some("majority") => majority,
        Some(_) => {
            let help = "write core = \"majority\", or a number of nodes";
            return item.wrong(Wrong::new("is not understood", "this is no number of nodes", help));
        }
        None => item.count(1, voters)?,
    };
    if core < majority {
        let label = format!("{core} of {voters} nodes elect nobody");
        return item.wrong(Wrong::new("is too few", label, format!("a majority is {majority}")));
    }
    if core == voters {
        let help = "raise `voters` in `[cluster]`, or leave `core` out: then all are healed at once";
        return item.wrong(Wrong::new("leaves nobody broken", "these are all nodes", help));
    }
    Some(core)
}

/// `[limits]`, which must leave time for the phases.
pub fn limits(root: &Table<'_>, phases: &Phases) -> Limits {
    let default = Limits { time: Duration::from_secs(600), events: 5_000_000, answer: Duration::from_millis(800) };
    let Some(table) = root.table("limits") else { return default };
    let limits = Limits {
        time: table.get("time", default.time, |item| time_limit(item, phases)),
        events: table.get("events", default.events, |item| item.large(1)),
        answer: table.get("answer", default.answer, answer_limit),
    };
    table.finish();
    limits
}

fn answer_limit(item: &Item<'_>) -> Option<Duration> {
    let answer = counted(item, item.parse(value::positive_duration)?)?;
    if answer >= CLIENT_PATIENCE {
        return item.refuse(
            "the limit is longer than clients wait",
            format!("they wait for {}", value::write_duration(CLIENT_PATIENCE)),
            "lower `limits.answer`: an answer that nobody waits for is none",
        );
    }
    Some(answer)
}

fn time_limit(item: &Item<'_>, phases: &Phases) -> Option<Duration> {
    let time = item.parse(value::positive_duration)?;
    let settles = if phases.core.is_some() { 2 } else { 1 };
    let needed = phases.faults.unwrap_or_default() + phases.settle * settles;
    if time < needed {
        return item.refuse(
            "the time limit ends the run before its phases are over",
            format!("faults and settle take up to {}", value::write_duration(needed)),
            "raise `limits.time`, or shorten `phases.faults` or `phases.settle`",
        );
    }
    Some(time)
}
