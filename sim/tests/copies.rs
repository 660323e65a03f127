//! A copy of the database for a node that needs one does not hold up the commits of the others.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::event::Event;
use lockstep_node::host::{
    CallId, Clock, Dead, Disk, DiskError, Entropy, Host, Input, Job, Network, RequestId, SqliteVfs, Ticket, Work,
};
use lockstep_node::raft::Correct;
use lockstep_node::replica::{self, Options as NodeOptions};
use lockstep_sim::history::Operation;
use lockstep_sim::record::{Recorded, What};
use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::systems::{Running, System};
use lockstep_sim::world::SimHost;

/// A follower is away until the log has forgotten what it lacks, and gets a database of some 600 pages while a client
/// writes one thing after the other. All times are constant: what differs between commits is what they wait for.
const LEFT_BEHIND: &str = r#"
schema.sql = """
CREATE TABLE ballast(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 600)
  INSERT INTO ballast SELECT id, zeroblob(900) FROM n;
"""
workload       = [{ kind = "bank", clients = 1, rate = "200/s" }]
event          = [{ at = "100ms", do = "isolate", target = "n3", for = "2s" }]
network        = { latency = "1ms" }
disk           = { fsync = "1ms", access = "100us" }
phases.faults  = "5s"
"#;

/// After so many entries the log forgets all but some.
const COMPACT_EVERY: u64 = 64;

/// Those.
const COMPACT_KEEP: u64 = 16;

/// Lockstep on machines that do one piece of work after the other. That is the least a host may offer, and there a long
/// piece holds up all that come after it.
struct OneWorker {
    copy_pages: u32,
    steps: Steps,
}

/// The steps of all copies, in order.
type Steps = Arc<Mutex<Vec<Step>>>;

/// A step of a copy, by the clock of the node that makes it.
struct Step {
    began: Duration,
    ended: Duration,
}

impl System for OneWorker {
    fn name(&self) -> &'static str {
        "one-worker"
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        LOCKSTEP.found(hosts, cluster)
    }

    fn boot(&self, host: SimHost, _: &Cluster) -> Running {
        let options = NodeOptions {
            checkpoint_frames: 100,
            compact_every: COMPACT_EVERY,
            compact_keep: COMPACT_KEEP,
            copy_pages: self.copy_pages,
            copy_chunk_bytes: 2 << 10,
            page_bytes: 1024,
            ..NodeOptions::default()
        };
        let mut host = OneWorkerHost { host, queue: VecDeque::new(), running: None, steps: self.steps.clone() };
        Box::pin(async move {
            let _stop = replica::run(&mut host, options, Correct).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        LOCKSTEP.database(files)
    }

    fn reports_events(&self) -> bool {
        true
    }
}

struct OneWorkerHost {
    host: SimHost,
    queue: VecDeque<(Work, Job)>,
    /// What is being done, and since when.
    running: Option<(Work, Duration)>,
    steps: Steps,
}

impl OneWorkerHost {
    fn start_next(&mut self) {
        if let Some((what, job)) = self.queue.pop_front() {
            self.running = Some((what, self.host.monotonic()));
            self.host.run(what, job);
        }
    }
}

impl Host for OneWorkerHost {
    async fn next(&mut self) -> Result<Input, Dead> {
        let input = self.host.next().await?;
        if let Input::Finished(_) = input {
            let (what, since) = self.running.take().expect("only what was begun ends");
            if what == Work::Copy {
                let step = Step { began: since, ended: self.host.monotonic() };
                self.steps.lock().expect("nothing panics with this lock").push(step);
            }
            self.start_next();
        }
        Ok(input)
    }

    fn run(&mut self, what: Work, job: Job) {
        self.queue.push_back((what, job));
        if self.running.is_none() {
            self.start_next();
        }
    }

    fn record(&mut self, event: Event) {
        self.host.record(event);
    }
}

impl Network for OneWorkerHost {
    fn send(&mut self, to: &str, bytes: Bytes) {
        self.host.send(to, bytes);
    }

    fn call(&mut self, to: &str, call: CallId, bytes: Bytes) {
        self.host.call(to, call, bytes);
    }

    fn respond(&mut self, request: RequestId, bytes: Bytes) {
        self.host.respond(request, bytes);
    }
}

impl Clock for OneWorkerHost {
    fn monotonic(&self) -> Duration {
        self.host.monotonic()
    }

    fn wall(&self) -> Duration {
        self.host.wall()
    }

    fn wake_at(&mut self, at: Duration) {
        self.host.wake_at(at);
    }
}

impl Entropy for OneWorkerHost {
    fn entropy(&mut self, site: &'static str) -> u64 {
        self.host.entropy(site)
    }
}

impl Disk for OneWorkerHost {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.host.list()
    }

    fn len(&mut self, file: &str) -> Result<Option<u64>, DiskError> {
        self.host.len(file)
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.host.read(file, offset, length)
    }

    fn write(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.host.write(file, offset, bytes)
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        self.host.truncate(file, length)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.host.rename(from, to)
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.host.remove(file)
    }

    fn sync(&mut self, files: &[&str], directory: bool) -> Ticket {
        self.host.sync(files, directory)
    }

    fn sqlite_vfs(&self) -> SqliteVfs {
        self.host.sqlite_vfs()
    }
}

fn run(system: &dyn System) -> Run {
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(LEFT_BEHIND, &origin, &Known { systems: &["lockstep"], properties: &[], kinds: &[] });
    let scenario = scenario.unwrap_or_else(|report| panic!("{}", report.render(false)));
    let run = simulate(system, &Arc::new(scenario), 1, &Options::default());
    assert_eq!(failure(&run), None);
    run
}

/// How long commits waited, and the steps of the copy took.
struct Waits {
    /// The longest commit of the second before the copy.
    before: Duration,
    /// The longest commit of those that were under way while the copy was made.
    beside: Duration,
    /// How many those were.
    commits: usize,
    /// The longest step.
    step: Duration,
}

impl Waits {
    /// Of a run whose copy is made in steps of so many pages.
    fn measured(copy_pages: u32) -> Waits {
        let system = OneWorker { copy_pages, steps: Steps::default() };
        let run = run(&system);
        let copied = times(&run, |event| matches!(event, Event::Copied { .. }));
        let steps = system.steps.lock().expect("nothing panics with this lock");
        let ended = copied[0];
        let began = ended - (steps.last().expect("it has steps").ended - steps[0].began);

        let span = |operation: &Operation| Some((operation.called, operation.reply()?.1));
        let commits = run.evidence.history.operations.iter().filter_map(span);
        let (mut before, mut beside): (Vec<_>, Vec<_>) = commits.partition(|(_, returned)| *returned < began);
        before.retain(|(called, _)| *called > began - Duration::from_secs(1));
        beside.retain(|(called, _)| *called < ended);
        Waits {
            before: longest(before.iter().copied()),
            beside: longest(beside.iter().copied()),
            commits: beside.len(),
            step: longest(steps.iter().map(|step| (step.began, step.ended))),
        }
    }
}

/// When nodes said so.
fn times(run: &Run, what: impl Fn(&Event) -> bool) -> Vec<Duration> {
    let said = |recorded: &&Recorded| matches!(&recorded.what, What::Node(_, event) if what(event));
    run.evidence.records.iter().filter(said).map(|recorded| recorded.at).collect()
}

fn longest(spans: impl Iterator<Item = (Duration, Duration)>) -> Duration {
    spans.map(|(from, to)| to - from).max().expect("there is one at least")
}

#[test]
fn a_commit_waits_for_one_step_of_a_copy_at_most() {
    let Waits { before, beside, commits, step } = Waits::measured(8);
    assert!(commits >= 10, "{commits} commits say little");
    assert!(beside <= before + step, "a commit took {beside:?} beside a copy, {before:?} before it; a step {step:?}");

    let whole = Waits::measured(u32::MAX);
    assert!(step < whole.step / 20, "a step of a few pages takes {step:?}, the whole database {:?}", whole.step);
    assert!(whole.beside > before + step, "nobody waited for a step that took {:?}", whole.step);
}

#[test]
fn a_copy_is_of_use_however_much_is_written_while_it_is_on_its_way() {
    let run = run(&OneWorker { copy_pages: 8, steps: Steps::default() });
    let copied = times(&run, |event| matches!(event, Event::Copied { .. }));
    let installed = times(&run, |event| matches!(event, Event::Installed { .. }));
    assert_eq!((copied.len(), installed.len()), (1, 1), "copied at {copied:?}, installed at {installed:?}");
    let (left, arrived) = (copied[0], installed[0]);
    let is_meanwhile = |operation: &&Operation| (left..arrived).contains(&operation.called);
    let written = run.evidence.history.operations.iter().filter(is_meanwhile).count() as u64;
    assert!(written > COMPACT_EVERY + COMPACT_KEEP, "{written} entries meanwhile would not have been forgotten");
}
