//! A stand-in for the parts that the tool is built on: the scenario format, the simulation, the reports.
//!
//! Its runs are computed from the scenario's name and the seed, so that the tool can be tested by itself.

pub mod report {
    //! A run in words.
    use std::fmt;
    use std::time::Duration;

    use crate::record::Machine;
    use crate::run::{Finding, Run};

    /// The families of trace lines.
    pub const FAMILIES: &[&str] = &["client", "fault", "log", "raft", "sqlite", "world"];

    /// One line of a trace.
    #[derive(Clone, Debug)]
    pub struct Line {
        /// When.
        pub at: Duration,
        /// Where.
        pub machine: Option<Machine>,
        /// One of [`FAMILIES`].
        pub family: &'static str,
        /// What.
        pub text: String,
    }

    impl fmt::Display for Line {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let machine = self.machine.map(|machine| machine.to_string()).unwrap_or_default();
            write!(f, "{:>10.6}s  {machine:>3}  {:<6}  {}", self.at.as_secs_f64(), self.family, self.text)
        }
    }

    /// Colours, or none.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Palette {
        /// Whether there are colours.
        pub coloured: bool,
    }

    impl Palette {
        /// With colours.
        pub fn coloured() -> Self {
            Palette { coloured: true }
        }
    }

    /// The short log, to the command that replays it.
    pub fn short(run: &Run, _palette: &Palette) -> String {
        let mut text = format!("{}  seed {}\n", run.evidence.scenario.name, run.evidence.seed);
        for verdict in &run.verdicts {
            match &verdict.result {
                Finding::Holds(what) => text += &format!("  {} ok ({what})\n", verdict.property),
                Finding::Violated(violation) => text += &format!("  {}: {}\n", verdict.property, violation.summary),
                Finding::NotApplicable => {}
            }
        }
        text
    }

    /// The run as one JSON object.
    pub fn json(run: &Run) -> serde_json::Value {
        serde_json::json!({ "scenario": run.evidence.scenario.name, "seed": run.evidence.seed, "counts": run.evidence.counts })
    }

    /// Everything that happened.
    pub fn trace(run: &Run) -> Vec<Line> {
        (0..run.evidence.counts.events)
            .map(|event| Line {
                at: Duration::from_millis(100 * event),
                machine: Some(Machine((event % 3) as u32)),
                family: FAMILIES[(event % 6) as usize],
                text: format!("event {event} of {}", run.digest % 1000),
            })
            .collect()
    }
}

pub mod scenario {
    //! The scenario format.
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use crate::scenario::model::*;

    /// What is wrong with a scenario file.
    #[derive(Debug)]
    pub struct Report(String);

    impl Report {
        /// As text.
        pub fn render(&self, _coloured: bool) -> String {
            self.0.clone()
        }
    }

    /// The names that a scenario may use and that are defined elsewhere.
    #[derive(Clone, Copy, Debug)]
    pub struct Known<'a> {
        /// The systems that can be put to the test.
        pub systems: &'a [&'a str],
        /// The properties that are checked.
        pub properties: &'a [&'a str],
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it cannot be read or makes no sense.
    pub fn load(path: &Path, known: &Known<'_>) -> Result<Scenario, Report> {
        let text =
            std::fs::read_to_string(path).map_err(|error| Report(format!("error: {}: {error}", path.display())))?;
        let name = discover::name_of(path);
        let about = text.lines().map_while(|line| line.strip_prefix("# ")).map(str::to_owned).collect();
        let table: toml::Table = text.parse().map_err(|error| Report(format!("error: {}: {error}", path.display())))?;
        let get = |key: &str| table.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let seeds: crate::seeds::Seeds = get("seeds").unwrap_or("1".to_owned()).parse().map_err(Report)?;
        let fails = table.get("fails").and_then(|fails| fails.as_table()).cloned().unwrap_or_default();
        for system in fails.keys().chain(get("system").as_ref()) {
            if !known.systems.contains(&system.as_str()) {
                return Err(Report(format!("error: {}: there is no system `{system}`", path.display())));
            }
        }
        let finals = table.get("final").and_then(|finals| finals.as_array()).cloned().unwrap_or_default();
        Ok(Scenario {
            name: name.to_owned(),
            path: path.to_string_lossy().into_owned(),
            about,
            seeds: seeds.iter().collect(),
            cluster: Cluster {
                system: get("system").unwrap_or("lockstep".to_owned()),
                voters: 3,
                raft: RaftTiming {
                    election: (Duration::from_millis(150), Duration::from_millis(300)),
                    heartbeat: Duration::from_millis(50),
                },
            },
            network: Network {
                latency: Distribution::Constant(Duration::from_millis(1)),
                loss: Probability(0),
                duplicate: Probability(0),
                reorder: Probability(0),
            },
            clock: Clock { offset: Duration::ZERO, drift_ppm: 0 },
            disk: Disk {
                fsync: Distribution::Constant(Duration::from_millis(1)),
                access: Distribution::Constant(Duration::from_millis(1)),
                power_cut: PowerCut { lost: Probability(0), torn: Probability(0) },
                budget: 1,
            },
            schema: Vec::new(),
            workloads: Vec::new(),
            invariants: Vec::new(),
            events: Vec::new(),
            phases: Phases { faults: None, settle: Duration::from_secs(5) },
            finals: finals.iter().filter_map(|value| value.as_str()).map(str::to_owned).collect(),
            expect: Expect {
                fails: fails
                    .iter()
                    .map(|(system, property)| (system.clone(), property.as_str().unwrap_or("").to_owned()))
                    .collect(),
                ..Expect::default()
            },
            limits: Limits { time: Duration::from_secs(60), events: 1_000_000 },
        })
    }

    /// All scenario files among these and below these folders, sorted.
    ///
    /// # Errors
    /// If a path cannot be read.
    pub fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
        let mut found = Vec::new();
        for path in paths {
            if !path.is_dir() {
                std::fs::metadata(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                found.push(path.clone());
                continue;
            }
            for entry in std::fs::read_dir(path).map_err(|error| error.to_string())? {
                let path = entry.map_err(|error| error.to_string())?.path();
                if path.is_dir() {
                    found.extend(discover(&[path])?);
                } else if path.extension().is_some_and(|extension| extension == "toml") {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    pub mod discover {
        //! Finds scenario files.
        use std::path::Path;

        /// The name of a scenario file.
        pub fn name_of(path: &Path) -> String {
            let name = path.to_string_lossy();
            name.rsplit_once("scenarios/").map_or(&*name, |(_, name)| name).trim_end_matches(".toml").to_owned()
        }
    }

    pub mod value {
        //! Values with units.
        use std::time::Duration;

        /// Why a value is refused.
        #[derive(Debug)]
        pub struct Wrong {
            /// What is wrong.
            pub title: String,
            /// Where.
            pub label: String,
            /// What to write instead.
            pub help: Option<String>,
        }

        /// A duration.
        ///
        /// # Errors
        /// If it is none.
        pub fn duration(text: &str) -> Result<Duration, Wrong> {
            let wrong = || Wrong {
                title: "is not a duration".to_owned(),
                label: "needs a unit".to_owned(),
                help: Some("write a number and its unit: `3.9s`".to_owned()),
            };
            let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
            let unit = match &text[digits..] {
                "ms" => 1e-3,
                "s" => 1.0,
                _ => return Err(wrong()),
            };
            Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())
        }
    }

    /// A scenario with every default filled in.
    pub fn show(scenario: &Scenario) -> String {
        format!("seeds = {:?}\n", scenario.seeds)
    }

    /// A commented scenario that passes.
    pub fn template(name: &str) -> String {
        format!("# {name}: what breaks.\n# Would catch: which bug.\nseeds = \"1..3\"\n")
    }
}

pub mod systems {
    //! What is under test.

    /// A system.
    pub trait System: Sync {
        /// Its name.
        fn name(&self) -> &'static str;
    }

    struct Fake(&'static str);

    impl System for Fake {
        fn name(&self) -> &'static str {
            self.0
        }
    }

    /// All.
    pub const ALL: &[&dyn System] = &[&Fake("lockstep"), &Fake("statement-shipping")];
}

pub mod check {
    //! Verdicts.

    /// The names of all properties.
    pub const PROPERTIES: &[&str] = &["log-matching", "tables-equal"];
}

pub mod simulate {
    //! The simulation.
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use lockstep_node::api::Value;

    use super::systems::System;
    use crate::history::History;
    use crate::record::Machine;
    use crate::run::{Counts, Evidence, Finding, Replica, Rows, Run, Verdict, Violation};
    use crate::scenario::model::Scenario;

    /// How to run.
    #[derive(Clone, Debug, Default)]
    pub struct Options {
        /// madsim's own seed.
        pub madsim_seed: Option<u64>,
    }

    /// Computes a run from the scenario's name and the seed: `fails`, `vacuous`, `random` and `panics` in the name do
    /// as they say, on odd seeds.
    pub fn simulate(system: &dyn System, scenario: &Arc<Scenario>, seed: u64, _options: &Options) -> Run {
        let is = |word: &str| scenario.name.contains(word) && seed % 2 == 1;
        assert!(!is("panics"), "the testbed panics");
        let violated = is("fails") || system.name() == "statement-shipping";
        let violation = Violation {
            summary: "accounts differs on n3 at index 120".to_owned(),
            details: vec!["id  n1   n2   n3".to_owned(), "7   70   70   100".to_owned()],
            ..Violation::default()
        };
        let result = if violated { Finding::Violated(violation) } else { Finding::Holds("3 replicas".to_owned()) };
        let rows = Rows {
            columns: vec!["id".to_owned(), "name".to_owned()],
            rows: (0..60).map(|id| vec![Value::Integer(id), Value::from("somebody")]).collect(),
        };
        let replica = Replica {
            dump: Ok(Default::default()),
            integrity: "ok".to_owned(),
            invariants: Vec::new(),
            finals: scenario.finals.iter().map(|_| Ok(rows.clone())).collect(),
            applied: None,
            up: true,
        };
        let noise = if is("random") { u64::from(std::process::id()) } else { 0 };
        Run {
            evidence: Evidence {
                scenario: scenario.clone(),
                system: system.name().to_owned(),
                seed,
                records: Vec::new(),
                history: History::default(),
                replicas: BTreeMap::from([(Machine(0), replica)]),
                counts: Counts { events: 50, messages: noise, ..Counts::default() },
                ended: Duration::from_secs(5),
                settled_after: None,
                gave_up: None,
                struck: Vec::new(),
                marks: BTreeMap::new(),
            },
            verdicts: vec![
                Verdict { property: "log-matching", result: Finding::Holds("1,204 entries".to_owned()) },
                Verdict { property: "tables-equal", result },
            ],
            vacuous: if is("vacuous") { vec!["no write was acknowledged".to_owned()] } else { Vec::new() },
            digest: u128::from(seed + noise),
        }
    }
}
