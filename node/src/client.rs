//! The client library: finds the leader, waits, and tries again where that is safe.
//!
//! It needs two things of the world, [`Transport::call`] and [`Transport::sleep`], and keeps no clock of its own.
//!
//! Whatever may write is sent in a session, which the client registers before the first of it: so it may be sent again while
//! its outcome is unknown, and is executed once. What only reads needs none. Where nodes say that they keep no sessions
//! ([`Error::Unsupported`]) a write is sent again while its outcome is unknown only if the caller says that a second
//! execution would change nothing ([`Resend::Idempotent`]). Everything else ends as [`Failure::Unknown`], and the caller
//! decides.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::api::{Command, Error, Reply, Request, Response, SessionError, SessionSequence};
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

/// Whether a write may be sent again while its outcome is unknown, where nodes keep no sessions.
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
    session: Session,
}

/// A client's session.
#[derive(Clone, Copy, Debug)]
enum Session {
    /// Nothing was sent yet that needs one.
    None,
    /// It is open, and this is the next request's number.
    Open { session: u64, next: u64 },
    /// The nodes have said that they keep no sessions.
    Unsupported,
}

impl<T: Transport> Client<T> {
    /// A client that knows these nodes' addresses.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(transport: T, nodes: Vec<String>, patience: Patience) -> Self {
        assert!(!nodes.is_empty(), "a client needs the address of a node");
        Client { transport, nodes, patience, preferred: None, session: Session::None }
    }

    /// The world that the client lives in.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Has a command executed, once. Returns how often it was sent, and what came of it.
    ///
    /// # Panics
    /// If the command is to register a session: the client registers its own.
    pub async fn execute(&mut self, command: &Command, resend: Resend) -> (u32, Result<Reply, Failure>) {
        assert!(*command != Command::Register, "a client registers its own session");
        let mut sent = 0;
        loop {
            let session = match self.session_for(command).await {
                Ok(session) => session,
                Err(failure) => return (sent, Err(failure)),
            };
            let request = Request { session, command: command.clone() };
            let reads = matches!(command, Command::Query(..));
            let again = reads || request.session.is_some() || resend == Resend::Idempotent;
            let (attempts, end) = self.send(&request, again).await;
            sent += attempts;
            if let Err(End::Session { error: SessionError::Expired, doubt }) = &end {
                self.session = Session::None;
                // In doubt the expired session may have executed it: in another one it would happen twice.
                if doubt.is_none() && sent < self.patience.attempts {
                    continue;
                }
            }
            return (sent, end.map_err(Failure::from));
        }
    }

    /// The number that a command gets in the client's session, which is opened if need be. What only reads needs none.
    async fn session_for(&mut self, command: &Command) -> Result<Option<SessionSequence>, Failure> {
        if !matches!(command, Command::Execute(_)) {
            return Ok(None);
        }
        if let Session::None = self.session {
            let (_, registered) = self.send(&Request { session: None, command: Command::Register }, true).await;
            self.session = match registered {
                Ok(reply) => Session::Open { session: reply.index, next: 1 },
                Err(End::Unsupported(_)) => Session::Unsupported,
                // Any other refusal concerns this request only; the next command registers again. A session that the
                // client does not know of is harmless, and the command itself was not sent.
                Err(end) => return Err(Failure::NotExecuted(format!("no session could be registered: {end}"))),
            };
        }
        let Session::Open { session, next: sequence } = self.session else { return Ok(None) };
        self.session = Session::Open { session, next: sequence + 1 };
        // One request at a time: whoever sends the next one has done with all before it.
        Ok(Some(SessionSequence { session, sequence, done_below: sequence }))
    }

    /// Sends a request until there is an answer that ends it, `again` also while its outcome is unknown. Returns how often it
    /// was sent.
    async fn send(&mut self, request: &Request, again: bool) -> (u32, Result<Reply, End>) {
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
                Err(Ask::Session(error)) => {
                    self.preferred = Some(node);
                    return (attempt, Err(End::Session { error, doubt }));
                }
                Err(Ask::Fatal(reason)) if doubt.is_none() => {
                    self.preferred = Some(node);
                    return (attempt, Err(End::Refused(reason)));
                }
                Err(Ask::Unsupported(reason)) if doubt.is_none() => {
                    self.preferred = Some(node);
                    return (attempt, Err(End::Unsupported(reason)));
                }
                Err(Ask::Redirect(leader)) => {
                    self.preferred = Some(leader);
                    last = "no node leads".into();
                }
                Err(Ask::Unknown(reason)) if !again => return (attempt, Err(End::Unknown(reason))),
                Err(Ask::Unknown(reason)) => {
                    doubt = Some(reason);
                    self.preferred = None;
                }
                Err(Ask::Fatal(reason) | Ask::Unsupported(reason) | Ask::Later(reason)) => {
                    last = reason;
                    self.preferred = None;
                }
            }
            self.pause(attempt).await;
        }
        (self.patience.attempts, Err(doubt.map_or(End::GaveUp(last), End::Unknown)))
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
            Ok(Err(Error::Unsupported(reason))) => Err(Ask::Unsupported(reason)),
            Ok(Err(Error::Unknown(reason))) => Err(Ask::Unknown(reason)),
            Ok(Err(Error::Session(error))) => Err(Ask::Session(error)),
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
    /// Nothing was done, and no node of this system ever does such a thing.
    Unsupported(String),
    /// Nothing was done; this node leads.
    Redirect(String),
    /// Nothing was done; it may go better later.
    Later(String),
    /// It may have been done.
    Unknown(String),
    /// Nothing was done now, for a reason that lies in the session.
    Session(SessionError),
}

/// Why a request that was sent, perhaps several times, has no reply.
#[derive(Debug, thiserror::Error)]
enum End {
    /// It is none that the node would ever execute.
    #[error("{0}")]
    Refused(String),
    /// It is of a kind that the system does not know.
    #[error("{0}")]
    Unsupported(String),
    /// Nobody took it on, however often it was sent.
    #[error("{0}")]
    GaveUp(String),
    /// It may have been executed, or may still be.
    #[error("{0}")]
    Unknown(String),
    /// It was not executed when it was sent last, for a reason that lies in its session. `doubt` is why it is not known of
    /// an earlier sending whether it was executed.
    #[error("{error}")]
    Session { error: SessionError, doubt: Option<String> },
}

impl From<End> for Failure {
    fn from(end: End) -> Failure {
        match end {
            End::Refused(reason) | End::Unsupported(reason) | End::GaveUp(reason) => Failure::NotExecuted(reason),
            End::Unknown(reason) => Failure::Unknown(reason),
            End::Session { error: error @ SessionError::ResultsNotKept { .. }, .. } => {
                Failure::Unknown(error.to_string())
            }
            End::Session { error, doubt: Some(doubt) } => Failure::Unknown(format!("{doubt}, and then {error}")),
            End::Session { error, doubt: None } => Failure::NotExecuted(error.to_string()),
        }
    }
}
