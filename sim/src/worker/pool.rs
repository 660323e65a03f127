//! Many runs on some workers, answered in the order in which they were asked for.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use super::parting::{self, Parting};
use super::{Answer, Job, Worker};
use crate::status::Status;

/// A run that is wanted, and what is to be made of its answer.
#[derive(Clone, Debug)]
pub struct Task {
    /// The run.
    pub job: Job,
    /// The properties of which one must fail first; none if all must hold.
    pub expected: Vec<String>,
    /// Whether the seed runs once more in a fresh process even if it passes. One that does not pass always does, since
    /// a failure that cannot be replayed is of no use.
    pub twice: bool,
}

impl Task {
    /// Does the task on a worker.
    ///
    /// # Errors
    /// If no process can be started.
    pub fn run(&self, worker: &mut Worker) -> io::Result<Answer> {
        let answer = judge(worker.ask(&self.job)?, &self.expected, &self.job.system);
        let failed = matches!(answer.status, Status::Failed | Status::Vacuous);
        if failed || self.twice { confirm(&self.job, answer) } else { Ok(answer) }
    }
}

/// Does all tasks on so many workers. Each answer is handed over in the tasks' order, until the receiver breaks off.
///
/// # Errors
/// If no process can be started.
pub fn answer_all(
    tasks: impl Iterator<Item = Task> + Send,
    workers: usize,
    answered: &mut dyn FnMut(Task, Answer) -> ControlFlow<()>,
) -> io::Result<()> {
    assert!(workers > 0, "tasks need a worker");
    let tasks = Mutex::new(tasks.enumerate());
    let stopped = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(|| work(&tasks, &stopped, sender));
        }
        drop(sender);
        let result = in_order(receiver, answered);
        stopped.store(true, Ordering::Relaxed);
        result
    })
}

type Answered = (usize, Task, io::Result<Answer>);

fn work(tasks: &Mutex<impl Iterator<Item = (usize, Task)>>, stopped: &AtomicBool, sender: mpsc::Sender<Answered>) {
    let mut worker = Worker::default();
    while !stopped.load(Ordering::Relaxed) {
        let next = tasks.lock().expect("an iterator over tasks does not panic").next();
        let Some((place, task)) = next else { break };
        let answer = task.run(&mut worker);
        if sender.send((place, task, answer)).is_err() {
            break;
        }
    }
}

fn in_order(
    receiver: mpsc::Receiver<Answered>,
    answered: &mut dyn FnMut(Task, Answer) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (place, task, answer) in receiver {
        early.insert(place, (task, answer?));
        while let Some((task, answer)) = early.remove(&next) {
            next += 1;
            if answered(task, answer).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Runs a job once more in a fresh process. If the runs differ, the answer is that the seed is nondeterministic, and
/// names where two runs of it part.
///
/// # Errors
/// If no process can be started.
pub fn confirm(job: &Job, first: Answer) -> io::Result<Answer> {
    if first.digest.is_empty() {
        return Ok(first);
    }
    let second = Worker::default().ask(job)?;
    if second.digest == first.digest {
        return Ok(first);
    }
    if second.digest.is_empty() {
        return Ok(Answer {
            status: Status::Nondeterministic,
            headline: format!("nondeterministic: run again in a fresh process, {}", second.headline),
            details: second.details,
            ..first
        });
    }
    let mut details = Vec::new();
    let parting = parting::find(job)?;
    details.extend(parting.iter().flat_map(Parting::lines));
    details.push(format!("seen first in runs that ended with the digests {} and {}", first.digest, second.digest));
    details.extend(different_counts(&first, &second));
    Ok(Answer {
        status: Status::Nondeterministic,
        headline: match parting {
            Some(parting) => format!("nondeterministic: two runs of this seed differ, first in {parting}"),
            None => "nondeterministic: two runs of this seed differ, but not when they were made again".to_owned(),
        },
        details,
        ..first
    })
}

fn different_counts(one: &Answer, other: &Answer) -> Vec<String> {
    let missing = serde_json::Value::Null;
    one.counts
        .iter()
        .map(|(name, count)| (name, count, other.counts.get(name).unwrap_or(&missing)))
        .filter(|(_, one, other)| one != other)
        .map(|(name, one, other)| format!("{}: {one} and {other}", name.replace('_', " ")))
        .collect()
}

/// Turns a failure that a scenario expects into a pass, and a missing one into a failure.
fn judge(answer: Answer, expected: &[String], system: &str) -> Answer {
    if expected.is_empty() {
        return answer;
    }
    let any = expected.join(" or ");
    match (answer.status, answer.property.as_deref()) {
        (Status::Failed, Some(property)) if expected.iter().any(|one| one == property) => {
            Answer { status: Status::Pass, headline: format!("fails with {property}, as expected"), ..answer }
        }
        (Status::Failed, Some(property)) => Answer {
            headline: format!("expected {any} to fail first on {system}, but {property} did: {}", answer.headline),
            ..answer
        },
        (Status::Pass, _) => Answer {
            status: Status::Failed,
            property: Some("expected-failure".to_owned()),
            headline: format!("expected {any} to fail on {system}, but every property holds"),
            ..answer
        },
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(property: &str) -> Answer {
        let answer = Answer::without_run(Status::Failed, format!("{property}: n1 differs"), Vec::new());
        Answer { property: Some(property.to_owned()), ..answer }
    }

    #[test]
    fn an_expected_failure_passes_and_any_other_does_not() {
        let expected = ["bank-total".to_owned(), "tables-equal".to_owned()];
        assert_eq!(judge(failed("tables-equal"), &expected, "bully").status, Status::Pass);
        let other = judge(failed("log-matching"), &expected, "bully");
        assert_eq!(other.status, Status::Failed);
        assert!(
            other.headline.contains("bank-total or tables-equal") && other.headline.contains("log-matching"),
            "{}",
            other.headline
        );
        let none = Answer::without_run(Status::Pass, String::new(), Vec::new());
        assert_eq!(judge(none.clone(), &expected, "bully").status, Status::Failed);
        assert_eq!(judge(none, &[], "bully").status, Status::Pass);
    }

    #[test]
    fn a_vacuous_run_does_not_satisfy_an_expected_failure() {
        let vacuous = Answer::without_run(Status::Vacuous, String::new(), Vec::new());
        assert_eq!(judge(vacuous, &["tables-equal".to_owned()], "bully").status, Status::Vacuous);
    }
}
