//! Reads that do not go through the log.
//!
//! ```text
//! none, weak ─────────────────────────────────┐
//! linearizable ─▶ core: which index? ─▶ wait ─┴▶ a job on a connection that is free ─▶ answers
//!                                      until it is applied
//! ```
//!
//! Several jobs read at a time, beside the one that executes entries, so that a long read does not hold up the others. What
//! comes while all connections are busy waits, and is shared out among those that become free; what one job gets it reads in
//! one transaction. If that fails, so do its reads, and the next job has a new connection.
//!
//! A job cannot be called back: where its reads were answered at their deadline it goes on, and its results go nowhere. The
//! budget of a read bounds that.

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

/// The reads that wait, and the connections that serve them.
pub(super) struct Reads {
    file: String,
    /// The connections that no job has.
    idle: Vec<Reader>,
    /// Running jobs, with the requests that each serves.
    running: BTreeMap<u64, Vec<RequestId>>,
    /// Those for which the core finds out what must be applied.
    asked: BTreeMap<ReadId, Asked>,
    /// Those that wait until this index is applied.
    waiting: Vec<(Index, Asked)>,
    /// Numbers the reads that the core is asked about.
    count: u64,
    /// Numbers the jobs.
    jobs: u64,
}

/// What a job did: the reader that it used comes back, unless it failed.
pub(super) struct Done {
    job: u64,
    outcome: Result<(Reader, Read), Fatal>,
}

impl Reads {
    /// Reads of the database in this file.
    pub(super) fn new(file: String) -> Self {
        Reads {
            file,
            idle: Vec::new(),
            running: BTreeMap::new(),
            asked: BTreeMap::new(),
            waiting: Vec::new(),
            count: 0,
            jobs: 0,
        }
    }

    /// Whether nothing reads.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Reads another file from now on.
    pub(super) fn reopen(&mut self, file: String) {
        self.file = file;
        self.idle.clear();
    }

    /// Lets go of reads for which this does not hold. Returns the newest of those that the core was asked about, if there
    /// may be one: they are numbered in the order of their deadlines.
    pub(super) fn retain(&mut self, is_open: impl Fn(RequestId) -> bool) -> Option<ReadId> {
        self.waiting.retain(|(_, asked)| is_open(asked.request));
        let before = self.asked.len();
        self.asked.retain(|_, asked| is_open(asked.request));
        let first_open = self.asked.first_key_value().map_or(self.count + 1, |(id, _)| id.0);
        (self.asked.len() < before).then_some(ReadId(first_open - 1))
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

    /// The core's word, which may come too late.
    pub(super) fn answered<H: Host>(&mut self, host: &mut H, id: ReadId, result: Result<Index, ReadError>) {
        let Some(asked) = self.asked.remove(&id) else { return };
        let error = match result {
            Ok(index) => return self.waiting.push((index, asked)),
            Err(ReadError::NoLeader) => Error::NotLeader { leader: None },
            Err(ReadError::NotReady) => {
                Error::Unavailable("the new leader does not yet know what is committed; try again".into())
            }
        };
        answer(host, asked.request, &Err(error));
    }

    /// Shares out all whose index is applied among the connections that are free.
    pub(super) fn start<H: Host, R: Rules>(&mut self, host: &mut H, applied: Index, options: &Options) {
        let free = options.read_connections.max(1).saturating_sub(self.running.len());
        if free == 0 || self.waiting.iter().all(|(index, _)| *index > applied) {
            return;
        }
        let (ready, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(index, _)| *index <= applied);
        self.waiting = waiting;
        let ready: Vec<(Index, Asked)> = ready;
        let (each, more) = (ready.len() / free, ready.len() % free);
        let mut ready = ready.into_iter().map(|(_, asked)| asked);
        for connection in 0..free {
            let share = each + usize::from(connection < more);
            if share > 0 {
                self.run::<H, R>(host, ready.by_ref().take(share).collect(), options);
            }
        }
    }

    /// Starts a job that reads these in one transaction.
    fn run<H: Host, R: Rules>(&mut self, host: &mut H, share: Vec<Asked>, options: &Options) {
        self.jobs += 1;
        let job = self.jobs;
        self.running.insert(job, share.iter().map(|asked| asked.request).collect());
        let batches: Vec<Batch> = share.into_iter().map(|asked| asked.batch).collect();
        let time_us = u64::try_from(host.wall().as_micros()).unwrap_or(u64::MAX);
        let seed = host.entropy("read.seed");
        let (vfs, file, instructions_max) = (host.sqlite_vfs(), self.file.clone(), options.read_instructions_max);
        let reader = self.idle.pop();
        let work = move || {
            let opened = match reader {
                Some(reader) => Ok(reader),
                None => Reader::open(&vfs, &file, state_machine::Options::default(), instructions_max),
            };
            let outcome = opened.and_then(|mut reader| {
                let read = reader.read(&batches, time_us, seed)?;
                Ok((reader, read))
            });
            Outcome(Box::new(Worked::<R>::Read(Done { job, outcome })))
        };
        host.run(Work::Read, Box::new(work));
    }

    /// Answers those of the job that is done. One that failed changed nothing and promised nothing: its clients are told, and
    /// the node goes on unless its database is in doubt.
    pub(super) fn finished<H: Host>(&mut self, host: &mut H, done: Done) -> Result<(), Stop> {
        let running = self.running.remove(&done.job).expect("a job ends once");
        let (reader, Read { position, results }) = match done.outcome {
            Ok(read) => read,
            Err(fatal) if fatal.spares_readers() => {
                let response: Response = Err(Error::Unavailable(fatal.to_string()));
                running.into_iter().for_each(|request| answer(host, request, &response));
                return Ok(());
            }
            Err(fatal) => return Err(fatal.into()),
        };
        self.idle.push(reader);
        for (request, results) in running.into_iter().zip(results) {
            let response: Response = Ok(Reply { index: position.index.0, term: position.term.0, results });
            answer(host, request, &response);
        }
        Ok(())
    }
}
