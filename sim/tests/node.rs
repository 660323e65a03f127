//! What Lockstep's node does in the world beyond what scenarios can demand.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use lockstep_node::event::Event;
use lockstep_node::host::Disk;
use lockstep_node::raft::{Correct, Role};
use lockstep_node::replica::{self, Options as NodeOptions};
use lockstep_node::sqlite::reader::open_reader;
use lockstep_sim::record::{Machine, Phase, Recorded, What};
use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::systems::{Running, System};
use lockstep_sim::world::SimHost;

fn run(system: &dyn System, source: &str, seed: u64) -> Run {
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(source, &origin, &Known { systems: &["lockstep"], properties: &[], kinds: &[] });
    let scenario = scenario.unwrap_or_else(|report| panic!("{}", report.render(false)));
    simulate(system, &Arc::new(scenario), seed, &Options::default())
}

/// How many events of this kind there were since clients began.
fn count(run: &Run, wanted: impl Fn(&Event) -> bool) -> usize {
    let records = run.evidence.records.iter().skip_while(|recorded| recorded.what != What::Phase(Phase::Faults));
    records.filter(|recorded| matches!(&recorded.what, What::Node(_, event) if wanted(event))).count()
}

#[test]
fn a_follower_that_restarts_is_back_without_an_election() {
    let kill = "{ at = \"1s\", do = \"kill\", target = \"follower\", for = \"100ms\" }";
    for seed in 1..=5 {
        let run = run(&LOCKSTEP, &format!("workload = [{{ ops = 200 }}]\nevent = [{kill}]"), seed);
        assert_eq!(failure(&run), None);
        assert_eq!(count(&run, |event| matches!(event, Event::Booted { .. })), 1, "seed {seed}");
        let campaigns = count(&run, |event| matches!(event, Event::Role { role: Role::PreCandidate, .. }));
        assert_eq!(campaigns, 0, "seed {seed}: the node campaigned before it heard its leader");
    }
}

#[test]
fn a_follower_whose_greeting_is_lost_greets_whoever_takes_it_for_its_earlier_boot() {
    // The follower boots at about 1.13 s, and nobody hears it before 1.2 s.
    let kill = "{ at = \"1s\", do = \"kill\", target = \"n1\", for = \"100ms\" }";
    let mute = "{ at = \"1s\", do = \"cut\", from = \"n1\", to = \"rest\", one_way = true, for = \"200ms\" }";
    let raft = "cluster.raft = { election = \"400ms..800ms\", heartbeat = \"50ms\" }";
    let mut followed = 0;
    for seed in 1..=6 {
        let run = run(&LOCKSTEP, &format!("{raft}\nworkload = [{{ ops = 200 }}]\nevent = [{kill}, {mute}]"), seed);
        assert_eq!(failure(&run), None);
        let leads = |recorded: &Recorded| match recorded.what {
            What::Node(machine, Event::Role { role: Role::Leader, .. }) => Some(machine),
            _ => None,
        };
        if run.evidence.records.iter().find_map(leads) == Some(Machine(0)) {
            continue;
        }
        followed += 1;
        let campaigns = count(&run, |event| matches!(event, Event::Role { role: Role::PreCandidate, .. }));
        assert_eq!(campaigns, 0, "seed {seed}: the node campaigned before it heard its leader");
    }
    assert!(followed > 0, "n1 leads on every seed");
}

/// Lockstep with somebody who reads each node's database, from some moment on, in one transaction that never ends.
struct ReadForever;

impl System for ReadForever {
    fn name(&self) -> &'static str {
        "read-forever"
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        LOCKSTEP.found(hosts, cluster)
    }

    fn boot(&self, mut host: SimHost, _: &Cluster) -> Running {
        Box::pin(async move {
            let vfs = host.sqlite_vfs();
            let options = NodeOptions { checkpoint_frames: 20, page_bytes: 512, ..NodeOptions::default() };
            let mut node = pin!(replica::run(&mut host, options, Correct));
            let (mut turns, mut reader) = (0, None);
            poll_fn(|context| {
                turns += 1;
                if turns == 500 {
                    let connection = open_reader(&vfs, "db-0").expect("the database is there");
                    connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").expect("it can be read");
                    reader = Some(connection);
                }
                node.as_mut().poll(context).map(|_| ())
            })
            .await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        LOCKSTEP.database(files)
    }

    fn reports_events(&self) -> bool {
        true
    }
}

#[test]
fn a_checkpoint_that_a_reader_held_up_waits_for_more_to_copy() {
    let run = run(&ReadForever, "workload = [{ ops = 400 }]", 1);
    assert_eq!(failure(&run), None);
    let held_up = count(&run, |event| matches!(event, Event::Checkpointed { durable: None }));
    assert!((1..200).contains(&held_up), "{held_up} checkpoints that copied a part");
}
