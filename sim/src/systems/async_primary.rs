//! A design that looks right and is not: a primary answers at once and copies its writes to replicas behind its back.
//!
//! The primary executes what clients ask on its own SQLite and answers. It numbers its writes and ships them to the
//! replicas, which execute them in that order and tell where they are; what was lost is shipped again. It announces itself
//! ten times a second. When it is silent for long the next node in the list takes over, with the next generation, and a
//! primary of an earlier generation that hears of a later one becomes a replica. A replica that is new to a primary, or
//! needs writes that the primary no longer keeps, is given a copy of all tables, piece by piece, while clients go on.
//! Nothing is wrong with any of its parts:
//!
//! * replicas execute exactly what the primary executed, in its order;
//! * every node's SQLite is durable before anything is said of it;
//! * a cluster is one primary again soon after any two of them hear of each other.
//!
//! What it lacks is a majority. What a primary acknowledged and had not shipped is gone when another one takes over, and a
//! primary that was only cut off goes on beside it until it hears of it. It also lacks a snapshot: every piece of a copy is
//! of a moment of its own. And the text of a statement is not what it did: `random()` and `now` are other values elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_node::api::Batch;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::naive::{DEAD, Design, Executed, Naive, Node, sql};
use super::table_copy;
use crate::record::Machine;

/// The system.
pub static ASYNC_PRIMARY: Naive<AsyncPrimary> = Naive::new("async-primary");

/// The primary keeps so many writes for replicas that are behind.
const KEPT: u64 = 100;

/// So many statements of a copy travel together.
const PIECE: usize = 40;

/// What nodes say to each other.
#[derive(Serialize, Deserialize)]
pub enum Say {
    /// I am the primary.
    Primary(Reign),
    /// So far am I, under this primary.
    Reached(Reign, Place),
    /// The primary's write of this number.
    Write {
        /// Under which primary.
        reign: Reign,
        /// Its number in that reign, from 1.
        number: u64,
        /// What it was.
        batch: Batch,
    },
    /// A piece of a copy.
    Copy {
        /// Of which primary.
        reign: Reign,
        /// For a replica that is here.
        from: Place,
        /// What makes the piece.
        batch: Batch,
        /// Where that replica is then.
        to: Place,
    },
}

/// One node's time as the primary. The greater is the later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reign {
    generation: u64,
    /// Random: tells apart those of one generation.
    id: u64,
}

/// How far a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// It holds whatever it holds, and needs a copy.
    Unknown,
    /// It has so many statements of a copy.
    Copying(usize),
    /// It has executed the primary's writes up to this number.
    Write(u64),
}

impl Place {
    /// Whether the write of this number is the next.
    fn is_before(self, number: u64) -> bool {
        matches!(self, Place::Write(done) if done.checked_add(1) == Some(number))
    }
}

/// A node. See the module's documentation.
pub struct AsyncPrimary {
    me: Machine,
    /// Whom it takes for the primary: perhaps itself.
    primary: Option<Machine>,
    /// The time of that primary.
    reign: Reign,
    /// When the primary was last heard of.
    heard: Duration,
    /// How far it is as a replica.
    place: Place,
    /// The last writes of its own reign, by their number.
    writes: BTreeMap<u64, Batch>,
    /// How many there were.
    count: u64,
}

impl Design for AsyncPrimary {
    type Say = Say;

    fn new(node: &mut Node) -> Self {
        AsyncPrimary {
            me: node.me,
            primary: None,
            reign: Reign::default(),
            heard: node.now(),
            place: Place::Unknown,
            writes: BTreeMap::new(),
            count: 0,
        }
    }

    fn leader(&self) -> Option<Machine> {
        self.primary
    }

    /// Announces itself if it is the primary, and takes over if that has been silent for too long.
    fn wake(&mut self, node: &mut Node) {
        if !self.leads() && node.now() - self.heard >= self.patience(node) {
            self.primary = Some(self.me);
            self.reign = Reign { generation: self.reign.generation.saturating_add(1), id: node.draw() };
            (self.writes, self.count) = (BTreeMap::new(), 0);
        }
        if self.leads() {
            node.tell_all(&Say::Primary(self.reign));
        }
    }

    fn hear(&mut self, node: &mut Node, from: Machine, say: Say) {
        match say {
            Say::Primary(reign) if reign >= self.reign => {
                if reign > self.reign {
                    (self.primary, self.reign, self.place) = (Some(from), reign, Place::Unknown);
                }
                self.heard = node.now();
                node.tell(from, &Say::Reached(reign, self.place));
            }
            Say::Reached(reign, place) if reign == self.reign && self.leads() => {
                let missing = self.missing(&node.database, place);
                missing.iter().for_each(|say| node.tell(from, say));
            }
            Say::Write { reign, number, batch } if reign == self.reign && self.place.is_before(number) => {
                if node.execute(&batch).is_some() {
                    self.place = Place::Write(number);
                }
            }
            Say::Copy { reign, from: place, batch, to } if reign == self.reign && place == self.place => {
                let fits =
                    table_copy::put(&node.database, &batch, !matches!(place, Place::Copying(_))).unwrap_or(false);
                self.place = if fits { to } else { Place::Unknown };
                // Of a copy that does not fit together another one is asked for when the primary announces itself again.
                if fits {
                    node.tell(from, &Say::Reached(reign, to));
                }
            }
            // It comes too late, or too early.
            Say::Primary(_) | Say::Reached(..) | Say::Write { .. } | Say::Copy { .. } => {}
        }
    }

    /// Answers, and ships a write.
    fn executed(&mut self, node: &mut Node, Executed { id, batch, write, results }: Executed) {
        if write {
            self.count += 1;
            self.writes.insert(self.count, batch.clone());
            self.writes.retain(|number, _| number + KEPT > self.count);
            node.tell_all(&Say::Write { reign: self.reign, number: self.count, batch });
        }
        node.answer(id, self.count, results);
    }

    fn words(say: &Say) -> String {
        match say {
            Say::Primary(reign) => format!("I am the primary of generation {}", reign.generation),
            Say::Reached(_, place) => format!("I am at {place:?}"),
            Say::Write { number, batch, .. } => format!("execute {number}: {}", sql(batch)),
            Say::Copy { batch, to, .. } => format!("a copy up to {to:?}: {}", sql(batch)),
        }
    }
}

impl AsyncPrimary {
    fn leads(&self) -> bool {
        self.primary == Some(self.me)
    }

    /// How long a primary may be silent: the next node in the list has the least patience.
    fn patience(&self, node: &Node) -> Duration {
        let nodes = node.others.len() as u32 + 1;
        let last = self.primary.map_or(nodes - 1, |primary| primary.0);
        DEAD * ((self.me.0 + nodes - last - 1) % nodes + 1)
    }

    /// What a replica at this place lacks: all later writes if they are still kept, otherwise a piece of a copy.
    fn missing(&self, database: &Connection, place: Place) -> Vec<Say> {
        let reign = self.reign;
        if place == Place::Write(self.count) {
            return Vec::new();
        }
        if let Some((first, _)) = self.writes.iter().find(|(number, _)| place.is_before(**number)) {
            let write = |(number, batch): (&u64, &Batch)| Say::Write { reign, number: *number, batch: batch.clone() };
            return self.writes.range(first..).map(write).collect();
        }
        self.piece(database, place).into_iter().collect()
    }

    /// The next piece of a copy for a replica at this place.
    fn piece(&self, database: &Connection, place: Place) -> Option<Say> {
        let begin = if let Place::Copying(statements) = place { statements } else { 0 };
        let statements = table_copy::statements(database, begin, PIECE).ok()?;
        let to = match statements.len() {
            PIECE => Place::Copying(begin.saturating_add(PIECE)),
            _ => Place::Write(self.count),
        };
        let batch = Batch { statements, atomic: true };
        Some(Say::Copy { reign: self.reign, from: place, batch, to })
    }
}
