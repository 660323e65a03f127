//! A design that looks right and is not: the node with the highest number leads, and hands every write to the others.
//!
//! Every node keeps a registry of those that it hears of. All announce themselves again and again; who was silent for long
//! is forgotten, and stands there again as soon as it speaks. The highest in the registry leads: everybody who looks into
//! theirs names the same one, without a vote. Any node takes a request and passes it on to the leader. The leader executes
//! it on its own SQLite, sends each write to all in its registry, and answers when all of them have confirmed it, or have
//! been forgotten. Nothing is wrong with any of its parts:
//!
//! * a write that was not confirmed is sent again, and executed once by a node that stays up, since it knows the ids of what
//!   it has executed;
//! * every node's SQLite is durable before it confirms;
//! * a leader that dies is replaced within half a second, and one that comes back takes its place again.
//!
//! What it lacks is agreement. Two sides of a cut each have a highest number. Each write travels by itself, so two of them
//! may be executed in two orders. A node that was forgotten is never told what it missed, and leads when it is back if its
//! number is the highest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_node::api::{Batch, StatementResult};
use lockstep_node::host::RequestId;
use serde::{Deserialize, Serialize};

use super::naive::{DEAD, Design, Executed, Naive, Node, sql};
use crate::record::Machine;

/// The system.
pub static BULLY: Naive<Bully> = Naive::new("bully");

/// What nodes say to each other.
#[derive(Serialize, Deserialize)]
pub enum Say {
    /// I am here.
    Here,
    /// The leader has executed this.
    Execute {
        /// A random number that names it.
        id: u64,
        /// What it was.
        batch: Batch,
    },
    /// So have I.
    Executed {
        /// What names it.
        id: u64,
    },
}

/// A node. See the module's documentation.
pub struct Bully {
    me: Machine,
    /// When each of the others was last heard of.
    registry: BTreeMap<Machine, Duration>,
    /// What others led this node to execute.
    executed: BTreeSet<u64>,
    /// What this node has executed as the leader, and waits for the others with, by its number.
    waiting: BTreeMap<u64, Write>,
    count: u64,
}

struct Write {
    id: u64,
    batch: Batch,
    request: RequestId,
    results: Vec<StatementResult>,
    missing: BTreeSet<Machine>,
}

impl Design for Bully {
    type Say = Say;

    /// Everybody is taken for alive at first, as long as somebody who is would be silent.
    fn new(node: &mut Node) -> Self {
        let now = node.now();
        let registry = node.others.iter().map(|other| (*other, now)).collect();
        Bully { me: node.me, registry, executed: BTreeSet::new(), waiting: BTreeMap::new(), count: 0 }
    }

    fn leader(&self) -> Option<Machine> {
        self.registry.keys().copied().chain([self.me]).max()
    }

    /// Announces itself, forgets who is silent, and sends again what was not confirmed.
    fn wake(&mut self, node: &mut Node) {
        node.tell_all(&Say::Here);
        let now = node.now();
        self.registry.retain(|_, heard| now - *heard < DEAD);
        for write in self.waiting.values_mut() {
            write.missing.retain(|machine| self.registry.contains_key(machine));
            write.send(node);
        }
        self.answer(node);
    }

    fn hear(&mut self, node: &mut Node, from: Machine, say: Say) {
        self.registry.insert(from, node.now());
        match say {
            Say::Here => {}
            Say::Execute { id, batch } => {
                if self.executed.contains(&id) || node.execute(&batch).is_some() {
                    self.executed.insert(id);
                    node.tell(from, &Say::Executed { id });
                }
            }
            Say::Executed { id } => {
                if let Some(write) = self.waiting.values_mut().find(|write| write.id == id) {
                    write.missing.remove(&from);
                    self.answer(node);
                }
            }
        }
    }

    /// Has a write executed by all in the registry.
    fn executed(&mut self, node: &mut Node, Executed { id: request, batch, write, results }: Executed) {
        self.count += 1;
        let missing = if write { self.registry.keys().copied().collect() } else { BTreeSet::new() };
        let write = Write { id: node.draw(), batch, request, results, missing };
        write.send(node);
        self.waiting.insert(self.count, write);
        self.answer(node);
    }

    fn words(say: &Say) -> String {
        match say {
            Say::Here => "here I am".to_owned(),
            Say::Execute { id, batch } => format!("execute {id:016x}: {}", sql(batch)),
            Say::Executed { id } => format!("executed {id:016x}"),
        }
    }
}

impl Bully {
    /// Answers what everybody has executed.
    fn answer(&mut self, node: &mut Node) {
        let done = self.waiting.extract_if(.., |_, write| write.missing.is_empty());
        done.for_each(|(number, write)| node.answer(write.request, number, write.results));
    }
}

impl Write {
    fn send(&self, node: &mut Node) {
        let say = Say::Execute { id: self.id, batch: self.batch.clone() };
        self.missing.iter().for_each(|machine| node.tell(*machine, &say));
    }
}
