//! What a simulated run costs, beside what it is meant to cost: `cargo bench -p lockstep-sim`, or with `-- idle` at the
//! end for one part of it.
//!
//! Everything runs on one thread, one run at a time, and is measured in CPU time from outside of the simulation.

mod consensus;
mod meter;
mod plain;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use lockstep_sim::check::{PROPERTIES, all, judge};
use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Scenario;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::LOCKSTEP;

use meter::{cpu_seconds, memory_peak_mb};
use table::{Goal, Table};

/// As in the tool, so that the numbers are the tool's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clients and faults for thirty simulated seconds.
const SHORT: &str = r#"
workload = [{ kind = "bank", ops = 350 }]
event = [
  { at = "2s..4s",   do = "partition", groups = [["leader"], ["rest"]], for = "2s" },
  { at = "7s..9s",   do = "power-cut", target = "any", for = "1s" },
  { at = "11s..13s", do = "kill", target = "leader", for = "1s" },
  { at = "16s..18s", do = "stall-disk", target = "follower", for = "1s" },
  { at = "20s..22s", do = "power-cut", target = "leader", for = "2s" },
  { at = "25s..27s", do = "cut", from = "leader", to = "any", one_way = true, for = "1s" },
]
network = { latency = { dist = "exponential", min = "1ms", mean = "8ms", max = "400ms" }, loss = "1%", duplicate = "1%" }
disk    = { fsync = { dist = "uniform", min = "200us", max = "4ms" }, power_cut = { torn = "30%" } }
phases  = { faults = "30s" }
"#;

/// Clients that never pause.
const BUSY: &str = r#"workload = [{ kind = "bank", ops = 20000, clients = CLIENTS, accounts = ACCOUNTS }]"#;

/// Nobody asks for anything.
const IDLE: &str = r#"
cluster = { voters = VOTERS }
phases  = { faults = "500s" }
"#;

type Part = (&'static str, fn(&mut Table));

/// The short seeds come first: the memory is the peak of the process until then.
const PARTS: [Part; 4] = [("short", short_seeds), ("busy", busy), ("idle", idle), ("consensus", consensus)];

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

fn short_seeds(table: &mut Table) {
    const SEEDS: u64 = 200;
    let scenario = scenario(SHORT);
    let (mut events, mut acknowledged) = (0, 0);
    let mut run = |seed| {
        let counts = passed(&scenario, seed).evidence.counts;
        assert!(counts.acknowledged >= 300, "seed {seed} committed only {} transactions", counts.acknowledged);
        (events, acknowledged) = (events + counts.events, acknowledged + counts.acknowledged);
    };
    run(0);
    let memory = memory_peak_mb();
    let took = cpu_seconds(|| (1..=SEEDS).for_each(&mut run));
    let about = format!("{} transactions, {} events", acknowledged / (SEEDS + 1), events / (SEEDS + 1));
    let per_hour = 3600.0 * SEEDS as f64 / took;
    table.row("short seeds a core-hour, with faults", per_hour, Goal::AtLeast(100_000.0), about);
    table.row("peak memory of such a run, MB", memory, Goal::AtMost(200.0), "the program included".to_owned());
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
    for (voters, goal) in [(3, Goal::AtLeast(8_000.0)), (5, Goal::None)] {
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
