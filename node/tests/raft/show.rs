//! What the scripts show, a fact a line.

use lockstep_node::raft::{
    Batch, Body, Effects, Entry, EntryKind, HardState, Index, Message, NodeId, Note, Position, ProposeError, ReadError,
    ReadId, Role, TransferError,
};

/// A message as scripts show it: its name, the term, and what it carries.
pub fn show(message: &Message) -> String {
    let Message { term, body } = message;
    match body {
        Body::PreVote { last, round } => format!("PreVote term={term} last={last} round={round}"),
        Body::PreVoteReply { granted, round } => {
            format!("PreVoteReply term={term} {} round={round}", show_grant(*granted))
        }
        Body::Vote { last, told } => format!("Vote term={term} last={last}{}", if *told { " told" } else { "" }),
        Body::VoteReply { granted } => format!("VoteReply term={term} {}", show_grant(*granted)),
        Body::Append { previous, entries, commit } => {
            format!("Append term={term} previous={previous} entries={} commit={commit}", show_entries(entries))
        }
        Body::Appended { matched } => format!("Appended term={term} matched={matched}"),
        Body::Rejected { previous, hint } => format!("Rejected term={term} previous={previous} hint={hint}"),
        Body::Heartbeat { commit } => format!("Heartbeat term={term} commit={commit}"),
        Body::NeedsCopy => format!("NeedsCopy term={term}"),
        Body::HeartbeatReply => format!("HeartbeatReply term={term}"),
        Body::Confirm { round } => format!("Confirm term={term} round={round}"),
        Body::Confirmed { round } => format!("Confirmed term={term} round={round}"),
        Body::ReadIndex { number } => format!("ReadIndex term={term} number={number}"),
        Body::ReadIndexReply { number, index: Some(index) } => {
            format!("ReadIndexReply term={term} number={number} index={index}")
        }
        Body::ReadIndexReply { number, index: None } => format!("ReadIndexReply term={term} number={number}"),
        Body::Campaign => format!("Campaign term={term}"),
    }
}

fn show_grant(granted: bool) -> &'static str {
    if granted { "granted" } else { "refused" }
}

pub fn show_entries(entries: &[Entry]) -> String {
    let shown: Vec<String> = entries
        .iter()
        .map(|entry| match entry.payload.is_empty() || entry.kind != EntryKind::Data {
            true => entry.position().to_string(),
            false => format!("{}:{}", entry.position(), String::from_utf8_lossy(&entry.payload)),
        })
        .collect();
    format!("[{}]", shown.join(" "))
}

pub fn show_batch(id: NodeId, effects: &Effects) -> String {
    let Batch(batch) = effects.batch;
    let mut line = format!("n{} waits for batch {batch}:", id.0);
    if let Some(HardState { term, vote }) = effects.hard_state {
        line += &format!(" term={term} vote={}", vote.map_or("none".into(), |vote| format!("n{}", vote.0)));
    }
    if let Some(from) = effects.truncate_from {
        line += &format!(" cut from {from}");
    }
    if !effects.append.is_empty() {
        line += &format!(" append {}", show_entries(&effects.append));
    }
    line
}

pub fn show_note(NodeId(id): NodeId, note: &Note) -> String {
    match note {
        Note::Role { role: Role::Follower, term } => format!("n{id} is a follower in term {term}"),
        Note::Role { role: Role::PreCandidate, term } => format!("n{id} asks for pre-votes in term {term}"),
        Note::Role { role: Role::Candidate, term } => format!("n{id} campaigns in term {term}"),
        Note::Role { role: Role::Leader, term } => format!("n{id} leads term {term}"),
        Note::Follows { leader, term } => format!("n{id} follows n{} in term {term}", leader.0),
        Note::RemovesDead { member, silence } => format!("n{id} removes n{}, silent for {silence} ticks", member.0),
        Note::Committed { index } => format!("n{id} commits up to {index}"),
    }
}

pub fn show_proposal(NodeId(id): NodeId, payload: &str, answer: &Result<Position, ProposeError>) -> String {
    match answer {
        Ok(position) => format!("n{id} takes {payload} as {position}"),
        Err(ProposeError::Busy) => format!("n{id} refuses {payload}: busy"),
        Err(ProposeError::NotLeader { leader: None }) => format!("n{id} refuses {payload}: it does not lead"),
        Err(ProposeError::NotLeader { leader: Some(leader) }) => {
            format!("n{id} refuses {payload}: n{} leads", leader.0)
        }
        Err(ProposeError::Transferring) => format!("n{id} refuses {payload}: it hands leadership over"),
        Err(ProposeError::Change(error)) => format!("n{id} refuses {payload}: {error:?}"),
    }
}

pub fn show_read(NodeId(id): NodeId, ReadId(read): ReadId, answer: &Result<Index, ReadError>) -> String {
    match answer {
        Ok(index) => format!("n{id} may serve read {read} when it has applied {index}"),
        Err(error) => format!("n{id} refuses read {read}: {error:?}"),
    }
}

pub fn show_transfer(NodeId(id): NodeId, answer: &Result<(), TransferError>) -> String {
    match answer {
        Ok(()) => format!("n{id} has handed leadership over"),
        Err(error) => format!("n{id} keeps leadership where it is: {error:?}"),
    }
}
