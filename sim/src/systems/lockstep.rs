//! Lockstep itself: the node of `lockstep-node`, unchanged.

use lockstep_node::host::SqliteVfs;
use lockstep_node::log_store::{self, BootError, ClusterId, Peeked};
use lockstep_node::raft::{Body, Configuration, Correct, Entry, EntryKind, Index, Message, Position, Rules, Term};
use lockstep_node::replica::{self, Options};
use lockstep_node::sqlite::limits::Limits;
use lockstep_node::state_machine::{Command, StateMachine};
use lockstep_node::wire::{self, Chunk, Content, Part, Peer};

use super::{DurableLog, Logged, Reopened, Running, System};
use crate::disk::Durable;
use crate::scenario::model::Cluster;
use crate::world::SimHost;

/// Lockstep with the rules that `R` breaks: none for [`Correct`].
pub struct Lockstep<R: Rules> {
    name: &'static str,
    rules: R,
}

/// Lockstep as it is meant to be.
pub static LOCKSTEP: Lockstep<Correct> = Lockstep::new("lockstep", Correct);

impl<R: Rules> Lockstep<R> {
    /// A system of this name whose nodes follow these rules.
    pub const fn new(name: &'static str, rules: R) -> Self {
        Lockstep { name, rules }
    }
}

impl<R: Rules + Sync> System for Lockstep<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        Box::pin(found(hosts, cluster.sql))
    }

    fn boot(&self, mut host: SimHost, cluster: &Cluster) -> Running {
        let mut options = options(cluster);
        let rules = self.rules.clone();
        Box::pin(async move {
            // A machine that joins has an empty disk. Where that of another one is, it holds a node already.
            if let Err(BootError::Dead) = log_store::format(&mut host).await {
                return;
            }
            // As a server does, it takes connections before it has read its disk.
            host.listen();
            options.answer = host.answer_limit();
            // Why it stopped is recorded as an event.
            let _stop = replica::run(&mut host, options, rules).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        let is_database =
            |file: &&String| file.starts_with("db-") && !file.ends_with("-wal") && !file.ends_with("-shm");
        // The newest generation.
        files.iter().filter(is_database).max_by_key(|file| file["db-".len()..].parse::<u64>().ok()).cloned()
    }

    fn durable_log(&self, disk: &mut Durable) -> Option<Result<DurableLog, String>> {
        let logged = |entry: Entry| Logged { position: entry.position(), payload: entry.payload };
        Some(match log_store::peek(disk) {
            Ok(Peeked { corruption: Some(corruption), .. }) => Err(corruption.to_string()),
            Ok(Peeked { superblock, entries, .. }) => {
                let base = Position { term: superblock.base.term, index: superblock.base.index };
                Ok(DurableLog { base, entries: entries.into_iter().map(logged).collect() })
            }
            Err(error) => Err(error.to_string()),
        })
    }

    fn reopen(&self, vfs: &SqliteVfs, file: &str) -> Option<Result<Reopened, String>> {
        let machine = StateMachine::open(vfs, file, self.rules.clone());
        let found = machine.and_then(|machine| {
            machine.verify()?;
            Ok(Reopened { applied: machine.applied().index.0, digest: machine.digest() })
        });
        Some(found.map_err(|error| error.to_string()))
    }

    fn request(&self, entry: &Logged) -> Option<Command> {
        // Entries of other kinds are no commands, nor empty.
        Command::decode(&entry.payload).ok()
    }

    fn describe(&self, datagram: &[u8]) -> String {
        match wire::decode::<Peer>(datagram) {
            Ok(Peer { content: Content::Raft(message), .. }) => words(&message),
            Ok(Peer { content: Content::Copy(part), .. }) => part_words(&part),
            Ok(Peer { content: Content::Greeting, from_epoch, .. }) => format!("this is my boot {from_epoch}"),
            Err(malformed) => malformed.to_string(),
        }
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn kind(&self, datagram: &[u8]) -> Option<&'static str> {
        let Peer { content, .. } = wire::decode(datagram).ok()?;
        Some(match content {
            Content::Greeting => "greeting",
            Content::Raft(message) => kind(&message.body),
            Content::Copy(Part::Chunk(_)) => "copy-chunk",
            Content::Copy(Part::Received { .. }) => "copy-reply",
            Content::Copy(Part::Ended { .. }) => "copy-end",
        })
    }

    fn reports_events(&self) -> bool {
        true
    }
}

/// What [`kind`] returns, and the greeting of a new boot.
const KINDS: &[&str] = &[
    "pre-vote",
    "pre-vote-reply",
    "vote",
    "vote-reply",
    "append",
    "append-reply",
    "append-rejection",
    "needs-copy",
    "heartbeat",
    "heartbeat-reply",
    "confirm",
    "confirm-reply",
    "read-index",
    "read-index-reply",
    "campaign",
    "copy-chunk",
    "copy-reply",
    "copy-end",
    "greeting",
];

/// The kind of a message.
fn kind(body: &Body) -> &'static str {
    match body {
        Body::PreVote { .. } => "pre-vote",
        Body::PreVoteReply { .. } => "pre-vote-reply",
        Body::Vote { .. } => "vote",
        Body::VoteReply { .. } => "vote-reply",
        Body::Append { .. } => "append",
        Body::Appended { .. } => "append-reply",
        Body::Rejected { .. } => "append-rejection",
        Body::NeedsCopy => "needs-copy",
        Body::Heartbeat { .. } => "heartbeat",
        Body::HeartbeatReply => "heartbeat-reply",
        Body::Confirm { .. } => "confirm",
        Body::Confirmed { .. } => "confirm-reply",
        Body::ReadIndex { .. } => "read-index",
        Body::ReadIndexReply { .. } => "read-index-reply",
        Body::Campaign => "campaign",
    }
}

/// A message in words.
fn words(message: &Message) -> String {
    let term = message.term;
    let text = match &message.body {
        Body::PreVote { last, .. } => format!("would you vote for me? log to {last}"),
        Body::PreVoteReply { granted, .. } => format!("would {}vote for you", if *granted { "" } else { "not " }),
        Body::Vote { last, told: false } => format!("vote for me, log to {last}"),
        Body::Vote { last, told: true } => format!("vote for me as the leader wishes, log to {last}"),
        Body::VoteReply { granted } => format!("{} my vote", if *granted { "you have" } else { "you do not have" }),
        Body::Append { previous, entries, commit } => {
            let what = match entries.as_slice() {
                [] => "nothing".to_owned(),
                [one] => one.index.to_string(),
                [first, .., last] => format!("{} to {}", first.index, last.index),
            };
            format!("append {what} after {previous}, committed to {commit}")
        }
        Body::Appended { matched } => format!("have it durable to {matched}"),
        Body::Rejected { previous, hint } => format!("nothing fits after {previous}, go back to {hint}"),
        Body::NeedsCopy => "I need a copy of the database".to_owned(),
        Body::Heartbeat { commit } => format!("heartbeat, committed to {commit}"),
        Body::HeartbeatReply => "heartbeat heard".to_owned(),
        Body::Confirm { round } => format!("do I still lead? round {round}"),
        Body::Confirmed { round } => format!("you lead, round {round}"),
        Body::ReadIndex { number } => format!("what is committed? question {number}"),
        Body::ReadIndexReply { number, index: Some(index) } => format!("committed to {index}, question {number}"),
        Body::ReadIndexReply { number, index: None } => format!("cannot tell yet what is committed, question {number}"),
        Body::Campaign => "campaign now".to_owned(),
    };
    format!("{text} (term {term})")
}

/// A part of a copy of the database in words.
fn part_words(part: &Part) -> String {
    match part {
        Part::Chunk(Chunk { copy, at, offset, bytes, checksum, .. }) => {
            let last = if checksum.is_some() { ", the last" } else { "" };
            format!("copy {copy} as of {at}: {} bytes from {offset} on{last}", bytes.len())
        }
        Part::Received { copy, offset } => format!("have {offset} bytes of copy {copy}"),
        Part::Ended { copy } => format!("need no more of copy {copy}"),
    }
}

/// Formats every disk, then gives all founders the same first entry.
async fn found(mut hosts: Vec<SimHost>, limits: Limits) {
    let mut configuration = Configuration { settings: limits.encode(), ..Configuration::default() };
    for host in &mut hosts {
        let id = log_store::format(host)
            .await
            .unwrap_or_else(|error| panic!("{} cannot be formatted: {error}", host.label()));
        configuration.voters.insert(id, host.label());
    }
    let first =
        Entry { index: Index(1), term: Term(0), kind: EntryKind::Configuration, payload: configuration.encode() };
    for host in &mut hosts {
        let bootstrapped = log_store::bootstrap(host, ClusterId(1), &first).await;
        bootstrapped.unwrap_or_else(|error| panic!("{} cannot be bootstrapped: {error}", host.label()));
    }
}

/// Small pages, small segments and frequent checkpoints: a short run then exercises them, and costs less.
fn options(cluster: &Cluster) -> Options {
    Options {
        election_min: cluster.raft.election.0,
        election_max: cluster.raft.election.1,
        heartbeat: cluster.raft.heartbeat,
        lease: cluster.raft.lease,
        remove_dead_after: cluster.raft.remove_dead_after,
        session_entries: cluster.session_lifetime,
        checkpoint_frames: 100,
        page_bytes: 1024,
        segment_bytes_max: 128 << 10,
        compact_every: cluster.raft.compact_every.unwrap_or(u64::MAX),
        compact_keep: cluster.raft.compact_every.map_or(0, |entries| entries / 4),
        copy_pages: 8,
        copy_chunk_bytes: 2 << 10,
        copy_patience: cluster.raft.election.0,
        read_instructions_max: 500_000,
        ..Options::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use lockstep_node::host::Work;
    use rusqlite::ffi;

    use super::*;
    use crate::report::failure;
    use crate::run::Run;
    use crate::scenario::{Known, Origin, parse};
    use crate::simulate::{Options, simulate};

    /// Lockstep on disks that fail the first read of every boot that is made beside the log, with this code.
    struct FailsToRead(i32);

    impl System for FailsToRead {
        fn name(&self) -> &'static str {
            "fails-to-read"
        }

        fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
            LOCKSTEP.found(hosts, cluster)
        }

        fn boot(&self, host: SimHost, cluster: &Cluster) -> Running {
            host.device().inject_read_error(Work::Read, self.0);
            LOCKSTEP.boot(host, cluster)
        }

        fn database(&self, files: &[String]) -> Option<String> {
            LOCKSTEP.database(files)
        }

        fn reports_events(&self) -> bool {
            true
        }
    }

    fn run(system: &dyn System) -> Run {
        let source = "workload = [{ kind = \"counter\", ops = 60, reads = \"50%\", level = \"linearizable\" }]";
        let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
        let known = Known { systems: &["lockstep"], properties: &[], kinds: &[] };
        let scenario = parse(source, &origin, &known).unwrap_or_else(|report| panic!("{}", report.render(false)));
        simulate(system, &Arc::new(scenario), 1, &Options::default())
    }

    fn sent_again(run: &Run) -> usize {
        run.evidence.history.operations.iter().filter(|operation| operation.attempts > 1).count()
    }

    #[test]
    fn a_read_that_fails_is_asked_again_and_its_node_goes_on() {
        let (fails, sound) = (run(&FailsToRead(ffi::SQLITE_IOERR_READ)), run(&LOCKSTEP));
        assert_eq!(failure(&fails), None);
        assert!(sent_again(&fails) > sent_again(&sound), "no read failed");
    }

    #[test]
    fn a_read_that_finds_the_file_damaged_ends_the_node() {
        let run = run(&FailsToRead(ffi::SQLITE_IOERR_CORRUPTFS));
        let (_, violation) = failure(&run).expect("a node has stopped");
        let told = &violation.summary;
        assert!(told.contains("stopped by itself") && told.contains("SQLite code 8458"), "{told}");
    }
}
