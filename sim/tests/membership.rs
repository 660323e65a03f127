//! Machines that join, leave and lose their disks, and what the testbed expects of them afterwards.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lockstep_node::event::Event;
use lockstep_sim::record::{Machine, Recorded, What};
use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Scenario;
use lockstep_sim::scenario::{Known, Origin, parse, show};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::System;
use lockstep_sim::systems::async_primary::ASYNC_PRIMARY;
use lockstep_sim::systems::lockstep::LOCKSTEP;

fn scenario(source: &str) -> Scenario {
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(source, &origin, &Known { systems: &["lockstep"], properties: &[], kinds: &[] });
    scenario.unwrap_or_else(|report| panic!("{}", report.render(false)))
}

fn run(system: &dyn System, events: &str) -> Run {
    run_with(system, events, "")
}

/// `more` are tables of the scenario.
fn run_with(system: &dyn System, events: &str, more: &str) -> Run {
    let source = format!("workload = [{{ kind = \"bank\", ops = 60 }}]\nevent = [{events}]\n{more}");
    simulate(system, &Arc::new(scenario(&source)), 1, &Options::default())
}

fn holds(run: &Run) -> Vec<String> {
    assert_eq!((failure(run), &run.vacuous), (None, &Vec::new()));
    run.evidence.replicas.keys().map(Machine::to_string).collect()
}

/// What operators' wishes came to, in order.
fn wishes<'r>(run: &'r Run) -> Vec<&'r str> {
    let ended = |recorded: &'r Recorded| match &recorded.what {
        What::Fault(fault) if !fault.struck => Some(fault.text.as_str()),
        _ => None,
    };
    run.evidence.records.iter().filter_map(ended).collect()
}

#[test]
fn a_node_that_joined_is_held_to_what_all_hold_and_one_that_left_is_not() {
    let run = run(&LOCKSTEP, "{ at = '200ms', do = 'join', node = 'n4' }, { at = '1s', do = 'leave', node = 'n2' }");
    assert_eq!(holds(&run), ["n1", "n3", "n4"]);
    assert_eq!(wishes(&run), ["done: join n4", "done: leave n2"]);
}

#[test]
fn a_disk_that_was_emptied_holds_another_node_which_nobody_expects_anything_of() {
    let run =
        run(&LOCKSTEP, "{ at = '200ms', do = 'wipe', target = 'n2', for = '100ms' }, { at = '900ms', do = 'restart' }");
    assert_eq!(holds(&run), ["n1", "n3"]);
    let ids = run.evidence.records.iter().filter_map(|recorded| match recorded.what {
        What::Node(Machine(1), Event::Booted { id, .. }) => Some(id),
        _ => None,
    });
    let ids: Vec<_> = ids.collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn the_voters_of_a_majority_never_lose_their_disks_together() {
    let run =
        run(&LOCKSTEP, "{ at = '500ms', do = 'wipe', target = 'n2' }, { at = '600ms', do = 'wipe', target = 'n3' }");
    assert_eq!(failure(&run), None);
    assert_eq!(run.evidence.struck, [true, false]);
}

#[test]
fn a_wish_that_comes_to_nothing_makes_a_run_vacuous_and_does_not_hold_it_up() {
    let run =
        run(&LOCKSTEP, "{ at = '200ms', do = 'isolate', target = 'n2' }, { at = '300ms', do = 'transfer', to = 'n2' }");
    assert_eq!((failure(&run), run.evidence.gave_up.as_deref()), (None, None));
    assert!(wishes(&run).contains(&"given up: transfer to n2"), "{:?}", wishes(&run));
    assert!(run.vacuous[0].starts_with("the transfer on line 2 came to nothing"), "{:?}", run.vacuous);
}

/// Who was removed for their silence, and for how long they were silent.
fn removed_dead<'r>(run: &'r Run) -> Vec<(&'r str, Duration)> {
    let removed = |recorded: &'r Recorded| match &recorded.what {
        What::Node(_, Event::RemovesDead { address, silence, .. }) => Some((address.as_str(), *silence)),
        _ => None,
    };
    run.evidence.records.iter().filter_map(removed).collect()
}

const REMOVES_DEAD: &str = "[cluster]\nvoters = 4\nraft = { remove_dead_after = '2s' }\n[phases]\nfaults = '6s'";

#[test]
fn a_node_that_is_silent_for_as_long_as_told_is_removed_and_nobody_expects_anything_of_it() {
    let run = run_with(&LOCKSTEP, "{ at = '200ms', do = 'kill', target = 'n3' }", REMOVES_DEAD);
    let removed = removed_dead(&run);
    assert!(matches!(removed[..], [("n3", silence)] if silence >= Duration::from_secs(2)), "{removed:?}");
    assert_eq!(holds(&run), ["n1", "n2", "n4"]);
}

#[test]
fn nobody_is_removed_who_is_silent_for_less_or_by_a_leader_that_is_on_its_own() {
    let events = "{ at = '200ms', do = 'kill', target = 'n3', for = '1800ms' }, \
                  { at = '2500ms', do = 'partition', groups = [['n1', 'n2'], ['n3', 'n4']], for = '3s' }";
    let run = run_with(&LOCKSTEP, events, REMOVES_DEAD);
    assert_eq!(removed_dead(&run), []);
    assert_eq!(holds(&run), ["n1", "n2", "n3", "n4"]);
}

#[test]
fn systems_whose_members_never_change_refuse() {
    let run = run(&ASYNC_PRIMARY, "{ at = '200ms', do = 'join', node = 'n4' }");
    assert!(wishes(&run)[0].starts_with("refused: join n4: "), "{:?}", wishes(&run));
    assert!(run.vacuous[0].starts_with("the join on line 2 came to nothing"), "{:?}", run.vacuous);
}

#[test]
fn what_is_shown_of_a_wish_is_the_wish() {
    let events = [
        "{ at = '1s', do = 'wipe', target = 'follower' }",
        "{ at = '1s', do = 'join', node = 'n4', learner = true }",
        "{ at = '1s', do = 'promote', node = 'n4' }",
        "{ at = '1s', do = 'replace', node = 'leader', by = 'n5' }",
        "{ at = '1s', do = 'leave', node = 'any' }",
        "{ at = '1s', do = 'remove', node = 'n4' }",
        "{ at = '1s', do = 'transfer', to = 'n5' }",
        "{ at = '1s', do = 'churn', least = 2 }",
    ];
    let cluster = "[cluster]\nspares = 3\nraft = { remove_dead_after = '5s' }";
    let said = scenario(&format!("workload = [{{ }}]\nevent = [{}]\n{cluster}", events.join(", ")));
    assert_eq!((said.cluster.voters, said.cluster.spares), (3, 3));
    let shown = scenario(&show(&said));
    let without_lines =
        |scenario: &Scenario| scenario.events.iter().map(|event| event.fault.clone()).collect::<Vec<_>>();
    assert_eq!((without_lines(&shown), shown.cluster), (without_lines(&said), said.cluster));
}
