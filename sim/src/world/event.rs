//! What the world's future is made of.

use std::fmt;

use bytes::Bytes;

use super::{calls, entity};
use crate::record::Machine;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A machine's process starts.
    Boot(Machine),
    /// A datagram arrives. One that a fault has delayed is `late`: it is not chosen again.
    Message { from: Machine, to: Machine, bytes: Bytes, late: bool },
    /// A request arrives.
    Request { call: u64 },
    /// An answer arrives, or the news that there will be none.
    Answer { call: u64, answer: Result<Bytes, calls::NoAnswer> },
    /// A node asked to be woken.
    Timer { machine: Machine, boot: u64, number: u64 },
    /// What a process waits for from its disk may be done.
    Completed { machine: Machine, boot: u64, number: u64 },
    /// A client's pause or patience is over.
    Client { client: u32, number: u64 },
    /// A fault strikes, or ends.
    Fault { event: usize, strikes: bool },
    /// A step of a fault that goes on.
    Step { event: usize, number: usize },
    /// A machine is switched on with an empty disk, or off for good.
    Switch { machine: Machine, on: bool },
    /// Nothing; time reaches this moment.
    Nothing,
}

impl Event {
    /// Numbers that tell it from other events of the same moment: its kind, whom it is for, which one it is.
    pub(super) fn key(&self) -> (u8, u64, u64) {
        match *self {
            Event::Boot(machine) => (1, entity::machine(machine), 0),
            Event::Message { from, to, .. } => (2, entity::machine(to), entity::machine(from)),
            Event::Request { call } => (3, call, 0),
            Event::Answer { call, ref answer } => (4, call, answer.as_ref().err().map_or(0, |none| 1 + *none as u64)),
            Event::Timer { machine, boot, number } => (5, entity::machine(machine) << 32 | boot, number),
            Event::Completed { machine, boot, number } => (6, entity::machine(machine) << 32 | boot, number),
            Event::Client { client, number } => (7, u64::from(client), number),
            Event::Fault { event, strikes } => (8, event as u64, u64::from(strikes)),
            Event::Nothing => (9, 0, 0),
            Event::Switch { machine, on } => (11, entity::machine(machine), u64::from(on)),
            Event::Step { event, number } => (10, event as u64, number as u64),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Boot(machine) => write!(f, "{machine} starts"),
            Event::Message { from, to, .. } => write!(f, "datagram from {from} arrives at {to}"),
            Event::Request { call } => write!(f, "request of call {call:#x} arrives"),
            Event::Answer { call, answer: Ok(_) } => write!(f, "answer of call {call:#x} arrives"),
            Event::Answer { call, answer: Err(none) } => write!(f, "call {call:#x} has no answer: {none:?}"),
            Event::Timer { machine, boot, number } => write!(f, "timer {number} of {machine}, boot {boot}"),
            Event::Completed { machine, boot, number } => {
                write!(f, "disk work {number} of {machine}, boot {boot}, is due")
            }
            Event::Client { client, number } => write!(f, "wake-up {number} of client {client}"),
            Event::Fault { event, strikes: true } => write!(f, "fault {} of the scenario strikes", event + 1),
            Event::Fault { event, strikes: false } => write!(f, "fault {} of the scenario ends", event + 1),
            Event::Step { event, number } => write!(f, "step {} of fault {}", number + 1, event + 1),
            Event::Switch { machine, on: true } => write!(f, "{machine} is switched on with an empty disk"),
            Event::Switch { machine, on: false } => write!(f, "{machine} is switched off"),
            Event::Nothing => write!(f, "time passes"),
        }
    }
}
