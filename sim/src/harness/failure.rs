//! What a failing test says, and what it leaves behind.

use std::io;
use std::path::{Path, PathBuf};

use crate::cases::Case;
use crate::worker::{Answer, Wants, Worker};

/// How many lines of details are shown: with the lines around them a test says at most thirty.
const DETAILS_MAX: usize = 24;

/// Writes the failure's folder and returns the test's message. Its first line is what failed, its last the command that
/// replays it.
pub fn describe(failures: &Path, case: &Case, seed: u64, answer: &Answer) -> String {
    let folder = failures.join(format!("{}-{seed}", case.name().replace('/', "__")));
    let written = match write(&folder, case, seed, answer) {
        Ok(()) => format!("logs: {}", shown(&folder).display()),
        Err(error) => format!("logs: cannot be written to {}: {error}", shown(&folder).display()),
    };
    let mut lines = vec![answer.headline.clone()];
    lines.extend(answer.details.iter().take(DETAILS_MAX).map(|detail| format!("  {detail}")));
    if answer.details.len() > DETAILS_MAX {
        lines.push(format!("  … {} more lines", answer.details.len() - DETAILS_MAX));
    }
    lines.push(written);
    lines.push(case.replay(seed));
    lines.join("\n")
}

/// `short.txt`, `run.json`, `trace.txt` and a copy of the scenario. What the answer lacks, one more run tells.
fn write(folder: &Path, case: &Case, seed: u64, answer: &Answer) -> io::Result<()> {
    let whole = Worker::default().ask(&case.task(seed, Wants::ALL, false).job)?;
    std::fs::create_dir_all(folder)?;
    let mut short = whole.short.unwrap_or_default();
    short += &format!("\n{}\n{}\n{}\n", answer.headline, answer.details.join("\n"), case.replay(seed));
    std::fs::write(folder.join("short.txt"), short.trim_start())?;
    if let Some(json) = &whole.json {
        std::fs::write(folder.join("run.json"), format!("{json:#}\n"))?;
    }
    if let Some(trace) = &whole.trace {
        std::fs::write(folder.join("trace.txt"), trace.join("\n") + "\n")?;
    }
    match case.scenario.given.file() {
        Some(file) => std::fs::copy(file, folder.join("scenario.toml")).map(drop),
        None => Ok(()),
    }
}

/// A path as seen from the working directory, if it is below it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}
