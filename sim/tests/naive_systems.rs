//! The naive systems are what they claim to be: right while nothing goes wrong, and wrong for no other reason than their
//! design. What they do when something does go wrong is the table of known faults.

use std::path::Path;
use std::sync::Arc;

use lockstep_node::host::Network;
use lockstep_sim::record::{Down, What};
use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::async_primary::ASYNC_PRIMARY;
use lockstep_sim::systems::bully::BULLY;
use lockstep_sim::systems::statement_shipping::STATEMENT_SHIPPING;
use lockstep_sim::systems::{Running, System};
use lockstep_sim::world::SimHost;

const NAIVE: [&dyn System; 3] = [&STATEMENT_SHIPPING, &BULLY, &ASYNC_PRIMARY];

fn run(system: &dyn System, source: &str, seed: u64) -> Run {
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(source, &origin, &Known { systems: &["lockstep"], properties: &[], kinds: &[] });
    let scenario = scenario.unwrap_or_else(|report| panic!("{}", report.render(false)));
    simulate(system, &Arc::new(scenario), seed, &Options::default())
}

#[test]
fn nothing_is_wrong_on_a_quiet_day() {
    let workloads = [
        r#"{ kind = "bank", ops = 200 }"#,
        r#"{ kind = "counter", ops = 200 }"#,
        r#"{ kind = "register", ops = 200 }"#,
        r#"{ kind = "append", ops = 200 }"#,
        r#"{ kind = "append", layout = "rows", ops = 200 }"#,
    ];
    for (system, workload) in NAIVE.iter().flat_map(|system| workloads.map(|workload| (system, workload))) {
        for voters in [1, 3, 5] {
            let run = run(*system, &format!("workload = [{workload}]\ncluster.voters = {voters}"), 1);
            let place = format!("{} of {voters} with {workload}", system.name());
            assert_eq!(failure(&run), None, "{place}");
            assert_eq!(run.vacuous, [""; 0], "{place}");
            assert!(run.evidence.counts.acknowledged >= 200, "{place}");
        }
    }
}

/// A system whose machines first send each other what no node of it would ever say.
struct Babbling(&'static dyn System);

impl System for Babbling {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        self.0.found(hosts, cluster)
    }

    fn boot(&self, mut host: SimHost, cluster: &Cluster) -> Running {
        let (system, cluster) = (self.0, cluster.clone());
        Box::pin(async move {
            babble(&mut host);
            system.boot(host, &cluster).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        self.0.database(files)
    }

    fn reports_events(&self) -> bool {
        self.0.reports_events()
    }
}

/// Whatever looks like one of their messages, with the greatest and the least numbers in all places. Twice, so that each
/// comes after every other.
fn babble(host: &mut SimHost) {
    let numbers: [&[u8]; 3] = [&[255, 255, 255, 255, 255, 255, 255, 255, 255, 1], &[2], &[0]];
    for _ in 0..2 {
        let mut messages: Vec<Vec<u8>> = (0..5).map(|kind| vec![kind]).collect();
        for _ in 0..8 {
            messages.iter().for_each(|message| host.send("n1", message.clone().into()));
            messages = messages.iter().flat_map(|message| numbers.map(|number| [message, number].concat())).collect();
        }
    }
}

#[test]
fn no_message_makes_a_node_panic() {
    for system in NAIVE {
        let run = run(&Babbling(system), "workload = [{ ops = 20 }]\nphases.settle = \"1s\"", 1);
        let panicked = |what: &What| matches!(what, What::Down(_, Down::Panicked(_)));
        let panic = run.evidence.records.iter().find(|recorded| panicked(&recorded.what));
        assert_eq!(panic, None, "{}", system.name());
    }
}
