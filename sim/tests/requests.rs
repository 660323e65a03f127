//! What a node answers to requests that no workload sends, and when: too long ones, ones that come while it boots, reads that
//! take all the time there is.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::api::{
    Batch, Command, Error, Member, MemberChange, ReadLevel, Request, Response, SessionSequence, Statement, Value,
};
use lockstep_node::host::{CallId, Clock, Dead, Host, Input, Network};
use lockstep_node::wire::{self, Asked};
use lockstep_sim::record::{Down, Machine, What};
use lockstep_sim::run::Run;
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::systems::{Running, System};
use lockstep_sim::world::SimHost;

/// Lockstep on all machines but the third, from where somebody sends requests to the others. Two nodes of three do without it.
struct Visited(Arc<Visit>);

/// A visit: what is asked when, and what comes back.
struct Visit {
    /// When, by the visitor's own clock, of whom, and what.
    plan: Vec<(Duration, &'static str, Bytes)>,
    /// What came of each so far.
    answers: Mutex<Vec<Option<Answered>>>,
}

/// How long a request took, and the answer; `None` where the connection broke.
type Answered = (Duration, Option<Response>);

const VISITOR: &str = "n3";

impl System for Visited {
    fn name(&self) -> &'static str {
        "visited"
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        LOCKSTEP.found(hosts, cluster)
    }

    fn boot(&self, mut host: SimHost, cluster: &Cluster) -> Running {
        if host.label() != VISITOR {
            return LOCKSTEP.boot(host, cluster);
        }
        let visit = self.0.clone();
        Box::pin(async move {
            let Err(Dead) = visit.go(&mut host).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        LOCKSTEP.database(files)
    }

    fn reports_events(&self) -> bool {
        true
    }
}

impl Visit {
    async fn go(&self, host: &mut SimHost) -> Result<std::convert::Infallible, Dead> {
        let begin = host.monotonic();
        let mut sent = 0;
        loop {
            while let Some((at, node, bytes)) = self.plan.get(sent).filter(|(at, ..)| begin + *at <= host.monotonic()) {
                assert!(*at <= host.monotonic() - begin, "the plan is in order");
                host.call(node, CallId(sent as u64), bytes.clone());
                sent += 1;
            }
            self.plan.get(sent).into_iter().for_each(|(at, ..)| host.wake_at(begin + *at));
            if let Input::Response { call, answer } = host.next().await? {
                let took = host.monotonic() - begin - self.plan[call.0 as usize].0;
                let answer = answer.ok().map(|bytes| wire::decode(&bytes).expect("a node answers with a response"));
                self.answers.lock().unwrap()[call.0 as usize] = Some((took, answer));
            }
        }
    }
}

/// Has the plan carried out in a scenario. Returns the run, and what came of each request.
fn visit(source: &str, plan: Vec<(u64, &'static str, Request)>) -> (Run, Vec<Answered>) {
    let request = |request: Request| wire::encode(&Asked { forwarded: false, request });
    let plan: Vec<_> =
        plan.into_iter().map(|(at_ms, node, command)| (Duration::from_millis(at_ms), node, request(command))).collect();
    let answers = Mutex::new(vec![None; plan.len()]);
    let visited = Visited(Arc::new(Visit { plan, answers }));
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(source, &origin, &Known { systems: &["lockstep"], properties: &[], kinds: &[] });
    let scenario = scenario.unwrap_or_else(|report| panic!("{}", report.render(false)));
    let run = simulate(&visited, &Arc::new(scenario), 1, &Options::default());
    let panicked = |what: &What| matches!(what, What::Down(machine, Down::Panicked(_) | Down::Stopped(_)) if *machine != Machine(2));
    assert!(!run.evidence.records.iter().any(|recorded| panicked(&recorded.what)), "a request ended a node");
    let answers = std::mem::take(&mut *visited.0.answers.lock().unwrap());
    let answers = answers.into_iter().map(|answer| answer.expect("the run is long enough for every answer")).collect();
    (run, answers)
}

fn without_session(command: Command) -> Request {
    Request { session: None, command }
}

fn read(sql: &str, level: ReadLevel) -> Request {
    without_session(Command::Query(Batch { statements: vec![Statement::new(sql)], atomic: true }, level))
}

/// The value in the only row of the only result.
fn value(response: &Option<Response>) -> &Value {
    match response {
        Some(Ok(reply)) => &reply.results[0].as_ref().expect("the statement is right").rows[0][0],
        other => panic!("{other:?} is no reply"),
    }
}

/// A table with so many rows, two thirds of a page each, and disks on which an access takes so long.
fn big_table(rows: u32, access: &str) -> String {
    format!(
        "workload = [{{ kind = \"sql\", rate = \"4/s\", mix = [{{ sql = \"UPDATE notes SET text = text WHERE id = 1\" }}] }}]\n\
         phases.faults = \"6s\"\ndisk.access = \"{access}\"\n[schema]\nsql = \"\"\"\n\
         CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT NOT NULL);\n\
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})\n\
         INSERT INTO notes SELECT i, printf('%.*c', 700, 'x') FROM n;\"\"\""
    )
}

const SCAN: &str = "SELECT sum(length(text)) FROM notes";

const GLANCE: &str = "SELECT length(text) FROM notes WHERE id = 7";

#[test]
fn a_request_that_is_too_long_is_refused_whatever_it_asks_and_ends_nobody() {
    let long = |bytes: usize| "x".repeat(bytes);
    let member = |bytes| Member::Address(long(bytes));
    let write = |statement| Batch { statements: vec![statement], atomic: true };
    let blob = |bytes: usize| Statement::with("SELECT ?", [Value::Blob(vec![7; bytes].into())]);
    let frame = wire::FRAME_BYTES_MAX - 100;
    let commands = [
        Command::Change(vec![MemberChange::AddLearner { id: 7, address: long(frame) }]),
        Command::Change(vec![MemberChange::AddLearner { id: 7, address: long(300) }]),
        Command::Change(vec![MemberChange::Remove(member(9 << 20))]),
        Command::Change(vec![MemberChange::Promote(member(1 << 20))]),
        Command::Change(vec![MemberChange::Remove(Member::Id(7)); 100_000]),
        Command::Transfer(member(9 << 20)),
        Command::Transfer(member(1 << 20)),
        Command::Execute(write(blob(9 << 20))),
        Command::Execute(write(Statement::new(long(frame)))),
        Command::Query(write(blob(9 << 20)), ReadLevel::Strong),
        Command::Query(write(blob(9 << 20)), ReadLevel::None),
        Command::Query(write(blob(9 << 20)), ReadLevel::Linearizable),
    ];
    let session = Some(SessionSequence { session: u64::MAX, sequence: 1, done_below: 0 });
    let mut requests: Vec<Request> = commands.into_iter().map(without_session).collect();
    requests.push(Request { session, command: Command::Members });
    requests.push(Request { session, command: Command::Register });
    let each = (0..)
        .zip(&requests)
        .flat_map(|(place, request)| ["n1", "n2"].map(|node| (2000 + 10 * place, node, request.clone())));
    let plan = each.chain([(2900, "n1", without_session(Command::Members))]).collect();
    let (_, answers) = visit("workload = [{ rate = \"20/s\" }]\nphases.faults = \"4s\"", plan);
    let (members, refused) = answers.split_last().unwrap();
    for (place, (_, answer)) in refused.iter().enumerate() {
        assert!(matches!(answer, Some(Err(Error::Refused(_)))), "request {}: {answer:?}", place / 2);
    }
    assert!(matches!(members.1, Some(Ok(_))), "{members:?}");
}

#[test]
fn a_node_that_boots_answers_at_once_that_it_does() {
    // A sync takes so long that the boot takes some hundred milliseconds.
    let source = "workload = [{ rate = \"20/s\" }]\nphases.faults = \"3s\"\ndisk.fsync = \"30ms\"\n\
                  event = [{ at = \"1s\", do = \"kill\", target = \"n1\", for = \"100ms\" }]";
    let (_, answers) =
        visit(source, (300..900).map(|nth| (nth * 5, "n1", without_session(Command::Members))).collect());
    let starting = |answer: &Option<Response>| match answer {
        Some(Err(Error::Unavailable(reason))) => reason.contains("is starting"),
        None | Some(Ok(_)) => false,
        other => panic!("{other:?} is no answer to this"),
    };
    let starting: Vec<_> = answers.iter().filter(|(_, answer)| starting(answer)).collect();
    assert!(starting.len() > 20, "{} requests came while the node was starting", starting.len());
    assert!(starting.iter().all(|(took, _)| *took < Duration::from_millis(100)));
}

#[test]
fn a_long_read_does_not_hold_up_the_others() {
    let small = (0..6).map(|nth| (2002 + nth, "n1", read(GLANCE, ReadLevel::None)));
    let plan = [(2000, "n1", read(SCAN, ReadLevel::None))].into_iter().chain(small).collect();
    let (_, answers) = visit(&big_table(200, "2ms"), plan);
    let (scan, glances) = answers.split_first().unwrap();
    assert_eq!(value(&scan.1), &Value::Integer(200 * 700));
    for (took, answer) in glances {
        assert_eq!(value(answer), &Value::Integer(700));
        assert!(*took * 2 < scan.0, "a small read took {took:?} beside one of {:?}", scan.0);
    }
}

#[test]
fn a_read_is_answered_at_its_deadline_although_its_job_runs_on_and_the_node_goes_on_reading() {
    let plan = vec![
        (2000, "n1", read(SCAN, ReadLevel::None)),
        (2000, "n1", read(SCAN, ReadLevel::Linearizable)),
        (2900, "n1", read(GLANCE, ReadLevel::None)),
        (6000, "n1", read(GLANCE, ReadLevel::None)),
    ];
    let (_, answers) = visit(&big_table(600, "5ms"), plan);
    for (took, answer) in &answers[..2] {
        assert!(matches!(answer, Some(Err(Error::Unavailable(_)))), "{answer:?}");
        assert!(*took < Duration::from_millis(900), "it was told after {took:?}");
    }
    assert_eq!((value(&answers[2].1), value(&answers[3].1)), (&Value::Integer(700), &Value::Integer(700)));
}

#[test]
fn reads_that_never_end_are_stopped_and_end_no_node() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let level = |nth| if nth % 2 == 0 { ReadLevel::None } else { ReadLevel::Linearizable };
    let each = (0..20).flat_map(|nth| ["n1", "n2"].map(|node| (2000 + nth, node, read(endless, level(nth)))));
    let plan = each.chain([(2500, "n1", read(GLANCE, ReadLevel::Linearizable))]).collect();
    let (_, answers) = visit(&big_table(200, "0ms"), plan);
    let (last, stopped) = answers.split_last().unwrap();
    for (_, answer) in stopped {
        let Some(Ok(reply)) = answer else { panic!("{answer:?} is no result") };
        assert!(reply.results[0].is_err(), "{reply:?}");
    }
    assert_eq!(value(&last.1), &Value::Integer(700));
}
