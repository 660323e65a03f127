//! Everything that happened, one line an event.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use lockstep_node::event::Event;
use lockstep_node::raft::{Configuration, NodeId};

use crate::record::{Detail, Down, Machine, Phase, Recorded, What};

/// The families of lines.
pub const FAMILIES: &[&str] = &["client", "disk", "fault", "log", "network", "raft", "sqlite", "world"];

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Duration,
    /// Where.
    pub machine: Option<Machine>,
    /// One of [`FAMILIES`].
    pub family: &'static str,
    /// What.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.machine.map(|machine| machine.to_string()).unwrap_or_default();
        write!(f, "{:>10.6}s  {machine:>3}  {:<7}  {}", self.at.as_secs_f64(), self.family, self.text)
    }
}

/// The line of a record.
pub fn line(recorded: &Recorded) -> Line {
    described(recorded, &|datagram| format!("{} bytes", datagram.len()))
}

/// The line of a record. `describe` puts a datagram into words.
pub fn described(recorded: &Recorded, describe: &dyn Fn(&[u8]) -> String) -> Line {
    let (machine, family, text) = match &recorded.what {
        What::Node(machine, event) => {
            let (family, text) = node(event);
            (Some(*machine), family, text)
        }
        What::Fault(fault) => (None, "fault", fault.text.clone()),
        What::Down(machine, down) => (Some(*machine), "world", self::down(down)),
        What::Up(machine) => (Some(*machine), "world", "starts".into()),
        What::Wiped(machine) => (Some(*machine), "disk", "is empty now".into()),
        What::Acknowledged { client, index } => (None, "client", format!("client {client} is told index {index}")),
        What::Late(late) => (Some(late.machine), "client", late.to_string()),
        What::Phase(phase) => (None, "world", self::phase(*phase).into()),
        What::Detail(Detail::Sent { from, to, bytes, takes }) => {
            (Some(*from), "network", format!("to {to}{}: {}", fate(takes), describe(bytes)))
        }
        What::Detail(Detail::Disk(machine, call)) => (Some(*machine), "disk", call.clone()),
    };
    Line { at: recorded.at, machine, family, text }
}

/// What becomes of a datagram.
fn fate(takes: &[Duration]) -> String {
    let milliseconds = |time: &Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    match takes {
        [] => " (lost)".into(),
        [time] => format!(" in {}", milliseconds(time)),
        [first, .., last] => format!(" in {}, and again in {}", milliseconds(first), milliseconds(last)),
    }
}

fn node(event: &Event) -> (&'static str, String) {
    match event {
        Event::Booted { id, epoch, term, last, applied } => {
            ("world", format!("boot {epoch} of node {id}: term {term}, log to {last}, executed to {applied}"))
        }
        Event::Role { role, term } => ("raft", format!("{role:?} of term {term}").to_lowercase()),
        Event::Follows { leader, term } => ("raft", format!("follows node {leader} in term {term}")),
        Event::Voted { candidate, term } => ("raft", format!("votes for node {candidate} in term {term}")),
        Event::Appended { index, term, chain } => {
            ("log", format!("appends index {index} of term {term}, chain {chain:016x}"))
        }
        Event::Truncated { from } => ("log", format!("cuts its log from index {from} on")),
        Event::Members { index, configuration } => {
            ("raft", format!("by index {index} the members are {}", members(configuration)))
        }
        Event::RemovesDead { member, address, silence } => {
            ("raft", format!("removes node {member} at {address}, of which it heard nothing for {silence:?}"))
        }
        Event::Persisted { index } => ("log", format!("durable to index {index}")),
        Event::Committed { index } => ("raft", format!("committed to index {index}")),
        Event::Applied { index, term, digest, .. } => {
            ("sqlite", format!("executes index {index} of term {term}, digest {digest}"))
        }
        Event::SessionExpired { index } => ("sqlite", format!("refuses index {index}: its session has expired")),
        Event::SessionsRemoved { index } => ("sqlite", format!("removes expired sessions at index {index}")),
        Event::Forwarded { to } => ("client", format!("passes a request on to {to}")),
        Event::Checkpointed { durable: Some(index) } => ("sqlite", format!("checkpoint, durable to index {index}")),
        Event::Checkpointed { durable: None } => ("sqlite", "checkpoint".into()),
        Event::Compacted { to } => ("log", format!("forgets all up to index {to}")),
        Event::Copied { at } => ("sqlite", format!("copied the database as of index {at} for others")),
        Event::ChunkReceived { bytes } => ("sqlite", format!("has {bytes} bytes of a copy")),
        Event::CopyDiscarded { why } => ("sqlite", format!("discards a copy: {why}")),
        Event::Installed { at, last, .. } => {
            ("sqlite", format!("takes up a copy as of index {at}; the log ends at {last}"))
        }
        Event::Corrupt { what } => ("log", format!("finds the log corrupt: {what}")),
        Event::Recovered => ("log", "holds again what it may have acknowledged".to_owned()),
        Event::TornTail { from } => ("log", format!("trims a torn tail from index {from} on")),
        Event::OtherBuild { peer, fingerprint } => {
            ("network", format!("drops what node {peer} says, whose build is {fingerprint}"))
        }
        Event::Stopped { reason } => ("world", format!("stops: {reason}")),
    }
}

/// Who takes part, in words: `n1 n2 n3, learner n4`.
pub(super) fn members(configuration: &Configuration) -> String {
    let mut text = listed(&configuration.voters);
    if configuration.is_joint() {
        text = format!("{} and {text} jointly", listed(&configuration.outgoing));
    }
    if !configuration.learners.is_empty() {
        text += &format!(", learning {}", listed(&configuration.learners));
    }
    text
}

fn listed(nodes: &BTreeMap<NodeId, String>) -> String {
    // Nodes are known by ids that are drawn; people know them by their addresses.
    let addresses: BTreeSet<&str> = nodes.values().map(String::as_str).collect();
    addresses.into_iter().collect::<Vec<_>>().join(" ")
}

/// Why a process ended, in words.
pub(super) fn down(down: &Down) -> String {
    match down {
        Down::Killed => "killed".into(),
        Down::PowerCut { kept: 0, lost: 0, torn: 0 } => "loses power; all it had written was synced".into(),
        Down::PowerCut { kept, lost, torn } => {
            format!("loses power; unsynced writes: {kept} kept, {lost} lost, {torn} torn")
        }
        Down::Stopped(reason) => format!("stopped: {reason}"),
        Down::Panicked(message) => format!("panicked: {message}"),
    }
}

/// A phase in words.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Setup => "setup",
        Phase::Faults => "clients begin",
        Phase::Core => "heal the core",
        Phase::Settle => "heal",
        Phase::Inspect => "inspect replicas",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::lead;

    #[test]
    fn a_line_says_when_where_and_what() {
        let line = line(&lead(1, 4));
        assert!(FAMILIES.contains(&line.family));
        assert_eq!(line.to_string(), "  1.000000s   n2  raft     leader of term 4");
    }

    #[test]
    fn a_power_cut_of_a_quiet_machine_counts_nothing() {
        assert_eq!(down(&Down::PowerCut { kept: 0, lost: 0, torn: 0 }), "loses power; all it had written was synced");
        let some = down(&Down::PowerCut { kept: 1, lost: 0, torn: 2 });
        assert_eq!(some, "loses power; unsynced writes: 1 kept, 0 lost, 2 torn");
    }
}
