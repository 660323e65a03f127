//! What a simulated run costs, beside what it is meant to cost: `cargo bench -p lockstep-sim`, or with `-- idle` at the
//! end for one part of it.
//!
//! Everything runs on one thread, one run at a time, and is measured in CPU time from outside of the simulation.

mod catch_up;
mod consensus;
mod meter;
mod plain;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_sim::cases;
use lockstep_sim::check::{PROPERTIES, all, judge};
use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Scenario;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems;
use lockstep_sim::systems::lockstep::LOCKSTEP;

use meter::{cpu_seconds, memory_peak_mb};
use table::{Goal, Table};

/// As in the tool, so that the numbers are the tool's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clients that never pause.
const BUSY: &str = r#"workload = [{ kind = "bank", ops = 20000, clients = CLIENTS, accounts = ACCOUNTS }]"#;

/// Nobody asks for anything.
const IDLE: &str = r#"
cluster = { voters = VOTERS }
phases  = { faults = "500s" }
"#;

type Part = (&'static str, fn(&mut Table));

/// The short seeds come first: the memory is the peak of the process until then.
const PARTS: [Part; 6] = [
    ("short", short_seeds),
    ("chaos", chaos),
    ("busy", busy),
    ("idle", idle),
    ("consensus", consensus),
    ("catch-up", catch_up),
];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            measure(&mut table);
        }
    }
    print!("{table}");
}

/// Three nodes, thirty simulated seconds, faults, and some 350 transactions.
fn short_seeds(table: &mut Table) {
    let scenario = file("chaos/three-nodes");
    passed(&scenario, 0);
    let memory = memory_peak_mb();
    seeds(table, "short seeds a core-hour, with faults", &scenario, 200, Goal::AtLeast(100_000.0));
    table.row("peak memory of such a run, MB", memory, Goal::AtMost(200.0), "the program included".to_owned());
}

fn chaos(table: &mut Table) {
    seeds(table, "seeds of five nodes in chaos a core-hour", &file("chaos/five-nodes"), 50, Goal::None);
}

/// How many seeds an hour has room for.
fn seeds(table: &mut Table, name: &str, scenario: &Arc<Scenario>, seeds: u64, goal: Goal) {
    let (mut events, mut acknowledged, mut simulated) = (0, 0, 0.0);
    let took = cpu_seconds(|| {
        for seed in 1..=seeds {
            let evidence = passed(scenario, seed).evidence;
            acknowledged += evidence.counts.acknowledged;
            events += evidence.counts.events;
            simulated += evidence.ended.as_secs_f64();
        }
    });
    let each = |sum: u64| sum / seeds;
    let about = format!(
        "{} transactions, {} events, {:.0} simulated s",
        each(acknowledged),
        each(events),
        simulated / seeds as f64
    );
    table.row(name, 3600.0 * seeds as f64 / took, goal, about);
}

fn busy(table: &mut Table) {
    for (clients, goal) in [(4, Goal::AtLeast(25_000.0)), (64, Goal::None)] {
        let scenario =
            scenario(&BUSY.replace("CLIENTS", &clients.to_string()).replace("ACCOUNTS", &plain::ACCOUNTS.to_string()));
        let mut finished = None;
        let took = cpu_seconds(|| finished = Some(passed(&scenario, 1)));
        let run = finished.expect("it was just run");
        let acknowledged = run.evidence.counts.acknowledged;
        let about = format!("{acknowledged} in {:.1} simulated s", run.evidence.ended.as_secs_f64());
        let name = format!("transactions a CPU-second, {clients} clients");
        table.row(&name, acknowledged as f64 / took, goal, about);
        let judging = cpu_seconds(|| drop(judge(all(&scenario), None, &run.evidence)));
        let about = format!("{judging:.2} s over {took:.2} s");
        table.row("its verdicts at the end, % of it", 100.0 * judging / took, Goal::AtMost(25.0), about);
        if clients == 4 {
            let plain = cpu_seconds(|| plain::apply(&run.evidence.history, scenario.cluster.voters));
            let about = format!("{took:.2} s over {plain:.2} s");
            table.row("its cost over plain SQLite", took / plain, Goal::AtMost(4.0), about);
        }
    }
}

fn idle(table: &mut Table) {
    for (voters, goal) in [(3, Goal::AtLeast(8_000.0)), (5, Goal::AtLeast(4_000.0))] {
        let scenario = scenario(&IDLE.replace("VOTERS", &voters.to_string()));
        let mut finished = None;
        let took = cpu_seconds(|| finished = Some(passed(&scenario, 1)));
        let evidence = finished.expect("it was just run").evidence;
        let about = format!("{} events", evidence.counts.events);
        let name = format!("idle simulated seconds a second, {voters} nodes");
        table.row(&name, evidence.ended.as_secs_f64() / took, goal, about);
    }
}

fn consensus(table: &mut Table) {
    let measured = consensus::measure();
    let about = format!("{} entries of {} bytes", measured.entries, consensus::PAYLOAD_BYTES);
    table.row("entries a second, three cores in memory", measured.entries_a_second, Goal::AtLeast(400_000.0), about);
    table.row("median of a core's step, ns", measured.step_median_ns, Goal::AtMost(2_000.0), String::new());
}

fn catch_up(table: &mut Table) {
    for (way, compact_every, goal) in [("log", None, Goal::AtMost(2.0)), ("copy", Some(10_000), Goal::None)] {
        let measured = catch_up::measure(&scenario(&catch_up::source(compact_every)));
        let installed = measured.evidence.marks.get("snapshot.installed").copied().unwrap_or(0);
        assert_eq!(installed, u64::from(compact_every.is_some()), "copies");
        let simulated = measured.evidence.settled_after.expect("the follower has caught up").as_secs_f64();
        let about = format!("{} entries, {simulated:.1} simulated s", catch_up::BEHIND);
        table.row(&format!("CPU seconds to catch up by {way}"), measured.cpu_seconds, goal, about);
    }
}

/// A scenario of the project.
fn file(name: &str) -> Arc<Scenario> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
    cases::load_file(&file, systems::ALL).unwrap_or_else(|report| panic!("{report}"))
}

fn scenario(text: &str) -> Arc<Scenario> {
    let known = Known { systems: &["lockstep"], properties: PROPERTIES, kinds: &[] };
    let origin = Origin { name: "bench".to_owned(), path: String::new(), folder: PathBuf::new() };
    Arc::new(parse(text, &origin, &known).unwrap_or_else(|report| panic!("{report}")))
}

/// A run on which every verdict was given and none was bad: what fails early is cheap.
fn passed(scenario: &Arc<Scenario>, seed: u64) -> Run {
    let run = simulate(&LOCKSTEP, scenario, seed, &Options::default());
    assert_eq!(run.evidence.gave_up, None, "seed {seed}");
    assert_eq!(failure(&run), None, "seed {seed}");
    run
}
