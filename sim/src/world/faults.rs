//! The schedule of faults: what goes wrong, when, and to whom; and what it did.

use std::time::Duration;

use super::{Event, State, entity};
use crate::choice::Stream;
use crate::disk::Strike;
use crate::record::{FaultRecord, Machine, What};
use crate::scenario::model::{self, Fault, Scenario, Selector, Trigger};
use crate::trace::Trace;

/// How long a fault whose selectors name nobody waits before it looks again.
const RETRY: Duration = Duration::from_millis(20);

/// The scenario's faults and where each stands.
pub(super) struct Faults {
    list: Vec<Scheduled>,
}

struct Scheduled {
    event: model::Event,
    status: Status,
    /// How many messages it stopped.
    stopped: u64,
    /// Draws its time and its targets.
    choices: Stream,
}

#[derive(Clone, Debug, PartialEq)]
enum Status {
    /// Its trigger has not come.
    Waiting,
    /// Its trigger has come; it strikes now, or as soon as its selectors name somebody.
    Due,
    /// It struck and goes on.
    Active(Vec<Effect>),
    /// It struck and ended.
    Over,
    /// The fault phase ended before it struck.
    Missed,
}

/// What a fault does to the world, resolved to machines.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// The machine loses power.
    PowerCut(Machine),
    /// The process is killed.
    Kill(Machine),
    /// A direction is cut.
    Cut(Machine, Machine),
    /// The disk gets slower.
    Slow(Machine, u32),
    /// The disk stalls.
    Stall(Machine),
}

impl Faults {
    pub(super) fn new(scenario: &Scenario, seed: u64, trace: &Trace) -> Self {
        let scheduled = |(place, event): (usize, &model::Event)| Scheduled {
            event: event.clone(),
            status: Status::Waiting,
            stopped: 0,
            choices: Stream::new(trace, seed, "fault", place as u64),
        };
        Faults { list: scenario.events.iter().enumerate().map(scheduled).collect() }
    }

    fn is_active(&self, event: usize) -> bool {
        matches!(self.list[event].status, Status::Active(_))
    }
}

impl State {
    /// Puts the timed faults into the future, and arms the disks for those that strike at a disk call.
    pub(super) fn schedule_faults(&mut self) {
        for place in 0..self.faults.list.len() {
            let fault = &mut self.faults.list[place];
            match fault.event.trigger.clone() {
                Trigger::At(first, last) => {
                    let at = fault.choices.time(first, last);
                    self.future.push(self.zero + at, entity::FAULT | place as u64, fault_event(place, true));
                }
                Trigger::Io { nth, during, node } => {
                    let machines = self.resolve(place, &[vec![node]]).and_then(|mut groups| groups.pop());
                    for machine in machines.unwrap_or_default() {
                        self.machine(machine).disk.arm(Strike { event: place, nth, during });
                    }
                }
                Trigger::Applied(_) | Trigger::Mark { .. } => {}
            }
        }
    }

    /// Looks whether what just happened is what a fault waits for.
    pub(super) fn set_off_faults(&mut self) {
        for place in 0..self.faults.list.len() {
            let fault = &self.faults.list[place];
            if fault.status != Status::Waiting {
                continue;
            }
            let reached = match &fault.event.trigger {
                Trigger::Applied(index) => self.ledger.standings().values().any(|standing| standing.applied >= *index),
                Trigger::Mark { mark, node, nth } => {
                    let machine =
                        node.as_ref().map(|label| super::find_machine(self, label).expect("checked at parse"));
                    self.ledger.mark_count(mark, machine) >= *nth
                }
                Trigger::At(..) | Trigger::Io { .. } => false,
            };
            if reached {
                self.faults.list[place].status = Status::Due;
                self.future.push(self.now, entity::FAULT | place as u64, fault_event(place, true));
            }
        }
    }

    /// Resolves a fault's targets and marks it as active. `None` if it must wait, or can no longer strike.
    pub(super) fn strike(&mut self, place: usize) -> Option<Vec<Effect>> {
        if !matches!(self.faults.list[place].status, Status::Waiting | Status::Due) {
            return None;
        }
        self.faults.list[place].status = Status::Due;
        let Some(effects) = self.effects(place) else {
            self.future.push(self.now + RETRY, entity::FAULT | place as u64, fault_event(place, true));
            return None;
        };
        self.begin_fault(place, effects.clone());
        Some(effects)
    }

    /// Marks a fault as active and schedules its end.
    pub(super) fn begin_fault(&mut self, place: usize, effects: Vec<Effect>) {
        let fault = &mut self.faults.list[place];
        let lasts = fault.event.lasts;
        let text = describe(&fault.event, &effects);
        fault.status = Status::Active(effects);
        if let Some(lasts) = lasts {
            self.future.push(self.now + lasts, entity::FAULT | place as u64, fault_event(place, false));
        }
        self.record(What::Fault(FaultRecord { event: place, struck: true, text }));
    }

    /// Ends an active fault and returns what it did.
    pub(super) fn end_fault(&mut self, place: usize) -> Vec<Effect> {
        let fault = &mut self.faults.list[place];
        let Status::Active(effects) = std::mem::replace(&mut fault.status, Status::Over) else {
            unreachable!("only an active fault ends");
        };
        let text = format!("end of {}", describe(&fault.event, &effects));
        self.record(What::Fault(FaultRecord { event: place, struck: false, text }));
        effects
    }

    /// The faults that go on. What has not struck by now never will: the fault phase is over.
    pub(super) fn close_faults(&mut self) -> Vec<usize> {
        let machines: Vec<_> = self.machines.iter().map(|node| node.disk.clone()).collect();
        for (place, fault) in self.faults.list.iter_mut().enumerate() {
            if matches!(fault.status, Status::Waiting | Status::Due) {
                fault.status = Status::Missed;
                machines.iter().for_each(|disk| disk.disarm(place));
            }
        }
        (0..self.faults.list.len()).filter(|place| self.faults.is_active(*place)).collect()
    }

    /// Whether the fault goes on.
    pub(super) fn fault_is_active(&self, place: usize) -> bool {
        self.faults.is_active(place)
    }

    /// Whether no timed fault is still to come or to end.
    pub fn timed_faults_over(&self) -> bool {
        self.faults.list.iter().all(|fault| match fault.status {
            Status::Waiting => !matches!(fault.event.trigger, Trigger::At(..)),
            Status::Active(_) => fault.event.lasts.is_none(),
            // What waits for a target may wait forever, like what waits for its trigger.
            Status::Due | Status::Over | Status::Missed => true,
        })
    }

    /// Whether some fault goes on until the heal.
    pub fn fault_lasts(&self) -> bool {
        let lasts = |fault: &Scheduled| matches!(fault.status, Status::Active(_)) && fault.event.lasts.is_none();
        self.faults.list.iter().any(lasts)
    }

    /// Whether some fault still waits for its trigger or its target.
    pub fn faults_wait(&self) -> bool {
        self.faults.list.iter().any(|fault| matches!(fault.status, Status::Waiting | Status::Due))
    }

    /// Which faults struck.
    pub fn struck(&self) -> Vec<bool> {
        let struck = |fault: &Scheduled| matches!(fault.status, Status::Active(_) | Status::Over);
        self.faults.list.iter().map(struck).collect()
    }

    /// Counts a message that a cut stopped, for each fault that makes the cut.
    pub(super) fn count_stopped(&mut self, from: Machine, to: Machine) {
        let cuts = |fault: &&mut Scheduled| match &fault.status {
            Status::Active(effects) => effects.contains(&Effect::Cut(from, to)),
            _ => false,
        };
        self.faults.list.iter_mut().filter(cuts).for_each(|fault| fault.stopped += 1);
    }

    /// How many messages each fault stopped.
    pub fn stopped(&self) -> Vec<u64> {
        self.faults.list.iter().map(|fault| fault.stopped).collect()
    }

    /// What a fault does now, or `None` while a selector names nobody.
    fn effects(&mut self, place: usize) -> Option<Vec<Effect>> {
        let fault = self.faults.list[place].event.fault.clone();
        Some(match fault {
            Fault::PowerCut(target) => self.each(place, target, Effect::PowerCut)?,
            Fault::Kill(target) => {
                let machines = self.resolve(place, &[target])?.pop()?;
                // Nobody can be killed who is down already: it waits for one of them.
                machines.iter().find(|machine| self.machines[machine.0 as usize].process.is_some())?;
                machines.into_iter().map(Effect::Kill).collect()
            }
            Fault::SlowDisk { target, factor } => self.each(place, target, |machine| Effect::Slow(machine, factor))?,
            Fault::StallDisk(target) => self.each(place, target, Effect::Stall)?,
            Fault::Partition(groups) => {
                let groups = self.resolve(place, &groups)?;
                let all = (0..self.machines.len() as u32).map(Machine);
                let group = |machine| groups.iter().position(|group| group.contains(&machine));
                let apart = |(one, other): &(Machine, Machine)| {
                    one != other && (group(*one).is_none() || group(*one) != group(*other))
                };
                let pairs = all.clone().flat_map(|one| all.clone().map(move |other| (one, other)));
                pairs.filter(apart).map(|(one, other)| Effect::Cut(one, other)).collect()
            }
            Fault::Cut { from, to, one_way } => {
                let mut sides = self.resolve(place, &[from, to])?.into_iter();
                let (from, to) = (sides.next()?, sides.next()?);
                let mut cuts = Vec::new();
                for (one, other) in from.iter().flat_map(|one| to.iter().map(move |other| (*one, *other))) {
                    cuts.push(Effect::Cut(one, other));
                    if !one_way {
                        cuts.push(Effect::Cut(other, one));
                    }
                }
                cuts
            }
        })
    }

    fn each(&mut self, place: usize, target: Vec<Selector>, effect: impl Fn(Machine) -> Effect) -> Option<Vec<Effect>> {
        let machines = self.resolve(place, &[target])?.pop()?;
        Some(machines.into_iter().map(effect).collect())
    }

    /// Resolves groups of selectors to machines. No machine is in two groups; `rest` takes what the others leave.
    fn resolve(&mut self, place: usize, groups: &[Vec<Selector>]) -> Option<Vec<Vec<Machine>>> {
        let mut resolved = vec![Vec::new(); groups.len()];
        let mut taken = Vec::new();
        let (named, rest): (Vec<_>, Vec<_>) = groups
            .iter()
            .enumerate()
            .flat_map(|(group, list)| list.iter().map(move |one| (group, one)))
            .partition(|(_, one)| **one != Selector::Rest);
        for (group, selector) in named.into_iter().chain(rest) {
            let machines = self.select(place, selector, &taken);
            if machines.is_empty() {
                return None;
            }
            taken.extend(&machines);
            resolved[group].extend(machines);
        }
        Some(resolved)
    }

    /// The machines that a selector names, without those already taken.
    fn select(&mut self, place: usize, selector: &Selector, taken: &[Machine]) -> Vec<Machine> {
        let free = |machine: &Machine| !taken.contains(machine);
        let all: Vec<Machine> = (0..self.machines.len() as u32).map(Machine).filter(free).collect();
        let total = self.machines.len();
        let leader = self.ledger.leader().filter(free);
        let live = |machine: &Machine| self.machines[machine.0 as usize].process.is_some();
        let candidates: Vec<Machine> = match selector {
            Selector::Leader => return leader.into_iter().collect(),
            Selector::Node(label) => return super::find_machine(self, label).filter(free).into_iter().collect(),
            Selector::All | Selector::Rest => return all,
            Selector::Any => all.into_iter().filter(live).collect(),
            Selector::Follower => all.into_iter().filter(live).filter(|machine| Some(*machine) != leader).collect(),
            Selector::Minority | Selector::Majority => all,
        };
        let count = match selector {
            Selector::Minority => (total - 1) / 2,
            Selector::Majority => total / 2 + 1,
            _ => 1,
        };
        let mut chosen = candidates;
        self.faults.list[place].choices.shuffle(&mut chosen);
        chosen.truncate(count);
        chosen.sort_unstable();
        chosen
    }
}

fn fault_event(event: usize, strikes: bool) -> Event {
    Event::Fault { event, strikes }
}

/// The fault in words: `power-cut n2 for 1s`.
fn describe(event: &model::Event, effects: &[Effect]) -> String {
    let machines = |of: fn(&Effect) -> Option<Machine>| {
        let labels: Vec<String> = effects.iter().filter_map(of).map(|machine| machine.to_string()).collect();
        labels.join(" ")
    };
    let target = || {
        machines(|effect| match effect {
            Effect::PowerCut(machine) | Effect::Kill(machine) | Effect::Slow(machine, _) | Effect::Stall(machine) => {
                Some(*machine)
            }
            Effect::Cut(..) => None,
        })
    };
    let cuts = || {
        let cut = |effect: &Effect| match effect {
            Effect::Cut(from, to) => {
                let back = effects.contains(&Effect::Cut(*to, *from));
                (!back || from < to).then(|| format!("{from}{}{to}", if back { "–" } else { "→" }))
            }
            _ => None,
        };
        effects.iter().filter_map(cut).collect::<Vec<_>>().join(" ")
    };
    let what = match &event.fault {
        Fault::PowerCut(_) => format!("power-cut {}", target()),
        Fault::Kill(_) => format!("kill {}", target()),
        Fault::Partition(_) => format!("partition {}", cuts()),
        Fault::Cut { .. } => format!("cut {}", cuts()),
        Fault::SlowDisk { factor, .. } => format!("slow-disk {} {factor} times", target()),
        Fault::StallDisk(_) => format!("stall-disk {}", target()),
    };
    event.lasts.map_or(what.clone(), |lasts| format!("{what} for {lasts:?}"))
}
