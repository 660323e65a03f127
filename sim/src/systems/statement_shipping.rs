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

use lockstep_node::api::{Batch, StatementResult};
use lockstep_node::host::RequestId;
use serde::{Deserialize, Serialize};

use super::naive::{DEAD, Design, Executed, Naive, Node, sql};
use crate::record::Machine;

/// The system.
pub static STATEMENT_SHIPPING: Naive<StatementShipping> = Naive::new("statement-shipping");

/// The node that names the leader.
const COORDINATOR: Machine = Machine(0);

/// The leader waits so long for the others to execute a statement.
const LATE: Duration = Duration::from_millis(400);

/// What nodes say to each other.
#[derive(Serialize, Deserialize)]
pub enum Say {
    /// Are you there?
    Ping,
    /// I am.
    Pong,
    /// The coordinator names the leader.
    Lead(String),
    /// The leader has executed this.
    Execute {
        /// The leader's number for it.
        number: u64,
        /// What it was.
        batch: Batch,
    },
    /// So have I.
    Executed {
        /// The leader's number for it.
        number: u64,
    },
}

/// A node. See the module's documentation.
#[derive(Default)]
pub struct StatementShipping {
    leader: Option<Machine>,
    /// When the coordinator last heard of each node.
    heard: BTreeMap<Machine, Duration>,
    /// What the leader has executed and waits for the others with.
    shipped: BTreeMap<u64, Shipped>,
    count: u64,
}

struct Shipped {
    request: RequestId,
    results: Vec<StatementResult>,
    missing: BTreeSet<Machine>,
    late: Duration,
}

impl Design for StatementShipping {
    type Say = Say;

    fn new(_: &mut Node) -> Self {
        StatementShipping::default()
    }

    fn leader(&self) -> Option<Machine> {
        self.leader
    }

    /// Pings and names a leader if this node coordinates, and stops waiting for who is late.
    fn wake(&mut self, node: &mut Node) {
        let now = node.now();
        if node.me == COORDINATOR {
            self.heard.insert(node.me, now);
            let lives = |machine: &Machine| self.heard.get(machine).is_some_and(|heard| now - *heard < DEAD);
            let leader = self.leader.filter(lives).or_else(|| self.heard.keys().copied().find(lives));
            let leader = leader.expect("the coordinator itself is alive");
            self.leader = Some(leader);
            node.tell_all(&Say::Ping);
            node.tell_all(&Say::Lead(leader.to_string()));
        }
        let late: Vec<u64> = self.shipped.iter().filter(|(_, shipped)| shipped.late <= now).map(|(n, _)| *n).collect();
        late.into_iter().for_each(|number| self.answer(node, number));
    }

    fn hear(&mut self, node: &mut Node, from: Machine, say: Say) {
        match say {
            Say::Ping => node.tell(from, &Say::Pong),
            Say::Pong => {
                self.heard.insert(from, node.now());
            }
            Say::Lead(leader) => self.leader = Machine::of_label(&leader),
            Say::Execute { number, batch } => {
                if node.execute(&batch).is_some() {
                    node.tell(from, &Say::Executed { number });
                }
            }
            Say::Executed { number } => {
                if let Some(shipped) = self.shipped.get_mut(&number) {
                    shipped.missing.remove(&from);
                    if shipped.missing.is_empty() {
                        self.answer(node, number);
                    }
                }
            }
        }
    }

    /// Has a write executed by all the others.
    fn executed(&mut self, node: &mut Node, Executed { id, batch, write, results }: Executed) {
        self.count += 1;
        let number = self.count;
        if !write || node.others.is_empty() {
            return node.answer(id, number, results);
        }
        let missing = node.others.iter().copied().collect();
        self.shipped.insert(number, Shipped { request: id, results, missing, late: node.now() + LATE });
        node.tell_all(&Say::Execute { number, batch });
    }

    fn words(say: &Say) -> String {
        match say {
            Say::Ping => "are you there?".to_owned(),
            Say::Pong => "here I am".to_owned(),
            Say::Lead(leader) => format!("{leader} leads"),
            Say::Execute { number, batch } => format!("execute {number}: {}", sql(batch)),
            Say::Executed { number } => format!("executed {number}"),
        }
    }
}

impl StatementShipping {
    fn answer(&mut self, node: &mut Node, number: u64) {
        if let Some(shipped) = self.shipped.remove(&number) {
            node.answer(shipped.request, number, shipped.results);
        }
    }
}
