//! Every request is answered by its deadline, whatever becomes of it.
//!
//! ```text
//! host ── request ──▶ Deadlines ──▶ replica: boots, proposes, passes on, reads …
//!      ◀─ answer ───      │    ◀── answer ──┘        too late, or never: ignored
//!      ◀─ "unknown" ──────┘ at the deadline
//! ```
//!
//! [`Deadlines`] stands between the replica and its host, so that no path through the node can be forgotten: a request is
//! open from the moment it arrives until it is answered, and the one that is still open at its deadline is answered here.
//! What may have been done is answered as unknown, all else as unavailable. While the node boots, or stops, it takes no
//! requests on, and each is turned away as it arrives.
//!
//! **Invariant:** each request is answered once, at its deadline at the latest. State kept for a request
//! is dropped when the request is no longer open ([`Deadlines::take_expired`]).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::answer;
use crate::api::Error;
use crate::event::Event;
use crate::host::{
    CallId, Clock, Dead, Disk, DiskError, Entropy, Host, Input, Job, Network, RequestId, SqliteVfs, Ticket, Work,
};

/// A host whose requests are answered by their deadlines.
pub(super) struct Deadlines<'h, H> {
    host: &'h mut H,
    /// How long after its arrival a request is answered.
    answer: Duration,
    /// The requests that have no answer yet.
    open: BTreeMap<RequestId, Outcome>,
    /// When they are due, earliest first, some that were answered among them: all have the same time, so they are due in
    /// the order of their arrival.
    due: VecDeque<(Duration, RequestId)>,
    /// Why no request is taken on, while none is.
    closed: Option<&'static str>,
    /// The time for which the host was last asked to wake the node.
    armed: Option<Duration>,
    /// Whether a request was answered at its deadline since that was last asked.
    expired: bool,
}

/// What is known of a request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing was done that would last.
    Nothing,
    /// It may have been done, or may still be.
    Unknown,
}

impl<'h, H: Host> Deadlines<'h, H> {
    /// Requests are answered within `answer`, a millisecond at least. None is taken on before [`Deadlines::admit`].
    pub(super) fn new(host: &'h mut H, answer: Duration) -> Self {
        Deadlines {
            host,
            answer: answer.max(Duration::from_millis(1)),
            open: BTreeMap::new(),
            due: VecDeque::new(),
            closed: Some("the node is starting; ask another one, or try again"),
            armed: None,
            expired: false,
        }
    }

    /// Requests are taken on from now on.
    pub(super) fn admit(&mut self) {
        self.closed = None;
    }

    /// Requests are turned away from now on, for this reason.
    pub(super) fn turn_away(&mut self, reason: &'static str) {
        self.closed = Some(reason);
    }

    /// From now on this request may be done, whether or not it is answered.
    pub(super) fn may_be_done(&mut self, request: RequestId) {
        if let Some(outcome) = self.open.get_mut(&request) {
            *outcome = Outcome::Unknown;
        }
    }

    /// Whether somebody waits for the answer to a request.
    pub(super) fn is_open(&self, request: RequestId) -> bool {
        self.open.contains_key(&request)
    }

    /// Whether a request was answered at its deadline since this was last asked.
    pub(super) fn take_expired(&mut self) -> bool {
        std::mem::take(&mut self.expired)
    }

    /// A request arrives. Returns whether the replica is to see it.
    fn arrives(&mut self, request: RequestId) -> bool {
        if let Some(reason) = self.closed {
            answer(self.host, request, &Err(Error::Unavailable(reason.into())));
            return false;
        }
        self.open.insert(request, Outcome::Nothing);
        self.due.push_back((self.host.monotonic() + self.answer, request));
        true
    }

    /// When the first request without an answer is due.
    fn next_due(&mut self) -> Option<Duration> {
        while let Some((due, request)) = self.due.front() {
            if self.open.contains_key(request) {
                return Some(*due);
            }
            self.due.pop_front();
        }
        None
    }

    /// Answers what is due.
    fn expire(&mut self) {
        let Some(mut next) = self.next_due() else { return };
        let now = self.host.monotonic();
        while next <= now {
            let (_, request) = self.due.pop_front().expect("the first request is due");
            let outcome = self.open.remove(&request).expect("it has no answer yet");
            let ms = self.answer.as_millis();
            let error = match outcome {
                Outcome::Nothing => Error::Unavailable(format!(
                    "the node had no answer within {ms} ms and gave up; ask another one, or try again"
                )),
                Outcome::Unknown => Error::Unknown(format!(
                    "it was taken on and not done within {ms} ms; it may still be: look whether it was"
                )),
            };
            answer(self.host, request, &Err(error));
            self.expired = true;
            let Some(later) = self.next_due() else { return };
            next = later;
        }
    }

    /// Makes sure that the host wakes the node when the next request is due.
    fn arm(&mut self) {
        let Some(due) = self.next_due() else { return };
        if self.armed.is_none_or(|armed| armed > due) {
            self.host.wake_at(due);
            self.armed = Some(due);
        }
    }
}

impl<H: Host> Host for Deadlines<'_, H> {
    /// A timer may come for a request's sake, before the replica's own time.
    async fn next(&mut self) -> Result<Input, Dead> {
        loop {
            self.arm();
            let input = self.host.next().await?;
            match &input {
                Input::Request { id, .. } if !self.arrives(*id) => continue,
                Input::Timer => {
                    self.armed = None;
                    self.expire();
                }
                _ => {}
            }
            return Ok(input);
        }
    }

    fn run(&mut self, what: Work, job: Job) {
        self.host.run(what, job);
    }

    fn record(&mut self, event: Event) {
        self.host.record(event);
    }
}

impl<H: Host> Network for Deadlines<'_, H> {
    fn send(&mut self, to: &str, bytes: Bytes) {
        self.host.send(to, bytes);
    }

    fn call(&mut self, to: &str, call: CallId, bytes: Bytes) {
        self.host.call(to, call, bytes);
    }

    fn respond(&mut self, request: RequestId, bytes: Bytes) {
        if self.open.remove(&request).is_some() {
            self.host.respond(request, bytes);
        }
    }
}

impl<H: Host> Clock for Deadlines<'_, H> {
    fn monotonic(&self) -> Duration {
        self.host.monotonic()
    }

    fn wall(&self) -> Duration {
        self.host.wall()
    }

    /// The replica is woken earlier if a request is due before.
    fn wake_at(&mut self, at: Duration) {
        let at = self.next_due().map_or(at, |due| due.min(at));
        self.host.wake_at(at);
        self.armed = Some(at);
    }
}

impl<H: Host> Entropy for Deadlines<'_, H> {
    fn entropy(&mut self, site: &'static str) -> u64 {
        self.host.entropy(site)
    }
}

impl<H: Host> Disk for Deadlines<'_, H> {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.host.list()
    }

    fn len(&mut self, file: &str) -> Result<Option<u64>, DiskError> {
        self.host.len(file)
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.host.read(file, offset, length)
    }

    fn write(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.host.write(file, offset, bytes)
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        self.host.truncate(file, length)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.host.rename(from, to)
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.host.remove(file)
    }

    fn sync(&mut self, files: &[&str], directory: bool) -> Ticket {
        self.host.sync(files, directory)
    }

    fn sqlite_vfs(&self) -> SqliteVfs {
        self.host.sqlite_vfs()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::api::{Reply, Response};
    use crate::wire;

    /// A host to which requests come at given times, and which remembers what is answered when.
    #[derive(Default)]
    struct Script {
        now: Duration,
        requests: VecDeque<(Duration, RequestId)>,
        timer: Option<Duration>,
        wishes: u32,
        answers: Vec<(Duration, u64, Response)>,
    }

    impl Host for Script {
        async fn next(&mut self) -> Result<Input, Dead> {
            let request = self.requests.front().map(|(at, _)| *at);
            let Some(at) = request.into_iter().chain(self.timer).min() else { return Err(Dead) };
            self.now = at;
            if self.timer == Some(at) {
                self.timer = None;
                return Ok(Input::Timer);
            }
            let (_, id) = self.requests.pop_front().expect("a request comes now");
            Ok(Input::Request { id, bytes: Bytes::new() })
        }

        fn run(&mut self, _: Work, _: Job) {
            unreachable!("no job is run")
        }

        fn record(&mut self, _: Event) {}
    }

    impl Network for Script {
        fn send(&mut self, _: &str, _: Bytes) {}

        fn call(&mut self, _: &str, _: CallId, _: Bytes) {}

        fn respond(&mut self, RequestId(id): RequestId, bytes: Bytes) {
            self.answers.push((self.now, id, wire::decode(&bytes).expect("an answer is a frame")));
        }
    }

    impl Clock for Script {
        fn monotonic(&self) -> Duration {
            self.now
        }

        fn wall(&self) -> Duration {
            self.now
        }

        fn wake_at(&mut self, at: Duration) {
            self.timer = Some(at);
            self.wishes += 1;
        }
    }

    impl Entropy for Script {
        fn entropy(&mut self, _: &'static str) -> u64 {
            unreachable!("nothing is drawn")
        }
    }

    impl Disk for Script {
        fn list(&mut self) -> Result<Vec<String>, DiskError> {
            unreachable!("the disk is not used")
        }

        fn len(&mut self, _: &str) -> Result<Option<u64>, DiskError> {
            unreachable!("the disk is not used")
        }

        fn read(&mut self, _: &str, _: u64, _: usize) -> Result<Vec<u8>, DiskError> {
            unreachable!("the disk is not used")
        }

        fn write(&mut self, _: &str, _: u64, _: &[u8]) -> Result<(), DiskError> {
            unreachable!("the disk is not used")
        }

        fn truncate(&mut self, _: &str, _: u64) -> Result<(), DiskError> {
            unreachable!("the disk is not used")
        }

        fn rename(&mut self, _: &str, _: &str) -> Result<(), DiskError> {
            unreachable!("the disk is not used")
        }

        fn remove(&mut self, _: &str) -> Result<(), DiskError> {
            unreachable!("the disk is not used")
        }

        fn sync(&mut self, _: &[&str], _: bool) -> Ticket {
            unreachable!("the disk is not used")
        }

        fn sqlite_vfs(&self) -> SqliteVfs {
            unreachable!("the disk is not used")
        }
    }

    const ANSWER: Duration = ms(800);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn reply() -> Response {
        Ok(Reply { index: 7, term: 1, results: Vec::new() })
    }

    /// Requests that are numbered from 1 and come at these times.
    fn script(times_ms: &[u64]) -> Script {
        let requests = (1..).zip(times_ms).map(|(id, at)| (ms(*at), RequestId(id))).collect();
        Script { requests, ..Script::default() }
    }

    /// Hands `replica` every input until nothing more comes. Returns when each came.
    fn serve(
        deadlines: &mut Deadlines<'_, Script>,
        mut replica: impl FnMut(&mut Deadlines<'_, Script>, Input),
    ) -> Vec<Duration> {
        let mut times = Vec::new();
        loop {
            let next = match pin!(deadlines.next()).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(next) => next,
                Poll::Pending => panic!("a script never waits"),
            };
            let Ok(input) = next else { return times };
            times.push(deadlines.monotonic());
            replica(deadlines, input);
        }
    }

    /// When each request was answered, and whether it was said that it may have been done.
    fn answers(script: &Script) -> Vec<(u64, u64, &'static str)> {
        let kind = |response: &Response| match response {
            Ok(_) => "done",
            Err(Error::Unknown(_)) => "unknown",
            Err(Error::Unavailable(_)) => "unavailable",
            Err(other) => panic!("{other} is no answer of these tests"),
        };
        script.answers.iter().map(|(at, id, response)| (at.as_millis() as u64, *id, kind(response))).collect()
    }

    #[test]
    fn what_has_no_answer_at_its_deadline_is_answered_then_and_what_comes_later_is_ignored() {
        let mut script = script(&[100, 200, 300, 1100]);
        let mut deadlines = Deadlines::new(&mut script, ANSWER);
        deadlines.admit();
        let (mut expired, mut late) = (Vec::new(), 0);
        serve(&mut deadlines, |deadlines, input| {
            if deadlines.take_expired() {
                expired.push(deadlines.monotonic());
            }
            match input {
                Input::Request { id: RequestId(2), .. } => deadlines.may_be_done(RequestId(2)),
                Input::Request { id: RequestId(3), .. } => answer(deadlines, RequestId(3), &reply()),
                Input::Request { id: RequestId(4), .. } => {
                    late += 1;
                    assert!(!deadlines.is_open(RequestId(1)) && deadlines.is_open(RequestId(4)));
                    answer(deadlines, RequestId(1), &reply());
                }
                _ => {}
            }
        });
        assert_eq!((expired, late), (vec![ms(900), ms(1000), ms(1900)], 1));
        assert!(deadlines.open.is_empty() && deadlines.due.is_empty(), "something is kept for what is over");
        let expected = [(300, 3, "done"), (900, 1, "unavailable"), (1000, 2, "unknown"), (1900, 4, "unavailable")];
        assert_eq!(answers(&script), expected);
    }

    #[test]
    fn what_came_together_is_due_together() {
        let mut script = script(&[100, 100, 100]);
        let mut deadlines = Deadlines::new(&mut script, ANSWER);
        deadlines.admit();
        let times = serve(&mut deadlines, |_, _| {});
        assert_eq!(times, [ms(100), ms(100), ms(100), ms(900)]);
        assert_eq!(answers(&script).iter().filter(|(at, ..)| *at == 900).count(), 3);
    }

    #[test]
    fn the_replicas_own_timer_comes_in_time_and_no_later_for_requests() {
        let mut script = script(&[0]);
        let mut deadlines = Deadlines::new(&mut script, ANSWER);
        deadlines.admit();
        let mut wanted = [ms(50), ms(5000)].into_iter();
        let times = serve(&mut deadlines, |deadlines, _| {
            // As the replica does: it asks again until its time has come.
            match wanted.as_slice() {
                [at, ..] if *at > deadlines.monotonic() => deadlines.wake_at(*at),
                [_, ..] => {
                    wanted.next();
                    wanted.as_slice().first().into_iter().for_each(|at| deadlines.wake_at(*at));
                }
                [] => {}
            }
        });
        assert_eq!(times, [ms(0), ms(50), ms(800), ms(5000)]);
        assert_eq!(answers(&script), [(800, 1, "unavailable")]);
    }

    #[test]
    fn requests_that_are_answered_at_once_ask_for_no_timer() {
        let mut script = script(&[10, 20, 30, 40]);
        let mut deadlines = Deadlines::new(&mut script, ANSWER);
        deadlines.admit();
        serve(&mut deadlines, |deadlines, input| {
            if let Input::Request { id, .. } = input {
                answer(deadlines, id, &reply());
            }
        });
        assert_eq!((script.wishes, script.answers.len()), (0, 4));
    }

    #[test]
    fn a_node_that_starts_or_stops_turns_requests_away_and_answers_those_that_it_took_on() {
        let mut script = script(&[0]);
        let mut deadlines = Deadlines::new(&mut script, ANSWER);
        assert_eq!(serve(&mut deadlines, |_, _| {}), [], "the replica does not see it");
        deadlines.host.requests.extend([(ms(100), RequestId(2)), (ms(200), RequestId(3))]);
        deadlines.admit();
        serve(&mut deadlines, |deadlines, _| deadlines.turn_away("it stops"));
        assert_eq!(answers(&script), [(0, 1, "unavailable"), (200, 3, "unavailable"), (900, 2, "unavailable")]);
    }
}
