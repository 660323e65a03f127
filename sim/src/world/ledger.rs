//! What happened, what it means at once, and what it sets off.

use std::collections::BTreeMap;

use lockstep_node::event::Event;
use lockstep_node::raft::{Position, Role, Term};

use super::State;
use crate::check::Check;
use crate::history::History;
use crate::members::Members;
use crate::record::{Detail, Machine, Phase, Recorded, What};
use crate::run::{Finding, Verdict, Violation};
use crate::systems::Logged;
use crate::trace::Item;

/// The records of a run, and the checks that watch them.
pub struct Ledger {
    /// Everything that happened, in order.
    pub records: Vec<Recorded>,
    /// What clients asked and saw.
    pub history: History,
    /// What was executed, by index, as the first node executed it that said so. Records do without the payloads.
    pub executed: BTreeMap<u64, Logged>,
    /// How often each mark was reached since clients began, on each machine.
    marks: BTreeMap<&'static str, BTreeMap<Machine, u64>>,
    checks: Vec<Box<dyn Check>>,
    /// The first violation that a check saw while the world ran.
    pub violated: Option<Verdict>,
    standings: BTreeMap<Machine, Standing>,
    /// Who takes part, as far as nodes say.
    members: Members,
    /// The newest term with a leader, and the leader.
    elected: Option<(Term, Machine)>,
}

/// Where a node stands, as far as it says.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// The last index of its log.
    pub last: u64,
    /// The last index that it executed.
    pub applied: u64,
    /// Whether it has booted and not gone down since.
    pub up: bool,
}

impl Ledger {
    /// An empty ledger, watched by these checks.
    pub fn new(checks: Vec<Box<dyn Check>>) -> Self {
        Ledger {
            records: Vec::new(),
            history: History::default(),
            executed: BTreeMap::new(),
            marks: BTreeMap::new(),
            checks,
            violated: None,
            standings: BTreeMap::new(),
            members: Members::default(),
            elected: None,
        }
    }

    /// Where each node stands that has said so.
    pub fn standings(&self) -> &BTreeMap<Machine, Standing> {
        &self.standings
    }

    /// Who takes part, as far as nodes say.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The live node that leads in the newest term.
    pub fn leader(&self) -> Option<Machine> {
        let leads = |(_, standing): &(&Machine, &Standing)| standing.up && standing.role == Role::Leader;
        self.standings.iter().filter(leads).max_by_key(|(_, standing)| standing.term).map(|(machine, _)| *machine)
    }

    /// How often each mark was reached on any machine.
    pub fn marks(&self) -> BTreeMap<String, u64> {
        self.marks.iter().map(|(mark, counts)| ((*mark).to_owned(), counts.values().sum())).collect()
    }

    /// How often a mark was reached on a machine, or on any.
    pub(super) fn mark_count(&self, mark: &str, machine: Option<Machine>) -> u64 {
        let Some(counts) = self.marks.get(mark) else { return 0 };
        match machine {
            Some(machine) => counts.get(&machine).copied().unwrap_or(0),
            None => counts.values().sum(),
        }
    }

    /// Takes the checks out, to judge the evidence.
    pub fn take_checks(&mut self) -> Vec<Box<dyn Check>> {
        std::mem::take(&mut self.checks)
    }

    fn watch(&mut self, recorded: &Recorded) {
        if self.violated.is_some() {
            return;
        }
        for check in &mut self.checks {
            if let Err(violation) = check.observe(recorded) {
                let violation = Violation { at: violation.at.or(Some(recorded.at)), ..violation };
                self.violated = Some(Verdict { property: check.property(), result: Finding::Violated(violation) });
                return;
            }
        }
    }

    /// Follows where a node stands. Returns the marks that this event reaches.
    fn follow(&mut self, machine: Machine, event: &Event) -> &'static [&'static str] {
        let standing = self.standings.entry(machine).or_insert(Standing {
            role: Role::Follower,
            term: Term(0),
            last: 0,
            applied: 0,
            up: false,
        });
        match *event {
            Event::Booted { epoch, term, last, applied, .. } => {
                *standing = Standing { role: Role::Follower, term, last: last.0, applied: applied.0, up: true };
                if epoch > 1 { &["node.booted", "node.restarted"] } else { &["node.booted"] }
            }
            Event::Role { role, term } => {
                let led = standing.role == Role::Leader;
                (standing.role, standing.term) = (role, term);
                if role == Role::Leader {
                    let before = self.elected.replace((term, machine));
                    let changed = before.is_some_and(|(_, other)| other != machine);
                    return if changed { &["leader.elected", "leader.changed"] } else { &["leader.elected"] };
                }
                match role {
                    _ if led => &["leader.stepped-down"],
                    Role::Candidate => &["election.started"],
                    _ => &[],
                }
            }
            Event::Appended { index, .. } => {
                standing.last = index.0;
                &["log.appended"]
            }
            Event::Truncated { from } => {
                standing.last = from.previous().0;
                &["log.truncated"]
            }
            Event::Applied { index, .. } => {
                standing.applied = index.0;
                &["entry.applied"]
            }
            Event::Members { ref configuration, .. } => match self.members.configuration_on(machine) {
                // What a node boots with is nothing new.
                None => &[],
                Some(before) if before == configuration => &[],
                Some(_) if configuration.is_joint() => &["members.changed", "members.joint"],
                Some(_) => &["members.changed"],
            },
            Event::RemovesDead { .. } => &["members.dead-removed"],
            Event::Installed { at, last, .. } => {
                (standing.applied, standing.last) = (at.0, last.0);
                &["snapshot.installed"]
            }
            Event::Compacted { .. } => &["log.compacted"],
            Event::Copied { .. } => &["snapshot.copied"],
            Event::ChunkReceived { .. } => &["snapshot.chunk.received"],
            Event::CopyDiscarded { .. } => &["snapshot.discarded"],
            Event::Persisted { .. } => &["log.synced"],
            Event::Committed { .. } => &["entry.committed"],
            Event::SessionExpired { .. } => &["session.expired"],
            Event::SessionsRemoved { .. } => &["session.removed"],
            Event::Checkpointed { .. } => &["database.checkpointed"],
            Event::TornTail { .. } => &["log.torn-tail"],
            Event::Corrupt { .. } => &["log.corrupt"],
            Event::Recovered => &["log.recovered"],
            Event::Stopped { .. } => &["node.stopped"],
            Event::OtherBuild { .. } => &[],
            Event::Forwarded { .. } => &["request.forwarded"],
            Event::Voted { .. } => &["vote.granted"],
            Event::Follows { .. } => &["leader.followed"],
        }
    }
}

impl State {
    /// Records a detail, if details are wanted.
    pub(super) fn detail(&mut self, detail: impl FnOnce(&State) -> Detail) {
        if self.detailed {
            let what = What::Detail(detail(self));
            self.ledger.records.push(Recorded { at: self.time(), what });
        }
    }

    /// Records something that happens now.
    pub fn record(&mut self, mut what: What) {
        if let What::Node(_, Event::Applied { index, term, payload, .. }) = &mut what {
            let (position, payload) = (Position { term: *term, index: *index }, std::mem::take(payload));
            self.ledger.executed.entry(index.0).or_insert(Logged { position, payload });
        }
        self.trace.enter_hashed(Item::Record, &what, || format!("{what:?}"));
        match &what {
            What::Node(machine, event) => {
                let (machine, marks) = (*machine, self.ledger.follow(*machine, event));
                self.ledger.members.observe(&what);
                if matches!(event, Event::Role { role: Role::Leader, .. }) {
                    self.counts.elections += 1;
                }
                if self.phase != Phase::Setup {
                    for mark in marks {
                        *self.ledger.marks.entry(mark).or_default().entry(machine).or_default() += 1;
                    }
                    self.set_off_faults();
                }
            }
            What::Wiped(machine) => {
                self.ledger.standings.remove(machine);
                self.ledger.members.observe(&what);
            }
            What::Down(machine, _) => {
                self.ledger.members.observe(&what);
                if let Some(standing) = self.ledger.standings.get_mut(machine) {
                    standing.up = false;
                }
            }
            What::Acknowledged { .. } | What::Fault(_) => self.quiet_since = self.time(),
            _ => {}
        }
        let recorded = Recorded { at: self.time(), what };
        self.ledger.watch(&recorded);
        self.ledger.records.push(recorded);
    }
}
