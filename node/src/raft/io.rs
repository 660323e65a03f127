//! What goes into the core and what comes out: [`Input`], [`Message`], [`Effects`].
//!
//! # Before this leaves, that is durable
//!
//! | before this leaves | this is durable |
//! |---|---|
//! | a granted vote | term and vote |
//! | a request for votes, and the candidate's own vote counted | term and vote |
//! | an answer that carries a newer term | that term |
//! | a successful append reply up to index m | the entries up to m, any truncation before them, the term |
//! | the leader's own copy of an entry counted | the entry, in its own log |
//! | a reply that a snapshot's position is held | the snapshot, and the log that begins with it |
//! | a pre-vote, its answer, appends and heartbeats of a leader, their liveness answers | nothing beyond the sender's term |
//!
//! The core sorts its messages accordingly into [`Effects::msgs_now`] and [`Effects::msgs_after_sync`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Change, ChangeError, Configuration, Entry, EntryKind, HardState, Index, NodeId, Position, Role, Term};

/// Something that happens to the core. Nothing else changes its state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// So many ticks of the node's monotonic clock passed since the last one. The host steps it before any other input, so
    /// that what the input restarts is counted from then on. However many passed, each thing that is due happens once.
    Tick(u32),
    /// A message came from a peer.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// The host wants an entry appended, of any kind but a configuration. The answer is in [`Effects::proposals`].
    Propose {
        /// Names the proposal in the answer.
        id: ProposalId,
        /// The kind of entry.
        kind: EntryKind,
        /// Its payload.
        payload: Bytes,
    },
    /// The host wants the members changed: all of it in one step. The answer is in [`Effects::proposals`].
    Change {
        /// Names the proposal in the answer.
        id: ProposalId,
        /// What is to change.
        changes: Vec<Change>,
    },
    /// The host wants this voter to lead. The answer is in [`Effects::transfers`]; until it comes, nothing is proposed.
    Transfer {
        /// Names the wish in the answer.
        id: ProposalId,
        /// Who is to lead.
        to: NodeId,
    },
    /// The host wants to read what was committed before now. The answer is in [`Effects::reads`].
    Read {
        /// Names the read in the answer.
        id: ReadId,
    },
    /// The host waits no more for its reads up to this one: reads are numbered in the order in which they are asked, and this
    /// is the newest that is too late. No answer comes for them.
    ForgetReads {
        /// The last of them.
        up_to: ReadId,
    },
    /// The entries up to here are to be forgotten: they are in a database that is durable.
    Compact {
        /// The last of them.
        to: Index,
    },
    /// The host put a database in the place of its own, and of the entries up to this position. That is durable.
    Installed {
        /// The last entry that the database executed.
        at: Position,
        /// The configuration that was in effect there, and its index.
        configuration: (Index, Configuration),
    },
    /// The copy of the database that [`Effects::snapshots`] wanted was delivered to this node, or came to nothing.
    SnapshotEnded {
        /// To whom it was to go.
        to: NodeId,
    },
    /// A peer was heard of in a new boot, of which no message was stepped yet. What an earlier boot acknowledged may be lost,
    /// and what it asked is of no interest any more.
    Restarted {
        /// The peer.
        peer: NodeId,
    },
    /// Everything up to and including this batch is durable. Batches complete in order.
    Persisted {
        /// As numbered by [`Effects::batch`].
        batch: Batch,
    },
    /// The randomised election timeout that [`Effects::wants_election_timeout`] asked for.
    ElectionTimeout {
        /// Its length.
        ticks: u32,
    },
}

/// A batch of changes to the log and the hard state, numbered from 1 within a boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Batch(pub u64);

/// A proposal of the host's, numbered by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProposalId(pub u64);

/// A read of the host's, numbered by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// What one node says to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// The sender's term. A pre-vote carries the term that its sender would campaign in.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// The kinds of messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    /// Would you vote for me?
    PreVote {
        /// The end of the sender's log.
        last: Position,
        /// Numbers the sender's pre-vote rounds, so that answers of an older round do not count.
        round: u64,
    },
    /// The answer to a pre-vote. A refusal carries the responder's own term, which the asker adopts if it is newer.
    PreVoteReply {
        /// Whether it would.
        granted: bool,
        /// As asked.
        round: u64,
    },
    /// Vote for me.
    Vote {
        /// The end of the sender's log.
        last: Position,
        /// The leader told the sender to campaign, so that it is deposed although it is heard.
        told: bool,
    },
    /// The answer to a request for a vote.
    VoteReply {
        /// Whether it got it.
        granted: bool,
    },
    /// Entries to append after `previous`.
    Append {
        /// The entry before the first one.
        previous: Position,
        /// The entries, without gaps. Empty when the leader probes.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: Index,
    },
    /// The entries are durable up to this index.
    Appended {
        /// The last index that is known to match the leader's log.
        matched: Index,
    },
    /// The entries do not fit.
    Rejected {
        /// The index of `previous` as the leader sent it.
        previous: Index,
        /// The greatest position of the sender's log at or below `previous` that may match: the leader goes on there.
        hint: Position,
    },
    /// Whatever the log holds, a copy of the database is needed.
    NeedsCopy,
    /// I lead. Sent at a steady pace.
    Heartbeat {
        /// The commit index, but never more than is known to match the receiver's log.
        commit: Index,
    },
    /// I am here. It says nothing of the log. A leader of an older term gets it too, and learns the newer one.
    HeartbeatReply,
    /// Do I still lead? A leader asks before it tells what is committed.
    Confirm {
        /// Numbers the rounds of the sender's term.
        round: u64,
    },
    /// You did when I got this.
    Confirmed {
        /// As asked.
        round: u64,
    },
    /// Up to where must I have applied to read what is committed now?
    ReadIndex {
        /// Numbers the questions of the sender's boot.
        number: u64,
    },
    /// The answer.
    ReadIndexReply {
        /// As asked.
        number: u64,
        /// The index, or `None` if the leader cannot tell yet.
        index: Option<Index>,
    },
    /// Campaign now: I lead, your log holds all of mine, and I stop proposing.
    Campaign,
}

/// What the host must do, in this order: write the batch, send `msgs_now`, begin the sync of the batch, and when it is
/// durable tell the core and send `msgs_after_sync`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Effects {
    /// The new hard state. It is durable before the batch's entries are written.
    pub hard_state: Option<HardState>,
    /// Remove this index and all after it before appending.
    pub truncate_from: Option<Index>,
    /// Append these.
    pub append: Vec<Entry>,
    /// The number of the batch that the three above make up, or of the newest one before if they are empty.
    pub batch: Batch,
    /// Messages that may leave at once.
    pub msgs_now: Vec<(NodeId, Message)>,
    /// Messages that must not leave before `batch` is durable.
    pub msgs_after_sync: Vec<(NodeId, Message)>,
    /// Entries up to this index may be applied: they are committed, and durable here. Set when it grew.
    pub apply_to: Option<Index>,
    /// What became of proposals.
    pub proposals: Vec<(ProposalId, Result<Position, ProposeError>)>,
    /// What became of wishes for another leader. Success says that this node no longer leads.
    pub transfers: Vec<(ProposalId, Result<(), TransferError>)>,
    /// What became of reads: the index that must be applied before they are served.
    pub reads: Vec<(ReadId, Result<Index, ReadError>)>,
    /// Peers that need entries which were forgotten, and so a copy of the database. While it is on its way, nothing else is
    /// sent to them; the host says when it is over, with [`Input::SnapshotEnded`].
    pub snapshots: Vec<NodeId>,
    /// The log of a node that had lost a part of it holds everything again that it may have acknowledged.
    pub recovered: bool,
    /// The core wants [`Input::ElectionTimeout`] with a new random number.
    pub wants_election_timeout: bool,
    /// What happened, for the record.
    pub notes: Vec<Note>,
}

/// Why a proposal was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProposeError {
    /// The node does not lead.
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// Too much is uncommitted already.
    Busy,
    /// The node is handing its leadership over.
    Transferring,
    /// The members cannot be changed so, or not now.
    Change(ChangeError),
}

/// Why leadership was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferError {
    /// The node does not lead.
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// The node leads already.
    Leads,
    /// The one who is to lead does not vote.
    NotVoter,
    /// Nothing was heard lately of the one who is to lead: it would be waited for in vain, and nothing proposed meanwhile.
    Silent {
        /// The one who is to lead.
        to: NodeId,
        /// For how many ticks nothing was heard of it: an election timeout or more.
        ticks: u64,
    },
    /// Another transfer is under way.
    Transferring,
    /// The one who is to lead did not take over within an election timeout.
    TimedOut,
}

/// Why it is not known what must be applied before a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadError {
    /// Nobody is known to lead, or leadership changed while the read waited.
    NoLeader,
    /// The leader has not yet committed an entry of its own term: it cannot know what is committed (Raft dissertation,
    /// section 6.4).
    NotReady,
}

/// Something that happened inside the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// The node took on a role.
    Role {
        /// The role.
        role: Role,
        /// The term.
        term: Term,
    },
    /// The node learned who leads.
    Follows {
        /// The leader.
        leader: NodeId,
        /// The term.
        term: Term,
    },
    /// A leader began the removal of a member that was silent for too long. The configuration without it is in the log.
    RemovesDead {
        /// The member.
        member: NodeId,
        /// For how many ticks nothing was heard of it.
        silence: u64,
    },
    /// The commit index grew.
    Committed {
        /// To this index.
        index: Index,
    },
}
