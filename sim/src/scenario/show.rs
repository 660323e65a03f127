//! Writes a scenario as a file with every default filled in. Parsing it again gives the same scenario.

use std::fmt::Display;
use std::time::Duration;

use lockstep_node::api::{ReadLevel, Value};

use super::event::DURING;
use super::model::{
    Amount, ClockError, Cluster, Distribution, Event, Fault, Link, MessageFault, Mixed, Nemesis, Network, Progress,
    Scenario, Selector, Strikes, Trigger, Values, Wish, Workload, WorkloadKind,
};
use super::selector::selector_name;
use super::value::{
    write_bytes, write_drift_change, write_duration, write_duration_range, write_jump, write_moment,
    write_probability as percent, write_rate,
};
use super::workload::{LAYOUTS, LEVELS};

/// The scenario as TOML.
pub fn show(scenario: &Scenario) -> String {
    let mut out = Writer::default();
    for line in &scenario.about {
        out.line(if line.is_empty() { "#".to_owned() } else { format!("# {line}") });
    }
    out.key("seeds", seeds(&scenario.seeds));
    out.key("final", list(scenario.finals.iter().map(quoted)));
    if !scenario.events.is_empty() {
        // One a line: it reads as a timeline.
        let lines: Vec<String> = scenario.events.iter().map(event_line).collect();
        out.key("event", format!("[\n{}]", lines.concat()));
    }
    machines(&mut out, scenario);
    if !scenario.schema.is_empty() {
        out.header("[schema]");
        out.key("sql", quoted(script(&scenario.schema)));
    }
    for workload in &scenario.workloads {
        workload_table(&mut out, workload);
    }
    for invariant in &scenario.invariants {
        out.header("[[invariant]]");
        out.key("name", quoted(&invariant.name));
        out.key("sql", quoted(&invariant.sql));
        out.key("expect", value(&invariant.expect));
    }
    for nemesis in &scenario.nemeses {
        nemesis_table(&mut out, nemesis);
    }
    ends(&mut out, scenario);
    out.text
}

fn machines(out: &mut Writer, scenario: &Scenario) {
    let (cluster, network, disk) = (&scenario.cluster, &scenario.network, &scenario.disk);
    out.header("[cluster]");
    out.key("system", quoted(&cluster.system));
    out.key("voters", cluster.voters);
    if cluster.spares > 0 {
        out.key("spares", cluster.spares);
    }
    if cluster.session_lifetime != Cluster::SESSION_LIFETIME {
        out.key("session_lifetime", cluster.session_lifetime);
    }
    let election = write_duration_range(cluster.raft.election.0, cluster.raft.election.1);
    let heartbeat = write_duration(cluster.raft.heartbeat);
    let timing = [format!("election = \"{election}\""), format!("heartbeat = \"{heartbeat}\"")];
    let compact = cluster.raft.compact_every.map(|entries| format!("compact_every = {entries}"));
    let lease = cluster.raft.lease.then(|| "lease = true".to_owned());
    let dead = cluster.raft.remove_dead_after.map(|after| format!("remove_dead_after = \"{}\"", write_duration(after)));
    out.key("raft", inline(timing.into_iter().chain(compact).chain(lease).chain(dead)));
    let sql = &cluster.sql;
    out.key(
        "sql",
        inline([
            format!("statement_steps = {}", sql.statement_steps),
            format!("entry_steps = {}", sql.entry_steps),
            format!("value_bytes = {}", sql.value_bytes),
            format!("pattern_bytes = {}", sql.pattern_bytes),
            format!("temporary_bytes = {}", sql.temporary_bytes),
        ]),
    );
    network_tables(out, network);
    out.header("[clock]");
    out.key(
        "offset",
        clock_error(&scenario.clock.offset_ns, |most| write_duration(Duration::from_nanos(most)), write_jump),
    );
    out.key("drift", clock_error(&scenario.clock.drift_ppm, |most| format!("{most}ppm"), write_drift_change));
    out.header("[disk]");
    out.key("fsync", distribution(&disk.fsync));
    out.key("access", distribution(&disk.access));
    let (lost, torn) = (percent(disk.power_cut.lost), percent(disk.power_cut.torn));
    out.key("power_cut", format!("{{ lost = \"{lost}\", torn = \"{torn}\" }}"));
    if let Some(budget) = disk.budget {
        out.key("budget", budget);
    }
}

fn network_tables(out: &mut Writer, network: &Network) {
    out.header("[network]");
    let Link { latency, loss, duplicate, reorder, bandwidth, queue } = &network.all;
    out.key("latency", distribution(latency));
    out.key("loss", quoted(percent(*loss)));
    out.key("duplicate", quoted(percent(*duplicate)));
    out.key("reorder", quoted(percent(*reorder)));
    capacity(out, *bandwidth, *queue);
    for rule in &network.links {
        out.header("[[network.link]]");
        let labels =
            |labels: &Option<Vec<String>>| labels.as_ref().map_or(quoted("all"), |all| list(all.iter().map(quoted)));
        out.key("from", labels(&rule.from));
        out.key("to", labels(&rule.to));
        out.key("one_way", rule.one_way);
        if let Some(latency) = &rule.latency {
            out.key("latency", distribution(latency));
        }
        for (key, chance) in [("loss", rule.loss), ("duplicate", rule.duplicate), ("reorder", rule.reorder)] {
            if let Some(chance) = chance {
                out.key(key, quoted(percent(chance)));
            }
        }
        capacity(out, rule.bandwidth, rule.queue);
    }
}

fn capacity(out: &mut Writer, bandwidth: Option<u64>, queue: Option<u64>) {
    if let Some(bandwidth) = bandwidth {
        out.key("bandwidth", quoted(format!("{}/s", write_bytes(bandwidth))));
    }
    if let Some(queue) = queue {
        out.key("queue", quoted(write_bytes(queue)));
    }
}

fn clock_error(error: &ClockError, most: impl Fn(u64) -> String, signed: impl Fn(i64) -> String) -> String {
    match error {
        ClockError::UpTo(bound) => quoted(most(*bound)),
        ClockError::Each(errors) => {
            inline(errors.iter().map(|(node, error)| format!("{node} = {}", quoted(signed(*error)))))
        }
    }
}

fn workload_table(out: &mut Writer, workload: &Workload) {
    out.header("[[workload]]");
    out.key("kind", quoted(workload.kind.name()));
    if let WorkloadKind::Migrate { steps, pause: (shortest, longest) } = &workload.kind {
        out.key("steps", list(steps.iter().map(|statements| quoted(script(statements)))));
        return out.key("pause", quoted(write_moment(*shortest, *longest)));
    }
    out.key("clients", workload.clients);
    match workload.amount {
        Amount::Ops(ops) => out.key("ops", ops),
        Amount::RateMilli(milli) => out.key("rate", quoted(write_rate(milli))),
    }
    if let Some(level) = workload.level {
        out.key("level", quoted(level_name(level)));
    }
    match &workload.kind {
        WorkloadKind::Bank { accounts, balance } => {
            out.key("accounts", accounts);
            out.key("balance", balance);
        }
        WorkloadKind::Counter { keys, add: (least, most), reads } => {
            out.key("keys", keys);
            out.key("add", quoted(format!("{least}..{most}")));
            out.key("reads", quoted(percent(*reads)));
        }
        WorkloadKind::Register { keys, values, reads, compare_and_set } => {
            out.key("keys", keys);
            out.key("values", values);
            out.key("reads", quoted(percent(*reads)));
            out.key("compare_and_set", quoted(percent(*compare_and_set)));
        }
        WorkloadKind::Append { keys, layout, length: (least, most), reads } => {
            let (layout, _) = LAYOUTS.iter().find(|(_, known)| known == layout).expect("every layout has a name");
            out.key("keys", keys);
            out.key("layout", quoted(layout));
            out.key("length", quoted(format!("{least}..{most}")));
            out.key("reads", quoted(percent(*reads)));
        }
        WorkloadKind::Sql { mix, values } => {
            out.key("mix", list(mix.iter().map(mixed)));
            let values = values.iter().map(|(name, values)| format!("{} = {}", quoted(name), drawn(values)));
            out.key("values", inline(values));
        }
        WorkloadKind::Generated { tables, value_bytes, ddl } => {
            out.key("tables", tables);
            out.key("value_bytes", quoted(write_bytes(*value_bytes)));
            out.key("ddl", quoted(percent(*ddl)));
        }
        WorkloadKind::Migrate { .. } => unreachable!("a migration has been shown"),
    }
}

/// Statements as one text. A comment at the end of one must not hide the semicolon.
fn script(statements: &[String]) -> String {
    let ends_with_comment = |statement: &String| statement.lines().last().is_some_and(|line| line.contains("--"));
    let line = |statement| if ends_with_comment(statement) { format!("{statement}\n") } else { statement.clone() };
    statements.iter().map(line).collect::<Vec<_>>().join(";\n")
}

fn mixed(mixed: &Mixed) -> String {
    let sql = list(mixed.sql.iter().map(|template| quoted(&template.sql)));
    inline([
        format!("weight = {}", mixed.weight),
        format!("sql = {sql}"),
        format!("atomic = {}", mixed.atomic),
        match mixed.read {
            Some(level) => format!("level = {}", quoted(level_name(level))),
            None => "read = false".to_owned(),
        },
    ])
}

fn level_name(level: ReadLevel) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).expect("every level has a name").0
}

fn drawn(values: &Values) -> String {
    match values {
        Values::Range(first, last) => quoted(format!("{first}..{last}")),
        Values::Zipf(first, last) => inline([format!("zipf = \"{first}..{last}\"")]),
        Values::Text(least, most) => inline([format!("text = \"{least}..{most}\"")]),
        Values::Blob(least, most) => inline([format!("blob = \"{least}..{most}\"")]),
        Values::OneOf(values) => list(values.iter().map(value)),
    }
}

/// An event as the one line of a file that says all of it.
pub fn event_line(event: &Event) -> String {
    let mut out = Writer::default();
    trigger(&mut out, &event.trigger);
    strike(&mut out, &event.trigger, &event.fault);
    if let Some(lasts) = event.lasts {
        out.key("for", quoted(write_duration(lasts)));
    }
    format!("  {},\n", inline(out.text.lines().map(str::to_owned)))
}

fn nemesis_table(out: &mut Writer, nemesis: &Nemesis) {
    out.header("[[nemesis]]");
    match &nemesis.strikes {
        Strikes::Every(least, most) => {
            out.key("every", quoted(write_moment(*least, *most)));
            fault(out, &nemesis.fault);
        }
        Strikes::When { trigger: when, times: (least, most) } => {
            trigger(out, when);
            out.key("strikes", numbers((u64::from(*least), u64::from(*most))));
            strike(out, when, &nemesis.fault);
        }
    }
    if let Some((least, most)) = nemesis.lasts {
        out.key("for", quoted(write_moment(least, most)));
    }
    out.key("enabled", quoted(percent(nemesis.enabled)));
}

fn trigger(out: &mut Writer, trigger: &Trigger) {
    match trigger {
        Trigger::At(first, last) => out.key("at", quoted(write_moment(*first, *last))),
        Trigger::Applied(index) => out.key("when", inline([format!("applied = {}", numbers(*index))])),
        Trigger::Io { nth, during, node } => {
            let (name, _) = DURING.iter().find(|(_, known)| known == during).expect("every kind of work has a name");
            let (nth, node) = (numbers(*nth), quoted(selector_name(node)));
            let when = inline([format!("io = {nth}"), format!("during = \"{name}\""), format!("node = {node}")]);
            out.key("when", when);
        }
        Trigger::Mark { mark, node, nth } => {
            let node = quoted(node.as_deref().unwrap_or("any"));
            let (mark, nth) = (quoted(mark), numbers(*nth));
            out.key("when", inline([format!("mark = {mark}"), format!("node = {node}"), format!("nth = {nth}")]));
        }
    }
}

/// What a fault does, and to whom.
fn strike(out: &mut Writer, trigger: &Trigger, what: &Fault) {
    match trigger {
        // It strikes the node that makes the disk call.
        Trigger::Io { .. } => out.key("do", quoted(what.name())),
        _ => fault(out, what),
    }
}

/// A number, or the range from which it is drawn.
fn numbers((first, last): (u64, u64)) -> String {
    if first == last { first.to_string() } else { quoted(format!("{first}..{last}")) }
}

fn fault(out: &mut Writer, fault: &Fault) {
    out.key("do", quoted(fault.name()));
    match fault {
        Fault::PowerCut(target)
        | Fault::Kill(target)
        | Fault::Restart(target)
        | Fault::Pause(target)
        | Fault::ClockFreeze(target)
        | Fault::StallDisk(target)
        | Fault::Wipe(target) => out.key("target", selectors(target)),
        Fault::CrashLoop { target, times, down, up } => {
            out.key("target", selectors(target));
            out.key("times", times);
            out.key("down", quoted(write_duration(*down)));
            out.key("up", quoted(write_duration(*up)));
        }
        Fault::SlowDisk { target, factor } => {
            out.key("target", selectors(target));
            out.key("factor", factor);
        }
        Fault::ClockJump { target, by_ns } => {
            out.key("target", selectors(target));
            out.key("by", quoted(write_jump(*by_ns)));
        }
        Fault::ClockDrift { target, by_ppm } => {
            out.key("target", selectors(target));
            out.key("by", quoted(write_drift_change(*by_ppm)));
        }
        Fault::Wish(wish) => wished(out, wish),
        links => between_nodes(out, links),
    }
}

/// What an operator wishes of the members.
fn wished(out: &mut Writer, wish: &Wish) {
    let one = |selector: &Selector| quoted(selector_name(selector));
    match wish {
        Wish::Join { node, learner } => {
            out.key("node", quoted(node));
            out.key("learner", learner);
        }
        Wish::Promote(node) | Wish::Remove(node) | Wish::Leave(node) => out.key("node", one(node)),
        Wish::Transfer(to) => out.key("to", one(to)),
        Wish::Replace { node, by } => {
            out.key("node", one(node));
            out.key("by", quoted(by));
        }
        Wish::Churn { least } => out.key("least", least),
    }
}

/// The faults of links.
fn between_nodes(out: &mut Writer, fault: &Fault) {
    match fault {
        Fault::Partition(groups) => out.key("groups", list(groups.iter().map(|group| selectors(group)))),
        Fault::Cut { from, to, one_way } => {
            sides(out, from, to);
            out.key("one_way", one_way);
        }
        Fault::Clog { from, to, one_way, by } => {
            sides(out, from, to);
            out.key("one_way", one_way);
            if let Some(by) = by {
                out.key("by", quoted(write_duration(*by)));
            }
        }
        Fault::Bridge { node, one_way } => {
            out.key("target", quoted(selector_name(node)));
            out.key("one_way", one_way);
        }
        Fault::Ring { one_way } => out.key("one_way", one_way),
        Fault::Isolate { target, one_way } | Fault::Swizzle { target, one_way } => {
            out.key("target", selectors(target));
            out.key("one_way", one_way);
        }
        Fault::Messages { fate, kind, from, to, nth, count } => {
            if let Some(kind) = kind {
                out.key("kind", quoted(kind));
            }
            sides(out, from, to);
            // Without a count all are meant, from the first on.
            if let Some(count) = count {
                out.key("nth", nth);
                out.key("count", count);
            }
            if let MessageFault::Delay(by) = fate {
                out.key("by", quoted(write_duration(*by)));
            }
        }
        _ => unreachable!("every other fault has been shown"),
    }
}

fn sides(out: &mut Writer, from: &[Selector], to: &[Selector]) {
    out.key("from", selectors(from));
    out.key("to", selectors(to));
}

fn ends(out: &mut Writer, scenario: &Scenario) {
    out.header("[phases]");
    if let Some(faults) = scenario.phases.faults {
        out.key("faults", quoted(write_duration(faults)));
    }
    if let Some(core) = scenario.phases.core {
        out.key("core", core);
    }
    out.key("settle", quoted(write_duration(scenario.phases.settle)));
    out.header("[expect]");
    let expect = &scenario.expect;
    let progress = expect.progress.iter().map(|Progress { commits, from, to }| {
        quoted(format!("{commits} commits in {}", write_duration_range(*from, *to)))
    });
    out.key("progress", list(progress));
    if let Some(longest) = expect.leaderless {
        out.key("leaderless", quoted(format!("at most {}", write_duration(longest))));
    }
    out.key("sometimes", list(expect.sometimes.iter().map(quoted)));
    let fails = expect.fails.iter().map(|(system, properties)| match properties.as_slice() {
        [only] => format!("{} = {}", quoted(system), quoted(only)),
        several => format!("{} = {}", quoted(system), list(several.iter().map(quoted))),
    });
    out.key("fails", inline(fails));
    out.header("[limits]");
    out.key("time", quoted(write_duration(scenario.limits.time)));
    out.key("events", scenario.limits.events);
    out.key("answer", quoted(write_duration(scenario.limits.answer)));
}

/// Seeds, with runs of neighbours as ranges.
fn seeds(seeds: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &seed in seeds {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(seed) => *last = seed,
            _ => runs.push((seed, seed)),
        }
    }
    list(runs.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => quoted(format!("{first}..{last}")),
    }))
}

fn distribution(distribution: &Distribution) -> String {
    let field = |name: &str, time| format!("{name} = \"{}\"", write_duration(time));
    match *distribution {
        Distribution::Constant(time) => quoted(write_duration(time)),
        Distribution::Uniform { min, max } => quoted(write_duration_range(min, max)),
        Distribution::Exponential { min, mean, max } => {
            let dist = "dist = \"exponential\"".to_owned();
            inline([dist, field("min", min), field("mean", mean), field("max", max)])
        }
        Distribution::Bimodal { usual, slow, chance } => {
            let range = |name: &str, (first, last)| format!("{name} = \"{}\"", write_moment(first, last));
            let dist = "dist = \"bimodal\"".to_owned();
            inline([dist, range("usual", usual), range("slow", slow), format!("chance = \"{}\"", percent(chance))])
        }
    }
}

fn selectors(selectors: &[Selector]) -> String {
    list(selectors.iter().map(|selector| quoted(selector_name(selector))))
}

fn value(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => quoted(text),
        // No file can say these; the SQL literal shows a reader what is meant.
        Value::Null | Value::Blob(_) => quoted(value.to_string()),
    }
}

fn quoted(text: impl AsRef<str>) -> String {
    toml::Value::String(text.as_ref().to_owned()).to_string()
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn inline(entries: impl IntoIterator<Item = String>) -> String {
    match entries.into_iter().collect::<Vec<_>>().join(", ") {
        entries if entries.is_empty() => "{}".to_owned(),
        entries => format!("{{ {entries} }}"),
    }
}

/// Collects lines.
#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn line(&mut self, line: impl Display) {
        self.text += &format!("{line}\n");
    }

    fn key(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }

    fn header(&mut self, header: &str) {
        self.line(format_args!("\n{header}"));
    }
}
