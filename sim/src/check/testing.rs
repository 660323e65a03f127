//! Small pieces of evidence, built by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_node::api::{Batch, Command, ReadLevel, Reply, Rows, Statement, Value};
use lockstep_node::client::Resend;
use lockstep_node::event::Event;
use lockstep_node::raft::{Index, NodeId, Role, Term};
use lockstep_node::sqlite::Digest;
use lockstep_node::sqlite::dump::{Dump, Row, Table};
use lockstep_node::state_machine::Command as LogCommand;

use super::Check;
use crate::history::{History, Operation, Outcome};
use crate::members::Members;
use crate::record::{FaultRecord, Harm, Machine, Phase, Recorded, What};
use crate::run::{Counts, Evidence, Finding, Replica};
use crate::scenario::Given;
use crate::scenario::model::{self, *};
use crate::workload::Asked;

/// Feeds records to a check; the summary of the violation that it sees, if it sees one.
pub(crate) fn violated(mut check: impl Check, records: impl IntoIterator<Item = Recorded>) -> Option<String> {
    records.into_iter().find_map(|recorded| check.observe(&recorded).err()).map(|violation| violation.summary)
}

/// Lets a check judge evidence; the summary of the violation, if it finds one.
///
/// # Panics
/// If the check finds nothing to judge.
pub(crate) fn summary(mut check: impl Check, evidence: &Evidence) -> Option<String> {
    match check.finish(evidence) {
        Finding::Holds(_) => None,
        Finding::Violated(violation) => Some(violation.summary),
        Finding::NotApplicable => panic!("{} has nothing to judge", check.property()),
    }
}

pub(crate) fn at(seconds: f64, what: What) -> Recorded {
    Recorded { at: Duration::from_secs_f64(seconds), what }
}

pub(crate) fn node(machine: u32, event: Event) -> Recorded {
    at(1.0, What::Node(Machine(machine), event))
}

/// The id of the node on a machine.
pub(crate) fn id(machine: u32) -> NodeId {
    NodeId(u64::from(machine) + 100)
}

pub(crate) fn boot(machine: u32, epoch: u64, last: u64, applied: u64) -> Recorded {
    let (last, applied) = (Index(last), Index(applied));
    node(machine, Event::Booted { id: id(machine), epoch, term: Term(0), last, applied })
}

pub(crate) fn lead(machine: u32, term: u64) -> Recorded {
    node(machine, Event::Role { role: Role::Leader, term: Term(term) })
}

pub(crate) fn vote(machine: u32, candidate: u32, term: u64) -> Recorded {
    node(machine, Event::Voted { candidate: id(candidate), term: Term(term) })
}

pub(crate) fn append(machine: u32, index: u64, term: u64, chain: u64) -> Recorded {
    node(machine, Event::Appended { index: Index(index), term: Term(term), chain })
}

pub(crate) fn truncate(machine: u32, from: u64) -> Recorded {
    node(machine, Event::Truncated { from: Index(from) })
}

pub(crate) fn persist(machine: u32, index: u64) -> Recorded {
    node(machine, Event::Persisted { index: Index(index) })
}

pub(crate) fn commit(machine: u32, index: u64) -> Recorded {
    node(machine, Event::Committed { index: Index(index) })
}

pub(crate) fn apply(machine: u32, index: u64, term: u64, digest: u128) -> Recorded {
    let (index, term, digest) = (Index(index), Term(term), Digest(digest));
    node(machine, Event::Applied { index, term, entry: index.0 * 1000 + term.0, digest, payload: Default::default() })
}

/// Three voters, a bank of three accounts with 100 each, no faults.
pub(crate) fn scenario() -> Scenario {
    let millis = |number| Distribution::Constant(Duration::from_millis(number));
    let never = Probability(0);
    Scenario {
        name: "bank/quiet".into(),
        given: Given::File("scenarios/bank/quiet.toml".into()),
        about: Vec::new(),
        seeds: vec![1],
        cluster: Cluster {
            system: "lockstep".into(),
            voters: 3,
            spares: 0,
            session_lifetime: Cluster::SESSION_LIFETIME,
            sql: Default::default(),
            raft: RaftTiming {
                election: (Duration::from_millis(150), Duration::from_millis(300)),
                heartbeat: Duration::from_millis(50),
                compact_every: None,
                lease: false,
                remove_dead_after: None,
            },
        },
        network: Network {
            all: Link {
                latency: millis(5),
                loss: never,
                duplicate: never,
                reorder: never,
                bandwidth: None,
                queue: None,
            },
            links: Vec::new(),
        },
        clock: Clock { offset_ns: ClockError::UpTo(0), drift_ppm: ClockError::UpTo(0) },
        disk: Disk {
            fsync: millis(1),
            access: millis(0),
            power_cut: PowerCut { lost: never, torn: never },
            budget: None,
        },
        schema: Vec::new(),
        workloads: vec![Workload {
            clients: 2,
            amount: Amount::Ops(10),
            level: None,
            kind: WorkloadKind::Bank { accounts: 3, balance: 100 },
        }],
        invariants: Vec::new(),
        events: Vec::new(),
        nemeses: Vec::new(),
        phases: Phases { faults: None, core: None, settle: Duration::from_secs(5) },
        finals: Vec::new(),
        expect: Expect::default(),
        limits: Limits { time: Duration::from_secs(60), events: 1_000_000, answer: Duration::from_millis(800) },
    }
}

/// A settled run of three replicas.
pub(crate) fn evidence() -> Evidence {
    bank_evidence(&[&[], &[], &[]])
}

/// A settled run with these transfers on each replica; every account still holds 100.
pub(crate) fn bank_evidence(transfers: &[&[i64]]) -> Evidence {
    Evidence {
        scenario: Arc::new(scenario()),
        system: "lockstep".into(),
        seed: 7,
        records: vec![at(0.0, What::Phase(Phase::Faults))],
        history: History::default(),
        replicas: transfers.iter().zip(0..).map(|(ids, machine)| (Machine(machine), replica(ids))).collect(),
        log: BTreeMap::new(),
        counts: Counts::default(),
        ended: Duration::from_secs(10),
        core: None,
        settled_after: Some(Duration::from_millis(480)),
        gave_up: None,
        struck: Vec::new(),
        bites: Vec::new(),
        marks: BTreeMap::new(),
        members: Members::default(),
    }
}

fn replica(transfers: &[i64]) -> Replica {
    let row = |values: &[i64]| Row {
        key: vec![Value::Integer(values[0])],
        values: values.iter().copied().map(Value::Integer).collect(),
    };
    let table = |name: &str, columns: &[&str], rows: Vec<Row>| Table {
        name: name.into(),
        columns: columns.iter().map(ToString::to_string).collect(),
        rows,
    };
    let dump = Dump {
        schema: vec!["CREATE TABLE accounts(…)".into(), "CREATE TABLE transfers(…)".into()],
        tables: vec![
            table("accounts", &["id", "balance"], (1..=3).map(|id| row(&[id, 100])).collect()),
            table(
                "transfers",
                &["operation", "source", "target", "amount"],
                transfers.iter().map(|id| row(&[*id, 1, 2, 30])).collect(),
            ),
        ],
    };
    let (invariants, finals) = (Vec::new(), Vec::new());
    Replica {
        dump: Ok(dump),
        integrity: "ok".into(),
        invariants,
        finals,
        durable_log: None,
        reopened: None,
        applied: None,
        up: true,
    }
}

/// Sets the balance of an account on a replica.
pub(crate) fn set_balance(evidence: &mut Evidence, machine: u32, account: usize, balance: i64) {
    let replica = evidence.replicas.get_mut(&Machine(machine)).expect("the replica exists");
    replica.dump.as_mut().expect("it can be read").tables[0].rows[account - 1].values[1] = Value::Integer(balance);
}

/// A transfer that was acknowledged at an index, as many seconds after the beginning.
pub(crate) fn acknowledged_transfer(id: i64, index: u64) -> Operation {
    let sql = "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4) ON CONFLICT(operation) DO NOTHING";
    let statement = Statement::with(sql, [id, 1, 2, 30].map(Value::Integer));
    let command = Command::Execute(Batch { statements: vec![statement], atomic: true });
    operation(id as u64, command, Rows::default(), index)
}

/// A transfer that was not executed.
pub(crate) fn refused_transfer(id: i64) -> Operation {
    let outcome = Outcome::NotExecuted { reason: "busy".into(), returned: Duration::from_secs(1) };
    Operation { outcome, ..acknowledged_transfer(id, 1) }
}

/// A read of the bank's total at index 6.
pub(crate) fn read_total(total: i64) -> Operation {
    let statement = Statement::new("SELECT sum(balance) AS total FROM accounts");
    let command = Command::Query(Batch { statements: vec![statement], atomic: false }, ReadLevel::Strong);
    let rows = Rows { columns: vec!["total".into()], rows: vec![vec![Value::Integer(total)]], rows_affected: 0 };
    operation(1, command, rows, 6)
}

fn operation(number: u64, command: Command, rows: Rows, index: u64) -> Operation {
    let reply = Reply { index, term: 1, results: vec![Ok(rows)] };
    Operation {
        client: 1,
        workload: 0,
        number,
        command,
        called: Duration::ZERO,
        attempts: 1,
        resend: Resend::Never,
        outcome: Outcome::Acknowledged { reply, returned: Duration::from_secs(index) },
    }
}

/// The entry of an operation.
pub(crate) fn logged(operation: &Operation) -> LogCommand {
    let (batch, read_only) = (operation.batch().clone(), operation.reads());
    LogCommand { time_us: 1_000_000, seed: 7, session: None, read_only, batch }
}

/// A settled run of three voters without replicas to look at, in which clients of this workload did this.
pub(crate) fn workload_evidence(kind: WorkloadKind, operations: Vec<Operation>) -> Evidence {
    let mut evidence = bank_evidence(&[]);
    Arc::get_mut(&mut evidence.scenario).expect("the only holder").workloads[0].kind = kind;
    evidence.history.operations = operations;
    evidence
}

/// Lets replica after replica hold one of these lists of rows in a table: the first row on the first, and so on.
pub(crate) fn hold<const N: usize>(evidence: &mut Evidence, name: &str, columns: &[&str], rows: &[[i64; N]]) {
    for (row, machine) in rows.iter().zip(0..) {
        let values: Vec<Value> = row.iter().copied().map(Value::Integer).collect();
        let table = Table {
            name: name.into(),
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: vec![Row { key: vec![values[0].clone()], values }],
        };
        let dump = Dump { schema: Vec::new(), tables: vec![table] };
        evidence.replicas.insert(Machine(machine), Replica { dump: Ok(dump), ..replica(&[]) });
    }
}

/// Lets a replica hold a list as a text, such as `,3,7`.
pub(crate) fn hold_list(evidence: &mut Evidence, machine: Machine, list: i64, items: &str) {
    let values = vec![Value::Integer(list), Value::Text(items.into())];
    let columns = vec!["id".into(), "items".into()];
    let table = Table { name: "lists".into(), columns, rows: vec![Row { key: vec![Value::Integer(list)], values }] };
    let dump = Dump { schema: Vec::new(), tables: vec![table] };
    evidence.replicas.insert(machine, Replica { dump: Ok(dump), ..replica(&[]) });
}

/// The only result of an operation.
pub(crate) fn reply_with(rows: &[[i64; 2]], rows_affected: u64) -> Rows {
    let rows = rows.iter().map(|row| row.iter().copied().map(Value::Integer).collect()).collect();
    Rows { columns: Vec::new(), rows, rows_affected }
}

/// An operation of client 1 that was asked and acknowledged at these seconds, at the index of the second one.
pub(crate) fn acknowledged(asked: impl Into<Asked>, rows: Rows, (called, returned): (u64, u64)) -> Operation {
    let called = Duration::from_secs(called);
    Operation { called, ..operation(0, asked.into().command(), rows, returned) }
}

/// An operation of client 1 that was asked at this second and whose outcome is unknown.
pub(crate) fn unknown(asked: impl Into<Asked>, called: u64) -> Operation {
    let outcome = Outcome::Unknown { reason: "the connection broke".into() };
    Operation { outcome, ..acknowledged(asked, Rows::default(), (called, called)) }
}

/// Gives the scenario an invariant that expects 0, and each replica what it found.
pub(crate) fn with_invariant(evidence: &mut Evidence, found: &[Result<Value, String>]) {
    let sql = "SELECT count(*) FROM accounts WHERE balance < 0".into();
    let invariant = Invariant { name: "never negative".into(), sql, expect: Value::Integer(0) };
    Arc::get_mut(&mut evidence.scenario).expect("the only holder").invariants = vec![invariant];
    for (replica, found) in evidence.replicas.values_mut().zip(found) {
        replica.invariants = vec![found.clone()];
    }
}

/// Demands so many commits in the first five seconds.
pub(crate) fn expect_progress(evidence: &mut Evidence, commits: u64) {
    let progress = model::Progress { commits, from: Duration::ZERO, to: Duration::from_secs(5) };
    Arc::get_mut(&mut evidence.scenario).expect("the only holder").expect.progress.push(progress);
}

/// A fault, the scenario's first, that strikes or ends. It harms the machines that its words name, and cuts the links:
/// `n1–n2` in both directions, `n1→n2` in one.
pub(crate) fn fault(seconds: f64, struck: bool, text: &str) -> Recorded {
    let mut harm = Harm::default();
    for word in text.split_whitespace().filter(|_| struck) {
        let link = |by| word.split_once(by).map(|(one, other)| (machine(one), machine(other)));
        match (link('–'), link('→')) {
            (Some((one, other)), _) => harm.cut.extend([(one, other), (other, one)]),
            (None, Some(way)) => harm.cut.push(way),
            (None, None) if word.starts_with('n') => harm.machines.push(machine(word)),
            (None, None) => {}
        }
    }
    at(seconds, What::Fault(FaultRecord { event: 0, struck, text: text.into(), harm }))
}

fn machine(label: &str) -> Machine {
    Machine::of_label(label).expect("a test names machines that exist")
}

/// A power cut of the leader at two seconds, on this line of the file.
pub(crate) fn power_cut_event(line: u32) -> model::Event {
    let at = Duration::from_secs(2);
    let fault = Fault::PowerCut(vec![Selector::Leader]);
    model::Event { trigger: Trigger::At(at, at), fault, lasts: Some(Duration::from_secs(1)), nemesis: None, line }
}
