//! What is under test.
//!
//! A [`System`] boots a node on a host, answers requests of [`lockstep_node::api`], and says where its database is. Verdicts
//! that trust nothing the nodes claim need no more; the others are for systems that report events.
//!
//! Beside [`lockstep`] stand three designs that look right and are not: [`statement_shipping`], [`bully`] and
//! [`async_primary`]. What they share is in [`naive`], so that each file is the design and little else.

pub mod async_primary;
pub mod bully;
pub mod lockstep;
pub mod naive;
pub mod plain_sqlite;
pub mod statement_shipping;
mod table_copy;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use lockstep_node::host::SqliteVfs;
use lockstep_node::raft::Position;
use lockstep_node::sqlite::Digest;
use lockstep_node::state_machine::Command;

use crate::disk::Durable;
use crate::scenario::model::Cluster;
use crate::world::SimHost;

/// The systems that come with the testbed, the one that people mean first.
pub const ALL: &[&dyn System] =
    &[&lockstep::LOCKSTEP, &statement_shipping::STATEMENT_SHIPPING, &bully::BULLY, &async_primary::ASYNC_PRIMARY];

/// The kinds of datagrams that each of some systems tells apart.
pub fn kinds(systems: &[&'static dyn System]) -> Vec<(&'static str, &'static [&'static str])> {
    systems.iter().map(|system| (system.name(), system.kinds())).collect()
}

/// Code of a system that runs in turns.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An entry of a system's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Where it stands.
    pub position: Position,
    /// What it holds; [`System::request`] can read it.
    pub payload: Bytes,
}

/// What a node's next boot would find in its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DurableLog {
    /// The log begins after this entry: all up to it is in the database, durably.
    pub base: Position,
    /// The entries, without gaps.
    pub entries: Vec<Logged>,
}

/// What a database says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reopened {
    /// The last index that it executed.
    pub applied: u64,
    /// The digest of its contents.
    pub digest: Digest,
}

/// A replicated database that can be put under scenarios.
pub trait System: Sync {
    /// What people call it: `lockstep`.
    fn name(&self) -> &'static str;

    /// Makes the machines' disks ready for a new cluster. Each host is the first boot of one machine, which ends when the
    /// future is done.
    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running;

    /// One boot of a node: runs until the host says that the boot is over. The host may be used in the future only: the
    /// world waits while this function itself runs.
    fn boot(&self, host: SimHost, cluster: &Cluster) -> Running;

    /// The file that holds a node's database now, of the files on its disk.
    fn database(&self, files: &[String]) -> Option<String>;

    /// The entries that a node's next boot would find in its log if power were lost now, or why it could not boot. `None` for
    /// a system without a log.
    fn durable_log(&self, _: &mut Durable) -> Option<Result<DurableLog, String>> {
        None
    }

    /// Opens a node's database as its next boot would: what it holds, once its contents are found to be what it says. The
    /// machine has just lost power. `None` for a system whose databases do not know what they hold.
    fn reopen(&self, _: &SqliteVfs, _file: &str) -> Option<Result<Reopened, String>> {
        None
    }

    /// What a client asked, and all that its execution depends on, if an entry of the log is that. `None` for every entry
    /// means that the log cannot be executed again beside the nodes.
    fn request(&self, _: &Logged) -> Option<Command> {
        None
    }

    /// A datagram between two nodes in words, for people who look at a run.
    fn describe(&self, datagram: &[u8]) -> String {
        format!("{} bytes", datagram.len())
    }

    /// The kinds of its datagrams, for scenarios that drop or delay some of them.
    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    /// Of which of its kinds a datagram is. `None` for one that is of none.
    fn kind(&self, _: &[u8]) -> Option<&'static str> {
        None
    }

    /// Whether its nodes report the events of [`lockstep_node::event`], which white-box verdicts are made of.
    fn reports_events(&self) -> bool;
}
