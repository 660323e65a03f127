//! Records into a cluster: one client sends them one after the other while faults strike, and its answers are judged when
//! all is over.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockstep_node::api::{Batch, Command, SqlError, Statement, StatementResult};
use lockstep_node::client::{Client, Patience, Resend, Transport};
use lockstep_sim::scenario::{Known, Origin, lower, parse};
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::trace::Trace;
use lockstep_sim::world::{SimClient, World};
use sqllogictest::{DB, DBOutput, DefaultColumnType};

use super::output;

/// Leaders are killed, lose power in the middle of a commit and are cut off, while messages get lost and come twice.
const SCENARIO: &str = r#"
network = { loss = "1%", duplicate = "2%", reorder = "2%" }
cluster.raft = { compact_every = 40 }
workload = [{ ops = 1 }]
event = [
  { at = "300ms", do = "kill", target = "leader", for = "300ms" },
  { at = "1200ms", do = "power-cut", target = "leader", for = "400ms" },
  { at = "2500ms", do = "partition", groups = [["leader"], ["rest"]], for = "700ms" },
  { at = "3800ms", do = "power-cut", target = "all", for = "300ms" },
  { at = "5s", do = "kill", target = "follower", for = "500ms" },
]
"#;

/// The time between two records: faults strike between and under them all along a file.
const PAUSE: Duration = Duration::from_millis(150);

const PATIENCE: Patience =
    Patience { call: Duration::from_secs(1), pause: Duration::from_millis(20), attempts: u32::MAX };

type Answers = Arc<Mutex<VecDeque<(String, StatementResult)>>>;

/// The answers of a cluster to statements, in order.
pub struct Cluster(VecDeque<(String, StatementResult)>);

impl Cluster {
    /// Runs statements on a cluster, with the faults of a seed. Also returns how many faults struck.
    pub fn run(statements: Vec<String>, seed: u64) -> (Cluster, usize) {
        // The standard library keeps hashing keys a thread, which madsim can seed only once.
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let runtime = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
                runtime.block_on(async { simulated(statements, seed) })
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn simulated(statements: Vec<String>, seed: u64) -> (Cluster, usize) {
    let origin = Origin { name: "slt".into(), path: "slt.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(SCENARIO, &origin, &Known { systems: &["lockstep"], properties: &[], kinds: &[] });
    let scenario = scenario.unwrap_or_else(|report| panic!("{}", report.render(false)));
    let trace = Trace::told_to(None);
    let scenario = Arc::new(lower(&scenario, seed, &trace));

    let world = World::new(&scenario, seed, &trace, Vec::new(), None);
    world.found(&LOCKSTEP).expect("the cluster is founded");
    world.boot_all();
    world.lock().begin_faults();

    let count = statements.len();
    let answers = Answers::default();
    let theirs = answers.clone();
    world.add_client(move |client| send(client, statements, theirs));
    let answered = || answers.lock().expect("nothing panics with this lock").len();
    world.run_until(&LOCKSTEP, |_| answered() == count).unwrap_or_else(|limit| {
        panic!("seed {seed}: {limit} after {} of {count} records", answered());
    });
    let struck = world.lock().struck().into_iter().filter(|struck| *struck).count();
    world.end();

    let answers = std::mem::take(&mut *answers.lock().expect("nothing panics with this lock"));
    (Cluster(answers), struck)
}

async fn send(client: SimClient, statements: Vec<String>, answers: Answers) {
    let machines = client.machines();
    let mut client = Client::new(client, machines, PATIENCE);
    for sql in statements {
        client.transport().sleep(PAUSE).await;
        let batch = Batch { statements: vec![Statement::new(sql.clone())], atomic: false };
        // Within its session a request is executed once, however often it is sent.
        let (_, reply) = client.execute(&Command::Execute(batch), Resend::Never).await;
        let reply = reply.unwrap_or_else(|failure| panic!("{sql}: {failure:?}"));
        let result = reply.results.into_iter().next().expect("one statement has one result");
        answers.lock().expect("nothing panics with this lock").push_back((sql, result));
    }
}

impl DB for Cluster {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let (asked, result) = self.0.pop_front().expect("every record was sent");
        assert_eq!(asked, sql, "records are judged in the order in which they were sent");
        output(result)
    }
}
