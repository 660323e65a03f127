//! Who takes part: questions about it, and wishes to change it.

use std::fmt::Write;

use super::bounds::MEMBERS_MAX;
use super::{Replica, answer, duration};
use crate::api::{Error, Member, MemberChange, Reply, Response, Rows, Value};
use crate::event::Event;
use crate::host::{Host, RequestId};
use crate::raft::{
    self, Change, ChangeError, Configuration, Index, NodeId, Position, ProposalId, ProposeError, Rules, TransferError,
};

/// Wishes on their way.
#[derive(Default)]
pub(super) struct Changes {
    /// Changes and transfers of which the core has not yet said what becomes of them.
    asked: Vec<(ProposalId, RequestId)>,
    /// Changes whose entry is in the log: they are done when a configuration that is not joint is committed there or above.
    waiting: Vec<(Position, RequestId)>,
    /// The configuration that was recorded last.
    recorded: (Index, Configuration),
}

impl<R: Rules> Replica<R> {
    /// Answers who takes part, as far as this node knows.
    pub(super) fn tell_members<H: Host>(&self, host: &mut H, request: RequestId) {
        let applied = self.applier.position();
        let rows = rows(self.raft.configuration(), self.raft.id(), self.raft.leader());
        let reply = Reply { index: applied.index.0, term: applied.term.0, results: vec![Ok(rows)] };
        answer(host, request, &Ok(reply));
    }

    /// Records the configuration in effect, if it is another one than before.
    pub(super) fn record_members<H: Host>(&mut self, host: &mut H) {
        let (index, configuration) = (self.raft.configuration_index(), self.raft.configuration());
        let (recorded, before) = &self.changes.recorded;
        if index != *recorded || configuration != before {
            self.changes.recorded = (index, configuration.clone());
            host.record(Event::Members { index, configuration: configuration.clone() });
        }
    }

    /// The core removes a member that was silent for too long.
    pub(super) fn removes_dead(&self, member: NodeId, silence: u64) -> Event {
        let address = self.peers.address(member).unwrap_or_default();
        Event::RemovesDead { member, address, silence: duration(silence) }
    }

    /// Asks the core for a change.
    pub(super) fn change_members<H: Host>(&mut self, host: &mut H, request: RequestId, changes: Vec<MemberChange>) {
        let changes = changes.into_iter().map(|change| self.change(change)).collect::<Result<Vec<_>, _>>();
        match changes.and_then(|changes| self.few_enough(changes)) {
            Ok(changes) => {
                let id = self.requests.proposal();
                self.changes.asked.push((id, request));
                self.raft.step(raft::Input::Change { id, changes });
            }
            Err(refusal) => answer(host, request, &Err(Error::Refused(refusal))),
        }
    }

    /// Asks the core for another leader.
    pub(super) fn transfer<H: Host>(&mut self, host: &mut H, request: RequestId, to: &Member) {
        match self.find(to) {
            Ok(to) => {
                let id = self.requests.proposal();
                self.changes.asked.push((id, request));
                self.raft.step(raft::Input::Transfer { id, to });
            }
            Err(refusal) => answer(host, request, &Err(Error::Refused(refusal))),
        }
    }

    fn change(&self, change: MemberChange) -> Result<Change, String> {
        Ok(match change {
            MemberChange::AddLearner { id, address } => Change::AddLearner { id: NodeId(id), address },
            MemberChange::Promote(member) => Change::Promote(self.find(&member)?),
            MemberChange::Remove(member) => Change::Remove(self.find(&member)?),
        })
    }

    /// Refuses changes that lead to more members than there can be.
    fn few_enough(&self, changes: Vec<Change>) -> Result<Vec<Change>, String> {
        let mut members = self.raft.configuration().members();
        for change in &changes {
            match change {
                Change::AddLearner { id, .. } => members.insert(*id),
                Change::Remove(id) => members.remove(id),
                Change::Promote(_) => false,
            };
        }
        let count = members.len();
        if count > MEMBERS_MAX {
            return Err(format!("too many members: {count} nodes (limit {MEMBERS_MAX}); remove one first"));
        }
        Ok(changes)
    }

    /// The node that somebody means. An address may be that of two nodes, if a disk was replaced.
    fn find(&self, member: &Member) -> Result<NodeId, String> {
        let address = match member {
            Member::Id(id) => return Ok(NodeId(*id)),
            Member::Address(address) => address,
        };
        let configuration = self.raft.configuration();
        let at = |id: &NodeId| configuration.address(*id) == Some(address);
        let found: Vec<NodeId> = configuration.members().into_iter().filter(at).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!("no member listens at {address}; {}", who(configuration))),
            _ => Err(format!("{} members listen at {address}: name the one you mean by its id", found.len())),
        }
    }

    /// The core took or refused a change. Returns false if the proposal is none.
    pub(super) fn change_proposed<H: Host>(
        &mut self,
        host: &mut H,
        proposal: ProposalId,
        result: Result<Position, ProposeError>,
    ) -> bool {
        let Some(request) = self.changes.take(proposal) else { return false };
        let leader = self.raft.leader().and_then(|leader| self.peers.address(leader));
        let error = match result {
            Ok(place) => {
                self.changes.waiting.push((place, request));
                return true;
            }
            Err(ProposeError::NotLeader { .. }) => Error::NotLeader { leader },
            Err(ProposeError::Busy) => Error::Busy,
            Err(ProposeError::Transferring) => Error::Unavailable("the leader hands its leadership over".into()),
            Err(ProposeError::Change(error)) => refusal(error, self.raft.configuration()),
        };
        answer(host, request, &Err(error));
        true
    }

    /// A transfer ended.
    pub(super) fn transferred<H: Host>(
        &mut self,
        host: &mut H,
        proposal: ProposalId,
        result: Result<(), TransferError>,
    ) {
        let Some(request) = self.changes.take(proposal) else { return };
        let leader = self.raft.leader().and_then(|leader| self.peers.address(leader));
        let unavailable = |reason: &str| Err(Error::Unavailable(reason.into()));
        let applied = self.applier.position();
        let response: Response = match result {
            Ok(()) => Ok(Reply { index: applied.index.0, term: applied.term.0, results: Vec::new() }),
            Err(TransferError::Leads) => {
                Ok(Reply { index: applied.index.0, term: applied.term.0, results: Vec::new() })
            }
            Err(TransferError::NotLeader { .. }) => Err(Error::NotLeader { leader }),
            Err(TransferError::NotVoter) => {
                Err(Error::Refused(format!("only a voter can lead; {}", who(self.raft.configuration()))))
            }
            Err(TransferError::Silent { to, ticks }) => unavailable(&format!(
                "nothing was heard from {} for {} ms; choose another, or see whether it runs and can be reached",
                name(to, self.raft.configuration()),
                duration(ticks).as_millis()
            )),
            Err(TransferError::Transferring) => unavailable("another transfer is under way; wait until it is over"),
            Err(TransferError::TimedOut) => {
                unavailable("the other node did not take over within an election timeout; it may be behind or down")
            }
        };
        answer(host, request, &response);
    }

    /// Answers changes that are done: committed, and left if they were joint.
    pub(super) fn changes_applied<H: Host>(&mut self, host: &mut H) {
        let (index, applied) = (self.raft.configuration_index(), self.applier.position().index);
        if self.changes.waiting.is_empty() || self.raft.configuration().is_joint() || index > applied {
            return;
        }
        for (place, request) in std::mem::take(&mut self.changes.waiting) {
            let response: Response = if self.raft.term() == place.term {
                Ok(Reply { index: place.index.0, term: place.term.0, results: Vec::new() })
            } else {
                Err(Error::Unknown("the leader changed meanwhile; look at the members".into()))
            };
            answer(host, request, &response);
        }
    }

    /// This node leads no more: what was begun may or may not be finished by the next leader.
    pub(super) fn changes_lost<H: Host>(&mut self, host: &mut H) {
        for (_, request) in std::mem::take(&mut self.changes.waiting) {
            answer(host, request, &Err(Error::Unknown("the leader stepped down; look at the members".into())));
        }
    }
}

impl Changes {
    /// Lets go of requests for which this does not hold.
    pub(super) fn retain(&mut self, is_open: impl Fn(RequestId) -> bool) {
        self.asked.retain(|(_, id)| is_open(*id));
        self.waiting.retain(|(_, id)| is_open(*id));
    }

    fn take(&mut self, proposal: ProposalId) -> Option<RequestId> {
        let place = self.asked.iter().position(|(id, _)| *id == proposal)?;
        Some(self.asked.remove(place).1)
    }
}

/// One row a member: id, address, part, whether it leads, and whether it is the one that answers.
fn rows(configuration: &Configuration, own: NodeId, leader: Option<NodeId>) -> Rows {
    let part = |id| match id {
        id if configuration.voters.contains_key(&id) => "voter",
        id if configuration.outgoing.contains_key(&id) => "leaving",
        id if configuration.learners.contains_key(&id) => "learner",
        _ => "none",
    };
    let row = |id: NodeId| {
        vec![
            Value::Text(id.to_string()),
            configuration.address(id).map_or(Value::Null, |address| address.into()),
            part(id).into(),
            Value::Integer(i64::from(leader == Some(id))),
            Value::Integer(i64::from(id == own)),
        ]
    };
    let mut ids = configuration.members();
    ids.insert(own);
    let columns = ["node", "address", "part", "leads", "answers"].map(str::to_owned).to_vec();
    Rows { columns, rows: ids.into_iter().map(row).collect(), rows_affected: 0 }
}

/// The members in words.
fn who(configuration: &Configuration) -> String {
    let mut text = "the members are".to_owned();
    for (place, id) in configuration.members().into_iter().enumerate() {
        let comma = if place == 0 { " " } else { ", " };
        let _ = write!(text, "{comma}{id} at {}", configuration.address(id).unwrap_or("an unknown address"));
    }
    text
}

/// A node in words.
fn name(id: NodeId, configuration: &Configuration) -> String {
    match configuration.address(id) {
        Some(address) => format!("node {id} at {address}"),
        None => format!("node {id}"),
    }
}

/// Why a change is refused, and what to do.
fn refusal(error: ChangeError, configuration: &Configuration) -> Error {
    let name = |id| name(id, configuration);
    match error {
        ChangeError::NotReady => Error::Unavailable("the new leader has not yet committed an entry; try again".into()),
        ChangeError::Pending(Index(index)) => {
            Error::Unavailable(format!("the change at index {index} is not finished yet; wait until it is"))
        }
        ChangeError::Behind(id, entries) => Error::Unavailable(format!(
            "{} lacks {entries} entries, and as a voter it would hold up commits; wait until it has caught up",
            name(id)
        )),
        ChangeError::Silent(id) => Error::Unavailable(format!(
            "{} does not answer; see whether it runs and can be reached, and try again",
            name(id)
        )),
        ChangeError::NoMajority(heard, of) => Error::Unavailable(format!(
            "only {heard} of the {of} voters there would be answer, and nothing could be committed; bring more of them \
             back first, or replace a dead one in the same change"
        )),
        ChangeError::Nothing => Error::Refused("the change changes nothing".into()),
        ChangeError::Member(id) => Error::Refused(format!("{} is a member already", name(id))),
        ChangeError::Votes(id) => Error::Refused(format!("{} votes already", name(id))),
        ChangeError::Unknown(id) => {
            Error::Refused(format!("{} is no member that this can be done to; {}", name(id), who(configuration)))
        }
        ChangeError::NoVoters => Error::Refused("nobody would vote; to end a cluster, stop its nodes".into()),
    }
}
