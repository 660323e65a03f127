//! How the fault phase ends, and what faults leave behind: the testbed's own behaviour, seen from outside.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lockstep_node::event::Event;
use lockstep_node::host::{CallId, Disk, Host, Input, Network};
use lockstep_node::raft::Index;
use lockstep_sim::record::{Down, Machine, What};
use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::{Cluster, Scenario};
use lockstep_sim::scenario::{Known, Origin, lower, parse, show};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::systems::{Running, System};
use lockstep_sim::trace::Trace;
use lockstep_sim::world::SimHost;

fn run(source: &str, seed: u64) -> Run {
    run_on(&LOCKSTEP, source, seed)
}

fn run_on(system: &dyn System, source: &str, seed: u64) -> Run {
    simulate(system, &Arc::new(scenario(source)), seed, &Options::default())
}

fn scenario(source: &str) -> Scenario {
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(source, &origin, &Known { systems: &["lockstep"], properties: &[], kinds: &[] });
    scenario.unwrap_or_else(|report| panic!("{}", report.render(false)))
}

/// The run ends in good order, and says of each of so many faults that it never struck.
fn missed(run: &Run, faults: usize) {
    assert_eq!(run.evidence.gave_up, None);
    assert_eq!(failure(run), None);
    assert_eq!(run.vacuous.len(), faults, "{:?}", run.vacuous);
    assert!(run.vacuous.iter().all(|reason| reason.contains("never struck")), "{:?}", run.vacuous);
}

#[test]
fn a_fault_whose_moment_never_comes_is_missed_even_where_nothing_else_happens() {
    // A cluster of one has no heartbeats: once its clients are done, nothing moves time on.
    let kill = "{ when = { mark = \"leader.elected\", nth = 9 }, do = \"kill\" }";
    missed(&run(&format!("workload = [{{ ops = 5 }}]\nevent = [{kill}]\n[cluster]\nvoters = 1"), 1), 1);
}

#[test]
fn a_fault_whose_target_never_comes_is_missed() {
    let events =
        "{ at = \"3s\", do = \"kill\", target = \"all\" }, { at = \"3.1s\", do = \"kill\", target = \"leader\" }";
    missed(&run(&format!("workload = [{{ ops = 2 }}]\nevent = [{events}]"), 1), 1);
}

#[test]
fn a_power_cut_of_a_killed_machine_takes_what_it_had_not_synced() {
    let fault =
        |at: &str, what: &str| format!("{{ at = \"{at}\", do = \"{what}\", target = \"n1\", for = \"200ms\" }}");
    let events = [fault("500ms", "kill"), fault("600ms", "power-cut")].join(", ");
    let run = run(&format!("workload = [{{ ops = 100 }}]\nevent = [{events}]"), 1);
    assert_eq!((failure(&run), run.vacuous.as_slice()), (None, [].as_slice()));
    let ends = run.evidence.records.iter().filter(|recorded| matches!(recorded.what, What::Down(..)));
    assert_eq!(ends.count(), 2);
}

#[test]
fn a_power_cut_of_a_machine_that_has_nothing_to_lose_waits_until_it_is_up() {
    let event =
        |at: &str, lasts: &str| format!("{{ at = \"{at}\", do = \"power-cut\", target = \"n1\", for = \"{lasts}\" }}");
    let events = [event("500ms", "500ms"), event("600ms", "100ms")].join(", ");
    let run = run(&format!("workload = [{{ ops = 100 }}]\nevent = [{events}]\nphases.faults = \"2s\""), 1);
    assert_eq!((failure(&run), run.vacuous.as_slice()), (None, [].as_slice()));
    let cuts = run.evidence.records.iter().filter(|recorded| matches!(recorded.what, What::Down(..)));
    let times: Vec<u128> = cuts.map(|recorded| recorded.at.as_millis()).collect();
    assert!(matches!(times[..], [500, 1000..1040]), "{times:?}");
}

#[test]
fn more_operations_than_fit_end_at_a_limit() {
    let run = run("workload = [{ ops = 5000000000 }]\nlimits.events = 3000", 1);
    assert_eq!(run.evidence.gave_up.as_deref(), Some("the limit of events was reached (`limits.events`)"));
}

#[test]
fn a_nemesis_that_changes_nothing_makes_the_run_vacuous_and_is_named() {
    let harmless = "{ do = \"drop\", count = 1, from = \"n1\", to = \"n2\", every = \"1ms\", for = \"1us\" }";
    let kill = "{ do = \"kill\", every = \"100ms..300ms\", for = \"50ms\" }";
    let run =
        run(&format!("workload = [{{ ops = 20 }}]\nnemesis = [{kill},\n{harmless}]\nphases.faults = \"500ms\""), 1);
    assert_eq!(failure(&run), None);
    let [reason] = &run.vacuous[..] else { panic!("{:?}", run.vacuous) };
    assert!(reason.starts_with("the nemesis drop on line 3 met no message"), "{reason}");
}

#[test]
fn a_nemesis_whose_moment_never_comes_makes_the_run_vacuous_and_is_named() {
    let kill = "{ do = \"kill\", when = { mark = \"leader.elected\", nth = \"90..99\" } }";
    let run = run(&format!("workload = [{{ ops = 20 }}]\nnemesis = [{kill}]"), 1);
    let [reason] = &run.vacuous[..] else { panic!("{:?}", run.vacuous) };
    assert!(reason.starts_with("the nemesis kill on line 2 never struck: the mark `leader.elected`"), "{reason}");
}

#[test]
fn what_a_seed_makes_of_a_scenario_runs_as_the_scenario_does() {
    let nemeses = "{ do = \"kill\", every = \"100ms..300ms\", for = \"50ms..100ms\" }, { do = \"partition\", every = \"200ms..400ms\" }";
    let source = format!("workload = [{{ ops = 60 }}]\nnemesis = [{nemeses}]\nphases.faults = \"2s\"");
    let scenario = scenario(&source);
    let lowered = lower(&scenario, 7, &Trace::default());
    assert!(lowered.nemeses.is_empty() && lowered.events.len() > 5, "{lowered:?}");
    let records = |scenario| simulate(&LOCKSTEP, &Arc::new(scenario), 7, &Options::default()).evidence.records;
    assert!(records(scenario) == records(self::scenario(&show(&lowered))));
}

#[test]
fn an_event_more_leaves_the_targets_of_the_others_as_they_were() {
    let target = |events: &[&str], which: usize| {
        let run = run(&format!("workload = [{{ ops = 30 }}]\nevent = [{}]", events.join(", ")), 3);
        let struck = run.evidence.records.iter().find_map(|recorded| match &recorded.what {
            What::Fault(fault) if fault.event == which && fault.struck => Some(fault.harm.machines.clone()),
            _ => None,
        });
        struck.expect("it struck")
    };
    for at in (100..900).step_by(100) {
        let (another, kill) = (kill_any(40), kill_any(at));
        assert_eq!(target(&[&kill], 0), target(&[&another, &kill], 1));
    }
}

fn kill_any(at_ms: u32) -> String {
    format!("{{ at = \"{at_ms}ms\", do = \"kill\", target = \"any\", for = \"10ms\" }}")
}

#[test]
fn power_cuts_stay_within_the_budget() {
    let cut = "{ do = \"power-cut\", target = \"some\", every = \"100ms\", for = \"50ms..400ms\" }";
    let source =
        format!("workload = [{{ rate = \"50/s\" }}]\nnemesis = [{cut}]\nphases.faults = \"3s\"\ncluster.voters = 5");
    let most_at_once = |run: &Run| {
        let mut out: BTreeMap<usize, usize> = BTreeMap::new();
        let records = run.evidence.records.iter();
        let at_once = records.map(|recorded| {
            if let What::Fault(fault) = &recorded.what {
                out.insert(fault.event, fault.harm.machines.len());
            }
            out.values().sum::<usize>()
        });
        at_once.max()
    };
    assert!(most_at_once(&run(&source, 1)) > Some(2));
    assert_eq!(most_at_once(&run(&format!("{source}\ndisk.budget = 2"), 1)), Some(2));
}

#[test]
fn a_core_goes_on_while_the_others_are_broken() {
    let source = "workload = [{ ops = 40 }]\nphases = { faults = \"1s\", core = \"majority\" }\ncluster.voters = 5";
    for seed in 1..=5 {
        let run = run(source, seed);
        assert_eq!((failure(&run), run.vacuous.as_slice()), (None, [].as_slice()));
        let core = run.evidence.core.expect("there is one");
        assert_eq!(core.machines.len(), 3);
        let broken = run.evidence.records.iter().find_map(|recorded| match &recorded.what {
            What::Fault(fault) => Some(fault.harm.clone()),
            _ => None,
        });
        let broken = broken.expect("leaving the rest broken is a fault");
        let well = core.machines.as_slice();
        let hears_nobody =
            |machine| (0..5).all(|from| from == machine || broken.cut.contains(&(Machine(from), Machine(machine))));
        for machine in 0..5 {
            let out = broken.machines.contains(&Machine(machine)) || hears_nobody(machine);
            assert_ne!(out, well.contains(&Machine(machine)), "n{} of {core:?}: {broken:?}", machine + 1);
        }
    }
}

/// A node that stores nothing, calls an address that nobody has, and goes on waiting when its boot is over.
struct Stubborn;

impl System for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    fn found(&self, mut hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        let voters = cluster.voters;
        Box::pin(async move {
            hosts[0].sync(&[], true);
            assert!(hosts[0].next().await.is_ok());
            assert!(voters < 3, "too many nodes");
        })
    }

    fn boot(&self, mut host: SimHost, _: &Cluster) -> Running {
        Box::pin(async move {
            host.call("n99", CallId(1), Bytes::new());
            match host.next().await {
                Ok(Input::Response { answer: Err(_), .. }) => {}
                other => panic!("nobody answers at n99, but {other:?} came"),
            }
            while host.next().await.is_ok() {}
            std::future::pending::<()>().await;
        })
    }

    fn database(&self, _: &[String]) -> Option<String> {
        None
    }

    fn reports_events(&self) -> bool {
        false
    }
}

const KILL: &str = "event = [{ at = \"100ms\", do = \"kill\", for = \"100ms\" }]\nphases.faults = \"500ms\"\n";

#[test]
fn code_that_outlives_its_boot_is_dropped_and_an_unknown_address_refuses() {
    let run = run_on(&Stubborn, &format!("{KILL}cluster.voters = 1"), 1);
    let ends = run.evidence.records.iter().filter_map(|recorded| match &recorded.what {
        What::Down(_, how) => Some(how.clone()),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [Down::Killed]);
}

/// A node that says that its database is durable, and has synced nothing.
struct Forgetful;

impl System for Forgetful {
    fn name(&self) -> &'static str {
        "forgetful"
    }

    fn found(&self, _: Vec<SimHost>, _: &Cluster) -> Running {
        Box::pin(async {})
    }

    fn boot(&self, mut host: SimHost, _: &Cluster) -> Running {
        Box::pin(async move {
            host.write("database", 0, b"all").expect("the disk is well");
            host.record(Event::Checkpointed { durable: Some(Index(5)) });
            while host.next().await.is_ok() {}
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        files.iter().find(|file| *file == "database").cloned()
    }

    fn reports_events(&self) -> bool {
        true
    }
}

#[test]
fn a_database_that_a_loss_of_power_leaves_nothing_of_is_missed() {
    let run =
        run_on(&Forgetful, "disk.power_cut = { lost = \"100%\" }\nphases.faults = \"100ms\"\ncluster.voters = 1", 1);
    let (property, violation) = failure(&run).expect("the database is gone");
    let summary = "n1 reported index 5 durable in its database, which holds 0 after a loss of power";
    assert_eq!((property, violation.summary.as_str()), ("database-durable", summary));
}

/// `n1` calls `n2` whenever it boots, and stops when it has the answer.
struct OneCall;

impl System for OneCall {
    fn name(&self) -> &'static str {
        "one-call"
    }

    fn found(&self, _: Vec<SimHost>, _: &Cluster) -> Running {
        Box::pin(async {})
    }

    fn boot(&self, mut host: SimHost, _: &Cluster) -> Running {
        Box::pin(async move {
            host.listen();
            if host.label() == "n1" {
                host.call("n2", CallId(1), Bytes::new());
            }
            while let Ok(input) = host.next().await {
                match input {
                    Input::Request { id, .. } => host.respond(id, Bytes::new()),
                    Input::Response { answer, .. } => panic!("the answer is {answer:?}"),
                    _ => {}
                }
            }
        })
    }

    fn database(&self, _: &[String]) -> Option<String> {
        None
    }

    fn reports_events(&self) -> bool {
        false
    }
}

#[test]
fn a_cut_stops_an_answer_that_is_on_its_way_however_short_it_is() {
    // The answer is on its way from 100 ms to 200 ms.
    let answer = |at: &str| {
        let cut = format!("event = [{{ at = \"{at}\", do = \"cut\", from = \"n1\", to = \"n2\", for = \"10ms\" }}]");
        let run = run_on(&OneCall, &format!("{cut}\nphases.faults = \"1s\"\nnetwork.latency = \"100ms\""), 1);
        let ends = run.evidence.records.into_iter().filter_map(|recorded| match recorded.what {
            What::Down(_, Down::Panicked(message)) => Some(message),
            _ => None,
        });
        ends.collect::<String>()
    };
    assert!(answer("150ms").ends_with("the answer is Err(Broken)"), "{}", answer("150ms"));
    assert!(answer("250ms").ends_with("the answer is Ok(b\"\")"), "{}", answer("250ms"));
}

#[test]
#[should_panic(expected = "the cluster cannot be founded")]
fn a_cluster_that_cannot_be_founded_is_not_run() {
    run_on(&Stubborn, &format!("{KILL}cluster.voters = 3"), 1);
}

#[test]
fn the_largest_bank_is_set_up_in_a_few_entries() {
    let run = run("workload = [{ ops = 1, accounts = 100000 }]", 1);
    assert_eq!(failure(&run), None);
    assert!(run.evidence.counts.events < 2000, "{} events", run.evidence.counts.events);
}

#[test]
fn a_schema_is_set_up_once_however_often_its_leader_is_lost() {
    let rows = "INSERT INTO t VALUES (1);".repeat(950);
    let schema = format!("schema.sql = \"CREATE TABLE t(x);{rows}\"\nfinal = [\"SELECT count(*) FROM t\"]");
    let network = "network.loss = \"40%\"\ndisk.fsync = \"1ms..30ms\"\ncluster.raft = { election = \"20ms..60ms\", heartbeat = \"8ms\" }";
    for seed in 1..=10 {
        let run = run(&format!("{schema}\n{network}\nphases.faults = \"1s\""), seed);
        assert_eq!(run.evidence.gave_up, None);
        let counted = &run.evidence.replicas.values().next().expect("there are replicas").finals[0];
        assert_eq!(counted.as_ref().expect("it can be read").rows, [[950.into()]], "seed {seed}");
    }
}
