//! A deterministic simulation testbed for replicated SQLite databases.

#[cfg(not(madsim))]
compile_error!(
    "lockstep-sim needs `--cfg madsim`, which this workspace's .cargo/config.toml sets. It is missing because either \
     RUSTFLAGS is set in the environment (unset it, or add `--cfg madsim` to it), or cargo was started outside the \
     workspace (run it from the workspace's folder instead of with --manifest-path)."
);

pub mod check;
pub mod choice;
pub mod explain;
pub mod history;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod trace;
