//! Clients' requests on their way: proposed here, or passed on to the leader, until they are answered.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::deadlines::Deadlines;
use super::{Replica, answer, bounds};
use crate::api::{Batch, Command as Asked, Error, ReadLevel, Reply, Response, SessionError, SessionSequence};
use crate::host::{Broken, CallId, Host, RequestId};
use crate::raft::{self, EntryKind, Index, Position, ProposalId, ProposeError, Role, Rules, Term};
use crate::state_machine::{Command, Registration};
use crate::wire;

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
    pub(super) fn asked<H: Host>(&mut self, host: &mut Deadlines<'_, H>, id: RequestId, bytes: &Bytes) {
        // Its length first: what is decoded takes many times as much memory.
        if let Err(reason) = bounds::readable(bytes.len(), self.options.request_bytes_max) {
            return refuse(host, id, reason);
        }
        let asked: wire::Asked = match wire::decode(bytes) {
            Ok(asked) => asked,
            Err(malformed) => return refuse(host, id, format!("the request cannot be read: {malformed}")),
        };
        if let Err(reason) = bounds::acceptable(&asked.request) {
            return refuse(host, id, reason);
        }
        if !matches!(asked.request.command, Asked::Query(..) | Asked::Members) {
            host.may_be_done(id);
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
    /// Lets go of requests for which this does not hold.
    pub(super) fn retain(&mut self, is_open: impl Fn(RequestId) -> bool) {
        self.proposed.retain(|_, id| is_open(*id));
        self.waiting.retain(|_, (_, id)| is_open(*id));
        self.passed_on.retain(|_, id| is_open(*id));
    }

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

fn refuse<H: Host>(host: &mut H, id: RequestId, reason: String) {
    answer(host, id, &Err(Error::Refused(reason)));
}
