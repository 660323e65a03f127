//! Requests and their answers. They travel on connections: in order, at most once, broken by a cut or a crash.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::host::CallId;

use super::answers::Arrival;
use super::effects::Effect;
use super::{Event, State, entity, find_machine};
use crate::network::Place;
use crate::record::Machine;
use crate::trace::Item;

/// Who is meant by an address that no machine has.
const NOBODY: Machine = Machine(u32::MAX - 1);

/// The calls that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<u64, Call>,
    /// Numbers each caller's calls, so that a call more of one leaves the numbers of the others.
    counts: BTreeMap<Place, u64>,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) to: Machine,
    /// The request, until it arrives.
    pub(super) request: Bytes,
    /// When it came to a process, once it did.
    pub(super) arrived: Option<Arrival>,
    /// Whether an answer is on its way.
    answered: bool,
    /// Whether a cut broke the connection: what is on its way does not arrive.
    broken: bool,
}

/// Who called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller {
    /// A client, and the number it gave to the call.
    Client { client: u32, number: u64 },
    /// A boot of a node.
    Node { machine: Machine, boot: u64, call: CallId },
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Nobody listens there: the request did not arrive.
    Refused,
    /// The connection broke: the request may have arrived.
    Broken,
}

impl Caller {
    pub(super) fn place(self) -> Place {
        match self {
            Caller::Client { client, .. } => Place::Client(client),
            Caller::Node { machine, .. } => Place::Machine(machine),
        }
    }

    fn entity(self) -> u64 {
        match self {
            Caller::Client { client, .. } => entity::CLIENT | u64::from(client),
            Caller::Node { machine, .. } => entity::machine(machine),
        }
    }
}

impl Calls {
    /// A call that has not come to its end.
    pub(super) fn get(&self, id: u64) -> Option<&Call> {
        self.open.get(&id)
    }
}

impl State {
    /// Sends a request.
    pub(super) fn open_call(&mut self, caller: Caller, address: &str, request: Bytes) {
        let from = caller.place();
        let to = find_machine(self, address).unwrap_or(NOBODY);
        let count = self.calls.counts.entry(from).or_default();
        *count += 1;
        let id = from.number() << 40 | *count;
        let bytes = request.len();
        self.trace.enter(Item::Message, id, &request, || format!("request from {from} to {address}"));
        self.calls.open.insert(id, Call { caller, to, request, arrived: None, answered: false, broken: false });
        if to == NOBODY {
            return self.answer_call(id, Err(NoAnswer::Refused));
        }
        if self.network.is_broken(from, Place::Machine(to)) {
            return self.answer_call(id, Err(NoAnswer::Broken));
        }
        let at = self.travel(from, Place::Machine(to), bytes);
        self.future.push(at, entity::machine(to), Event::Request { call: id });
    }

    /// When something that is sent on a connection now arrives.
    fn travel(&mut self, from: Place, to: Place, bytes: usize) -> Duration {
        if let (Place::Machine(from), Place::Machine(to)) = (from, to) {
            self.count_slowed(from, to);
        }
        self.network.connection(from, to, bytes, self.now)
    }

    /// Counts what a fault slows down.
    pub(super) fn count_slowed(&mut self, from: Machine, to: Machine) {
        if self.network.is_slowed(from, to) {
            self.count_bites(
                |effect| matches!(effect, Effect::SlowLink(one, other, _) if (*one, *other) == (from, to)),
            );
        }
    }

    /// The call, if it waits for an answer still.
    pub(super) fn open_call_mut(&mut self, id: u64) -> Option<&mut Call> {
        self.calls.open.get_mut(&id).filter(|call| !call.answered)
    }

    /// Sends an answer back, or the news that there will be none. Only the first one counts.
    pub(super) fn answer_call(&mut self, id: u64, answer: Result<Bytes, NoAnswer>) {
        let Some(call) = self.open_call_mut(id) else { return };
        call.answered = true;
        let (caller, to, arrived) = (call.caller, call.to, call.arrived);
        if let Some(arrival) = arrived {
            self.end_wait(to, caller.place().to_string(), arrival, answer.is_ok());
        }
        let bytes = answer.as_ref().map_or(0, Bytes::len);
        if let Ok(bytes) = &answer {
            self.trace.enter(Item::Message, id, bytes, || format!("answer from {to} to {}", caller.place()));
        }
        let at = self.travel(Place::Machine(to), caller.place(), bytes);
        self.future.push(at, caller.entity(), Event::Answer { call: id, answer });
    }

    /// An answer arrives, or the news that a cut stopped it: the call is over.
    pub(super) fn close_call(
        &mut self,
        id: u64,
        answer: Result<Bytes, NoAnswer>,
    ) -> Option<(Caller, Result<Bytes, NoAnswer>)> {
        let call = self.calls.open.remove(&id)?;
        Some((call.caller, if call.broken { Err(NoAnswer::Broken) } else { answer }))
    }

    /// Breaks the connections that the present cuts do not let through, with the answers on them.
    pub(super) fn break_cut_calls(&mut self) {
        let State { calls, network, .. } = self;
        let cut = |call: &Call| network.is_broken(call.caller.place(), Place::Machine(call.to));
        let broken = calls.open.iter_mut().filter(|(_, call)| cut(call));
        let ids: Vec<u64> = broken.map(|(id, call)| (*id, call.broken = true).0).collect();
        ids.into_iter().for_each(|id| self.answer_call(id, Err(NoAnswer::Broken)));
    }

    /// Breaks the connections on which a request of an operator's has not arrived yet: now it never does.
    pub(super) fn recall_operators_requests(&mut self) {
        let State { calls, clients, .. } = self;
        let operates =
            |caller| matches!(caller, Caller::Client { client, .. } if clients[client as usize - 1].operates);
        let on_the_way = calls.open.iter().filter(|(_, call)| call.arrived.is_none() && operates(call.caller));
        let ids: Vec<u64> = on_the_way.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.answer_call(id, Err(NoAnswer::Broken)));
    }

    /// Forgets calls that nobody waits for any more.
    pub(super) fn drop_calls(&mut self, is_over: impl Fn(&Call) -> bool) {
        let dropped: Vec<Call> =
            self.calls.open.extract_if(.., |_, call| is_over(call)).map(|(_, call)| call).collect();
        for Call { caller, to, arrived, .. } in dropped.into_iter().filter(|call| !call.answered) {
            if let Some(arrival) = arrived {
                self.end_wait(to, caller.place().to_string(), arrival, false);
            }
        }
    }

    /// A process ended: what it was to answer breaks, and what it asked nobody waits for.
    pub(super) fn break_calls_of(&mut self, machine: Machine) {
        self.drop_calls(|call| matches!(call.caller, Caller::Node { machine: of, .. } if of == machine));
        let ids = self.calls.open.iter().filter(|(_, call)| call.to == machine && call.arrived.is_some());
        let ids: Vec<u64> = ids.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.answer_call(id, Err(NoAnswer::Broken)));
    }

    /// Wakes a client after a time.
    pub(super) fn wake_client(&mut self, client: u32, number: u64, after: Duration) {
        self.future.push(self.now + after, entity::CLIENT | u64::from(client), Event::Client { client, number });
    }
}
