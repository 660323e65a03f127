//! An operator: an actor that makes a wish come true.
//!
//! It looks who takes part, does the next thing that is missing, and looks again: what became of a request without an answer
//! shows in what it sees. Only what a leader says counts. A change has come to stay when that leader has nothing left
//! to commit of it, which it says by refusing a change of nothing.

use std::time::Duration;

use lockstep_node::api::{Command, Error, Member, MemberChange, Reply, Request, Response, Value};
use lockstep_node::client::Transport;
use lockstep_node::wire::{self, Asked};

use super::wishes::Errand;
use super::{Event, SimClient, World, entity};
use crate::record::Machine;

/// How long it waits for a node that says who takes part.
const LOOK: Duration = Duration::from_millis(300);

/// How long it waits for a change, which is answered when it is done.
const CHANGE: Duration = Duration::from_secs(2);

/// How long it waits before it looks again.
const PAUSE: Duration = Duration::from_millis(50);

/// How long it rests after a command that was not executed. A leader that tries to hand its leadership over proposes nothing
/// meanwhile: asked again at once, it would never serve clients.
const REST: Duration = Duration::from_millis(400);

/// An operator at work.
struct Operator {
    world: World,
    end: SimClient,
    /// The wish's place among the scenario's events.
    place: usize,
    errand: Errand,
    /// The address of the node that leads, as far as it was told.
    leader: Option<String>,
    /// The node on the machine that was switched on, once it has said its id.
    joins: Option<u64>,
    /// The node that is to go.
    goes: Option<u64>,
    switched_on: bool,
}

/// What a look at the members shows is missing.
enum Missing {
    /// The machine that joins is off.
    Power(Machine),
    /// The id of the node on it.
    Id(Machine),
    /// A command that the leader must execute.
    Command(Command),
    /// Time.
    Time,
    /// That what is to be seen has come to stay.
    Commitment,
    /// Nothing.
    Nothing,
}

/// How a round ended.
enum Round {
    Again,
    Done,
    Refused(String),
}

/// One member, as a node describes it.
struct Row {
    id: u64,
    address: String,
    part: String,
    leads: bool,
    answers: bool,
}

impl World {
    /// Sends an operator.
    pub(super) fn send_operator(&self, place: usize, errand: Errand) {
        let world = self.clone();
        self.add_operator(place, move |end| async move {
            let operator =
                Operator { world, end, place, errand, leader: None, joins: None, goes: None, switched_on: false };
            operator.work().await;
        });
    }
}

impl Operator {
    async fn work(mut self) {
        while self.world.lock().fault_is_active(self.place) {
            let refusal = match self.round().await {
                Round::Again => {
                    self.end.sleep(PAUSE).await;
                    continue;
                }
                Round::Done => None,
                Round::Refused(reason) => Some(reason),
            };
            let mut state = self.world.lock();
            if state.fault_is_active(self.place) {
                if let (None, Some(machine)) = (&refusal, self.machine_to_switch_off()) {
                    state.switch(machine, false);
                }
                state.end_wish(self.place, &self.errand, refusal.as_deref());
            }
            return;
        }
    }

    /// Looks, and does the next thing.
    async fn round(&mut self) -> Round {
        let (leader, rows) = match self.look().await {
            Ok(Some(seen)) => seen,
            Ok(None) => return Round::Again,
            Err(refusal) => return Round::Refused(refusal),
        };
        let missing = self.missing(&rows);
        if !self.world.lock().fault_is_active(self.place) {
            return Round::Again;
        }
        match missing {
            Missing::Power(machine) => {
                self.world.lock().switch(machine, true);
                self.switched_on = true;
                Round::Again
            }
            Missing::Id(machine) => {
                let rows = self.members(&machine.to_string()).await.unwrap_or_default();
                self.joins = rows.iter().find(|row| row.answers).map(|row| row.id);
                Round::Again
            }
            Missing::Command(command) => {
                if self.ask(&leader, command, CHANGE).await.is_err() {
                    self.end.sleep(REST).await;
                }
                Round::Again
            }
            Missing::Time => Round::Again,
            Missing::Commitment => match self.ask(&leader, Command::Change(Vec::new()), CHANGE).await {
                Err(Some(Error::Refused(_))) => Round::Done,
                _ => Round::Again,
            },
            Missing::Nothing => Round::Done,
        }
    }

    /// Asks a node that leads who takes part. Returns its address and the members; nothing if it could not be found at once.
    async fn look(&mut self) -> Result<Option<(String, Vec<Row>)>, String> {
        let node = match self.leader.take() {
            Some(node) => node,
            None => {
                let nodes = self.world.lock().in_use();
                nodes[self.end.draw(nodes.len() as u64) as usize].to_string()
            }
        };
        let rows = match self.members(&node).await {
            Ok(rows) => rows,
            Err(Some(Error::Refused(reason) | Error::Unsupported(reason))) => return Err(reason),
            Err(_) => return Ok(None),
        };
        self.leader = rows.iter().find(|row| row.leads).map(|row| row.address.clone());
        let leads = rows.iter().any(|row| row.leads && row.answers);
        if leads {
            self.leader = Some(node.clone());
        }
        Ok(leads.then_some((node, rows)))
    }

    async fn members(&mut self, node: &str) -> Result<Vec<Row>, Option<Error>> {
        Ok(rows(&self.ask(node, Command::Members, LOOK).await?))
    }

    /// Asks one node, which must not pass it on. An error of `None` is no answer.
    async fn ask(&mut self, node: &str, command: Command, patience: Duration) -> Result<Reply, Option<Error>> {
        let request = wire::encode(&Asked { forwarded: true, request: Request { session: None, command } });
        let answer = self.end.call(node, request, patience).await.map_err(|_| None)?;
        wire::decode::<Response>(&answer).map_err(|_| None)?.map_err(Some)
    }

    /// What is missing, as a leader sees it.
    fn missing(&mut self, rows: &[Row]) -> Missing {
        match self.errand {
            Errand::Join { machine, learner } => self.missing_to_join(rows, machine, learner),
            Errand::Promote(machine) => match at(rows, machine) {
                Some(row) if row.part == "learner" => change([MemberChange::Promote(Member::Id(row.id))]),
                row => settled(rows, row.is_some_and(|row| row.part == "voter")),
            },
            Errand::Remove { machine, .. } => {
                self.goes = self.goes.or_else(|| at(rows, machine).map(|row| row.id));
                match self.goes.map(|goes| part(rows, goes)) {
                    Some("voter" | "learner") => change(self.goes.map(Member::Id).map(MemberChange::Remove)),
                    _ => settled(rows, true),
                }
            }
            Errand::Replace { machine, by, .. } => {
                self.goes = self.goes.or_else(|| at(rows, machine).map(|row| row.id));
                match self.joins.map(|joins| part(rows, joins)) {
                    Some("learner" | "voter") => self.missing_to_replace(rows),
                    _ => self.missing_to_join(rows, by, true),
                }
            }
            Errand::Transfer(machine) => match at(rows, machine) {
                Some(row) if row.leads => Missing::Nothing,
                Some(row) => Missing::Command(Command::Transfer(Member::Id(row.id))),
                None => Missing::Time,
            },
        }
    }

    fn missing_to_join(&self, rows: &[Row], machine: Machine, learner: bool) -> Missing {
        let Some(joins) = self.joins else {
            return if self.switched_on { Missing::Id(machine) } else { Missing::Power(machine) };
        };
        let member = Member::Id(joins);
        match part(rows, joins) {
            "learner" if learner => settled(rows, true),
            "learner" => change([MemberChange::Promote(member)]),
            "voter" => settled(rows, true),
            _ => change([MemberChange::AddLearner { id: joins, address: machine.to_string() }]),
        }
    }

    fn missing_to_replace(&self, rows: &[Row]) -> Missing {
        let is = |node: Option<u64>, parts: &[&str]| node.filter(|id| parts.contains(&part(rows, *id))).map(Member::Id);
        let removed = is(self.goes, &["voter", "learner"]).map(MemberChange::Remove);
        let promoted = is(self.joins, &["learner"]).map(MemberChange::Promote);
        match (removed, promoted) {
            (None, None) => settled(rows, true),
            (removed, promoted) => change(removed.into_iter().chain(promoted)),
        }
    }

    fn machine_to_switch_off(&self) -> Option<Machine> {
        match self.errand {
            Errand::Remove { machine, off: true } | Errand::Replace { machine, off: true, .. } => Some(machine),
            _ => None,
        }
    }
}

fn change(changes: impl IntoIterator<Item = MemberChange>) -> Missing {
    Missing::Command(Command::Change(changes.into_iter().collect()))
}

/// What is missing where the members are those that are wished for, or not yet. A joint configuration is left by itself.
fn settled(rows: &[Row], as_wished: bool) -> Missing {
    let joint = rows.iter().any(|row| row.part == "leaving");
    if as_wished && !joint { Missing::Commitment } else { Missing::Time }
}

/// The member that listens on a machine.
fn at(rows: &[Row], machine: Machine) -> Option<&Row> {
    let address = machine.to_string();
    rows.iter().find(|row| row.address == address && row.part != "none")
}

/// The part that a node takes.
fn part(rows: &[Row], id: u64) -> &str {
    rows.iter().find(|row| row.id == id).map_or("none", |row| row.part.as_str())
}

/// The members in a reply.
fn rows(reply: &Reply) -> Vec<Row> {
    let row = |row: &Vec<Value>| {
        let [Value::Text(id), address, Value::Text(part), Value::Integer(leads), Value::Integer(answers)] = &row[..]
        else {
            return None;
        };
        let address = if let Value::Text(address) = address { address.clone() } else { String::new() };
        let id = u64::from_str_radix(id, 16).ok()?;
        Some(Row { id, address, part: part.clone(), leads: *leads != 0, answers: *answers != 0 })
    };
    let rows = reply.results.first().and_then(|result| result.as_ref().ok());
    rows.map_or_else(Vec::new, |rows| rows.rows.iter().filter_map(row).collect())
}

impl super::State {
    /// Has a machine switched on with an empty disk, or off, when the present turn is over.
    fn switch(&mut self, machine: Machine, on: bool) {
        self.future.push(self.now, entity::machine(machine), Event::Switch { machine, on });
    }
}
