//! The marks that a run can reach: what `when = { mark = … }` waits for and `expect.sometimes` asks for.

/// The name of each mark, and when it is reached.
pub const MARKS: &[(&str, &str)] = &[
    ("leader.elected", "a node became leader"),
    ("leader.changed", "a node became leader that did not lead before it"),
    ("leader.stepped-down", "a leader went back to follower"),
    ("election.started", "a node became a candidate: it asks the others for their votes"),
    ("leader.followed", "a node learned who leads"),
    ("vote.granted", "a node's vote left for a candidate, itself included"),
    ("log.appended", "a node wrote an entry to its log"),
    ("log.truncated", "a node cut entries off its log that a leader contradicted"),
    ("log.torn-tail", "a node found the tail of its log torn at boot and trimmed it"),
    ("log.corrupt", "a node found a part of its log corrupt that had been durable"),
    ("log.recovered", "such a node holds again what it may have acknowledged"),
    ("log.compacted", "a node's log forgot what its database holds durably"),
    ("snapshot.copied", "a node completed a copy of its database for another one"),
    ("snapshot.chunk.received", "a node wrote a chunk of such a copy to its disk"),
    ("snapshot.installed", "a node took up a copy as its own database"),
    ("snapshot.discarded", "a node discarded a copy that it had received"),
    ("log.synced", "a sync of a node's log completed"),
    ("entry.committed", "a node learned that an entry is committed"),
    ("entry.applied", "a node executed an entry and committed its effects"),
    ("session.expired", "a node did not execute a request, since its client's session had expired"),
    ("session.removed", "a node removed expired sessions as another one was opened"),
    ("database.checkpointed", "SQLite's write-ahead log was copied into the database file"),
    ("node.booted", "a node read its disk and began to take part"),
    ("node.restarted", "a node booted again after it was down"),
    ("node.stopped", "a node stopped by its own decision"),
    ("members.changed", "a node appended another configuration, or cut one off its log"),
    ("members.joint", "that configuration is joint: decisions need a majority of the old voters and one of the new"),
    ("members.dead-removed", "a leader began to remove a member of which it had heard nothing for `remove_dead_after`"),
    ("request.forwarded", "a node passed a client's request on to the leader"),
];

/// The names alone.
pub fn names() -> Vec<&'static str> {
    MARKS.iter().map(|(name, _)| *name).collect()
}
