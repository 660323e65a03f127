//! Sets the tables up before any workload begins.
//!
//! The statements are not made to be executed twice, and not every system keeps sessions. So each batch first writes its number into a guard table, which the first
//! one creates: when a batch whose outcome was unknown is sent again and had been executed, that fails, and with it the
//! whole batch. The guard is one table for all batches since a change of the schema has the whole database read anew.

use std::sync::{Arc, Mutex};

use lockstep_node::api::{Batch, Command, Statement};
use lockstep_node::client::{Client, Failure, Resend};

use super::{PATIENCE, generated, schema_stream, tables};
use crate::scenario::model::{Scenario, Workload};
use crate::world::World;

/// How many statements travel together.
const BATCH: usize = 100;

/// The table that knows which batches were executed. It is gone when the setup is over.
const GUARD: &str = "setup_guard";

/// How the setup goes: `None` until it is over.
pub type Setup = Arc<Mutex<Option<Result<(), String>>>>;

/// Adds a client that sets the tables up.
pub fn setup(world: &World, scenario: &Scenario) -> Setup {
    let result = Setup::default();
    let shared = result.clone();
    let statements = statements(world, scenario);
    world.add_client(move |client| async move {
        let machines = client.machines();
        let outcome = run(Client::new(client, machines, PATIENCE), statements).await;
        *shared.lock().expect("nothing panics with this lock") = Some(outcome);
    });
    result
}

/// The statements: those of the workloads, then the scenario's own.
fn statements(world: &World, scenario: &Scenario) -> Vec<String> {
    let of_workload = |(place, workload): (u32, &Workload)| match generated::shared::options(&workload.kind) {
        Some(options) => generated::shared::schema(schema_stream(world, place), options).0,
        None => tables::filled(&workload.kind),
    };
    let brought = (0..).zip(&scenario.workloads).flat_map(of_workload);
    brought.chain(scenario.schema.iter().cloned()).collect()
}

async fn run(mut client: Client<crate::world::SimClient>, statements: Vec<String>) -> Result<(), String> {
    for (nth, batch) in statements.chunks(BATCH).enumerate() {
        let guard = match nth {
            0 => format!("CREATE TABLE {GUARD}(batch INTEGER PRIMARY KEY)"),
            _ => format!("INSERT INTO {GUARD} VALUES ({nth})"),
        };
        execute(&mut client, [guard].into_iter().chain(batch.iter().cloned()).collect()).await?;
    }
    if statements.is_empty() {
        return Ok(());
    }
    execute(&mut client, vec![format!("DROP TABLE IF EXISTS {GUARD}")]).await
}

/// Executes a batch whose first statement fails if the batch was executed before.
async fn execute(client: &mut Client<crate::world::SimClient>, sql: Vec<String>) -> Result<(), String> {
    let statements = sql.iter().map(Statement::new).collect();
    let command = Command::Execute(Batch { statements, atomic: true });
    let (attempts, result) = client.execute(&command, Resend::Idempotent).await;
    let reply = result.map_err(|failure| match failure {
        Failure::NotExecuted(reason) | Failure::Unknown(reason) => reason,
    })?;
    let mut results = reply.results.iter().zip(&sql).enumerate();
    match results.find_map(|(place, (result, sql))| Some((place, result.as_ref().err()?, sql))) {
        None => Ok(()),
        Some((0, error, _)) if attempts > 1 && error.message.contains(GUARD) => Ok(()),
        Some((_, error, sql)) => Err(format!("the schema could not be set up: {error}, in: {sql}")),
    }
}
