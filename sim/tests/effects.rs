//! What faults do, as nodes see it: every node sends a number to every other one each 10 ms and notes what it hears.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::host::{Clock, Dead, Host, Input, Network};
use lockstep_sim::record::{Down, What};
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::{Running, System};
use lockstep_sim::world::SimHost;

const BEAT: Duration = Duration::from_millis(10);

/// Something that a node heard, and what its clocks said then, in whole milliseconds since it first booted.
#[derive(Clone, Debug)]
struct Heard {
    by: String,
    from: String,
    number: u64,
    monotonic: u64,
    wall: i64,
}

#[derive(Default)]
struct Beacons {
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl System for Beacons {
    fn name(&self) -> &'static str {
        "beacons"
    }

    fn found(&self, _: Vec<SimHost>, _: &Cluster) -> Running {
        Box::pin(async {})
    }

    fn boot(&self, host: SimHost, cluster: &Cluster) -> Running {
        let (heard, voters) = (self.heard.clone(), cluster.voters);
        Box::pin(async move {
            let Err(Dead) = serve(host, voters, &heard).await;
        })
    }

    fn database(&self, _: &[String]) -> Option<String> {
        None
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["even", "odd"]
    }

    fn kind(&self, datagram: &[u8]) -> Option<&'static str> {
        Some(self.kinds()[number(datagram) as usize % 2])
    }

    fn reports_events(&self) -> bool {
        false
    }
}

async fn serve(mut host: SimHost, voters: u32, heard: &Mutex<Vec<Heard>>) -> Result<std::convert::Infallible, Dead> {
    let me = host.label();
    // Monotonic time begins at 1000 s, wall-clock time on the first day of 2024.
    let mut next = host.monotonic();
    let mut count = 0_u64;
    host.wake_at(next);
    loop {
        match host.next().await? {
            Input::Timer => {
                for other in (1..=voters).map(|number| format!("n{number}")).filter(|label| *label != me) {
                    host.send(&other, Bytes::copy_from_slice(&count.to_le_bytes()));
                }
                count += 1;
                next += BEAT;
                host.wake_at(next);
            }
            Input::Message { from, bytes } => {
                let monotonic = host.monotonic().as_millis() as u64 - 1_000_000;
                let wall = host.wall().as_millis() as i64 - 1_704_067_200_000;
                let number = number(&bytes);
                heard.lock().unwrap().push(Heard { by: me.clone(), from, number, monotonic, wall });
            }
            _ => {}
        }
    }
}

fn number(datagram: &[u8]) -> u64 {
    u64::from_le_bytes(datagram.try_into().expect("a beacon is a number"))
}

/// A second of beacons on links of 1 ms, with one event.
fn second(event: &str, more: &str) -> (Run, Vec<Heard>) {
    let source = format!("event = [{{ {event} }}]\nphases.faults = \"1s\"\nnetwork.latency = \"1ms\"\n{more}");
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let known = Known { systems: &["lockstep"], properties: &[], kinds: &[("lockstep", &["even", "odd"])] };
    let scenario = parse(&source, &origin, &known).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let system = Beacons::default();
    let run = simulate(&system, &Arc::new(scenario), 3, &Options::default());
    let heard = system.heard.lock().unwrap().clone();
    // What comes after the heal is of no interest.
    (run, heard.into_iter().filter(|heard| heard.number < 95).collect())
}

/// The numbers that `n2` heard from `n1`, in order, and when.
fn from_one_to_two(heard: &[Heard]) -> Vec<(u64, u64)> {
    let link = heard.iter().filter(|heard| heard.by == "n2" && heard.from == "n1");
    link.map(|heard| (heard.number, heard.monotonic)).collect()
}

fn numbers(heard: &[(u64, u64)]) -> Vec<u64> {
    heard.iter().map(|(number, _)| *number).collect()
}

/// Each number once, in order.
fn all() -> Vec<u64> {
    (0..95).collect()
}

fn bites(run: &Run) -> u64 {
    assert_eq!(run.vacuous, [""; 0]);
    run.evidence.bites[0]
}

#[test]
fn a_clogged_link_lets_everything_wait_and_loses_nothing() {
    let (run, heard) = second("at = '200ms', do = 'clog', from = 'n1', to = 'n2', one_way = true, for = '300ms'", "");
    let link = from_one_to_two(&heard);
    assert_eq!(numbers(&link), all());
    let (waited, others): (Vec<_>, Vec<_>) = link.iter().partition(|(number, at)| at - number * 10 > 2);
    assert!(waited.iter().all(|(_, at)| *at == 500), "{waited:?}");
    assert_eq!((waited.len() as u64, waited.len() + others.len()), (bites(&run), 95));
    assert!(waited.len() >= 29, "{waited:?}");
    let back = heard.iter().filter(|heard| heard.by == "n1" && heard.from == "n2");
    assert!(back.into_iter().all(|heard| heard.monotonic <= heard.number * 10 + 2));
}

#[test]
fn a_slowed_link_takes_longer_and_keeps_its_order() {
    let (_, heard) = second("at = '200ms', do = 'clog', from = 'n1', to = 'n2', by = '100ms', for = '300ms'", "");
    let link = from_one_to_two(&heard);
    assert_eq!(numbers(&link), all());
    for (number, at) in link {
        let slow = (21..=49).contains(&number);
        // What was sent just after the fault waits for what was sent in it.
        let late = if slow { 100 } else { 0 };
        assert!(at >= number * 10 + late && at <= number * 10 + 101, "{number} at {at} ms");
    }
}

#[test]
fn single_messages_are_dropped() {
    let event = "at = '200ms', do = 'drop', kind = 'odd', from = 'n1', to = 'n2', nth = 3, count = 2";
    let (run, heard) = second(event, "");
    let missing: Vec<u64> = {
        let heard = numbers(&from_one_to_two(&heard));
        all().into_iter().filter(|number| !heard.contains(number)).collect()
    };
    assert_eq!((missing.len(), bites(&run)), (2, 2), "{missing:?}");
    assert!(missing[0] % 2 == 1 && missing[1] == missing[0] + 2 && (23..=27).contains(&missing[0]), "{missing:?}");
    assert!(heard.iter().filter(|heard| heard.from != "n1").count() == 4 * 95, "no other link loses anything");
}

#[test]
fn a_delayed_message_is_overtaken_and_met_once() {
    let event = "at = '200ms', do = 'delay', from = 'n1', to = 'n2', nth = 2, by = '105ms'";
    let (run, heard) = second(event, "");
    let link = from_one_to_two(&heard);
    let late: Vec<_> = link.iter().filter(|(number, at)| at - number * 10 > 2).collect();
    let [(number, at)] = late.as_slice() else { panic!("{late:?}") };
    assert_eq!((*at, bites(&run)), (number * 10 + 106, 1));
    let mut expected = all();
    let moved = expected.remove(*number as usize);
    expected.insert(moved as usize + 10, moved);
    assert_eq!(numbers(&link), expected);
}

#[test]
fn a_paused_process_takes_everything_in_order_when_it_has_turns_again() {
    let (run, heard) = second("at = '200ms', do = 'pause', target = 'n2', for = '300ms'", "");
    let link = from_one_to_two(&heard);
    assert_eq!(numbers(&link), all());
    assert!(link.iter().all(|(_, at)| !(201..500).contains(at)), "{link:?}");
    assert_eq!(link.iter().filter(|(_, at)| *at == 500).count(), 30);
    // 30 from each of two nodes, and its own timer, once.
    assert_eq!(bites(&run), 61);
    // Its own beacons were due by its monotonic clock, which went on: they come in a burst.
    let own = heard.iter().filter(|heard| heard.by == "n1" && heard.from == "n2" && heard.number < 50);
    assert!(own.filter(|heard| (500..=502).contains(&heard.monotonic)).count() >= 29);
}

#[test]
fn what_waits_for_a_process_that_is_killed_never_comes_and_it_boots_after_its_pause() {
    let pause = "at = '200ms', do = 'pause', target = 'n2', for = '300ms'";
    let kill = "at = '300ms', do = 'kill', target = 'n2', for = '50ms'";
    let (run, heard) = second(&format!("{pause} }}, {{ {kill}"), "");
    assert_eq!(run.vacuous, [""; 0]);
    let link = from_one_to_two(&heard);
    assert!(link.iter().all(|(_, at)| !(201..500).contains(at)), "{link:?}");
    let lost = all().len() - link.len();
    assert!((29..=31).contains(&lost), "{lost} beacons are gone");
    let ups = run.evidence.records.iter().filter(|recorded| matches!(recorded.what, What::Up(_)));
    assert_eq!(ups.last().map(|recorded| recorded.at), Some(Duration::from_millis(500)));
}

#[test]
fn a_jump_moves_the_wall_clock_alone_and_back() {
    let (run, heard) = second("at = '200ms', do = 'clock-jump', target = 'n2', by = '-5s', for = '300ms'", "");
    assert!(bites(&run) > 50);
    for heard in &heard {
        let jumped = heard.by == "n2" && (200..500).contains(&heard.monotonic);
        assert_eq!(heard.wall - heard.monotonic as i64, if jumped { -5000 } else { 0 }, "{heard:?}");
    }
}

#[test]
fn a_frozen_wall_clock_stands_still_and_is_right_afterwards() {
    let (run, heard) = second("at = '200ms', do = 'clock-freeze', target = 'n2', for = '300ms'", "");
    assert!(bites(&run) > 50);
    for heard in &heard {
        let frozen = heard.by == "n2" && (200..500).contains(&heard.monotonic);
        assert_eq!(heard.wall, if frozen { 200 } else { heard.monotonic as i64 }, "{heard:?}");
    }
}

#[test]
fn a_clock_that_runs_fast_wakes_its_node_early_from_the_moment_of_the_strike() {
    let (run, heard) = second("at = '200ms', do = 'clock-drift', target = 'n1', by = '+100000ppm', for = '500ms'", "");
    assert!(bites(&run) > 50);
    // By the others' clocks n1 gains a tenth of what has passed since the strike, at most 50 ms.
    for (number, at) in from_one_to_two(&heard) {
        let gained = (at.clamp(200, 700) - 200) / 10;
        let due = number * 10 - gained.min(number * 10);
        assert!((due..=due + 2).contains(&at), "{number} came at {at} ms and was due at {due} ms");
    }
}

#[test]
fn clocks_of_named_nodes_are_off_by_what_is_said() {
    let more = "clock.offset = { n2 = '+2s' }\nclock.drift = { n3 = '-100000ppm' }";
    let (_, heard) = second("at = '200ms', do = 'kill', target = 'n1', for = '1ms'", more);
    for heard in heard.iter().filter(|heard| heard.by != "n1") {
        assert_eq!(heard.wall - heard.monotonic as i64, if heard.by == "n2" { 2000 } else { 0 }, "{heard:?}");
    }
    let last = |by: &str| heard.iter().filter(|heard| heard.by == by).map(|heard| heard.monotonic).max().unwrap();
    assert!(last("n3") <= last("n2") - 90, "{} {}", last("n3"), last("n2"));
}

#[test]
fn a_restart_and_a_crash_loop_end_as_many_processes_as_they_say() {
    let (run, _) = second("at = '200ms', do = 'restart', target = ['n1', 'n2']", "");
    assert_eq!(ups_and_downs(&run), (5, 2, vec![200, 200]));
    let (run, _) = second("at = '200ms', do = 'crash-loop', target = 'n3', times = 4, down = '20ms', up = '50ms'", "");
    assert_eq!(ups_and_downs(&run), (7, 4, vec![220, 290, 360, 430]));
    assert_eq!(run.vacuous, [""; 0]);
}

/// How many processes began, how many were killed, and when those after the first three began.
fn ups_and_downs(run: &Run) -> (usize, usize, Vec<u128>) {
    let mut ups = Vec::new();
    let mut killed = 0;
    for recorded in &run.evidence.records {
        match recorded.what {
            What::Up(_) => ups.push(recorded.at.as_millis()),
            What::Down(_, Down::Killed) => killed += 1,
            _ => {}
        }
    }
    (ups.len(), killed, ups.split_off(3))
}

/// Whom each node of five hears while a fault goes on.
fn hearers(event: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (run, heard) = second(&format!("at = '200ms', {event}, for = '300ms'"), "cluster.voters = 5");
    assert!(bites(&run) > 0);
    let mut hear: BTreeMap<String, BTreeSet<String>> =
        (1..=5).map(|node| (format!("n{node}"), BTreeSet::new())).collect();
    for heard in heard.into_iter().filter(|heard| (205..495).contains(&heard.monotonic)) {
        hear.get_mut(&heard.by).unwrap().insert(heard.from);
    }
    hear
}

fn heard_by(hear: &BTreeMap<String, BTreeSet<String>>) -> Vec<usize> {
    let mut counts: Vec<usize> = hear.values().map(BTreeSet::len).collect();
    counts.sort_unstable();
    counts
}

#[test]
fn a_bridge_is_heard_by_both_halves_and_they_do_not_hear_each_other() {
    let hear = hearers("do = 'bridge', target = 'n3'");
    assert_eq!(hear["n3"].len(), 4);
    assert_eq!(heard_by(&hear), [2, 2, 2, 2, 4]);
    assert!(hear.iter().all(|(node, from)| node == "n3" || from.contains("n3")), "{hear:?}");
    let hear = hearers("do = 'bridge', target = 'n3', one_way = true");
    assert_eq!(heard_by(&hear), [2, 2, 4, 4, 4]);
}

#[test]
fn in_a_ring_each_hears_its_neighbours() {
    let hear = hearers("do = 'ring'");
    assert_eq!(heard_by(&hear), [2; 5]);
    assert!(hear.iter().all(|(node, from)| from.iter().all(|other| hear[other].contains(node))), "{hear:?}");
    let hear = hearers("do = 'ring', one_way = true");
    assert_eq!(heard_by(&hear), [1; 5]);
    let mut seen = BTreeSet::new();
    let mut node = "n1".to_owned();
    while seen.insert(node.clone()) {
        node = hear[&node].first().unwrap().clone();
    }
    assert_eq!(seen.len(), 5, "one ring, not two: {hear:?}");
}

#[test]
fn the_isolated_hear_nobody_or_are_not_heard() {
    assert_eq!(heard_by(&hearers("do = 'isolate', target = ['n1', 'n2']")), [0, 0, 2, 2, 2]);
    let hear = hearers("do = 'isolate', target = 'n1', one_way = true");
    assert_eq!(hear["n1"].len(), 4);
    assert!(hear.values().all(|from| !from.contains("n1")), "{hear:?}");
}

#[test]
fn a_swizzle_ends_with_every_link_clear_and_nothing_lost() {
    let (run, heard) = second("at = '200ms', do = 'swizzle', target = 'all', for = '400ms'", "");
    assert!(bites(&run) > 0);
    assert_eq!(heard.len(), 3 * 2 * 95);
    let waited = |by: &str| {
        let of = heard.iter().filter(|heard| heard.by == by && heard.monotonic > heard.number * 10 + 2);
        of.map(|heard| heard.monotonic).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    // They clog at 200, 267 and 333 ms and clear at 467, 533 and 600 ms: each link with the later of its ends.
    for node in ["n1", "n2", "n3"] {
        assert!(waited(node).iter().all(|at| [533, 600].contains(at)), "{node}: {:?}", waited(node));
    }
    assert!(["n1", "n2", "n3"].iter().any(|node| waited(node).contains(&533)));
}

#[test]
fn a_number_of_nodes_and_some_of_them_are_drawn() {
    for (target, least, most) in [("'2'", 2, 2), ("'some'", 1, 5), ("'majority'", 3, 3), ("'all'", 5, 5)] {
        let event = format!("at = '200ms', do = 'power-cut', target = {target}, for = '10ms'");
        let (run, _) = second(&event, "cluster.voters = 5");
        let down = |what: &What| matches!(what, What::Down(_, Down::PowerCut { .. }));
        let downs = run.evidence.records.iter().filter(|recorded| down(&recorded.what)).count();
        assert!((least..=most).contains(&downs), "{target}: {downs}");
    }
}
