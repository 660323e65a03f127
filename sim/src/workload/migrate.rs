//! A migration while others work: one client executes its steps in their order, each as one atomic batch.
//!
//! A step is not made to be executed twice, and not every system keeps sessions. So its batch first writes the step's number
//! into a table, and at last counts it as finished. While the outcome is unknown the batch is sent again; if the number is there already, its first
//! statement fails, and says that an earlier sending was executed.

use lockstep_node::api::{Reply, SqlError, Statement, Value};
use lockstep_node::client::{Client, Resend, Transport};

use super::{Asked, PATIENCE, operation, perform};
use crate::record::Phase;
use crate::scenario::model::{Workload, WorkloadKind};
use crate::world::{SimClient, World};

/// Creates the table of steps. Whatever goes wrong with a step, its row shows: none is there, or it is not finished once.
pub const TABLE: &str =
    "CREATE TABLE migrations(\n  step INTEGER PRIMARY KEY,\n  finished INTEGER NOT NULL DEFAULT 0\n)";

const BEGIN: &str = "INSERT INTO migrations(step) VALUES (?1)";
const FINISH: &str = "UPDATE migrations SET finished = finished + 1 WHERE step = ?1";

/// What a reply to a step means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<'r> {
    /// This sending executed it.
    Executed,
    /// An earlier sending had executed it.
    Before,
    /// The statement at this place of the batch failed: the step was not executed.
    Failed(usize, &'r SqlError),
}

impl Ended<'_> {
    /// Of a reply.
    pub fn of(reply: &Reply) -> Ended<'_> {
        let failed = reply.results.iter().enumerate().find_map(|(at, result)| Some((at, result.as_ref().err()?)));
        match failed {
            None => Ended::Executed,
            Some((0, error)) if error.code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => Ended::Before,
            Some((at, error)) => Ended::Failed(at, error),
        }
    }
}

/// The step of this number, from 0. In the table steps count from 1.
pub(crate) fn step(number: u64, statements: &[String]) -> Asked {
    let step = [Value::Integer(number as i64 + 1)];
    let (begin, finish) = (Statement::with(BEGIN, step.clone()), Statement::with(FINISH, step));
    let statements = statements.iter().map(Statement::new);
    Asked {
        resend: Resend::Idempotent,
        ..Asked::write([begin].into_iter().chain(statements).chain([finish]).collect())
    }
}

/// The migrating client's work: it pauses before each step, and ends with the fault phase or with a step that fails.
pub(super) async fn work(client: SimClient, world: World, place: u32, workload: Workload) {
    let WorkloadKind::Migrate { steps, pause } = &workload.kind else { return };
    let machines = client.machines();
    let mut client = Client::new(client, machines, PATIENCE);
    for number in 0..steps.len() as u64 {
        let entity = u64::from(place) << 40 | number;
        let pause = world.lock().stream("workload.pause", entity).time(pause.0, pause.1);
        client.transport().sleep(pause).await;
        if client.transport().phase() != Phase::Faults {
            return;
        }
        let asked = operation(&world, &workload.kind, entity, number);
        let at = perform(&mut client, place, number, asked).await;
        let state = world.lock();
        let reply = state.ledger.history.operations[at].reply();
        if !reply.is_some_and(|(reply, _)| matches!(Ended::of(reply), Ended::Executed | Ended::Before)) {
            return;
        }
    }
}
