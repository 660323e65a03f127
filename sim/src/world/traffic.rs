//! What faults do to messages that arrive: clogged links let them wait, and directed faults choose single ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::calls::Caller;
use super::{Event, State, entity};
use crate::record::Machine;
use crate::scenario::model::{Fault, MessageFault};
use crate::systems::System;

/// The clogs and choices in force.
#[derive(Default)]
pub(super) struct Traffic {
    clogs: BTreeMap<(Machine, Machine), Clog>,
    choices: BTreeMap<usize, Choice>,
}

/// A clogged direction.
#[derive(Default)]
struct Clog {
    faults: u32,
    /// What has arrived since, in order.
    waiting: Vec<Event>,
}

/// A fault that chooses single messages.
struct Choice {
    from: Vec<Machine>,
    to: Vec<Machine>,
    kind: Option<String>,
    fate: MessageFault,
    /// How many to pass over still.
    skip: u64,
    /// How many to choose still.
    left: u64,
}

impl Traffic {
    fn is_free(&self) -> bool {
        self.clogs.is_empty() && self.choices.is_empty()
    }
}

impl State {
    /// What arrives now, unless a fault lets it wait or loses it.
    pub(super) fn let_pass(&mut self, system: &dyn System, event: Event) -> Option<Event> {
        if self.traffic.is_free() {
            return Some(event);
        }
        let Some((from, to)) = self.direction(&event) else { return Some(event) };
        if self.network.is_cut(from, to) {
            // It is lost where it arrives.
            return Some(event);
        }
        if let Some(clog) = self.traffic.clogs.get_mut(&(from, to)) {
            clog.waiting.push(event);
            self.count_bites(|effect| effect.clogs(from, to));
            return None;
        }
        match event {
            Event::Message { from, to, bytes, late: false } => {
                let Some((place, fate)) = self.choose(system, from, to, &bytes) else {
                    return Some(Event::Message { from, to, bytes, late: false });
                };
                self.count_bite(place);
                match fate {
                    MessageFault::Drop => self.counts.messages_dropped += 1,
                    MessageFault::Delay(by) => self.schedule(by, to, Event::Message { from, to, bytes, late: true }),
                }
                None
            }
            event => Some(event),
        }
    }

    /// Clogs a direction, or ends one clog of it: after the last one everything that waited arrives, in order.
    pub(super) fn clog(&mut self, from: Machine, to: Machine, begins: bool) {
        let clog = self.traffic.clogs.entry((from, to)).or_default();
        if begins {
            clog.faults += 1;
            return;
        }
        clog.faults = clog.faults.checked_sub(1).expect("a clog ends once");
        if clog.faults > 0 {
            return;
        }
        let waiting = self.traffic.clogs.remove(&(from, to)).expect("looked up above").waiting;
        // A nanosecond apart: what comes at one moment has no order.
        let mut at = self.now;
        for event in waiting {
            self.future.push(at, entity::machine(to), event);
            at += Duration::from_nanos(1);
        }
        self.network.nothing_before(from, to, at);
    }

    /// Lets a fault choose among the messages between some machines from now on.
    pub(super) fn begin_choice(&mut self, place: usize, from: Vec<Machine>, to: Vec<Machine>) {
        let Fault::Messages { fate, kind, nth, count, .. } = self.faults.event(place).fault.clone() else {
            unreachable!("only faults of messages choose among them");
        };
        let (skip, left) = (nth - 1, count.unwrap_or(u64::MAX));
        self.traffic.choices.insert(place, Choice { from, to, kind, fate, skip, left });
    }

    /// Ends a fault's choice.
    pub(super) fn end_choice(&mut self, place: usize) {
        self.traffic.choices.remove(&place);
    }

    /// The first fault that chooses this message, and what it does with it. All of them count it.
    fn choose(
        &mut self,
        system: &dyn System,
        from: Machine,
        to: Machine,
        bytes: &[u8],
    ) -> Option<(usize, MessageFault)> {
        let mut chosen = None;
        for (place, choice) in &mut self.traffic.choices {
            let of_kind = |kind: &str| system.kind(bytes) == Some(kind);
            if choice.left == 0
                || !choice.from.contains(&from)
                || !choice.to.contains(&to)
                || !choice.kind.as_deref().is_none_or(of_kind)
            {
                continue;
            }
            if choice.skip > 0 {
                choice.skip -= 1;
            } else if chosen.is_none() {
                choice.left -= 1;
                chosen = Some((*place, choice.fate));
            }
        }
        chosen
    }

    /// From which machine to which one something travels. What clients send and get crosses no link between machines.
    fn direction(&mut self, event: &Event) -> Option<(Machine, Machine)> {
        match event {
            Event::Message { from, to, .. } => Some((*from, *to)),
            Event::Request { call } => {
                let (caller, to) = self.ends_of_call(*call)?;
                Some((caller, to))
            }
            Event::Answer { call, .. } => {
                let (caller, to) = self.ends_of_call(*call)?;
                Some((to, caller))
            }
            _ => None,
        }
    }

    /// The machines at both ends of a call that a node made.
    fn ends_of_call(&self, call: u64) -> Option<(Machine, Machine)> {
        let call = self.calls.get(call)?;
        match call.caller {
            Caller::Node { machine, .. } if (call.to.0 as usize) < self.machines.len() => Some((machine, call.to)),
            _ => None,
        }
    }
}
