//! The client library: finds the leader, waits, and tries again where that is safe.
//!
//! It needs two things of the world, [`Transport::call`] and [`Transport::sleep`], and keeps no clock of its own.
//!
//! A request whose outcome is unknown is sent again only if the caller says that a second execution would change nothing
//! ([`Resend::Idempotent`]). Everything else ends as [`Failure::Unknown`], and the caller decides.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::api::{Error, Reply, Request, Response};
use crate::wire::{self, Asked};

/// What a client needs of the world.
pub trait Transport {
    /// Sends a request to the node at this address and waits for its answer, for `patience` at most.
    fn call(
        &mut self,
        node: &str,
        request: Bytes,
        patience: Duration,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;

    /// Waits.
    fn sleep(&mut self, time: Duration) -> impl Future<Output = ()> + Send;

    /// A number below `bound`, for the choice of a node and for waits that do not fall together.
    fn draw(&mut self, bound: u64) -> u64;
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection came about: the request did not arrive and never will.
    #[error("the node refuses connections")]
    Refused,
    /// The connection broke: the request may have arrived.
    #[error("the connection broke")]
    Broken,
    /// No answer came in time: the request may have arrived.
    #[error("no answer came in time")]
    TimedOut,
}

/// How long a client waits and how often it tries.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one answer.
    pub call: Duration,
    /// Before the first new try; it doubles with each, up to 16 times this.
    pub pause: Duration,
    /// How often a request is sent at most.
    pub attempts: u32,
}

/// Whether a request may be sent again while its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// A second execution changes nothing.
    Idempotent,
    /// A second execution would count twice.
    Never,
}

/// Why a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was not executed and never will be.
    NotExecuted(String),
    /// It may have been executed, or may still be.
    Unknown(String),
}

/// A client of a cluster.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
    nodes: Vec<String>,
    patience: Patience,
    /// The node that answered last, or that was named as the leader.
    preferred: Option<String>,
}

impl<T: Transport> Client<T> {
    /// A client that knows these nodes' addresses.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(transport: T, nodes: Vec<String>, patience: Patience) -> Self {
        assert!(!nodes.is_empty(), "a client needs the address of a node");
        Client { transport, nodes, patience, preferred: None }
    }

    /// The world that the client lives in.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Has a request executed. Returns how often it was sent, and what came of it.
    pub async fn execute(&mut self, request: &Request, resend: Resend) -> (u32, Result<Reply, Failure>) {
        let bytes = wire::encode(&Asked { forwarded: false, request: request.clone() });
        let mut doubt = None;
        let mut last = String::new();
        for attempt in 1..=self.patience.attempts {
            let node = self.choose();
            match self.ask(&node, bytes.clone()).await {
                Ok(reply) => {
                    self.preferred = Some(node);
                    return (attempt, Ok(reply));
                }
                Err(Ask::Fatal(reason)) if doubt.is_none() => return (attempt, Err(Failure::NotExecuted(reason))),
                Err(Ask::Redirect(leader)) => {
                    self.preferred = Some(leader);
                    last = "no node leads".into();
                }
                Err(Ask::Unknown(reason)) if resend == Resend::Never => {
                    return (attempt, Err(Failure::Unknown(reason)));
                }
                Err(Ask::Unknown(reason)) => {
                    doubt = Some(reason);
                    self.preferred = None;
                }
                Err(Ask::Fatal(reason) | Ask::Later(reason)) => {
                    last = reason;
                    self.preferred = None;
                }
            }
            self.pause(attempt).await;
        }
        let failure = doubt.map_or_else(|| Failure::NotExecuted(last), Failure::Unknown);
        (self.patience.attempts, Err(failure))
    }

    fn choose(&mut self) -> String {
        match self.preferred.take() {
            Some(node) => node,
            None => self.nodes[self.transport.draw(self.nodes.len() as u64) as usize].clone(),
        }
    }

    async fn ask(&mut self, node: &str, bytes: Bytes) -> Result<Reply, Ask> {
        let answer = match self.transport.call(node, bytes, self.patience.call).await {
            Ok(answer) => answer,
            Err(error @ CallError::Refused) => return Err(Ask::Later(error.to_string())),
            Err(error) => return Err(Ask::Unknown(error.to_string())),
        };
        match wire::decode::<Response>(&answer) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Error::NotLeader { leader: Some(leader) })) if leader != node => Err(Ask::Redirect(leader)),
            Ok(Err(error @ (Error::NotLeader { .. } | Error::Busy | Error::Unavailable(_)))) => {
                Err(Ask::Later(error.to_string()))
            }
            Ok(Err(Error::Refused(reason))) => Err(Ask::Fatal(reason)),
            Ok(Err(Error::Unknown(reason))) => Err(Ask::Unknown(reason)),
            Err(malformed) => Err(Ask::Unknown(malformed.to_string())),
        }
    }

    /// Waits between half and all of the pause that is due after so many attempts.
    async fn pause(&mut self, attempt: u32) {
        let full = self.patience.pause * (1 << (attempt - 1).min(4));
        let half = u64::try_from(full.as_nanos() / 2).expect("pauses are far below 584 years");
        let time = Duration::from_nanos(half + self.transport.draw(half + 1));
        self.transport.sleep(time).await;
    }
}

/// What one call told.
enum Ask {
    /// Nothing was done and nothing will be, however often it is tried.
    Fatal(String),
    /// Nothing was done; this node leads.
    Redirect(String),
    /// Nothing was done; it may go better later.
    Later(String),
    /// It may have been done.
    Unknown(String),
}
