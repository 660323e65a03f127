//! Code that runs in turns: a node's process, a client.
//!
//! An actor is a task of madsim's executor. It runs only when the pump gives it a turn, until it waits for something
//! again, and the pump goes on only then. So at any moment one actor runs, and the order in which the executor would
//! poll ready tasks never matters.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::task::{Context, Poll, Waker};

/// A handle on an actor.
#[derive(Clone, Debug)]
pub struct Actor(Arc<Mutex<Turn>>);

#[derive(Debug, Default)]
struct Turn {
    /// Whether a turn was given and is not over.
    given: bool,
    /// Whether its code is to be dropped.
    abandoned: bool,
    /// How the actor ended, once it has.
    ended: Option<Ended>,
    actor: Option<Waker>,
    pump: Option<Waker>,
}

/// How an actor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned.
    Returned,
    /// It panicked with this message.
    Panicked(String),
}

impl Actor {
    /// Makes an actor of a future. It does nothing before its first turn.
    pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Actor {
        let actor = Actor(Arc::default());
        madsim::task::spawn(Taking { turn: actor.clone(), future: Box::pin(future) });
        actor
    }

    /// Gives the actor a turn and waits until it waits again. Returns how it ended, if it has.
    pub async fn take_turn(&self) -> Option<Ended> {
        {
            let mut turn = self.lock();
            if turn.ended.is_some() {
                return turn.ended.clone();
            }
            turn.given = true;
            if let Some(waker) = turn.actor.take() {
                waker.wake();
            }
        }
        poll_fn(|context| {
            let mut turn = self.lock();
            if turn.given {
                turn.pump = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(turn.ended.clone())
        })
        .await
    }

    /// Drops the actor's code where it waits.
    pub async fn abandon(&self) {
        self.lock().abandoned = true;
        self.take_turn().await;
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().expect("a turn's lock is never held while an actor runs")
    }
}

/// The task behind an actor.
struct Taking {
    turn: Actor,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Taking {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        {
            let mut turn = self.turn.lock();
            turn.actor = Some(context.waker().clone());
            if !turn.given {
                return Poll::Pending;
            }
        }
        if self.turn.lock().abandoned {
            self.future = Box::pin(std::future::ready(()));
        }
        let future = &mut self.future;
        let polled = quiet_panics(|| std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))));
        let ended = match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(())) => Some(Ended::Returned),
            Err(_) => Some(Ended::Panicked(PANIC.take())),
        };
        let mut turn = self.turn.lock();
        turn.given = false;
        turn.ended = ended;
        if let Some(waker) = turn.pump.take() {
            waker.wake();
        }
        if turn.ended.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }
}

thread_local! {
    /// Whether an actor runs on this thread.
    static RUNS: Cell<bool> = const { Cell::new(false) };
    /// The last panic of an actor on this thread, with its place.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics of an actor's code from being printed: they are part of the run, and of its report.
fn quiet_panics<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if RUNS.get() {
                PANIC.set(panic.to_string().replace('\n', " "));
            } else {
                loud(panic);
            }
        }));
    });
    RUNS.set(true);
    let result = run();
    RUNS.set(false);
    result
}
