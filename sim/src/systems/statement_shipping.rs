//! A design that looks right and is not: the leader pushes SQL text to the others.
//!
//! `n1` coordinates: it pings everybody and names a leader, the first live node it knows. Any node takes a request and
//! passes it on to the leader. The leader executes the statements on its own SQLite, sends their text to the others, and
//! answers when all have executed it, or when those that have not are late: they must be down, and what is down need not
//! be waited for. Nothing is wrong with any of its parts:
//!
//! * every statement runs on every node that is up, in the order in which the leader ran it;
//! * every node's SQLite is durable before it answers;
//! * there is one leader at a time, since one coordinator names it.
//!
//! What it lacks is a log. A node that was away never learns what it missed, and two executions of one text are not one
//! execution: `random()` and `now` are other values on each node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::api::{Batch, Command, Error, Reply, Request, Response, StatementResult};
use lockstep_node::host::{CallId, Clock, Dead, Disk, Host, Input, Network, RequestId};
use lockstep_node::wire::{self, Asked};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{Running, System, plain_sqlite};
use crate::record::Machine;
use crate::scenario::model::Cluster;
use crate::world::SimHost;

/// The system.
pub static STATEMENT_SHIPPING: StatementShipping = StatementShipping;

/// See the module's documentation.
pub struct StatementShipping;

const DATABASE: &str = "data";

/// The coordinator pings this often.
const PING: Duration = Duration::from_millis(100);

/// A node that was not heard of for so long is down.
const DEAD: Duration = Duration::from_millis(500);

/// The leader waits so long for the others to execute a statement.
const LATE: Duration = Duration::from_millis(400);

impl System for StatementShipping {
    fn name(&self) -> &'static str {
        "statement-shipping"
    }

    fn found(&self, _: Vec<SimHost>, _: &Cluster) -> Running {
        Box::pin(async {})
    }

    fn boot(&self, host: SimHost, cluster: &Cluster) -> Running {
        let others = (0..cluster.voters).map(|machine| Machine(machine).to_string());
        let others = others.filter(|label| *label != host.label()).collect();
        Box::pin(async move {
            // The end of its boot is the only way for a node to stop.
            let Err(Dead) = serve(host, others).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        files.iter().find(|file| *file == DATABASE).cloned()
    }

    fn reports_events(&self) -> bool {
        false
    }
}

/// What nodes say to each other.
#[derive(Serialize, Deserialize)]
enum Say {
    Ping,
    Pong,
    /// The coordinator names the leader.
    Lead(String),
    /// The leader has executed this.
    Execute {
        number: u64,
        batch: Batch,
    },
    /// So have I.
    Executed {
        number: u64,
    },
}

struct Node {
    host: SimHost,
    others: Vec<String>,
    database: Connection,
    leader: Option<String>,
    /// When the coordinator last heard of each node.
    heard: BTreeMap<String, Duration>,
    /// What the leader has executed and waits for the others with.
    shipped: BTreeMap<u64, Shipped>,
    passed_on: BTreeMap<CallId, RequestId>,
    count: u64,
}

struct Shipped {
    request: RequestId,
    results: Vec<StatementResult>,
    missing: BTreeSet<String>,
    late: Duration,
}

async fn serve(mut host: SimHost, others: Vec<String>) -> Result<std::convert::Infallible, Dead> {
    let Ok(database) = plain_sqlite::open(&host.sqlite_vfs(), DATABASE) else { return Err(Dead) };
    host.listen();
    let (heard, shipped, passed_on) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut node = Node { host, others, database, leader: None, heard, shipped, passed_on, count: 0 };
    node.wake();
    loop {
        match node.host.next().await? {
            Input::Message { from, bytes } => {
                if let Ok(say) = postcard::from_bytes(&bytes) {
                    node.hear(from, say);
                }
            }
            Input::Request { id, bytes } => node.asked(id, &bytes),
            Input::Response { call, answer } => node.answered(call, answer.ok()),
            Input::Timer => node.wake(),
            Input::Synced { .. } | Input::Finished(_) => {}
        }
    }
}

impl Node {
    /// Pings and names a leader if this node coordinates, and stops waiting for who is late.
    fn wake(&mut self) {
        let now = self.host.monotonic();
        if self.host.label() == "n1" {
            self.heard.insert("n1".into(), now);
            let lives = |node: &String| self.heard.get(node).is_some_and(|heard| now - *heard < DEAD);
            if !self.leader.as_ref().is_some_and(lives) {
                self.leader = self.heard.keys().find(|node| lives(node)).cloned();
            }
            let leader = self.leader.clone().expect("the coordinator itself is alive");
            self.tell_all(&Say::Ping);
            self.tell_all(&Say::Lead(leader));
        }
        let late: Vec<u64> = self.shipped.iter().filter(|(_, shipped)| shipped.late <= now).map(|(n, _)| *n).collect();
        late.into_iter().for_each(|number| self.answer_shipped(number));
        self.host.wake_at(now + PING);
    }

    fn hear(&mut self, from: String, say: Say) {
        match say {
            Say::Ping => self.tell(&from, &Say::Pong),
            Say::Pong => {
                self.heard.insert(from, self.host.monotonic());
            }
            Say::Lead(leader) => self.leader = Some(leader),
            Say::Execute { number, batch } => {
                if plain_sqlite::execute(&self.database, &batch).is_ok() {
                    self.tell(&from, &Say::Executed { number });
                }
            }
            Say::Executed { number } => {
                if let Some(shipped) = self.shipped.get_mut(&number) {
                    shipped.missing.remove(&from);
                    if shipped.missing.is_empty() {
                        self.answer_shipped(number);
                    }
                }
            }
        }
    }

    fn asked(&mut self, id: RequestId, bytes: &[u8]) {
        let Ok(asked) = wire::decode::<Asked>(bytes) else {
            return self.answer(id, &Err(Error::Refused("the request cannot be read".into())));
        };
        match self.leader.clone() {
            Some(leader) if leader == self.host.label() => self.execute(id, asked.request),
            Some(leader) if !asked.forwarded => {
                self.count += 1;
                let call = CallId(self.count);
                self.passed_on.insert(call, id);
                self.host.call(&leader, call, wire::encode(&Asked { forwarded: true, ..asked }));
            }
            leader => self.answer(id, &Err(Error::NotLeader { leader })),
        }
    }

    fn answered(&mut self, call: CallId, answer: Option<Bytes>) {
        let Some(id) = self.passed_on.remove(&call) else { return };
        match answer {
            Some(bytes) => self.host.respond(id, bytes),
            None => self.answer(id, &Err(Error::Unknown("the leader did not answer".into()))),
        }
    }

    /// Executes a request here, and a write on all the others.
    fn execute(&mut self, request: RequestId, asked: Request) {
        let (batch, write) = match asked.command {
            Command::Execute(batch) => (batch, true),
            Command::Query(batch, _) => (batch, false),
        };
        let Ok(results) = plain_sqlite::execute(&self.database, &batch) else { return };
        self.count += 1;
        let number = self.count;
        let missing = if write { self.others.iter().cloned().collect() } else { BTreeSet::new() };
        let late = self.host.monotonic() + LATE;
        let nobody = missing.is_empty();
        self.shipped.insert(number, Shipped { request, results, missing, late });
        if nobody {
            return self.answer_shipped(number);
        }
        self.tell_all(&Say::Execute { number, batch });
    }

    fn answer_shipped(&mut self, number: u64) {
        if let Some(shipped) = self.shipped.remove(&number) {
            self.answer(shipped.request, &Ok(Reply { index: number, term: 0, results: shipped.results }));
        }
    }

    fn answer(&mut self, id: RequestId, response: &Response) {
        self.host.respond(id, wire::encode(response));
    }

    fn tell_all(&mut self, say: &Say) {
        let bytes = encode(say);
        self.others.iter().for_each(|node| self.host.send(node, bytes.clone()));
    }

    fn tell(&mut self, node: &str, say: &Say) {
        self.host.send(node, encode(say));
    }
}

fn encode(say: &Say) -> Bytes {
    postcard::to_stdvec(say).expect("nothing in it that postcard cannot write").into()
}
