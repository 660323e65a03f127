//! A deterministic simulation testbed for replicated SQLite databases.
//!
//! ```text
//! scenario file ──▶ scenario ──▶ simulate(system, scenario, seed) ──▶ Run ──▶ report, snapshots, exit code
//!                                   │                                  ▲
//!                                   ▼                                  │
//!             choice ──▶ world: network, clock, disk ──▶ record, history ──▶ check
//!                          ▲                   ▲
//!                       systems             workload
//! ```
//!
//! [`simulate`](simulate::simulate) is the whole of it. It boots a [`System`](systems::System) in a [`world`] whose every
//! decision is a named [`choice`] of the seed, lets [`workload`]s and faults loose on it, heals it, and judges what the
//! nodes said ([`record`]), what clients saw ([`history`]) and what the replicas hold in the end: one [`check`] a property.
//! What is left is a [`Run`](run::Run). The command-line tool ([`cli`]), the tests ([`harness`]) and the [`worker`] processes
//! are built on that one function.
//!
//! # Determinism
//!
//! One seed, one history, byte for byte, on any machine. One pump owns all events to come and delivers one at a time;
//! madsim executes the actors, supplies virtual time, and catches code that asks the operating system for time or randomness
//! behind the simulation's back. Every choice, message, disk call and event enters a running digest ([`trace`]), and every
//! test runs its seed in two processes that must end with the same one. If they do not, the first difference is named.
//!
//! # Put your own system under test
//!
//! Implement [`System`](systems::System) on top of [`lockstep_node::host`] and call [`main`] with it: that is the tool and the
//! worker in one; [`harness::main`] is the same for `cargo test`. Verdicts that need a node's events say nothing of a system
//! that reports none; the others do.

#[cfg(not(madsim))]
compile_error!(
    "lockstep-sim needs `--cfg madsim`, which this workspace's .cargo/config.toml sets. It is missing because either \
     RUSTFLAGS is set in the environment (unset it, or add `--cfg madsim` to it), or cargo was started outside the \
     workspace (run it from the workspace's folder instead of with --manifest-path)."
);

pub mod cases;
pub mod check;
pub mod choice;
pub mod cli;
pub mod clock;
pub mod disk;
pub mod explain;
pub mod harness;
pub mod history;
mod inspect;
pub mod members;
pub mod network;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod seeds;
pub mod simulate;
pub mod status;
pub mod systems;
pub mod tool;
pub mod trace;
pub mod worker;
pub mod workload;
pub mod world;
pub mod zoo;

pub use cli::main;
