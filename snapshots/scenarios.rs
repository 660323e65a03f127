//! Every scenario is a test, and every seed of it. This file stands beside the snapshots because `cargo insta` looks for
//! pending ones where tests are.

use std::path::Path;
use std::process::ExitCode;

use lockstep_sim::harness::{self, Folders};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace");
    let folders = Folders { root: root.to_owned(), target_tmp: env!("CARGO_TARGET_TMPDIR").into() };
    harness::main(lockstep_sim::systems::ALL, &folders)
}
