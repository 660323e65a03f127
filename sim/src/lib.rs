//! A deterministic simulation testbed for replicated SQLite databases.

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
pub mod network;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod seeds;
pub mod simulate;
pub mod status;
pub mod systems;
pub mod trace;
pub mod worker;
pub mod workload;
pub mod world;

pub use cli::main;
