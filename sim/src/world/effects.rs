//! What a fault does to the world: its selectors resolved to machines, its effects in the order of their times.

use std::time::Duration;

use super::State;
use super::wishes::Errand;
use crate::record::{Harm, Machine};
use crate::scenario::model::{Fault, Selector};

/// What a fault does to the world. It begins, and it ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// The machine loses power.
    PowerCut(Machine),
    /// The machine loses power, and its disk is emptied.
    Wipe(Machine),
    /// The process is killed.
    Kill(Machine),
    /// The process gets no turn.
    Pause(Machine),
    /// A direction is cut.
    Cut(Machine, Machine),
    /// What arrives in a direction waits.
    Clog(Machine, Machine),
    /// What arrives at a machine waits, and what arrives from it; with `true` only the latter.
    ClogAround(Machine, bool),
    /// What is sent in a direction takes so much longer.
    SlowLink(Machine, Machine, Duration),
    /// The fault chooses among the peer messages from these machines to those.
    Choose(Vec<Machine>, Vec<Machine>),
    /// The wall clock is set by so many nanoseconds.
    Jump(Machine, i64),
    /// The clocks run faster by so many parts per million.
    Drift(Machine, i64),
    /// The wall clock stands still.
    Freeze(Machine),
    /// The disk gets slower.
    Slow(Machine, u32),
    /// The disk stalls.
    Stall(Machine),
    /// An operator is sent to see to this.
    Send(Errand),
}

/// An effect that begins or ends some time after the strike. What has no step to end it ends with the fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) after: Duration,
    pub(super) begins: bool,
    pub(super) effect: Effect,
}

impl Step {
    /// An effect of the strike itself.
    pub(super) fn at_once(effect: Effect) -> Step {
        Step { after: Duration::ZERO, begins: true, effect }
    }
}

impl Effect {
    /// Whether it lets wait what arrives in this direction.
    pub(super) fn clogs(&self, from: Machine, to: Machine) -> bool {
        match *self {
            Effect::Clog(one, other) => (one, other) == (from, to),
            Effect::ClogAround(machine, one_way) => machine == from || !one_way && machine == to,
            _ => false,
        }
    }

    /// Whether it makes this machine's clocks wrong.
    pub(super) fn turns_clock(&self, machine: Machine) -> bool {
        matches!(self, Effect::Jump(of, _) | Effect::Drift(of, _) | Effect::Freeze(of) if *of == machine)
    }
}

/// What is harmed while these effects are in force.
pub(super) fn harm(effects: &[Effect]) -> Harm {
    let mut harm = Harm::default();
    for effect in effects {
        match effect {
            Effect::PowerCut(machine)
            | Effect::Wipe(machine)
            | Effect::Kill(machine)
            | Effect::Pause(machine)
            | Effect::ClogAround(machine, _)
            | Effect::Jump(machine, _)
            | Effect::Drift(machine, _)
            | Effect::Freeze(machine)
            | Effect::Slow(machine, _)
            | Effect::Stall(machine) => harm.machines.push(*machine),
            Effect::Send(_) => {}
            Effect::Cut(from, to) => harm.cut.push((*from, *to)),
            Effect::Clog(from, to) | Effect::SlowLink(from, to, _) => harm.disturbed.push((*from, *to)),
            Effect::Choose(from, to) => {
                let pairs = from.iter().flat_map(|from| to.iter().map(|to| (*from, *to)));
                harm.disturbed.extend(pairs.filter(|(from, to)| from != to));
            }
        }
    }
    harm.machines.sort_unstable();
    harm.machines.dedup();
    harm
}

impl State {
    /// What a fault does, or `None` while a selector names nobody.
    pub(super) fn plan(&mut self, place: usize) -> Option<Vec<Step>> {
        let event = self.faults.event(place).clone();
        let effects = match &event.fault {
            Fault::CrashLoop { target, times, down, up } => {
                let machines = self.up(place, target)?;
                return Some(crash_loop(&machines, *times, *down, *up));
            }
            Fault::Swizzle { target, one_way } => {
                let lasts = event.lasts.expect("checked when the scenario was read");
                let machines = self.resolve_one(place, target)?;
                return Some(self.swizzle(place, machines, *one_way, lasts));
            }
            Fault::PowerCut(target) => {
                let machines = self.resolve_one(place, target)?;
                self.with_something_to_lose(self.within_budget(machines)?)?.into_iter().map(Effect::PowerCut).collect()
            }
            Fault::Wipe(target) => {
                let machines = self.resolve_one(place, target)?;
                let machines = self.within_budget(machines)?;
                self.decides_without(&machines).then_some(())?;
                machines.into_iter().map(Effect::Wipe).collect()
            }
            Fault::Wish(wish) => vec![Effect::Send(self.plan_wish(place, wish)?)],
            Fault::Kill(target) | Fault::Restart(target) => {
                self.up(place, target)?.into_iter().map(Effect::Kill).collect()
            }
            Fault::Pause(target) => self.each(place, target, Effect::Pause)?,
            Fault::ClockJump { target, by_ns } => self.each(place, target, |machine| Effect::Jump(machine, *by_ns))?,
            Fault::ClockDrift { target, by_ppm } => self.each(place, target, |one| Effect::Drift(one, *by_ppm))?,
            Fault::ClockFreeze(target) => self.each(place, target, Effect::Freeze)?,
            Fault::SlowDisk { target, factor } => self.each(place, target, |machine| Effect::Slow(machine, *factor))?,
            Fault::StallDisk(target) => self.each(place, target, Effect::Stall)?,
            Fault::Messages { from, to, .. } => {
                let (from, to) = (self.resolve_one(place, from)?, self.resolve_one(place, to)?);
                vec![Effect::Choose(from, to)]
            }
            links => self.directions(place, links)?,
        };
        Some(effects.into_iter().map(Step::at_once).collect())
    }

    /// The machines to kill. Where all of them are down already nobody can be killed: the fault waits for one of them.
    fn up(&mut self, place: usize, target: &[Selector]) -> Option<Vec<Machine>> {
        let machines = self.resolve_one(place, target)?;
        let up = |machine: &Machine| self.machines[machine.0 as usize].process.is_some();
        machines.iter().any(up).then_some(machines)
    }

    /// The machines to cut from power. Where other faults hold all of them down and everything is synced it would change
    /// nothing: the fault waits, as a kill does. A machine whose process stopped by itself will boot again.
    fn with_something_to_lose(&self, machines: Vec<Machine>) -> Option<Vec<Machine>> {
        let changes = |machine: &Machine| {
            let node = &self.machines[machine.0 as usize];
            node.held_down == 0 || node.disk.has_unsynced()
        };
        machines.iter().any(changes).then_some(machines)
    }

    /// As many of the machines as may lose data beside those that lack power already; `None` if none may.
    fn within_budget(&self, mut machines: Vec<Machine>) -> Option<Vec<Machine>> {
        let Some(budget) = self.scenario.disk.budget else { return Some(machines) };
        let out = self.faults.without_power();
        machines.retain(|machine| !out.contains(machine));
        machines.truncate((budget as usize).saturating_sub(out.len()));
        (!machines.is_empty()).then_some(machines)
    }

    /// Whether the voters on the other machines are a majority: what all of a majority forget, no cluster can know.
    fn decides_without(&self, machines: &[Machine]) -> bool {
        let members = self.ledger.members();
        members
            .configuration()
            .is_none_or(|configuration| members.decide(configuration, |machine| !machines.contains(&machine)))
    }

    fn each(&mut self, place: usize, target: &[Selector], effect: impl Fn(Machine) -> Effect) -> Option<Vec<Effect>> {
        Some(self.resolve_one(place, target)?.into_iter().map(effect).collect())
    }

    /// The directions that a fault of links is about.
    fn directions(&mut self, place: usize, fault: &Fault) -> Option<Vec<Effect>> {
        let cut = |pairs: Vec<(Machine, Machine)>| pairs.into_iter().map(|(from, to)| Effect::Cut(from, to)).collect();
        Some(match fault {
            Fault::Partition(groups) => {
                let groups = self.resolve(place, groups)?;
                let group = |machine: &Machine| groups.iter().position(|group| group.contains(machine));
                cut(self.pairs(|one, other| group(one).is_none() || group(one) != group(other)))
            }
            Fault::Isolate { target, one_way } => {
                let alone = self.resolve_one(place, target)?;
                cut(self.pairs(|from, to| alone.contains(from) || !one_way && alone.contains(to)))
            }
            Fault::Bridge { node, one_way } => {
                let bridge = self.resolve_one(place, std::slice::from_ref(node))?;
                let mut others: Vec<Machine> =
                    self.in_use().into_iter().filter(|machine| !bridge.contains(machine)).collect();
                self.faults.choices(place).shuffle(&mut others);
                let (first, second) = others.split_at(others.len() / 2);
                let apart = |from: &Machine, to: &Machine| {
                    second.contains(from) && first.contains(to)
                        || !one_way && first.contains(from) && second.contains(to)
                };
                cut(self.pairs(apart))
            }
            Fault::Ring { one_way } => {
                let mut ring = self.in_use();
                self.faults.choices(place).shuffle(&mut ring);
                let at = |machine: &Machine| ring.iter().position(|one| one == machine);
                let follows = |one: &Machine, other: &Machine| at(one).map(|at| (at + 1) % ring.len()) == at(other);
                cut(self.pairs(|from, to| !(follows(from, to) || !one_way && follows(to, from))))
            }
            Fault::Cut { from, to, one_way } => cut(self.between(place, from, to, *one_way)?),
            Fault::Clog { from, to, one_way, by } => {
                let pairs = self.between(place, from, to, *one_way)?.into_iter();
                let effect = |(from, to)| by.map_or(Effect::Clog(from, to), |by| Effect::SlowLink(from, to, by));
                pairs.map(effect).collect()
            }
            other => unreachable!("{} is no fault of links", other.name()),
        })
    }

    fn all(&self) -> impl Iterator<Item = Machine> + Clone + use<> {
        (0..self.machines.len() as u32).map(Machine)
    }

    /// The directions for which something holds.
    pub(super) fn pairs(&self, holds: impl Fn(&Machine, &Machine) -> bool) -> Vec<(Machine, Machine)> {
        let all = self.all();
        let pairs = all.clone().flat_map(|one| all.clone().map(move |other| (one, other)));
        pairs.filter(|(one, other)| one != other && holds(one, other)).collect()
    }

    /// The directions from some nodes to others, and back.
    fn between(
        &mut self,
        place: usize,
        from: &[Selector],
        to: &[Selector],
        one_way: bool,
    ) -> Option<Vec<(Machine, Machine)>> {
        let mut sides = self.resolve(place, &[from.to_vec(), to.to_vec()])?.into_iter();
        let (from, to) = (sides.next()?, sides.next()?);
        let mut pairs = Vec::new();
        for (one, other) in from.iter().flat_map(|one| to.iter().map(move |other| (*one, *other))) {
            pairs.push((one, other));
            if !one_way {
                pairs.push((other, one));
            }
        }
        Some(pairs)
    }

    /// The links of machines clog one machine after the other, and clear in another order.
    fn swizzle(&mut self, place: usize, machines: Vec<Machine>, one_way: bool, lasts: Duration) -> Vec<Step> {
        let half = lasts / 2;
        let mut steps = Vec::new();
        for (begins, base) in [(true, Duration::ZERO), (false, half)] {
            let mut order = machines.clone();
            self.faults.choices(place).shuffle(&mut order);
            for (turn, machine) in (0..).zip(&order) {
                // The first clogs at the strike; the last clears when the fault ends.
                let turn = if begins { turn } else { turn + 1 };
                let after = base + half * turn / u32::try_from(order.len()).expect("machines are few");
                steps.push(Step { after, begins, effect: Effect::ClogAround(*machine, one_way) });
            }
        }
        // What is to clear at once or at the end clears at the end.
        steps.retain(|step| step.begins || (!step.after.is_zero() && step.after < lasts));
        steps
    }
}

/// Machines are killed together, again and again. What the last kill began ends with the fault.
fn crash_loop(machines: &[Machine], times: u32, down: Duration, up: Duration) -> Vec<Step> {
    let mut steps = Vec::new();
    for turn in 0..times {
        let kill = (down + up) * turn;
        let mut step = |after, begins| {
            steps.extend(machines.iter().map(|machine| Step { after, begins, effect: Effect::Kill(*machine) }));
        };
        step(kill, true);
        if turn + 1 < times {
            step(kill + down, false);
        }
    }
    steps
}
