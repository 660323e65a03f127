//! Clients' requests on their way: proposed here, or passed on to the leader, until they are answered.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Replica, answer};
use crate::api::{Batch, Command as Asked, Error, ReadLevel, Reply, Request, Response, SessionError, SessionSequence};
use crate::host::{Broken, CallId, Host, RequestId};
use crate::raft::{self, EntryKind, Index, Position, ProposalId, ProposeError, Role, Rules, Term};
use crate::state_machine::{Command, Registration};
use crate::wire::{self, Malformed};

/// The most statements of one request. Each has a result, and the answer must fit a frame.
const STATEMENTS_MAX: usize = 10_000;

/// The greatest sequence number in a session. SQLite's integers are signed.
const SEQUENCE_MAX: u64 = i64::MAX as u64;

/// The requests that wait.
#[derive(Default)]
pub(super) struct Requests {
    /// Proposals that the core has not yet answered.
    proposed: BTreeMap<ProposalId, RequestId>,
    /// Requests whose entry is in the log, by its place. The term matters: another leader's entry may take the place.
    waiting: BTreeMap<Index, (Term, RequestId)>,
    /// Requests that were passed on.
    passed_on: BTreeMap<CallId, RequestId>,
    /// Numbers proposals and calls.
    count: u64,
}

impl<R: Rules> Replica<R> {
    /// Takes on a request, passes it on, or refuses it.
    pub(super) fn asked<H: Host>(&mut self, host: &mut H, id: RequestId, bytes: &Bytes) {
        let asked: wire::Asked = match wire::decode(bytes) {
            Ok(asked) => asked,
            Err(malformed) => return refuse_malformed(host, id, malformed),
        };
        if let Err(reason) = acceptable(&asked.request, bytes.len(), self.options.request_bytes_max) {
            return answer(host, id, &Err(Error::Refused(reason)));
        }
        let leads = self.raft.role() == Role::Leader;
        match asked.request.command {
            Asked::Query(batch, ReadLevel::None) => return self.reads.local(id, batch, self.raft.base().index),
            Asked::Query(batch, ReadLevel::Weak) if leads => {
                return self.reads.local(id, batch, self.raft.base().index);
            }
            Asked::Query(batch, ReadLevel::Linearizable) => {
                let read = self.reads.linearizable(id, batch);
                return self.raft.step(raft::Input::Read { id: read });
            }
            Asked::Members => return self.tell_members(host, id),
            Asked::Change(changes) if leads => return self.change_members(host, id, changes),
            Asked::Transfer(to) if leads => return self.transfer(host, id, &to),
            Asked::Execute(batch) if leads => {
                let (kind, payload) = self.statements(host, asked.request.session, batch, false);
                return self.propose(id, kind, payload);
            }
            Asked::Query(batch, _) if leads => {
                let (kind, payload) = self.statements(host, asked.request.session, batch, true);
                return self.propose(id, kind, payload);
            }
            Asked::Register if leads => {
                let registration = Registration { lifetime: self.options.session_entries };
                return self.propose(id, EntryKind::Session, registration.encode());
            }
            _ => {}
        }
        let leader = self.raft.leader().and_then(|leader| self.peers.address(leader));
        match leader {
            Some(leader) if !asked.forwarded => {
                let onward = wire::Asked { forwarded: true, request: asked.request };
                self.requests.pass_on(host, id, &leader, wire::encode(&onward));
            }
            leader => answer(host, id, &Err(Error::NotLeader { leader })),
        }
    }

    fn propose(&mut self, id: RequestId, kind: EntryKind, payload: Bytes) {
        let proposal = self.requests.proposal();
        self.requests.proposed.insert(proposal, id);
        self.raft.step(raft::Input::Propose { id: proposal, kind, payload });
    }

    /// An entry of statements.
    fn statements<H: Host>(
        &mut self,
        host: &mut H,
        session: Option<SessionSequence>,
        batch: Batch,
        read_only: bool,
    ) -> (EntryKind, Bytes) {
        let time_us = self.applier.entry_time(host.wall());
        let seed = host.entropy("entry.seed");
        (EntryKind::Data, Command { time_us, seed, session, read_only, batch }.encode())
    }
}

impl Requests {
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The number of the next proposal.
    pub(super) fn proposal(&mut self) -> ProposalId {
        ProposalId(self.number())
    }

    fn pass_on<H: Host>(&mut self, host: &mut H, id: RequestId, leader: &str, bytes: Bytes) {
        let call = CallId(self.number());
        self.passed_on.insert(call, id);
        host.call(leader, call, bytes);
        host.record(crate::event::Event::Forwarded { to: leader.to_owned() });
    }

    /// The leader's answer to a request that was passed on goes back as it is.
    pub(super) fn passed_back<H: Host>(&mut self, host: &mut H, call: CallId, result: Result<Bytes, Broken>) {
        let Some(id) = self.passed_on.remove(&call) else { return };
        match result {
            Ok(bytes) => host.respond(id, bytes),
            Err(broken) => answer(host, id, &Err(Error::Unknown(format!("on the way to the leader {broken}")))),
        }
    }

    /// The core took or refused a proposal.
    pub(super) fn proposed<H: Host>(
        &mut self,
        host: &mut H,
        proposal: ProposalId,
        result: Result<Position, ProposeError>,
        leader: Option<String>,
    ) {
        // Nobody waits for what the node proposed on its own.
        let Some(id) = self.proposed.remove(&proposal) else { return };
        match result {
            Ok(place) => {
                let taken = self.waiting.insert(place.index, (place.term, id));
                assert!(taken.is_none(), "two requests wait for index {} at once", place.index);
            }
            Err(ProposeError::NotLeader { .. }) => answer(host, id, &Err(Error::NotLeader { leader })),
            Err(ProposeError::Busy) => answer(host, id, &Err(Error::Busy)),
            Err(ProposeError::Transferring) => {
                let reason = "the leader is handing its leadership over; try again".to_owned();
                answer(host, id, &Err(Error::Unavailable(reason)));
            }
            Err(ProposeError::Change(_)) => unreachable!("only changes of the membership are refused so"),
        }
    }

    /// An entry was executed: whoever waits for its place is answered. If the place went to an entry of another term,
    /// the one that was waited for can never be committed.
    pub(super) fn executed<H: Host>(
        &mut self,
        host: &mut H,
        place: Position,
        reply: Option<Result<Reply, SessionError>>,
    ) {
        let Some((term, id)) = self.waiting.remove(&place.index) else { return };
        let response: Response = match reply {
            Some(reply) if term == place.term => reply.map_err(Error::Session),
            _ => Err(Error::NotLeader { leader: None }),
        };
        answer(host, id, &response);
    }

    /// This node no longer leads: what waits may or may not be committed by another leader.
    pub(super) fn leadership_lost<H: Host>(&mut self, host: &mut H) {
        for (_, id) in std::mem::take(&mut self.waiting).into_values() {
            answer(host, id, &Err(Error::Unknown("the leader stepped down before the entry was committed".into())));
        }
    }
}

/// Whether a request of so many bytes can be taken on at all, whatever the state of the cluster.
fn acceptable(request: &Request, bytes: usize, bytes_max: usize) -> Result<(), String> {
    if let Some(SessionSequence { sequence, done_below, .. }) = request.session {
        if !(1..=SEQUENCE_MAX).contains(&sequence) {
            return Err(format!("the sequence number {sequence} is impossible; count requests from 1"));
        }
        if done_below > sequence {
            return Err(format!("the request {sequence} says that it is not asked for: done_below is {done_below}"));
        }
    }
    let statements = match (&request.command, request.session) {
        (Asked::Register, None) => return Ok(()),
        (Asked::Register, Some(_)) => return Err("a session is registered without being in one".into()),
        (Asked::Members | Asked::Change(_) | Asked::Transfer(_), None) => return Ok(()),
        (Asked::Members | Asked::Change(_) | Asked::Transfer(_), Some(_)) => {
            return Err("what concerns the members is asked without a session".into());
        }
        (Asked::Execute(batch) | Asked::Query(batch, _), _) => batch.statements.len(),
    };
    if statements == 0 {
        return Err("the request holds no statement; send at least one".into());
    }
    if statements > STATEMENTS_MAX {
        return Err(format!("the request has {statements} statements, {STATEMENTS_MAX} is the most; split it"));
    }
    if bytes > bytes_max {
        return Err(format!("the request has {bytes} bytes, {bytes_max} is the most; split it into several requests"));
    }
    Ok(())
}

fn refuse_malformed<H: Host>(host: &mut H, id: RequestId, malformed: Malformed) {
    answer(host, id, &Err(Error::Refused(format!("the request cannot be read: {malformed}"))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{SqlError, Statement};

    #[test]
    fn a_request_that_no_session_can_hold_is_refused() {
        let batch = Batch { statements: vec![Statement::new("SELECT 1")], atomic: true };
        let told = |command: &Asked, sequence, done_below| {
            let session = Some(SessionSequence { session: 5, sequence, done_below });
            acceptable(&Request { session, command: command.clone() }, 1, 1)
        };
        let execute = Asked::Execute(batch);
        assert_eq!(told(&execute, 1, 1), Ok(()));
        assert_eq!(told(&execute, SEQUENCE_MAX, 0), Ok(()));
        assert!(told(&execute, 0, 0).is_err() && told(&execute, SEQUENCE_MAX + 1, 1).is_err());
        assert!(told(&execute, 1, 2).is_err(), "it would be forgotten before it is executed");
        assert!(told(&Asked::Register, 1, 1).is_err());
        assert_eq!(acceptable(&Request { session: None, command: Asked::Register }, 1, 1), Ok(()));
    }

    #[test]
    fn the_longest_answer_to_the_longest_request_fits_a_frame() {
        let request = |count| {
            let statements = vec![Statement::new(""); count];
            Request { session: None, command: Asked::Execute(Batch { statements, atomic: false }) }
        };
        assert_eq!(acceptable(&request(STATEMENTS_MAX), 1, 1), Ok(()));
        assert!(acceptable(&request(STATEMENTS_MAX + 1), 1, 1).is_err());
        let error = SqlError { code: i32::MAX, message: "€".repeat(1001) };
        let results = vec![Err(error); STATEMENTS_MAX];
        let values = crate::state_machine::RESULT_BYTES_MAX;
        let response: Response = Ok(Reply { index: u64::MAX, term: u64::MAX, results });
        assert!(wire::encode(&response).len() + values < wire::FRAME_BYTES_MAX);
    }
}
