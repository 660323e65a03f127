//! The schedule of faults: what goes wrong, when, and to whom; and what it did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::effects::{Effect, Step, harm};
use super::words::describe;
use super::{Event, State, entity};
use crate::choice::Stream;
use crate::disk::Strike;
use crate::record::{FaultRecord, Harm, Machine, What};
use crate::scenario::event_line;
use crate::scenario::model::{self, Fault, Scenario, Trigger, Wish};
use crate::trace::Trace;

/// How long a fault whose selectors name nobody waits before it looks again.
const RETRY: Duration = Duration::from_millis(20);

/// The scenario's faults and where each stands.
pub(super) struct Faults {
    list: Vec<Scheduled>,
    /// Those that wait for something that nodes say.
    watching: Vec<usize>,
}

struct Scheduled {
    event: model::Event,
    /// Whether it strikes and does nothing: see [`Options::blunt`](crate::simulate::Options).
    blunt: bool,
    status: Status,
    /// What it does, once it struck.
    steps: Vec<Step>,
    /// How often it changed something.
    bites: u64,
    /// Draws its time and its targets.
    choices: Stream,
}

#[derive(Clone, Debug, PartialEq)]
enum Status {
    /// Its trigger has not come.
    Waiting,
    /// Its trigger has come; it strikes now, or as soon as its selectors name somebody.
    Due,
    /// It struck and goes on, with these effects in force.
    Active(Vec<Effect>),
    /// It struck and ended.
    Over,
    /// The fault phase ended before it struck.
    Missed,
}

impl Scheduled {
    fn is_wish(&self) -> bool {
        matches!(self.event.fault, Fault::Wish(_))
    }
}

impl Faults {
    pub(super) fn new(scenario: &Scenario, seed: u64, trace: &Trace, blunt: Option<&str>) -> Self {
        let mut alike = BTreeMap::new();
        let scheduled = |event: &model::Event| Scheduled {
            event: event.clone(),
            blunt: blunt == Some(event.fault.name()),
            status: Status::Waiting,
            steps: Vec::new(),
            bites: 0,
            choices: Stream::new(trace, seed, "fault", identity(event, &mut alike)),
        };
        let list = scenario.events.iter().map(scheduled).collect();
        Faults { list, watching: Vec::new() }
    }

    /// The fault as the scenario has it.
    pub(super) fn event(&self, place: usize) -> &model::Event {
        &self.list[place].event
    }

    /// Draws for a fault.
    pub(super) fn choices(&mut self, place: usize) -> &mut Stream {
        &mut self.list[place].choices
    }

    /// The machines that lack power now.
    pub(super) fn without_power(&self) -> BTreeSet<Machine> {
        let effects = |fault| match fault {
            &Scheduled { status: Status::Active(ref effects), .. } => effects.as_slice(),
            _ => &[],
        };
        let machine = |effect: &Effect| match effect {
            Effect::PowerCut(machine) | Effect::Wipe(machine) => Some(*machine),
            _ => None,
        };
        self.list.iter().flat_map(effects).filter_map(machine).collect()
    }

    /// Whether a fault does nothing when it strikes.
    pub(super) fn is_blunt(&self, place: usize) -> bool {
        self.list[place].blunt
    }

    /// Whether something is under way that a churn drew.
    pub(super) fn churns(&self) -> bool {
        let churn = |event: &model::Event| matches!(event.fault, Fault::Wish(Wish::Churn { .. }));
        self.list.iter().any(|fault| churn(&fault.event) && matches!(fault.status, Status::Active(_)))
    }

    /// A fault is over by itself.
    pub(super) fn close(&mut self, place: usize) {
        self.list[place].status = Status::Over;
    }

    fn is_active(&self, event: usize) -> bool {
        matches!(self.list[event].status, Status::Active(_))
    }
}

/// What an event is known by where it draws: what it says, and how many before it say the same. So an event more or less
/// leaves the targets of the others as they were, and an event in the place of a nemesis's strike draws what that drew.
fn identity(event: &model::Event, alike: &mut BTreeMap<String, u64>) -> u64 {
    let said = event_line(event);
    let before = alike.entry(said.clone()).or_default();
    let identity = xxh3_64_with_seed(said.as_bytes(), *before);
    *before += 1;
    identity
}

impl State {
    /// Puts the timed faults into the future, and arms the disks for those that strike at a disk call.
    pub(super) fn schedule_faults(&mut self) {
        for place in 0..self.faults.list.len() {
            let fault = &mut self.faults.list[place];
            match fault.event.trigger.clone() {
                Trigger::At(at, _) => {
                    self.future.push(self.zero + at, entity::FAULT | place as u64, fault_event(place, true));
                }
                Trigger::Io { nth, during, node } => {
                    let machines = self.resolve(place, &[vec![node]]).and_then(|mut groups| groups.pop());
                    let armed = machines.filter(|_| !self.faults.is_blunt(place));
                    for machine in armed.unwrap_or_default() {
                        self.machine(machine).disk.arm(Strike { event: place, nth: nth.0, during });
                    }
                }
                Trigger::Applied(_) | Trigger::Mark { .. } => self.faults.watching.push(place),
            }
        }
    }

    /// Looks whether what just happened is what a fault waits for.
    pub(super) fn set_off_faults(&mut self) {
        if self.faults.watching.is_empty() {
            return;
        }
        let mut watching = std::mem::take(&mut self.faults.watching);
        watching.retain(|place| {
            let (place, fault) = (*place, &self.faults.list[*place]);
            let reached = match &fault.event.trigger {
                Trigger::Applied(index) => self.ledger.standings().values().any(|standing| standing.applied >= index.0),
                Trigger::Mark { mark, node, nth } => {
                    let machine =
                        node.as_ref().map(|label| super::find_machine(self, label).expect("checked at parse"));
                    self.ledger.mark_count(mark, machine) >= nth.0
                }
                Trigger::At(..) | Trigger::Io { .. } => false,
            };
            if reached {
                self.faults.list[place].status = Status::Due;
                self.future.push(self.now, entity::FAULT | place as u64, fault_event(place, true));
            }
            !reached
        });
        self.faults.watching = watching;
    }

    /// Resolves a fault's targets and marks it as active. `None` if it must wait, or can no longer strike.
    pub(super) fn strike(&mut self, place: usize) -> Option<Vec<Effect>> {
        if !matches!(self.faults.list[place].status, Status::Waiting | Status::Due) {
            return None;
        }
        self.faults.list[place].status = Status::Due;
        let Some(steps) = self.plan(place) else {
            self.future.push(self.now + RETRY, entity::FAULT | place as u64, fault_event(place, true));
            return None;
        };
        Some(self.begin_fault(place, steps))
    }

    /// Marks a fault as active, schedules what is to come of it, and returns what it does at once.
    pub(super) fn begin_fault(&mut self, place: usize, steps: Vec<Step>) -> Vec<Effect> {
        let fault = &mut self.faults.list[place];
        let at_once: Vec<Effect> =
            steps.iter().filter(|step| step.after.is_zero()).map(|step| step.effect.clone()).collect();
        let text = describe(&fault.event, &steps);
        fault.status = Status::Active(at_once.clone());
        if let Some(length) = fault.event.length() {
            self.future.push(self.now + length, entity::FAULT | place as u64, fault_event(place, false));
        }
        for (number, step) in steps.iter().enumerate().filter(|(_, step)| !step.after.is_zero()) {
            let event = Event::Step { event: place, number };
            self.future.push(self.now + step.after, entity::FAULT | place as u64, event);
        }
        self.faults.list[place].steps = steps;
        self.record(What::Fault(FaultRecord { event: place, struck: true, text, harm: harm(&at_once) }));
        at_once
    }

    /// The next step of an active fault: what begins with it, or ends.
    pub(super) fn take_step(&mut self, place: usize, number: usize) -> Option<(Effect, bool)> {
        let fault = &mut self.faults.list[place];
        let Status::Active(effects) = &mut fault.status else { return None };
        let Step { effect, begins, .. } = fault.steps[number].clone();
        if begins {
            effects.push(effect.clone());
        } else {
            let in_force = effects.iter().position(|active| *active == effect);
            effects.remove(in_force.expect("a step ends what an earlier one began"));
        }
        let harm = harm(effects);
        let text = format!("{}: {}{}", fault.event.fault.name(), if begins { "" } else { "end of " }, effect.words());
        self.record(What::Fault(FaultRecord { event: place, struck: begins, text, harm }));
        Some((effect, begins))
    }

    /// Ends an active fault and returns what it did until now.
    pub(super) fn end_fault(&mut self, place: usize) -> Vec<Effect> {
        let fault = &mut self.faults.list[place];
        let Status::Active(effects) = std::mem::replace(&mut fault.status, Status::Over) else {
            unreachable!("only an active fault ends");
        };
        let ends = if let Fault::Wish(_) = fault.event.fault { "given up:" } else { "end of" };
        let mut text = format!("{ends} {}", describe(&fault.event, &fault.steps));
        if let Fault::Messages { .. } = fault.event.fault {
            text += &format!(", which met {}", fault.bites);
        }
        self.record(What::Fault(FaultRecord { event: place, struck: false, text, harm: Harm::default() }));
        effects
    }

    /// The faults that go on. What has not struck by now never will: the fault phase is over.
    pub(super) fn close_faults(&mut self) -> Vec<usize> {
        let machines: Vec<_> = self.machines.iter().map(|node| node.disk.clone()).collect();
        self.faults.watching.clear();
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
            Status::Active(_) => fault.event.length().is_none(),
            // What waits for a target may wait forever, like what waits for its trigger.
            Status::Due | Status::Over | Status::Missed => true,
        })
    }

    /// Whether some fault goes on until the heal.
    pub fn fault_lasts(&self) -> bool {
        let lasts = |fault: &Scheduled| matches!(fault.status, Status::Active(_)) && fault.event.length().is_none();
        self.faults.list.iter().any(|fault| lasts(fault) && !fault.is_wish())
    }

    /// Whether an operator is at work.
    pub fn wishes_go_on(&self) -> bool {
        self.faults.list.iter().any(|fault| fault.is_wish() && matches!(fault.status, Status::Active(_)))
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

    /// Counts for each fault with an active effect of this kind that it changed something.
    pub(super) fn count_bites(&mut self, by: impl Fn(&Effect) -> bool) {
        let bites = |fault: &&mut Scheduled| match &fault.status {
            Status::Active(effects) => !fault.blunt && effects.iter().any(&by),
            _ => false,
        };
        self.faults.list.iter_mut().filter(bites).for_each(|fault| fault.bites += 1);
    }

    /// Counts that this fault changed something.
    pub(super) fn count_bite(&mut self, place: usize) {
        self.faults.list[place].bites += 1;
    }

    /// How often each fault changed something.
    pub fn bites(&self) -> Vec<u64> {
        self.faults.list.iter().map(|fault| fault.bites).collect()
    }
}

fn fault_event(event: usize, strikes: bool) -> Event {
    Event::Fault { event, strikes }
}
