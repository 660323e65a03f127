//! A follower that is far behind, until it has executed what the others have.
//!
//! One of three machines is off while a load is committed. It is switched on when all clients are done, so that nobody
//! writes while it catches up, and the run's verdicts are left out. A [`Stopwatch`] around the system takes the time in
//! between, all three nodes' and the simulation's own: it starts when the machine boots, and stops when the world has
//! settled and the testbed looks into the first disk.

use std::sync::{Arc, Mutex};

use lockstep_node::host::SqliteVfs;
use lockstep_sim::disk::Durable;
use lockstep_sim::run::Evidence;
use lockstep_sim::scenario::model::{Cluster, Scenario};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::systems::{DurableLog, Reopened, Running, System};
use lockstep_sim::world::SimHost;

use crate::meter::cpu_now;

/// Entries that the follower lacks, and a few more: its log ends before the load begins.
pub const BEHIND: u64 = 100_000;

/// The machine that is behind.
const FOLLOWER: &str = "n3";

/// What was measured.
pub struct Measured {
    pub evidence: Evidence,
    pub cpu_seconds: f64,
}

/// A scenario whose load is committed while the follower is off. The log keeps all of it, or forgets it after so many
/// entries.
pub fn source(compact_every: Option<u64>) -> String {
    let raft = compact_every.map_or_else(String::new, |entries| format!("cluster.raft.compact_every = {entries}"));
    format!(
        r#"
        {raft}
        schema.sql    = "CREATE TABLE notes(id INTEGER PRIMARY KEY, note TEXT)"
        phases.settle = "300s"
        limits.events = 100000000

        [[workload]]
        kind    = "sql"
        ops     = {BEHIND}
        clients = 256
        mix     = [{{ sql = "INSERT INTO notes(note) VALUES (:note)" }}]
        values  = {{ note = {{ text = "20..60" }} }}

        [[event]]
        at     = "0s"
        do     = "kill"
        target = "{FOLLOWER}"
        "#
    )
}

/// Runs such a scenario.
pub fn measure(scenario: &Arc<Scenario>) -> Measured {
    let stopwatch = Stopwatch::default();
    let run = simulate(&stopwatch, scenario, 1, &Options { unwatched: true, ..Options::default() });
    let evidence = run.evidence;
    assert_eq!((evidence.gave_up.as_deref(), run.vacuous.as_slice()), (None, [].as_slice()));
    assert!(evidence.settled_after.is_some(), "the follower has caught up");
    let Times { booted, settled } = stopwatch.0.into_inner().expect("nothing panics with this lock");
    let (booted, settled) = (booted.expect("the follower booted"), settled.expect("the testbed looked into the disks"));
    Measured { evidence, cpu_seconds: settled - booted }
}

/// Lockstep, and when what happened.
#[derive(Default)]
struct Stopwatch(Mutex<Times>);

/// CPU seconds of the process.
#[derive(Default)]
struct Times {
    /// The follower's last boot.
    booted: Option<f64>,
    /// The first look into a disk.
    settled: Option<f64>,
}

impl System for Stopwatch {
    fn name(&self) -> &'static str {
        LOCKSTEP.name()
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        LOCKSTEP.found(hosts, cluster)
    }

    fn boot(&self, host: SimHost, cluster: &Cluster) -> Running {
        if host.label() == FOLLOWER {
            self.0.lock().expect("nothing panics with this lock").booted = Some(cpu_now());
        }
        LOCKSTEP.boot(host, cluster)
    }

    fn database(&self, files: &[String]) -> Option<String> {
        LOCKSTEP.database(files)
    }

    fn durable_log(&self, disk: &mut Durable) -> Option<Result<DurableLog, String>> {
        self.0.lock().expect("nothing panics with this lock").settled.get_or_insert_with(cpu_now);
        LOCKSTEP.durable_log(disk)
    }

    fn reopen(&self, vfs: &SqliteVfs, file: &str) -> Option<Result<Reopened, String>> {
        LOCKSTEP.reopen(vfs, file)
    }

    fn reports_events(&self) -> bool {
        LOCKSTEP.reports_events()
    }
}
