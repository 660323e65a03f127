//! Reads that do not go through the log.
//!
//! ```text
//! none, weak ─────────────────────────────────┐
//! linearizable ─▶ core: which index? ─▶ wait ─┴▶ one job for all that wait ─▶ answers
//!                                      until it is applied
//! ```
//!
//! One job reads at a time, beside the one that executes entries: everything that came meanwhile is read by the next one,
//! in one transaction. If that fails, so do all of them, and the next one has a connection of its own.

use std::collections::BTreeMap;

use super::{Options, Stop, Worked, answer};
use crate::api::{Batch, Error, Reply, Response};
use crate::host::{Host, Outcome, RequestId, Work};
use crate::raft::{Index, ReadError, ReadId, Rules};
use crate::state_machine::{self, Fatal, Read, Reader};

/// A read on its way.
struct Asked {
    request: RequestId,
    batch: Batch,
}

/// The reads that wait, and the connection that serves them.
pub(super) struct Reads {
    file: String,
    /// `None` before the first read, and while a job has it.
    reader: Option<Box<Reader>>,
    /// Those of the job that is running.
    running: Vec<RequestId>,
    /// Those for which the core finds out what must be applied.
    asked: BTreeMap<ReadId, Asked>,
    /// Those that wait until this index is applied.
    waiting: Vec<(Index, Asked)>,
    count: u64,
}

/// What a job did: the reader that it used comes back, unless it failed.
pub(super) struct Done {
    outcome: Result<(Box<Reader>, Read), Fatal>,
}

impl Reads {
    /// Reads of the database in this file.
    pub(super) fn new(file: String) -> Self {
        Reads { file, reader: None, running: Vec::new(), asked: BTreeMap::new(), waiting: Vec::new(), count: 0 }
    }

    /// Whether nothing reads.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Reads another file from now on.
    pub(super) fn reopen(&mut self, file: String) {
        (self.file, self.reader) = (file, None);
    }

    /// A read of whatever is applied. The log begins after `base`: a database that has not come so far waits for a copy.
    pub(super) fn local(&mut self, request: RequestId, batch: Batch, base: Index) {
        self.waiting.push((base, Asked { request, batch }));
    }

    /// A read that waits for the core's word. Returns the number under which the core is to be asked.
    pub(super) fn linearizable(&mut self, request: RequestId, batch: Batch) -> ReadId {
        self.count += 1;
        self.asked.insert(ReadId(self.count), Asked { request, batch });
        ReadId(self.count)
    }

    /// The core's word.
    pub(super) fn answered<H: Host>(&mut self, host: &mut H, id: ReadId, result: Result<Index, ReadError>) {
        let asked = self.asked.remove(&id).expect("the core answers each read once");
        let error = match result {
            Ok(index) => return self.waiting.push((index, asked)),
            Err(ReadError::NoLeader) => Error::NotLeader { leader: None },
            Err(ReadError::NotReady) => {
                Error::Unavailable("the new leader does not yet know what is committed; try again".into())
            }
        };
        answer(host, asked.request, &Err(error));
    }

    /// Starts a job for all whose index is applied, if none is running.
    pub(super) fn start<H: Host, R: Rules>(&mut self, host: &mut H, applied: Index, options: &Options) {
        if !self.running.is_empty() || self.waiting.iter().all(|(index, _)| *index > applied) {
            return;
        }
        let (ready, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(index, _)| *index <= applied);
        self.waiting = waiting;
        let ready: Vec<(Index, Asked)> = ready;
        self.running = ready.iter().map(|(_, asked)| asked.request).collect();
        let batches: Vec<Batch> = ready.into_iter().map(|(_, asked)| asked.batch).collect();
        let time_us = u64::try_from(host.wall().as_micros()).unwrap_or(u64::MAX);
        let seed = host.entropy("read.seed");
        let (vfs, file, instructions_max) = (host.sqlite_vfs(), self.file.clone(), options.read_instructions_max);
        let reader = self.reader.take();
        let job = move || {
            let opened = match reader {
                Some(reader) => Ok(reader),
                None => Reader::open(&vfs, &file, state_machine::Options::default(), instructions_max).map(Box::new),
            };
            let outcome = opened.and_then(|mut reader| {
                let read = reader.read(&batches, time_us, seed)?;
                Ok((reader, read))
            });
            Outcome(Box::new(Worked::<R>::Read(Done { outcome })))
        };
        host.run(Work::Read, Box::new(job));
    }

    /// Answers those of the job that is done. One that failed changed nothing and promised nothing: its clients are told, and
    /// the node goes on unless its database is in doubt.
    pub(super) fn finished<H: Host>(&mut self, host: &mut H, done: Done) -> Result<(), Stop> {
        let running = std::mem::take(&mut self.running);
        let (reader, Read { position, results }) = match done.outcome {
            Ok(read) => read,
            Err(fatal) if fatal.spares_readers() => {
                let response: Response = Err(Error::Unavailable(fatal.to_string()));
                running.into_iter().for_each(|request| answer(host, request, &response));
                return Ok(());
            }
            Err(fatal) => return Err(fatal.into()),
        };
        self.reader = Some(reader);
        for (request, results) in running.into_iter().zip(results) {
            let response: Response = Ok(Reply { index: position.index.0, term: position.term.0, results });
            answer(host, request, &response);
        }
        Ok(())
    }
}
