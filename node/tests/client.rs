//! The client library against nodes that follow a script: what it sends again, under which number, and what it concludes.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::api::{
    Batch, Command, Error, ReadLevel, Reply, Request, Response, SessionError, SessionSequence, Statement,
};
use lockstep_node::client::{CallError, Client, Failure, Patience, Resend, Transport};
use lockstep_node::wire::{self, Asked};

/// Answers calls in the order of a script, and remembers what was asked and of whom.
#[derive(Default)]
struct Script {
    answers: VecDeque<Result<Response, CallError>>,
    asked: Vec<(String, Request)>,
}

impl Transport for Script {
    async fn call(&mut self, node: &str, request: Bytes, _: Duration) -> Result<Bytes, CallError> {
        let asked: Asked = wire::decode(&request).unwrap();
        assert!(!asked.forwarded);
        self.asked.push((node.to_owned(), asked.request));
        let answer = self.answers.pop_front().expect("the client asks as often as the script says");
        answer.map(|response| wire::encode(&response))
    }

    async fn sleep(&mut self, _: Duration) {}

    fn draw(&mut self, _: u64) -> u64 {
        0
    }
}

type Answer = Result<Response, CallError>;

fn reply(index: u64) -> Answer {
    Ok(Ok(Reply { index, term: 1, results: Vec::new() }))
}

fn session_error(error: SessionError) -> Answer {
    Ok(Err(Error::Session(error)))
}

fn refused() -> Answer {
    Ok(Err(Error::Refused("no".into())))
}

fn unsupported() -> Answer {
    Ok(Err(Error::Unsupported("this system keeps no sessions".into())))
}

const BROKEN: Answer = Err(CallError::Broken);

fn batch() -> Batch {
    Batch { statements: vec![Statement::new("INSERT INTO t VALUES (1)")], atomic: true }
}

/// A client of two nodes.
fn client() -> Client<Script> {
    let patience = Patience { call: Duration::from_secs(1), pause: Duration::from_millis(1), attempts: 4 };
    Client::new(Script::default(), vec!["n1".into(), "n2".into()], patience)
}

/// Has a write executed while nodes answer like this: how often it was sent, and what came of it.
fn write(client: &mut Client<Script>, resend: Resend, answers: Vec<Answer>) -> (u32, Result<u64, Failure>) {
    execute(client, &Command::Execute(batch()), resend, answers)
}

fn execute(
    client: &mut Client<Script>,
    command: &Command,
    resend: Resend,
    answers: Vec<Answer>,
) -> (u32, Result<u64, Failure>) {
    client.transport().answers = answers.into();
    client.transport().asked.clear();
    let (attempts, result) = finish(client.execute(command, resend));
    assert!(client.transport().answers.is_empty(), "the client asks as often as the script says");
    (attempts, result.map(|reply| reply.index))
}

/// What a future comes to that waits for nothing.
fn finish<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing in the script waits"),
    }
}

/// The sessions and numbers of what was asked last: `None` for a registration or a request without a session.
fn numbers(client: &mut Client<Script>) -> Vec<Option<(u64, u64, u64)>> {
    let number = |SessionSequence { session, sequence, done_below }| (session, sequence, done_below);
    client.transport().asked.iter().map(|(_, request)| request.session.map(number)).collect()
}

#[test]
fn a_session_is_registered_with_the_first_write_and_numbers_all_of_them() {
    let mut client = client();
    assert_eq!(write(&mut client, Resend::Never, vec![reply(5), reply(6)]), (1, Ok(6)));
    assert_eq!(client.transport().asked[0].1, Request { session: None, command: Command::Register });
    assert_eq!(numbers(&mut client), [None, Some((5, 1, 1))]);
    assert_eq!(write(&mut client, Resend::Never, vec![reply(7)]), (1, Ok(7)));
    assert_eq!(numbers(&mut client), [Some((5, 2, 2))]);
}

#[test]
fn a_write_of_unknown_outcome_is_sent_again_under_the_same_number() {
    let mut client = client();
    let lost = || Ok(Err(Error::Unknown("stepped down".into())));
    let answers = vec![BROKEN, reply(5), BROKEN, lost(), reply(6)];
    assert_eq!(write(&mut client, Resend::Never, answers), (3, Ok(6)));
    assert_eq!(numbers(&mut client), [None, None, Some((5, 1, 1)), Some((5, 1, 1)), Some((5, 1, 1))]);
}

#[test]
fn a_write_that_never_had_an_answer_stays_unknown_and_its_number_is_not_used_again() {
    let mut client = client();
    let unknown = (4, Err(Failure::Unknown("the connection broke".into())));
    assert_eq!(write(&mut client, Resend::Never, vec![reply(5), BROKEN, BROKEN, BROKEN, BROKEN]), unknown);
    write(&mut client, Resend::Never, vec![reply(9)]).1.unwrap();
    assert_eq!(numbers(&mut client), [Some((5, 2, 2))]);
}

#[test]
fn a_read_needs_no_session_and_is_sent_again() {
    let mut client = client();
    let read = Command::Query(batch(), ReadLevel::Strong);
    assert_eq!(execute(&mut client, &read, Resend::Never, vec![BROKEN, reply(6)]), (2, Ok(6)));
    assert_eq!(numbers(&mut client), [None, None]);
}

#[test]
fn an_expired_session_is_replaced_if_nothing_was_sent_in_doubt() {
    let mut client = client();
    let expired = || session_error(SessionError::Expired);
    assert_eq!(write(&mut client, Resend::Never, vec![reply(5), expired(), reply(8), reply(9)]), (2, Ok(9)));
    assert_eq!(numbers(&mut client), [None, Some((5, 1, 1)), None, Some((8, 1, 1))]);
    let (attempts, result) = write(&mut client, Resend::Never, vec![BROKEN, expired()]);
    assert!(matches!((attempts, &result), (2, Err(Failure::Unknown(_)))), "{attempts} {result:?}");
    assert_eq!(numbers(&mut client), [Some((8, 2, 2)), Some((8, 2, 2))]);
    // The next one goes on in another.
    assert_eq!(write(&mut client, Resend::Never, vec![reply(20), reply(21)]), (1, Ok(21)));
    assert_eq!(numbers(&mut client), [None, Some((20, 1, 1))]);
}

#[test]
fn sessions_that_expire_at_once_end_the_attempts() {
    let mut client = client();
    let expired = || session_error(SessionError::Expired);
    let answers = (0..4).flat_map(|nth| [reply(nth), expired()]).collect();
    let (attempts, result) = write(&mut client, Resend::Never, answers);
    assert!(matches!((attempts, &result), (4, Err(Failure::NotExecuted(_)))), "{attempts} {result:?}");
}

#[test]
fn results_that_were_not_kept_are_no_reply_and_not_a_failure_to_execute() {
    let mut client = client();
    let not_kept = session_error(SessionError::ResultsNotKept { index: 6, term: 1 });
    let (_, result) = write(&mut client, Resend::Never, vec![reply(5), BROKEN, not_kept]);
    let Err(Failure::Unknown(reason)) = result else { panic!("{result:?}") };
    assert!(reason.contains("was executed as entry 6"), "{reason}");
}

#[test]
fn a_number_that_was_used_for_something_else_was_not_executed() {
    let mut client = client();
    let reused = session_error(SessionError::SequenceReused);
    let (attempts, result) = write(&mut client, Resend::Never, vec![reply(5), reused]);
    assert!(matches!((attempts, &result), (1, Err(Failure::NotExecuted(_)))), "{attempts} {result:?}");
}

#[test]
fn without_sessions_only_what_may_happen_twice_is_sent_again() {
    let mut client = client();
    assert_eq!(
        write(&mut client, Resend::Never, vec![unsupported(), BROKEN]),
        (1, Err(Failure::Unknown("the connection broke".into())))
    );
    assert_eq!(numbers(&mut client), [None, None]);
    assert_eq!(write(&mut client, Resend::Idempotent, vec![BROKEN, reply(6)]), (2, Ok(6)), "it does not ask again");
}

#[test]
fn a_registration_that_was_refused_is_tried_again_with_the_next_write() {
    let mut client = client();
    let failure = Failure::NotExecuted("no session could be registered: no".into());
    assert_eq!(write(&mut client, Resend::Idempotent, vec![refused()]), (0, Err(failure)), "the write was not sent");
    assert_eq!(write(&mut client, Resend::Never, vec![reply(5), BROKEN, reply(6)]), (2, Ok(6)));
    assert_eq!(numbers(&mut client), [None, Some((5, 1, 1)), Some((5, 1, 1))]);
}

#[test]
fn a_leader_that_is_named_is_asked_next_and_remembered() {
    let mut client = client();
    let elsewhere = Ok(Err(Error::NotLeader { leader: Some("n2".into()) }));
    assert_eq!(write(&mut client, Resend::Never, vec![elsewhere, reply(5), reply(6)]), (1, Ok(6)));
    let nodes: Vec<&str> = client.transport().asked.iter().map(|(node, _)| node.as_str()).collect();
    assert_eq!(nodes, ["n1", "n2", "n2"]);
}
