//! Code that runs in turns: a node's process, a client.
//!
//! An actor is a future that the pump polls itself, when something has come for the actor; it runs until it waits for
//! something again, and the pump goes on only then. So at any moment one actor runs, nothing wakes another, and no
//! executor decides an order.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::task::{Context, Poll, Waker};

/// A handle on an actor.
#[derive(Clone)]
pub struct Actor(Arc<Mutex<State>>);

enum State {
    /// Its code waits for something.
    Waits(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Its code is running.
    Runs,
    Ended(Ended),
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
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Actor {
        Actor(Arc::new(Mutex::new(State::Waits(Box::pin(future)))))
    }

    /// Lets the actor run until it waits. Returns how it ended, if it has.
    ///
    /// # Panics
    /// If the actor's own code asks for it.
    pub fn take_turn(&self) -> Option<Ended> {
        let before = std::mem::replace(&mut *self.lock(), State::Runs);
        let mut future = match before {
            State::Waits(future) => future,
            State::Runs => panic!("an actor cannot give itself a turn"),
            State::Ended(ended) => {
                *self.lock() = State::Ended(ended.clone());
                return Some(ended);
            }
        };
        // What it waits for is put before it by the pump, which then polls it: nobody needs to be woken.
        let mut context = Context::from_waker(Waker::noop());
        let polled = quiet_panics(|| std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))));
        let ended = match polled {
            Ok(Poll::Pending) => {
                *self.lock() = State::Waits(future);
                return None;
            }
            Ok(Poll::Ready(())) => Ended::Returned,
            Err(_) => Ended::Panicked(PANIC.take()),
        };
        *self.lock() = State::Ended(ended.clone());
        Some(ended)
    }

    /// Drops the actor's code where it waits.
    pub fn abandon(&self) {
        let code = std::mem::replace(&mut *self.lock(), State::Ended(Ended::Returned));
        drop(code);
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(*self.lock(), State::Ended(_))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("an actor's lock is never held while its code runs")
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
