//! A system of your own under the testbed: the whole of it, in one file.
//!
//! ```text
//! cd sim/examples/own_system
//! cargo run -p lockstep-sim --example own_system -- run scenarios/mirror-cut-off.toml
//! cargo run -p lockstep-sim --example own_system -- run scenarios/primary-loses-power.toml
//! ```
//!
//! The first passes, the second does not: the testbed finds what is wrong with the design below. A tool of your own
//! replays a failure as this one does, with `replay` in the place of `run`.
//!
//! `n1` is the primary. It executes what clients ask on its SQLite, and answers. The others are mirrors. They ask it again
//! and again for what it has executed since, and execute it too. Every database holds the number of the last batch that
//! it has executed, in the same transaction, so a mirror that was away goes on where it was. What the mirrors may still
//! need the primary keeps in memory; it has the data safe on its disk, after all.

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use lockstep_node::api::{Batch, Command, Error, Reply, Response, Statement, StatementResult};
use lockstep_node::host::{Clock, Dead, Disk, Host, Input, Network};
use lockstep_node::wire::{self, Asked};
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::systems::{Running, System, plain_sqlite};
use lockstep_sim::world::SimHost;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    lockstep_sim::main(&[&MIRRORS])
}

/// The system.
pub static MIRRORS: Mirrors = Mirrors;

/// See the file's documentation.
pub struct Mirrors;

/// The database's file, on every node.
const DATABASE: &str = "data";

/// The node that executes first.
const PRIMARY: &str = "n1";

/// A mirror asks this often for more.
const PAUSE: Duration = Duration::from_millis(20);

/// A mirror gets so many batches at a time.
const BATCHES_MAX: usize = 100;

impl System for Mirrors {
    fn name(&self) -> &'static str {
        "mirrors"
    }

    /// Nothing has to be on the disks before the first boot.
    fn found(&self, _: Vec<SimHost>, _: &Cluster) -> Running {
        Box::pin(async {})
    }

    /// Clients are served until the machine dies under it: then every call of the host says [`Dead`].
    fn boot(&self, host: SimHost, _: &Cluster) -> Running {
        Box::pin(async move {
            let Err(Dead) = serve(host).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        files.iter().find(|file| *file == DATABASE).cloned()
    }

    fn describe(&self, datagram: &[u8]) -> String {
        match postcard::from_bytes(datagram) {
            Ok(Say::Want { after }) => format!("wants what comes after batch {after}"),
            Ok(Say::Have { number, .. }) => format!("batch {number}"),
            Err(error) => error.to_string(),
        }
    }

    /// It has no terms and no log, so it is judged by what clients saw and what the databases hold.
    fn reports_events(&self) -> bool {
        false
    }
}

/// What nodes say to each other.
#[derive(Serialize, Deserialize)]
enum Say {
    /// A mirror has executed everything up to here.
    Want { after: u64 },
    /// The primary has executed this.
    Have { number: u64, batch: Batch },
}

struct Node {
    host: SimHost,
    database: Connection,
    /// The number of the last batch that the database holds.
    number: u64,
    /// The last batches, up to that number: all that this process has executed.
    executed: Vec<Batch>,
}

async fn serve(mut host: SimHost) -> Result<Infallible, Dead> {
    // While nothing else is wrong with the disk, it fails only because the machine lost power.
    let database = plain_sqlite::open(&host.sqlite_vfs(), DATABASE).map_err(|_| Dead)?;
    let number = database.query_one("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).map_err(|_| Dead)?;
    host.listen();
    let mut node = Node { host, database, number: number as u64, executed: Vec::new() };
    node.ask_for_more();
    loop {
        match node.host.next().await? {
            Input::Request { id, bytes } => {
                let response = node.answer(&bytes);
                node.host.respond(id, wire::encode(&response));
            }
            Input::Message { from, bytes } => {
                if let Ok(say) = postcard::from_bytes(&bytes) {
                    node.hear(&from, say);
                }
            }
            Input::Timer => node.ask_for_more(),
            Input::Response { .. } | Input::Synced { .. } | Input::Finished(_) => {}
        }
    }
}

impl Node {
    fn is_primary(&self) -> bool {
        self.host.label() == PRIMARY
    }

    /// Does what a client asks.
    fn answer(&mut self, bytes: &[u8]) -> Response {
        if !self.is_primary() {
            return Err(Error::NotLeader { leader: Some(PRIMARY.to_owned()) });
        }
        let asked: Asked = wire::decode(bytes).map_err(|error| Error::Refused(error.to_string()))?;
        let results = match asked.request.command {
            Command::Query(batch, _) => plain_sqlite::execute(&self.database, &batch),
            Command::Execute(batch) if batch.atomic => self.execute(&batch),
            Command::Execute(_) => return Err(Error::Refused("only atomic batches can be mirrored".to_owned())),
            Command::Register => return Err(Error::Unsupported("the mirrors keep no client sessions".to_owned())),
            _ => return Err(Error::Unsupported("the mirrors are always the same".to_owned())),
        };
        let results = results.map_err(|error| Error::Unknown(error.to_string()))?;
        Ok(Reply { index: self.number, term: 0, results })
    }

    fn hear(&mut self, from: &str, say: Say) {
        match say {
            Say::Want { after } => {
                let first = self.number - self.executed.len() as u64 + 1;
                let numbered = (first..).zip(&self.executed).filter(|(number, _)| *number > after);
                let wanted: Vec<_> =
                    numbered.map(|(number, batch)| (number, batch.clone())).take(BATCHES_MAX).collect();
                wanted.into_iter().for_each(|(number, batch)| self.say(from, &Say::Have { number, batch }));
            }
            // What was lost, or comes too early, or comes again is asked for again or not needed.
            Say::Have { number, batch } if number == self.number + 1 => {
                // An error is the end of this boot, which the next look at the inbox tells.
                let _ = self.execute(&batch);
            }
            Say::Have { .. } => {}
        }
    }

    /// Executes a batch and counts it, in one transaction. What fails is undone and not counted.
    fn execute(&mut self, batch: &Batch) -> rusqlite::Result<Vec<StatementResult>> {
        let number = self.number + 1;
        let mut counted = batch.clone();
        counted.statements.push(Statement::new(format!("PRAGMA user_version = {number}")));
        let mut results = plain_sqlite::execute(&self.database, &counted)?;
        if results.iter().all(Result::is_ok) {
            results.pop();
            self.number = number;
            self.executed.push(batch.clone());
        }
        Ok(results)
    }

    fn ask_for_more(&mut self) {
        if !self.is_primary() {
            self.say(PRIMARY, &Say::Want { after: self.number });
            self.host.wake_at(self.host.monotonic() + PAUSE);
        }
    }

    fn say(&mut self, to: &str, say: &Say) {
        let bytes = postcard::to_stdvec(say).expect("nothing in it that postcard cannot write");
        self.host.send(to, bytes.into());
    }
}
