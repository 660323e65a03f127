//! Sets the tables up before any workload begins.

use std::sync::{Arc, Mutex};

use lockstep_node::api::{Batch, Command, Statement};
use lockstep_node::client::{Client, Failure};

use super::PATIENCE;
use super::tables;
use crate::scenario::model::Scenario;
use crate::world::{SimClient, World};

/// How many statements travel together.
const BATCH: usize = 100;

/// How the setup goes: `None` until it is over.
pub type Setup = Arc<Mutex<Option<Result<(), String>>>>;

/// Adds a client that sets the tables up.
pub fn setup(world: &World, scenario: &Scenario) -> Setup {
    let result = Setup::default();
    let shared = result.clone();
    let statements = statements(scenario);
    world.add_client(move |client| async move {
        let machines = client.machines();
        let outcome = run(Client::new(client, machines, PATIENCE), statements).await;
        *shared.lock().expect("nothing panics with this lock") = Some(outcome);
    });
    result
}

/// The statements: those of the workloads, then the scenario's own.
fn statements(scenario: &Scenario) -> Vec<String> {
    let brought = scenario.workloads.iter().flat_map(|workload| tables::filled(&workload.kind));
    brought.chain(scenario.schema.iter().cloned()).collect()
}

async fn run(mut client: Client<SimClient>, statements: Vec<String>) -> Result<(), String> {
    for batch in statements.chunks(BATCH) {
        execute(&mut client, batch).await?;
    }
    Ok(())
}

async fn execute(client: &mut Client<SimClient>, sql: &[String]) -> Result<(), String> {
    let statements = sql.iter().map(Statement::new).collect();
    let (_, result) = client.execute(&Command::Execute(Batch { statements, atomic: true })).await;
    let reply = result.map_err(|failure| match failure {
        Failure::NotExecuted(reason) | Failure::Unknown(reason) => reason,
    })?;
    let mut results = reply.results.iter().zip(sql);
    match results.find_map(|(result, sql)| Some((result.as_ref().err()?, sql))) {
        None => Ok(()),
        Some((error, sql)) => Err(format!("the schema could not be set up: {error}, in: {sql}")),
    }
}
