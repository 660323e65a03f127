//! What the naive systems have in common: a node with a SQLite of its own, a leader that it passes requests on to, and
//! messages to the others. What makes one of them is its [`Design`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::api::{Batch, Command, Error, Reply, Response, StatementResult};
use lockstep_node::host::{CallId, Clock, Dead, Disk, Entropy, Host, Input, Network, RequestId};
use lockstep_node::wire::{self, Asked};
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Running, System, plain_sqlite};
use crate::record::Machine;
use crate::scenario::model::Cluster;
use crate::world::SimHost;

/// The database's file.
const DATABASE: &str = "data";

/// [`Design::wake`] is called this often.
const TICK: Duration = Duration::from_millis(100);

/// A node that was not heard of for so long is taken to be down.
pub const DEAD: Duration = Duration::from_millis(500);

/// What a node of a naive system does when something happens to it.
pub trait Design: Send + 'static {
    /// What nodes say to each other.
    type Say: Serialize + DeserializeOwned + Send;

    /// The state of a node that boots.
    fn new(node: &mut Node) -> Self;

    /// Who is to be asked to execute something.
    fn leader(&self) -> Option<Machine>;

    /// Ten times a second.
    fn wake(&mut self, node: &mut Node);

    /// Another node says something.
    fn hear(&mut self, node: &mut Node, from: Machine, say: Self::Say);

    /// This node leads and has executed what a client asked, with these results. It has to answer.
    fn executed(&mut self, node: &mut Node, request: Executed);

    /// What a node says, in words.
    fn words(say: &Self::Say) -> String;
}

/// A request that the leader has executed.
pub struct Executed {
    /// Names the request in the answer.
    pub id: RequestId,
    /// The statements.
    pub batch: Batch,
    /// Whether they may have changed something.
    pub write: bool,
    /// What they did.
    pub results: Vec<StatementResult>,
}

/// A naive system.
pub struct Naive<D> {
    name: &'static str,
    design: PhantomData<fn() -> D>,
}

impl<D: Design> Naive<D> {
    /// A system of this name.
    pub const fn new(name: &'static str) -> Self {
        Naive { name, design: PhantomData }
    }
}

impl<D: Design> System for Naive<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn found(&self, _: Vec<SimHost>, _: &Cluster) -> Running {
        Box::pin(async {})
    }

    fn boot(&self, host: SimHost, cluster: &Cluster) -> Running {
        let machines = (0..cluster.voters).map(Machine).collect();
        Box::pin(async move {
            // The end of its boot is the only way for a node to stop.
            let Err(Dead) = serve::<D>(host, machines).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        files.iter().find(|file| *file == DATABASE).cloned()
    }

    fn describe(&self, datagram: &[u8]) -> String {
        postcard::from_bytes(datagram).map_or_else(|error| error.to_string(), |say| D::words(&say))
    }

    fn reports_events(&self) -> bool {
        false
    }
}

/// A node as its design sees it.
pub struct Node {
    host: SimHost,
    /// The machine that it runs on.
    pub me: Machine,
    /// All the other machines.
    pub others: Vec<Machine>,
    /// Its tables.
    pub database: Connection,
    /// Requests that were passed on, and until when their answers are waited for.
    passed_on: BTreeMap<CallId, (RequestId, Duration)>,
    calls: u64,
}

async fn serve<D: Design>(mut host: SimHost, mut others: Vec<Machine>) -> Result<Infallible, Dead> {
    // While nothing else is wrong with a disk, it fails only because the machine lost power.
    let database = plain_sqlite::open(&host.sqlite_vfs(), DATABASE).map_err(|_| Dead)?;
    host.listen();
    let me = Machine::of_label(&host.label()).expect("a machine's label is that of a machine");
    others.retain(|other| *other != me);
    let mut node = Node { host, me, others, database, passed_on: BTreeMap::new(), calls: 0 };
    let mut design = D::new(&mut node);
    node.host.wake_at(node.now());
    loop {
        match node.host.next().await? {
            Input::Message { from, bytes } => {
                if let (Some(from), Ok(say)) = (Machine::of_label(&from), postcard::from_bytes(&bytes)) {
                    design.hear(&mut node, from, say);
                }
            }
            Input::Request { id, bytes } => node.asked(&mut design, id, &bytes),
            Input::Response { call, answer } => node.answered(call, answer.ok()),
            Input::Timer => {
                node.give_up_calls();
                design.wake(&mut node);
                node.host.wake_at(node.now() + TICK);
            }
            Input::Synced { .. } | Input::Finished(_) => {}
        }
    }
}

impl Node {
    /// The time since some moment before this boot.
    pub fn now(&self) -> Duration {
        self.host.monotonic()
    }

    /// A number that nobody else has, most likely.
    pub fn draw(&mut self) -> u64 {
        self.host.entropy("naive.draw")
    }

    /// Says something to one of the others.
    pub fn tell(&mut self, to: Machine, say: &impl Serialize) {
        self.host.send(&to.to_string(), encode(say));
    }

    /// Says something to all the others.
    pub fn tell_all(&mut self, say: &impl Serialize) {
        let bytes = encode(say);
        self.others.iter().for_each(|node| self.host.send(&node.to_string(), bytes.clone()));
    }

    /// Executes statements here. `None` if the database fails, which means that this boot is over.
    pub fn execute(&self, batch: &Batch) -> Option<Vec<StatementResult>> {
        plain_sqlite::execute(&self.database, batch).ok()
    }

    /// Tells a client what was executed for it as the leader's write of this number.
    pub fn answer(&mut self, request: RequestId, number: u64, results: Vec<StatementResult>) {
        self.respond(request, &Ok(Reply { index: number, term: 0, results }));
    }

    fn respond(&mut self, request: RequestId, response: &Response) {
        self.host.respond(request, wire::encode(response));
    }

    fn asked(&mut self, design: &mut impl Design, id: RequestId, bytes: &[u8]) {
        let Ok(asked) = wire::decode::<Asked>(bytes) else {
            return self.respond(id, &Err(Error::Refused("the request cannot be read".into())));
        };
        let (batch, write) = match &asked.request.command {
            Command::Execute(batch) => (batch, true),
            Command::Query(batch, _) => (batch, false),
            Command::Register => {
                return self.respond(id, &Err(Error::Unsupported("this system keeps no client sessions".into())));
            }
            Command::Members | Command::Change(_) | Command::Transfer(_) => {
                return self.respond(id, &Err(Error::Unsupported("the members of this system never change".into())));
            }
        };
        match design.leader() {
            Some(leader) if leader == self.me => {
                let batch = batch.clone();
                if let Some(results) = self.execute(&batch) {
                    design.executed(self, Executed { id, batch, write, results });
                }
            }
            Some(leader) if !asked.forwarded => {
                self.calls += 1;
                let call = CallId(self.calls);
                // The next tick may come as late as this before the limit.
                let until = self.now() + self.host.answer_limit().saturating_sub(TICK);
                self.passed_on.insert(call, (id, until));
                self.host.call(&leader.to_string(), call, wire::encode(&Asked { forwarded: true, ..asked }));
            }
            leader => {
                let leader = leader.map(|leader| leader.to_string());
                self.respond(id, &Err(Error::NotLeader { leader }));
            }
        }
    }

    /// Answers whom the leader leaves without an answer.
    fn give_up_calls(&mut self) {
        let now = self.now();
        let silent: Vec<CallId> =
            self.passed_on.iter().filter(|(_, (_, until))| *until <= now).map(|(call, _)| *call).collect();
        silent.into_iter().for_each(|call| self.answered(call, None));
    }

    fn answered(&mut self, call: CallId, answer: Option<Bytes>) {
        let Some((id, _)) = self.passed_on.remove(&call) else { return };
        match answer {
            Some(bytes) => self.host.respond(id, bytes),
            None => self.respond(id, &Err(Error::Unknown("the leader did not answer".into()))),
        }
    }
}

fn encode(say: &impl Serialize) -> Bytes {
    postcard::to_stdvec(say).expect("nothing in it that postcard cannot write").into()
}

/// Statements in words, for messages that carry them.
pub fn sql(batch: &Batch) -> String {
    batch.statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
