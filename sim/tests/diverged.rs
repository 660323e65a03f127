//! A replica whose contents go apart is found out by the others' digests, stops, and comes back with a copy.

use std::path::Path;
use std::sync::Arc;

use lockstep_node::event::Event;
use lockstep_node::host::Disk;
use lockstep_node::raft::Rule;
use lockstep_node::replica;
use lockstep_sim::record::{Machine, What};
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::{LOCKSTEP, Lockstep};
use lockstep_sim::systems::{Running, System};
use lockstep_sim::world::SimHost;
use lockstep_sim::zoo::Broken;

/// Lets SQL read the machine's clock.
static OWN_CLOCK: Lockstep<Broken> = Lockstep::new("own-clock", Broken(Rule::PinClock));

const N3: Machine = Machine(2);

/// On n3 SQL reads the machine's clock, until the node was told so often to rejoin: which happens at each of its boots, if
/// it must.
struct OneDiverges {
    times: usize,
}

impl System for OneDiverges {
    fn name(&self) -> &'static str {
        "one-diverges"
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        LOCKSTEP.found(hosts, cluster)
    }

    fn boot(&self, mut host: SimHost, cluster: &Cluster) -> Running {
        let (cluster, times) = (cluster.clone(), self.times);
        Box::pin(async move {
            let kept = evidence(&mut host).len();
            let rejoined = replica::rejoin(&mut host).await.expect("its disk works");
            let evidence = evidence(&mut host);
            assert_eq!(
                evidence.len(),
                kept + usize::from(rejoined),
                "each database that went apart is kept: {evidence:?}"
            );
            match host.label() == "n3" && evidence.len() < times {
                true => OWN_CLOCK.boot(host, &cluster).await,
                false => LOCKSTEP.boot(host, &cluster).await,
            }
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        LOCKSTEP.database(files)
    }

    fn reports_events(&self) -> bool {
        true
    }
}

/// The databases that were set aside.
fn evidence(host: &mut SimHost) -> Vec<String> {
    let mut files = host.list().expect("its disk works");
    files.retain(|file| file.starts_with("evidence-") && !file.ends_with("-wal") && !file.ends_with("-shm"));
    files
}

/// On n3 contents go apart so often, and it boots again at these times.
fn run(times: usize, boots: &[&str], compact: &str, seed: u64) -> Run {
    let event = |at: &&str| format!("{{ at = \"{at}\", do = \"power-cut\", target = \"n3\", for = \"100ms\" }}");
    let events: Vec<String> = boots.iter().map(event).collect();
    let events = events.join(", ");
    let source = format!(
        "schema = {{ sql = \"CREATE TABLE notes(id INTEGER PRIMARY KEY, at TEXT DEFAULT (strftime('%H:%M:%f')))\" }}
         workload = [{{ kind = \"sql\", ops = 400, mix = [{{ sql = \"INSERT INTO notes DEFAULT VALUES\" }}] }}]
         event = [{events}]
         clock = {{ offset = {{ n3 = \"+30s\" }} }}
         cluster = {{ raft = {{ {compact} }} }}"
    );
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let known = Known { systems: &["lockstep"], properties: &[], kinds: &[] };
    let scenario = parse(&source, &origin, &known).unwrap_or_else(|report| panic!("{}", report.render(false)));
    simulate(&OneDiverges { times }, &Arc::new(scenario), seed, &Options { unwatched: true, ..Options::default() })
}

fn events<'r>(run: &'r Run, of: impl Fn(&Event) -> bool + 'r) -> Vec<(Machine, &'r Event)> {
    let events = run.evidence.records.iter().filter_map(|recorded| match &recorded.what {
        What::Node(machine, event) if of(event) => Some((*machine, event)),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_replica_that_went_apart_stops_and_comes_back_with_what_the_others_hold() {
    for (compact, copies) in [("compact_every = 32", 1), ("", 0)] {
        for seed in 1..=5 {
            let run = run(1, &["3s"], compact, seed);
            let stopped = events(&run, |event| matches!(event, Event::Stopped { .. }));
            let [(N3, Event::Stopped { reason })] = stopped[..] else { panic!("seed {seed}: {stopped:?}") };
            assert!(reason.starts_with("this replica's contents at index "), "{reason}");
            let installed = events(&run, |event| matches!(event, Event::Installed { .. }));
            assert_eq!(installed.len(), copies, "seed {seed}: with {compact:?} a copy is taken up so often");
            let dumps: Vec<_> = run.evidence.replicas.values().map(|replica| replica.dump.as_ref().unwrap()).collect();
            assert!(dumps.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: all hold the same in the end");
        }
    }
}

#[test]
fn what_went_apart_again_is_kept_beside_what_did_before() {
    for seed in 1..=5 {
        // The log holds everything: the new database executes it from the beginning, under the name of the old one.
        let run = run(2, &["3s", "5s"], "", seed);
        let stopped = events(&run, |event| matches!(event, Event::Stopped { .. }));
        assert_eq!(stopped.len(), 2, "seed {seed}: {stopped:?}");
        let dumps: Vec<_> = run.evidence.replicas.values().map(|replica| replica.dump.as_ref().unwrap()).collect();
        assert!(dumps.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: all hold the same in the end");
    }
}
