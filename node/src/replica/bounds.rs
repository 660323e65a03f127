//! What a request may be, whatever the state of the cluster: checked before anything is done about it.
//!
//! **Invariant:** whatever passes here can be passed on to the leader, written to the log, sent to every peer and answered,
//! and each of those fits one frame. A request that exceeds a limit is refused with that limit.

use crate::api::{Command, Member, MemberChange, Request, SessionSequence};
use crate::wire;

/// The most statements of one request. Each has a result, and the answer must fit a frame.
const STATEMENTS_MAX: usize = 10_000;

/// The greatest sequence number in a session. SQLite's integers are signed.
const SEQUENCE_MAX: u64 = i64::MAX as u64;

/// The most changes of the membership in one request.
const CHANGES_MAX: usize = 64;

/// The longest address in bytes. A host name has 253 at most.
const ADDRESS_BYTES_MAX: usize = 260;

/// The most members that a change may lead to. Each is in every configuration and in every list of members.
pub(super) const MEMBERS_MAX: usize = 64;

/// Checks the encoded length of a request, before it is decoded.
///
/// # Errors
/// The refusal.
pub(super) fn readable(bytes: usize, bytes_max: usize) -> Result<(), String> {
    let bytes_max = bytes_max.min(wire::PAYLOAD_BYTES_MAX);
    within("the request is too long", "bytes", bytes, bytes_max, "split it into several requests")
}

/// Whether a request can be taken on.
///
/// # Errors
/// The refusal.
pub(super) fn acceptable(request: &Request) -> Result<(), String> {
    if let Some(SessionSequence { sequence, done_below, .. }) = request.session {
        if !(1..=SEQUENCE_MAX).contains(&sequence) {
            return Err(format!("the sequence number {sequence} is impossible; count requests from 1"));
        }
        if done_below > sequence {
            return Err(format!("the request {sequence} says that it is not asked for: done_below is {done_below}"));
        }
    }
    match (&request.command, request.session) {
        (Command::Register, Some(_)) => Err("a session is registered without being in one".into()),
        (Command::Members | Command::Change(_) | Command::Transfer(_), Some(_)) => {
            Err("what concerns the members is asked without a session".into())
        }
        (Command::Register | Command::Members, None) => Ok(()),
        (Command::Change(changes), None) => acceptable_changes(changes),
        (Command::Transfer(to), None) => acceptable_member(to),
        (Command::Execute(batch) | Command::Query(batch, _), _) => match batch.statements.len() {
            0 => Err("the request holds no statement; send at least one".into()),
            count => within("too many statements", "statements", count, STATEMENTS_MAX, "split the request"),
        },
    }
}

fn acceptable_changes(changes: &[MemberChange]) -> Result<(), String> {
    within("too many changes of the members", "changes", changes.len(), CHANGES_MAX, "make some of them first")?;
    changes.iter().try_for_each(|change| match change {
        MemberChange::AddLearner { address, .. } => acceptable_address(address),
        MemberChange::Promote(member) | MemberChange::Remove(member) => acceptable_member(member),
    })
}

fn acceptable_member(member: &Member) -> Result<(), String> {
    match member {
        Member::Id(_) => Ok(()),
        Member::Address(address) => acceptable_address(address),
    }
}

fn acceptable_address(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Err("the address of a node is empty; say where the others reach it".into());
    }
    let remedy = "give a host name or an IP address, and a port";
    within("the address of a node is too long", "bytes", address.len(), ADDRESS_BYTES_MAX, remedy)
}

/// What was wrong, the limit, the remedy.
fn within(wrong: &str, unit: &str, count: usize, limit: usize, remedy: &str) -> Result<(), String> {
    if count <= limit {
        return Ok(());
    }
    Err(format!("{wrong}: {count} {unit} (limit {limit}); {remedy}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use crate::api::{Batch, Reply, Response, SqlError, Statement, Value};
    use crate::log_store::ClusterId;
    use crate::raft::{Body, Configuration, Entry, EntryKind, Index, Message, NodeId, Position, Term};
    use crate::sqlite::Digest;
    use crate::state_machine;
    use crate::wire::{Asked, Content, FRAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Peer};

    fn without_session(command: Command) -> Request {
        Request { session: None, command }
    }

    fn batch(statements: Vec<Statement>) -> Batch {
        Batch { statements, atomic: true }
    }

    /// The longest frame that holds one entry with this payload.
    fn append(kind: EntryKind, payload: Bytes) -> Bytes {
        let most = Position { term: Term(u64::MAX), index: Index(u64::MAX) };
        let entries = vec![Entry { index: most.index, term: most.term, kind, payload }];
        let body = Body::Append { previous: most, entries, commit: most.index };
        wire::encode(&Peer {
            fingerprint: crate::sqlite::fingerprint::fingerprint(),
            cluster: ClusterId(u64::MAX),
            from: NodeId(u64::MAX),
            to: NodeId(u64::MAX),
            from_epoch: u64::MAX,
            to_epoch: u64::MAX,
            digest: Some((most.index, Digest(u128::MAX))),
            content: Content::Raft(Message { term: most.term, body }),
        })
    }

    #[test]
    fn a_request_that_no_session_can_hold_is_refused() {
        let told = |command: &Command, sequence, done_below| {
            let session = Some(SessionSequence { session: 5, sequence, done_below });
            acceptable(&Request { session, command: command.clone() })
        };
        let execute = Command::Execute(batch(vec![Statement::new("SELECT 1")]));
        assert_eq!(told(&execute, 1, 1), Ok(()));
        assert_eq!(told(&execute, SEQUENCE_MAX, 0), Ok(()));
        assert!(told(&execute, 0, 0).is_err() && told(&execute, SEQUENCE_MAX + 1, 1).is_err());
        assert!(told(&execute, 1, 2).is_err(), "it would be forgotten before it is executed");
        assert!(told(&Command::Register, 1, 1).is_err() && told(&Command::Change(Vec::new()), 1, 1).is_err());
        assert_eq!(acceptable(&without_session(Command::Register)), Ok(()));
    }

    #[test]
    fn addresses_and_changes_are_bounded_wherever_a_client_names_them() {
        let named = |length: usize| -> Vec<Command> {
            let address = "a".repeat(length);
            let member = Member::Address(address.clone());
            let changes = [
                MemberChange::AddLearner { id: 1, address },
                MemberChange::Promote(member.clone()),
                MemberChange::Remove(member.clone()),
            ];
            let change = |change| Command::Change(vec![change]);
            changes.into_iter().map(change).chain([Command::Transfer(member)]).collect()
        };
        for (length, allowed) in [(0, false), (1, true), (ADDRESS_BYTES_MAX, true), (ADDRESS_BYTES_MAX + 1, false)] {
            for command in named(length) {
                assert_eq!(acceptable(&without_session(command.clone())).is_ok(), allowed, "{length} in {command:?}");
            }
        }
        let many = |count| without_session(Command::Change(vec![MemberChange::Remove(Member::Id(1)); count]));
        assert_eq!(acceptable(&many(CHANGES_MAX)), Ok(()));
        let refusal = "too many changes of the members: 65 changes (limit 64); make some of them first";
        assert_eq!(acceptable(&many(CHANGES_MAX + 1)).unwrap_err(), refusal);
    }

    #[test]
    fn the_longest_request_can_be_passed_on_and_appended() {
        assert_eq!(readable(8 << 20, 8 << 20), Ok(()));
        assert!(readable((8 << 20) + 1, 8 << 20).is_err());
        assert!(readable(PAYLOAD_BYTES_MAX + 1, usize::MAX).is_err(), "no option lets a request outgrow a frame");
        // As long as can be read: what it adds to the statement is the same for every length.
        let request = |length: usize| {
            let statement = Statement::with("", [Value::Blob(vec![7; length].into())]);
            let session = Some(SessionSequence { session: u64::MAX, sequence: SEQUENCE_MAX, done_below: SEQUENCE_MAX });
            Request { session, command: Command::Execute(batch(vec![statement])) }
        };
        let asked = |length| wire::encode(&Asked { forwarded: false, request: request(length) });
        let length = PAYLOAD_BYTES_MAX - (asked(1 << 25).len() - (1 << 25));
        let longest = asked(length);
        assert_eq!(readable(longest.len(), usize::MAX), Ok(()));
        let Asked { request, .. } = wire::decode(&longest).unwrap();
        assert_eq!(wire::encode(&Asked { forwarded: true, request: request.clone() }).len(), longest.len());
        let (session, Command::Execute(batch)) = (request.session, request.command) else { unreachable!() };
        let (time_us, seed, read_only) = (u64::MAX, u64::MAX, true);
        let command = state_machine::Command { time_us, seed, session, read_only, batch };
        assert!(append(EntryKind::Data, command.encode()).len() <= FRAME_BYTES_MAX);
    }

    #[test]
    fn the_most_members_fit_everything_that_names_them() {
        let members = |ids: std::ops::Range<u64>| -> BTreeMap<NodeId, String> {
            ids.map(|id| (NodeId(u64::MAX - id), "a".repeat(ADDRESS_BYTES_MAX))).collect()
        };
        let most = MEMBERS_MAX as u64;
        let configuration = Configuration {
            voters: members(0..most),
            outgoing: members(0..most),
            learners_next: members(0..most),
            ..Configuration::default()
        };
        let bytes = append(EntryKind::Configuration, configuration.encode()).len();
        assert!(bytes < 1 << 16, "a configuration takes {bytes} bytes");
    }

    #[test]
    fn the_longest_answer_to_the_longest_request_fits_a_frame() {
        let request = |count| without_session(Command::Execute(batch(vec![Statement::new(""); count])));
        assert_eq!(acceptable(&request(STATEMENTS_MAX)), Ok(()));
        assert!(acceptable(&request(STATEMENTS_MAX + 1)).is_err() && acceptable(&request(0)).is_err());
        let error = SqlError { code: i32::MAX, message: "€".repeat(1001) };
        let results = vec![Err(error); STATEMENTS_MAX];
        let values = state_machine::RESULT_BYTES_MAX;
        let response: Response = Ok(Reply { index: u64::MAX, term: u64::MAX, results });
        assert!(wire::encode(&response).len() + values < FRAME_BYTES_MAX);
    }
}
