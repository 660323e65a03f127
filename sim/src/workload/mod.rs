//! Clients: what they ask, when, and what they write down.
//!
//! An operation's contents depend on its workload and its number only, never on who sends it or when: so with a fixed
//! number of commuting operations the final tables are the same on every run of every system.

pub mod append;
mod bank;
pub mod bank_schema;
pub mod counter;
pub mod generated;
pub mod migrate;
pub mod register;
mod setup;
mod sql;
pub mod tables;

use std::sync::Arc;
use std::time::Duration;

use lockstep_node::api::{Batch, Command, Parameters, ReadLevel, Reply, Statement, Value};
use lockstep_node::client::{Client, Failure, Patience, Resend, Transport};

use crate::choice::Stream;
use crate::history::{Operation, Outcome};
use crate::record::Phase;
use crate::scenario::CLIENT_PATIENCE;
use crate::scenario::model::{Amount, Scenario, Trigger, Workload, WorkloadKind};
use crate::world::{SimClient, World};

pub use setup::{Setup, setup};

/// How long clients wait.
const PATIENCE: Patience = Patience { call: CLIENT_PATIENCE, pause: Duration::from_millis(20), attempts: u32::MAX };

/// Stands in for the workload of an operation that belongs to none.
const PROBE: u32 = u32::MAX;

/// One operation: what is asked, and whether it may be asked twice where nodes keep no sessions.
pub(crate) struct Asked {
    batch: Batch,
    /// The level of a read; `None` for a write.
    read: Option<ReadLevel>,
    resend: Resend,
}

impl Asked {
    /// The command that asks it.
    pub(crate) fn command(self) -> Command {
        match self.read {
            Some(level) => Command::Query(self.batch, level),
            None => Command::Execute(self.batch),
        }
    }

    /// A batch that reads. However often it is sent, it changes nothing.
    fn read(statements: Vec<Statement>) -> Asked {
        Asked { batch: Batch { statements, atomic: true }, read: Some(ReadLevel::Strong), resend: Resend::Idempotent }
    }

    /// A batch that writes, and would write something else if it were executed twice.
    fn write(statements: Vec<Statement>) -> Asked {
        Asked { batch: Batch { statements, atomic: true }, read: None, resend: Resend::Never }
    }
}

/// Adds the clients of all workloads to the world.
pub fn start(world: &World, scenario: &Arc<Scenario>) {
    let span = span(scenario);
    for (place, workload) in (0..).zip(&scenario.workloads) {
        for nth in 0..workload.clients {
            let (workload, world_too) = (workload.clone(), world.clone());
            if let WorkloadKind::Migrate { .. } = workload.kind {
                world.add_client(move |client| migrate::work(client, world_too, place, workload));
                continue;
            }
            let pace = Pace { nth, span, until: scenario.phases.faults };
            world.add_client(move |client| work(client, world_too, place, workload, pace));
        }
    }
}

/// When a client does what.
#[derive(Clone, Copy)]
struct Pace {
    /// Its number among the workload's clients, from 0.
    nth: u32,
    /// The time over which a fixed number of operations is spread.
    span: Duration,
    /// When the fault phase ends, if the scenario says.
    until: Option<Duration>,
}

/// A fixed number of operations is spread over the time in which faults strike and a migration goes on, so that both find
/// work to disturb.
fn span(scenario: &Scenario) -> Duration {
    let end = |event: &crate::scenario::model::Event| match event.trigger {
        Trigger::At(_, last) => last + event.lasts.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let events = scenario.events.iter().map(end);
    let migrations = scenario.workloads.iter().map(|workload| workload.kind.pauses_max());
    let busy = events.chain(migrations).max().unwrap_or_default();
    scenario.phases.faults.unwrap_or(busy)
}

/// One client's work.
async fn work(client: SimClient, world: World, place: u32, workload: Workload, pace: Pace) {
    let machines = client.machines();
    let mut client = Client::new(client, machines, PATIENCE);
    let mut number = u64::from(pace.nth);
    while let Some(at) = due(&world, place, &workload, &pace, number) {
        let now = client.transport().time();
        if at > now {
            client.transport().sleep(at - now).await;
        }
        if matches!(workload.amount, Amount::RateMilli(_)) && client.transport().phase() != Phase::Faults {
            return;
        }
        let entity = u64::from(place) << 40 | number;
        let mut asked = operation(&world, &workload.kind, entity, number);
        asked.read = asked.read.map(|level| workload.level.unwrap_or(level));
        perform(&mut client, place, number, asked).await;
        number += u64::from(workload.clients);
    }
}

/// The operation of this number.
fn operation(world: &World, kind: &WorkloadKind, entity: u64, number: u64) -> Asked {
    let stream = |site| world.lock().stream(site, entity);
    match kind {
        WorkloadKind::Bank { accounts, .. } => bank::operation(&mut stream("workload.bank"), number, *accounts),
        WorkloadKind::Counter { keys, add, reads } => {
            counter::operation(&mut stream("workload.counter"), *keys, *add, *reads).into()
        }
        WorkloadKind::Register { keys, values, reads, compare_and_set } => {
            register::operation(&mut stream("workload.register"), *keys, *values, *reads, *compare_and_set).into()
        }
        WorkloadKind::Append { keys, layout, length, reads } => {
            let shape = append::Shape { keys: *keys, length: *length, reads: *reads };
            append::operation(&mut stream("workload.append"), number, &shape).asked(*layout)
        }
        WorkloadKind::Sql { mix, values } => sql::operation(&mut stream("workload.sql"), mix, values),
        WorkloadKind::Generated { .. } => {
            let options = generated::shared::options(kind).expect("the kind is the one that has options");
            let (_, schema) = generated::shared::schema(schema_stream(world, (entity >> 40) as u32), options);
            generated::shared::operation(stream("workload.generated"), options, schema)
        }
        WorkloadKind::Migrate { steps, .. } => migrate::step(number, &steps[number as usize]),
    }
}

/// What the schema of a workload of generated statements is drawn from.
fn schema_stream(world: &World, place: u32) -> Stream {
    world.lock().stream("workload.schema", u64::from(place))
}

/// Adds a client for each workload that judges what clients read: it reads everything once. Without that no client would
/// see what the last writes became. To be called after the heal.
pub fn read_once_more(world: &World, scenario: &Scenario) {
    for (place, workload) in scenario.workloads.iter().enumerate() {
        let asked = match workload.kind {
            WorkloadKind::Counter { .. } => counter::Counting::ReadAll.into(),
            WorkloadKind::Register { .. } => register::Access::ReadAll.into(),
            WorkloadKind::Append { layout, .. } => append::Transaction::ReadAll.asked(layout),
            WorkloadKind::Bank { .. }
            | WorkloadKind::Sql { .. }
            | WorkloadKind::Generated { .. }
            | WorkloadKind::Migrate { .. } => continue,
        };
        let place = place as u32;
        let number = world.lock().ledger.history.next_number(place);
        world.add_client(move |client| async move {
            let machines = client.machines();
            perform(&mut Client::new(client, machines, PATIENCE), place, number, asked).await;
        });
    }
}

/// Adds a client that reads once, in the order of everything else, until it has an answer. To be called when the faults are
/// over for some nodes: who answers it has committed something since.
pub fn probe(world: &World) {
    world.add_client(move |client| async move {
        let machines = client.machines();
        let asked = Asked::read(vec![Statement::new("SELECT 1")]);
        perform(&mut Client::new(client, machines, PATIENCE), PROBE, 0, asked).await;
    });
}

/// When an operation is due, or `None` if there is no such operation.
fn due(world: &World, place: u32, workload: &Workload, pace: &Pace, number: u64) -> Option<Duration> {
    let mut jitter = world.lock().stream("workload.pace", u64::from(place) << 40 | number);
    let slot = |nth: u64, length: Duration| length.mul_f64(nth as f64);
    match workload.amount {
        Amount::Ops(ops) if number < ops => {
            let gap = Duration::from_nanos_u128(pace.span.as_nanos() / u128::from(ops));
            Some(slot(number, gap) + jitter.time(Duration::ZERO, gap))
        }
        Amount::Ops(_) => None,
        Amount::RateMilli(rate) => {
            let gap = Duration::from_nanos(1_000_000_000_000 / rate);
            let at = slot(number, gap) + jitter.time(Duration::ZERO, gap);
            pace.until.filter(|until| at < *until).map(|_| at)
        }
    }
}

/// Has an operation executed and writes down what came of it. Returns its place in the history.
async fn perform(client: &mut Client<SimClient>, workload: u32, number: u64, asked: Asked) -> usize {
    let resend = asked.resend;
    let command = asked.command();
    let world = client.transport();
    let place = world.begin(Operation {
        client: world.number(),
        workload,
        number,
        command: command.clone(),
        called: world.time(),
        attempts: 0,
        resend,
        outcome: Outcome::Unknown { reason: "the run ended before it was answered".into() },
    });
    let (attempts, result) = client.execute(&command, resend).await;
    let world = client.transport();
    let returned = world.time();
    if let Ok(reply) = &result {
        world.acknowledged(reply.index);
    }
    world.end(place, |operation: &mut Operation| {
        operation.attempts = attempts;
        operation.outcome = match result {
            Ok(reply) => Outcome::Acknowledged { reply, returned },
            Err(Failure::NotExecuted(reason)) => Outcome::NotExecuted { reason, returned },
            Err(Failure::Unknown(reason)) => Outcome::Unknown { reason },
        };
    });
    place
}

/// Draws one of several by weight.
fn weighted<'a, T>(stream: &mut Stream, of: &'a [T], weight: impl Fn(&T) -> u32) -> &'a T {
    let total: u64 = of.iter().map(|one| u64::from(weight(one))).sum();
    let mut draw = stream.below(total);
    of.iter()
        .find(|one| match draw.checked_sub(u64::from(weight(one))) {
            Some(rest) => {
                draw = rest;
                false
            }
            None => true,
        })
        .expect("the draw is below the total weight")
}

/// The batch of a command, whatever it is for.
fn batch(command: &Command) -> Option<&Batch> {
    match command {
        Command::Execute(batch) | Command::Query(batch, _) => Some(batch),
        _ => None,
    }
}

/// The values of a statement's parameters, if they are whole numbers given in order.
fn integers(statement: &Statement) -> Option<Vec<i64>> {
    match &statement.parameters {
        Parameters::Positional(values) => values.iter().map(integer).collect(),
        Parameters::Named(_) => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

/// A key and its value in each row of the first result, if that is what the rows hold.
pub(crate) fn pairs(reply: &Reply) -> Option<Vec<(i64, i64)>> {
    pairs_of(reply.results.first()?.as_ref().ok()?.rows.iter())
}

/// A key and its value in each row, if that is what the rows hold.
pub(crate) fn pairs_of<'r>(rows: impl Iterator<Item = &'r Vec<Value>>) -> Option<Vec<(i64, i64)>> {
    let pair = |row: &Vec<Value>| match row[..] {
        [Value::Integer(key), Value::Integer(value)] => Some((key, value)),
        _ => None,
    };
    rows.map(pair).collect()
}

/// How many rows the first statement changed; `None` if it failed.
pub(crate) fn changed(reply: &Reply) -> Option<u64> {
    Some(reply.results.first()?.as_ref().ok()?.rows_affected)
}
