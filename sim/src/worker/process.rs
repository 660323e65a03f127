//! The parent's side: one worker process.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use super::{ARGUMENT, Answer, Job, Said};
use crate::status::Status;

/// How much of what a worker wrote to standard error is kept, in bytes.
const STDERR_BYTES_MAX: usize = 64 * 1024;

/// A worker process, started on the first job and again after it died.
#[derive(Default)]
pub struct Worker {
    process: Option<Process>,
    answered: u64,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: JoinHandle<Vec<u8>>,
}

impl Worker {
    /// Has a worker do a job. If its process dies, the answer is a bug of the testbed with the last that it said.
    ///
    /// # Errors
    /// If no process can be started.
    pub fn ask(&mut self, job: &Job) -> std::io::Result<Answer> {
        self.begin(job)?;
        loop {
            if let Said::Answer(answer) = self.hear() {
                return Ok(*answer);
            }
        }
    }

    /// Gives a worker a job. What it says of it has to be heard, up to the answer.
    ///
    /// # Errors
    /// If no process can be started.
    pub(super) fn begin(&mut self, job: &Job) -> std::io::Result<()> {
        let process = match &mut self.process {
            Some(process) => process,
            none => none.insert(Process::start()?),
        };
        self.answered += 1;
        process.send(job);
        Ok(())
    }

    /// Waits for what the worker says next of its job.
    ///
    /// # Panics
    /// If it has none.
    pub(super) fn hear(&mut self) -> Said {
        let process = self.process.as_mut().expect("a worker is heard after it was given a job");
        process.hear().unwrap_or_else(|| {
            self.answered = 0;
            Said::Answer(Box::new(self.process.take().expect("it was just heard").obituary()))
        })
    }

    /// How many jobs the present process has done.
    pub fn answered(&self) -> u64 {
        self.answered
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may be in the middle of a run whose answer nobody waits for.
            let _ = process.child.kill();
            process.obituary();
        }
    }
}

impl Process {
    fn start() -> std::io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().expect("stdin is piped");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let errors = child.stderr.take().expect("stderr is piped");
        #[expect(clippy::disallowed_methods, reason = "this is the parent; no run is simulated in it")]
        let errors = std::thread::spawn(move || tail(errors));
        Ok(Process { child, input, output, errors })
    }

    /// Sends a job. To a process that has died it cannot be sent; who then listens to it learns that.
    fn send(&mut self, job: &Job) {
        let job = serde_json::to_string(job).expect("a job has string keys only");
        let _ = writeln!(self.input, "{job}").and_then(|()| self.input.flush());
    }

    /// Waits for what the process says; `None` if it has died.
    fn hear(&mut self) -> Option<Said> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line).ok()? == 0 {
                return None;
            }
            // A system under test may print something of its own.
            if let Ok(said) = serde_json::from_str(&line) {
                return Some(said);
            }
        }
    }

    fn obituary(self) -> Answer {
        let Process { mut child, input, output, errors } = self;
        drop((input, output));
        let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let errors = errors.join().unwrap_or_default();
        let details = String::from_utf8_lossy(&errors);
        let details = details.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        Answer::without_run(Status::Bug, format!("the testbed itself failed: its worker ended with {ended}"), details)
    }
}

/// Reads to the end and keeps the last of it.
fn tail(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..count]);
        let surplus = kept.len().saturating_sub(STDERR_BYTES_MAX);
        kept.drain(..surplus);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_kept() {
        let long = vec![b'a'; STDERR_BYTES_MAX].into_iter().chain(*b"the end").collect::<Vec<_>>();
        let kept = tail(long.as_slice());
        assert_eq!(kept.len(), STDERR_BYTES_MAX);
        assert!(kept.ends_with(b"the end"));
    }
}
