//! A client's end of the world.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::client::{CallError, Transport};

use super::actor::Actor;
use super::calls::{Caller, NoAnswer};
use super::{State, World};
use crate::choice::Stream;
use crate::history::Operation;
use crate::record::{Phase, What};

/// What a client waits for, and what came for it.
pub(super) struct Mailbox {
    pub(super) actor: Option<Actor>,
    pub(super) letters: VecDeque<Letter>,
    pub(super) finished: bool,
    /// Whether it is an operator's: nobody waits for it.
    pub(super) operates: bool,
}

/// Something that came for a client.
#[derive(Debug)]
pub(super) enum Letter {
    /// The answer to a call.
    Answer(u64, Result<Bytes, NoAnswer>),
    /// A pause or a patience is over.
    Wake(u64),
}

/// A client. It talks to machines through `lockstep_node::client`.
pub struct SimClient {
    world: World,
    client: u32,
    /// Numbers its calls and pauses.
    count: u64,
    draws: Stream,
}

impl World {
    /// Adds a client whose code runs in turns; its first turn comes at once.
    pub fn add_client<F: Future<Output = ()> + Send + 'static>(&self, code: impl FnOnce(SimClient) -> F) {
        let number = self.lock().clients.len() as u64 + 1;
        let draws = self.lock().stream("client", number);
        self.add(draws, false, code);
    }

    /// Adds an operator, who works like a client, for the wish that is this event of the scenario.
    pub(super) fn add_operator<F: Future<Output = ()> + Send + 'static>(
        &self,
        event: usize,
        code: impl FnOnce(SimClient) -> F,
    ) {
        let draws = self.lock().stream("operator", event as u64);
        self.add(draws, true, code);
    }

    fn add<F: Future<Output = ()> + Send + 'static>(
        &self,
        draws: Stream,
        operates: bool,
        code: impl FnOnce(SimClient) -> F,
    ) {
        let client = {
            let mut state = self.lock();
            state.clients.push(Mailbox { actor: None, letters: VecDeque::new(), finished: false, operates });
            let number = state.clients.len() as u32;
            SimClient { world: self.clone(), client: number, count: 0, draws }
        };
        let number = client.client;
        let actor = Actor::new(code(client));
        let mut state = self.lock();
        state.mailbox(number).actor = Some(actor);
        state.wake_client(number, 0, Duration::ZERO);
    }
}

impl State {
    pub(super) fn mailbox(&mut self, client: u32) -> &mut Mailbox {
        &mut self.clients[client as usize - 1]
    }

    /// Whether every client has done all it was to do.
    pub fn clients_finished(&self) -> bool {
        self.clients.iter().all(|client| client.finished || client.operates)
    }
}

impl SimClient {
    /// The client's number, from 1.
    pub fn number(&self) -> u32 {
        self.client
    }

    /// The time that people see.
    pub fn time(&self) -> Duration {
        self.world.lock().time()
    }

    /// The phase that the run is in.
    pub fn phase(&self) -> Phase {
        self.world.lock().phase
    }

    /// The addresses of all machines.
    pub fn machines(&self) -> Vec<String> {
        let machines = self.world.lock().machines.len() as u32;
        (0..machines).map(|machine| crate::record::Machine(machine).to_string()).collect()
    }

    /// Writes an operation into the history as called, and returns its place there.
    pub fn begin(&self, operation: Operation) -> usize {
        let mut state = self.world.lock();
        state.ledger.history.operations.push(operation);
        state.ledger.history.operations.len() - 1
    }

    /// Writes what came of an operation.
    pub fn end(&self, place: usize, finish: impl FnOnce(&mut Operation)) {
        let mut state = self.world.lock();
        finish(&mut state.ledger.history.operations[place]);
    }

    /// Records that an operation was acknowledged at an index.
    pub fn acknowledged(&self, index: u64) {
        self.world.lock().record(What::Acknowledged { client: self.client, index });
    }

    async fn letter(&mut self) -> Letter {
        poll_fn(|_| match self.world.lock().mailbox(self.client).letters.pop_front() {
            Some(letter) => Poll::Ready(letter),
            None => Poll::Pending,
        })
        .await
    }

    fn number_next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

impl Transport for SimClient {
    async fn call(&mut self, node: &str, request: Bytes, patience: Duration) -> Result<Bytes, CallError> {
        let number = self.number_next();
        {
            let mut state = self.world.lock();
            state.open_call(Caller::Client { client: self.client, number }, node, request);
            state.wake_client(self.client, number, patience);
        }
        loop {
            match self.letter().await {
                Letter::Answer(call, answer) if call == number => {
                    return answer.map_err(|none| match none {
                        NoAnswer::Refused => CallError::Refused,
                        NoAnswer::Broken => CallError::Broken,
                    });
                }
                Letter::Wake(call) if call == number => return Err(CallError::TimedOut),
                // What came too late for an earlier call.
                Letter::Answer(..) | Letter::Wake(_) => {}
            }
        }
    }

    async fn sleep(&mut self, time: Duration) {
        let number = self.number_next();
        self.world.lock().wake_client(self.client, number, time);
        while !matches!(self.letter().await, Letter::Wake(woken) if woken == number) {}
    }

    fn draw(&mut self, bound: u64) -> u64 {
        self.draws.below(bound)
    }
}

impl Drop for SimClient {
    fn drop(&mut self) {
        // A client's code ends by dropping its end of the world. The world may be gone already.
        if let Ok(mut state) = self.world.0.try_lock() {
            state.mailbox(self.client).finished = true;
        }
    }
}
