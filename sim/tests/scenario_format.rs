//! The scenario format as a whole: defaults, the round trip through `show`, and texts that nobody would write.

use std::path::PathBuf;
use std::time::Duration;

use lockstep_node::api::{ReadLevel, Value};
use lockstep_sim::scenario::model::{
    Amount, Distribution, During, Event, Fault, Layout, Limits, Probability, Scenario, Selector, Strikes, Trigger,
    Values, WorkloadKind,
};
use lockstep_sim::scenario::{Known, Origin, Report, load, lower, parse, show, template};
use lockstep_sim::trace::Trace;

const KNOWN: Known<'_> = Known {
    systems: &["lockstep", "statement-shipping", "bully"],
    properties: &["tables-equal", "log-matching"],
    kinds: &[("lockstep", &["append", "vote"])],
};

const SHORT: &str = r#"# The leader loses power.
# Would catch: an unsynced acknowledgement.
seeds    = "1..3"
workload = [{ kind = "bank", ops = 200 }]
event    = [
  { at = "2s",   do = "power-cut", target = "leader", for = "1s" },
  { at = "2.5s..3s", do = "partition", groups = [["leader"], ["rest"]] },
]
final    = ["accounts"]
"#;

const LONG: &str = include_str!("full.toml");

fn read(source: &str) -> Result<Scenario, Report> {
    let origin = Origin { name: "test".to_owned(), path: "test.toml".to_owned(), folder: PathBuf::new() };
    parse(source, &origin, &KNOWN)
}

fn accepted(source: &str) -> Scenario {
    read(source).unwrap_or_else(|report| panic!("{report}"))
}

fn without_lines(mut scenario: Scenario) -> Scenario {
    scenario.events.iter_mut().for_each(|event| event.line = 0);
    scenario.nemeses.iter_mut().for_each(|nemesis| nemesis.line = 0);
    scenario
}

#[test]
fn every_key_has_a_default() {
    let scenario = accepted("workload = [{}]\nevent = [{ at = \"1s\", do = \"kill\" }]");
    assert_eq!(scenario.seeds, [1, 2, 3]);
    assert_eq!((scenario.cluster.system.as_str(), scenario.cluster.voters), ("lockstep", 3));
    assert_eq!(scenario.network.all.loss, Probability(0));
    assert_eq!(scenario.workloads[0].amount, Amount::Ops(100));
    assert_eq!(scenario.workloads[0].kind, WorkloadKind::Bank { accounts: 10, balance: 100 });
    assert_eq!(scenario.events[0].fault, Fault::Kill(vec![Selector::Any]));
    assert_eq!(scenario.events[0].lasts, None);
    let Limits { time, events, answer } = scenario.limits;
    assert_eq!((time, events, answer), (Duration::from_secs(600), 5_000_000, Duration::from_millis(800)));
}

#[test]
fn the_shortest_useful_scenario_means_what_it_says() {
    let scenario = accepted(SHORT);
    assert_eq!(scenario.about, ["The leader loses power.", "Would catch: an unsynced acknowledgement."]);
    let second = Duration::from_secs(1);
    let first = Event {
        trigger: Trigger::At(2 * second, 2 * second),
        fault: Fault::PowerCut(vec![Selector::Leader]),
        lasts: Some(second),
        nemesis: None,
        line: 6,
    };
    assert_eq!(scenario.events[0], first);
    assert_eq!(scenario.events[1].trigger, Trigger::At(second * 5 / 2, 3 * second));
    assert_eq!(scenario.finals, ["accounts"]);
}

#[test]
fn a_long_scenario_means_what_it_says() {
    let scenario = accepted(LONG);
    assert_eq!(scenario.seeds, [1, 2, 3, 9, 7, 100, 101]);
    assert_eq!(scenario.schema.len(), 4, "{:?}", scenario.schema);
    assert_eq!(scenario.disk.access, Distribution::Constant(Duration::from_micros(5)));
    assert_eq!(scenario.disk.power_cut.torn, Probability(300_000));
    assert_eq!(scenario.workloads[0].amount, Amount::RateMilli(12_500));
    let (keys, reads) = (5, Probability(200_000));
    assert_eq!(scenario.workloads[1].kind, WorkloadKind::Counter { keys, add: (2, 9), reads });
    let (reads, compare_and_set) = (Probability(125_000), Probability(1_000_000));
    assert_eq!(scenario.workloads[2].kind, WorkloadKind::Register { keys: 7, values: 3, reads, compare_and_set });
    let (layout, reads) = (Layout::Rows, Probability(500_000));
    assert_eq!(scenario.workloads[3].kind, WorkloadKind::Append { keys, layout, length: (2, 16), reads });
    let WorkloadKind::Sql { mix, values } = &scenario.workloads[4].kind else { panic!("the last one is sql") };
    assert_eq!(
        mix.iter().map(|mixed| (mixed.weight, mixed.read)).collect::<Vec<_>>(),
        [(8, None), (2, Some(ReadLevel::Strong)), (1, Some(ReadLevel::Linearizable)), (1, None)]
    );
    assert_eq!(values["item"], Values::Range(-1, 100));
    let generators = [Values::Zipf(1, 50), Values::Text(0, 80), Values::Blob(16, 16)];
    assert_eq!(["hot", "note", "key"].map(|name| values[name].clone()), generators);
    assert_eq!(values["least"], Values::OneOf(vec![Value::Integer(7)]));
    assert_eq!((scenario.cluster.sql.statement_steps, scenario.cluster.sql.pattern_bytes), (100_000, 9));
    let WorkloadKind::Migrate { steps, pause } = &scenario.workloads[5].kind else { panic!("then comes a migration") };
    assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(*pause, (Duration::from_millis(100), Duration::from_secs(3)));
    let (value_bytes, ddl) = (1 << 20, Probability(25_000));
    assert_eq!(scenario.workloads[6].kind, WorkloadKind::Generated { tables: 7, value_bytes, ddl });
    assert_eq!(scenario.invariants[1].name, "SELECT 'ok'");
    let io = Trigger::Io { nth: (7, 7), during: During::Checkpoint, node: Selector::Leader };
    assert_eq!(scenario.events[1].trigger, io);
    let cut = Fault::Cut { from: vec![Selector::Leader], to: vec![Selector::Rest], one_way: false };
    assert_eq!(scenario.events[4].fault, cut);
    let ms = Duration::from_millis;
    let [clog, restart, cut] = &scenario.nemeses[..] else { panic!("there are three") };
    assert_eq!((&clog.strikes, clog.lasts), (&Strikes::Every(ms(1000), ms(3000)), Some((ms(200), ms(200)))));
    assert_eq!((clog.enabled, restart.enabled), (Probability(750_000), Probability(1_000_000)));
    assert_eq!((&restart.strikes, restart.lasts), (&Strikes::Every(ms(2000), ms(8000)), None));
    let trigger = Trigger::Io { nth: (1, 90), during: During::Append, node: Selector::Any };
    assert_eq!(cut.strikes, Strikes::When { trigger, times: (1, 3) });
    assert_eq!((scenario.phases.core, scenario.disk.budget), (Some(3), Some(2)));
    assert_eq!(scenario.expect.progress.len(), 2);
    assert_eq!(scenario.expect.fails["statement-shipping"], ["tables-equal"]);
    assert_eq!(scenario.expect.fails["bully"], ["log-matching", "tables-equal"]);
}

#[test]
fn what_a_seed_makes_of_a_scenario_is_a_scenario_without_anything_random() {
    let scenario = accepted(LONG);
    for seed in 1..50 {
        let mut lowered = lower(&scenario, seed, &Trace::default());
        assert!(lowered.nemeses.is_empty() && lowered.events.len() > scenario.events.len());
        let shown = show(&lowered);
        let again = read(&shown).unwrap_or_else(|report| panic!("{report}\n{shown}"));
        lowered.events.iter_mut().for_each(|event| event.nemesis = None);
        assert_eq!(without_lines(again.clone()), without_lines(lowered), "{shown}");
        assert_eq!(lower(&again, seed, &Trace::default()).events, again.events);
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    for source in
        [SHORT, LONG, &template("join/my-case"), "workload = [{}]", "phases.faults = \"1s\"\ncluster.voters = 1"]
    {
        let scenario = accepted(source);
        let shown = show(&scenario);
        let again = read(&shown).unwrap_or_else(|report| panic!("{report}\n{shown}"));
        assert_eq!(without_lines(again.clone()), without_lines(scenario), "{shown}");
        assert_eq!(show(&again), shown);
    }
}

#[test]
fn a_root_key_below_any_table_is_sent_up() {
    for key in ["seeds", "cluster", "network", "disk", "schema", "phases", "final", "expect", "limits"] {
        let report = read(&format!("workload = [{{}}]\n[clock]\n{key} = 1\n")).unwrap_err().to_string();
        assert!(report.contains("above the first `[table]`"), "{report}");
    }
    for key in ["workload", "invariant", "event"] {
        let report = read(&format!("seeds = 1\n[clock]\n{key} = []\n")).unwrap_err().to_string();
        assert!(report.contains("keep one form"), "{report}");
    }
}

#[test]
fn one_mistake_is_reported_once() {
    for (mistake, source) in [
        (
            "voters",
            "workload = [{}]\nevent = [{ at = \"1s\", do = \"kill\", target = \"n5\" }]\n[cluster]\nvoters = 11",
        ),
        ("faults", "workload = [{ rate = \"1/s\" }]\nevent = [{ at = \"9s\", do = \"kill\" }]\n[phases]\nfaults = 20"),
        ("kind", "workload = [{ kind = \"bnk\" }]\nfinal = [\"accounts\"]"),
        (
            "schema",
            "workload = [{ kind = \"sql\", mix = [{ sql = \"DELETE FROM t\" }] }]\nschema.sql = \"CREATE TABLE t\"",
        ),
    ] {
        let report = read(source).unwrap_err();
        assert_eq!(report.problems().len(), 1, "{report}");
        assert!(report.problems()[0].title.contains(mistake), "{report}");
    }
}

#[test]
fn a_file_is_read_with_its_schema_from_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenarios/shop/stock.toml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "final = \"stock\"\nworkload = [{}]\n[schema]\nfile = \"../shop.sql\"\n").unwrap();
    assert!(load(&path, &KNOWN).unwrap_err().to_string().contains("shop.sql"));
    std::fs::write(folder.path().join("scenarios/shop.sql"), "CREATE TABLE stock(n);\r\n").unwrap();
    let scenario = load(&path, &KNOWN).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(scenario.name, "shop/stock");
    assert_eq!(scenario.schema, ["CREATE TABLE stock(n)"]);
    assert!(load(&folder.path().join("no.toml"), &KNOWN).unwrap_err().to_string().contains("cannot read the scenario"));
}

#[test]
fn colours_are_only_there_when_asked_for() {
    let report = read("seds = 1").unwrap_err();
    assert!(!report.render(false).contains('\u{1b}'));
    assert!(report.render(true).contains('\u{1b}'));
}

/// Scenarios with bytes and lines removed, doubled and replaced: each is read or refused, and what is read is shown
/// and read again.
#[test]
fn nothing_makes_the_reader_panic() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bound.max(1)
    };
    let mut read_back = 0;
    for round in 0..1500 {
        let mut text = [SHORT, LONG][round % 2].to_owned();
        for _ in 0..=below(3) {
            text = mutated(&text, &mut below);
        }
        match read(&text) {
            Err(report) => assert!(report.render(round % 3 == 0).contains("error"), "{text}"),
            Ok(scenario) => {
                let again = read(&show(&scenario)).unwrap_or_else(|report| panic!("{report}\n{text}"));
                assert_eq!(without_lines(again), without_lines(scenario), "{text}");
                read_back += 1;
            }
        }
    }
    assert!(read_back > 50, "only {read_back} mutants were valid: they are too wild to say anything of the round trip");
}

fn mutated(text: &str, below: &mut impl FnMut(usize) -> usize) -> String {
    const BITS: &[&str] =
        &["[", "]", "{", "}", "\"", "'", "=", ",", "\n", "#", "é", "\u{0}", "..", "0", "-1", "n9", "'''", "9e999"];
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if lines.is_empty() {
        return BITS[below(BITS.len())].to_owned();
    }
    let (line, other) = (below(lines.len()), below(lines.len()));
    match below(6) {
        0 => drop(lines.remove(line)),
        1 => lines.insert(other, lines[line]),
        2 => lines.swap(line, other),
        _ => {
            let at = text.floor_char_boundary(below(text.len()));
            let end = text.ceil_char_boundary((at + below(3)).min(text.len()));
            return format!("{}{}{}", &text[..at], BITS[below(BITS.len())], &text[end..]);
        }
    }
    lines.concat()
}
