//! Clients: what they ask, when, and what they write down.
//!
//! An operation's contents depend on its workload and its number only, never on who sends it or when: so with a fixed
//! number of commuting operations the final tables are the same on every run of every system.

mod bank;
pub mod bank_schema;
mod setup;
mod sql;

use std::sync::Arc;
use std::time::Duration;

use lockstep_node::api::{Batch, Command, ReadLevel, Request};
use lockstep_node::client::{Client, Failure, Patience, Resend, Transport};

use crate::choice::Stream;
use crate::history::{Operation, Outcome};
use crate::record::Phase;
use crate::scenario::model::{Amount, Scenario, Trigger, Workload, WorkloadKind};
use crate::world::{SimClient, World};

pub use setup::{Setup, setup};

/// How long clients wait. An answer takes a few round trips; a second is longer than an election.
const PATIENCE: Patience =
    Patience { call: Duration::from_secs(1), pause: Duration::from_millis(20), attempts: u32::MAX };

/// One operation: what is asked, and whether asking twice would count twice.
struct Asked {
    batch: Batch,
    read: bool,
    resend: Resend,
}

/// Adds the clients of all workloads to the world.
pub fn start(world: &World, scenario: &Arc<Scenario>) {
    let span = span(scenario);
    for (place, workload) in scenario.workloads.iter().enumerate() {
        for nth in 0..workload.clients {
            let (workload, world_too) = (workload.clone(), world.clone());
            let pace = Pace { nth, span, until: scenario.phases.faults };
            world.add_client(move |client| work(client, world_too, place as u32, workload, pace));
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

/// A fixed number of operations is spread over the time in which faults strike, so that faults find work to disturb.
fn span(scenario: &Scenario) -> Duration {
    let end = |event: &crate::scenario::model::Event| match event.trigger {
        Trigger::At(_, last) => last + event.lasts.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let faults = scenario.events.iter().map(end).max().unwrap_or_default();
    scenario.phases.faults.unwrap_or(faults)
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
        let asked = match &workload.kind {
            WorkloadKind::Bank { accounts, .. } => {
                bank::operation(&mut world.lock().stream("workload.bank", entity), number, *accounts)
            }
            WorkloadKind::Sql { mix, values } => {
                sql::operation(&mut world.lock().stream("workload.sql", entity), mix, values)
            }
        };
        perform(&mut client, place, number, asked).await;
        number += u64::from(workload.clients);
    }
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

/// Has an operation executed and writes down what came of it.
async fn perform(client: &mut Client<SimClient>, workload: u32, number: u64, asked: Asked) {
    let command =
        if asked.read { Command::Query(asked.batch, ReadLevel::Strong) } else { Command::Execute(asked.batch) };
    let request = Request { session: None, command };
    let world = client.transport();
    let place = world.begin(Operation {
        client: world.number(),
        workload,
        number,
        request: request.clone(),
        called: world.time(),
        attempts: 0,
        resend: asked.resend,
        outcome: Outcome::Unknown { reason: "the run ended before it was answered".into() },
    });
    let (attempts, result) = client.execute(&request, asked.resend).await;
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
