//! Sets the tables up before any workload begins.
//!
//! The statements are not made to be sent twice. So each batch first creates a guard table and drops the one before: when
//! a batch whose outcome was unknown is sent again and had been executed, the guard exists and the whole batch fails.

use std::sync::{Arc, Mutex};

use lockstep_node::api::{Batch, Command, Request, Statement};
use lockstep_node::client::{Client, Failure, Resend};

use super::PATIENCE;
use super::bank_schema::bank_schema;
use crate::scenario::model::{Scenario, WorkloadKind};
use crate::world::World;

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

/// The statements: those of the bank, if there is one, then the scenario's own.
fn statements(scenario: &Scenario) -> Vec<String> {
    let bank = scenario.workloads.iter().find_map(|workload| match workload.kind {
        WorkloadKind::Bank { accounts, balance } => Some(bank_schema(accounts, balance)),
        WorkloadKind::Sql { .. } => None,
    });
    bank.into_iter().flatten().chain(scenario.schema.iter().cloned()).collect()
}

async fn run(mut client: Client<crate::world::SimClient>, statements: Vec<String>) -> Result<(), String> {
    let batches = statements.len().div_ceil(BATCH);
    for (nth, batch) in statements.chunks(BATCH).enumerate() {
        let guards = [format!("CREATE TABLE {}(done)", guard(nth))];
        let last = nth.checked_sub(1).map(|before| format!("DROP TABLE {}", guard(before)));
        let all = guards.into_iter().chain(last).chain(batch.iter().cloned());
        execute(&mut client, all.collect(), &guard(nth)).await?;
    }
    if batches > 0 {
        execute(&mut client, vec![format!("DROP TABLE IF EXISTS {}", guard(batches - 1))], "").await?;
    }
    Ok(())
}

fn guard(nth: usize) -> String {
    format!("setup_{nth}")
}

async fn execute(client: &mut Client<crate::world::SimClient>, sql: Vec<String>, guard: &str) -> Result<(), String> {
    let statements = sql.iter().map(Statement::new).collect();
    let request = Request { session: None, command: Command::Execute(Batch { statements, atomic: true }) };
    let (attempts, result) = client.execute(&request, Resend::Idempotent).await;
    let reply = result.map_err(|failure| match failure {
        Failure::NotExecuted(reason) | Failure::Unknown(reason) => reason,
    })?;
    let failed = reply.results.iter().zip(&sql).find_map(|(result, sql)| Some((result.as_ref().err()?, sql)));
    match failed {
        None => Ok(()),
        Some((error, _)) if attempts > 1 && error.message.contains(&format!("table {guard} already exists")) => Ok(()),
        Some((error, sql)) => Err(format!("the schema could not be set up: {error}, in: {sql}")),
    }
}
