//! Receiving a copy of a leader's database, and making it this node's own.
//!
//! ```text
//! chunks, in order ─▶ file ─▶ checksum ─▶ sync ─▶ verify its contents ─▶ rename to the next generation, sync ─▶ superblock
//! ```
//!
//! Until the superblock names the new generation, durably, nothing has happened: a crash before that leaves files that the
//! next boot removes. From then on the node is what the copy says. An older copy than what the node has is never installed.

use super::copies::{is_news, remove};
use super::{Replica, Stop, Worked};
use crate::event::Event;
use crate::host::{DiskError, Host, Outcome, Ticket, Work};
use crate::log_store::Base;
use crate::raft::{self, Configuration, NodeId, Position, Role, Rules, Term};
use crate::state_machine::{self, Fatal, StateMachine, Summing, Verified, verify_copy};
use crate::wire::{Chunk, Content, Part};

/// The file into which a copy is received.
pub(super) const FILE: &str = "received";

/// A copy on its way in.
#[derive(Default)]
pub(super) struct Receive {
    incoming: Option<Incoming>,
    /// Jobs that look at copies, of which a newer one took the place.
    stale_jobs: u32,
}

struct Incoming {
    from: NodeId,
    copy: u64,
    base: Base,
    step: Step,
}

enum Step {
    /// Chunks come.
    Chunks(Box<Summing>),
    /// All is there; it is made durable.
    Syncing(Ticket),
    /// A job reads all of it.
    Verifying,
    /// It is good, and waits until nothing else uses the database.
    Verified { configuration: (raft::Index, Configuration) },
    /// It has its name; that is made durable.
    Renaming { ticket: Ticket, configuration: (raft::Index, Configuration) },
    /// The superblock is written.
    Installing { configuration: (raft::Index, Configuration) },
    /// A job opens it.
    Opening,
}

/// What a job has done.
pub(super) enum Done<R: Rules> {
    /// It looked at a copy.
    Verified(Result<Verified, Fatal>),
    /// It opened the database of the new generation.
    Opened(Result<Box<StateMachine<R>>, Fatal>),
}

impl Receive {
    /// From when the database is about to be replaced until it is: nothing else may use it or the log.
    pub(super) fn holds_database(&self) -> bool {
        let step = self.incoming.as_ref().map(|incoming| &incoming.step);
        matches!(step, Some(Step::Verified { .. } | Step::Renaming { .. } | Step::Installing { .. } | Step::Opening))
    }

    /// Whether the log is being replaced.
    pub(super) fn holds_log(&self) -> bool {
        let step = self.incoming.as_ref().map(|incoming| &incoming.step);
        matches!(step, Some(Step::Installing { .. } | Step::Opening))
    }
}

impl<R: Rules> Replica<R> {
    /// A part of a copy came, or word of one that this node sends.
    pub(super) fn heard_of_copy<H: Host>(&mut self, host: &mut H, from: NodeId, part: Part) -> Result<(), Stop> {
        match part {
            Part::Chunk(chunk) => self.chunk(host, from, &chunk),
            Part::Received { copy, offset } => {
                self.copies.received(from, copy, offset);
                Ok(())
            }
            Part::Ended { copy } => {
                if self.copies.ended(host, from, copy)? {
                    self.raft.step(raft::Input::SnapshotEnded { to: from });
                }
                Ok(())
            }
        }
    }

    /// Copies come from the leader that this node follows in this term.
    fn takes_copies_from(&self, from: NodeId, term: Term) -> bool {
        self.raft.term() == term && self.raft.leader() == Some(from) && self.raft.role() == Role::Follower
    }

    /// Whether a copy of this leader's is still one to take up.
    fn is_of_use(&self, from: NodeId, base: Base) -> bool {
        let at = Position { term: base.term, index: base.index };
        let news = is_news(at, self.applier.position().index, self.log.base().index);
        news && self.takes_copies_from(from, self.raft.term())
    }

    /// Writes a chunk down if it is the next one of a copy that is of use.
    fn chunk<H: Host>(&mut self, host: &mut H, from: NodeId, chunk: &Chunk) -> Result<(), Stop> {
        let &Chunk { copy, term, at, chain, offset, ref bytes, checksum } = chunk;
        if !self.takes_copies_from(from, term) {
            return Ok(());
        }
        if !is_news(at, self.applier.position().index, self.log.base().index) {
            self.peers.post(host, from, Content::Copy(Part::Ended { copy }));
            return Ok(());
        }
        let base = Base { index: at.index, term: at.term, chain };
        let known = |incoming: &Incoming| (incoming.from, incoming.copy, incoming.base) == (from, copy, base);
        if !self.receive.incoming.as_ref().is_some_and(known) {
            if self.receive.holds_database() {
                return Ok(());
            }
            self.begin_to_receive(host, from, copy, base)?;
        }
        let incoming = self.receive.incoming.as_mut().expect("one is being received");
        let Step::Chunks(summing) = &mut incoming.step else { return Ok(()) };
        if offset == summing.length_bytes() && !bytes.is_empty() {
            host.write(FILE, offset, bytes)?;
            summing.add(bytes);
            host.record(Event::ChunkReceived { bytes: summing.length_bytes() });
            if let Some(checksum) = checksum {
                let whole = Summing::clone(summing).finish();
                if whole.checksum != checksum {
                    return self.discard(host, "its checksum is wrong");
                }
                incoming.step = Step::Syncing(host.sync(&[FILE], true));
                return Ok(());
            }
        }
        let offset = summing.length_bytes();
        self.peers.post(host, from, Content::Copy(Part::Received { copy, offset }));
        Ok(())
    }

    fn begin_to_receive<H: Host>(&mut self, host: &mut H, from: NodeId, copy: u64, base: Base) -> Result<(), Stop> {
        if let Some(Incoming { step: Step::Verifying, .. }) = self.receive.incoming {
            self.receive.stale_jobs += 1;
        }
        remove(host, FILE)?;
        host.write(FILE, 0, &[])?;
        let at = Position { term: base.term, index: base.index };
        self.receive.incoming = Some(Incoming { from, copy, base, step: Step::Chunks(Box::new(Summing::new(at))) });
        Ok(())
    }

    /// The copy is of no use. Its sender finds out how far this node is and sends what it needs.
    fn discard<H: Host>(&mut self, host: &mut H, why: &str) -> Result<(), Stop> {
        let Some(incoming) = self.receive.incoming.take() else { return Ok(()) };
        host.record(Event::CopyDiscarded { why: why.to_owned() });
        self.peers.post(host, incoming.from, Content::Copy(Part::Ended { copy: incoming.copy }));
        Ok(remove(host, FILE)?)
    }

    /// A sync that is none of the log's has ended.
    pub(super) fn copy_synced<H: Host>(
        &mut self,
        host: &mut H,
        ticket: Ticket,
        result: &Result<(), DiskError>,
    ) -> Result<(), Stop> {
        let Some(incoming) = &mut self.receive.incoming else { return Ok(()) };
        match &mut incoming.step {
            Step::Syncing(awaited) if *awaited == ticket => {
                result.clone()?;
                incoming.step = Step::Verifying;
                let vfs = host.sqlite_vfs();
                let job = move || Outcome(Box::new(Worked::<R>::Received(Done::Verified(verify_copy(&vfs, FILE)))));
                host.run(Work::Verify, Box::new(job));
                Ok(())
            }
            Step::Renaming { ticket: awaited, configuration } if *awaited == ticket => {
                result.clone()?;
                let (from, base, configuration) = (incoming.from, incoming.base, configuration.clone());
                let generation = self.log.superblock().generation + 1;
                if !self.is_of_use(from, base) {
                    remove(host, &format!("db-{generation}"))?;
                    return self.discard(host, "it came too late");
                }
                self.receive.incoming.as_mut().expect("it is being installed").step =
                    Step::Installing { configuration };
                self.log.install(host, base, generation)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A job of this part is done.
    pub(super) fn copy_worked<H: Host>(&mut self, host: &mut H, done: Done<R>) -> Result<(), Stop> {
        match done {
            Done::Verified(_) if self.receive.stale_jobs > 0 => {
                self.receive.stale_jobs -= 1;
                Ok(())
            }
            Done::Verified(verified) => self.verified(host, verified),
            Done::Opened(opened) => {
                self.applier.replace(*opened?);
                let Some(incoming) = self.receive.incoming.take() else { return Ok(()) };
                self.peers.post(host, incoming.from, Content::Copy(Part::Ended { copy: incoming.copy }));
                Ok(())
            }
        }
    }

    fn verified<H: Host>(&mut self, host: &mut H, verified: Result<Verified, Fatal>) -> Result<(), Stop> {
        let Some(incoming) = &mut self.receive.incoming else { return Ok(()) };
        let at = Position { term: incoming.base.term, index: incoming.base.index };
        let verified = match verified {
            Ok(verified) if verified.position == at => verified,
            Ok(_) => return self.discard(host, "it is of another moment than its sender says"),
            Err(fatal) => return self.discard(host, &fatal.to_string()),
        };
        let configuration = verified.membership.and_then(|(index, payload)| {
            let configuration = Configuration::decode(&payload).ok()?;
            Some((index, configuration))
        });
        let Some(configuration) = configuration else {
            return self.discard(host, "it holds no configuration of the cluster");
        };
        incoming.step = Step::Verified { configuration };
        Ok(())
    }

    /// Puts a verified copy in the database's place, once nothing else uses that.
    pub(super) fn install_when_idle<H: Host>(&mut self, host: &mut H) -> Result<(), Stop> {
        let Some(Incoming { from, base, step: Step::Verified { configuration }, .. }) = &self.receive.incoming else {
            return Ok(());
        };
        if !self.applier.is_idle() || !self.reads.is_idle() {
            return Ok(());
        }
        let (from, base, configuration) = (*from, *base, configuration.clone());
        if !self.is_of_use(from, base) {
            return self.discard(host, "it came too late");
        }
        let file = format!("db-{}", self.log.superblock().generation + 1);
        host.rename(FILE, &file)?;
        let ticket = host.sync(&[], true);
        self.receive.incoming.as_mut().expect("it is being installed").step = Step::Renaming { ticket, configuration };
        Ok(())
    }

    /// The superblock names the new generation: the core goes on from there, and the database is opened.
    pub(super) fn installed<H: Host>(&mut self, host: &mut H, generation: u64) -> Result<(), Stop> {
        let Some(incoming) = &mut self.receive.incoming else { return Ok(()) };
        let Step::Installing { configuration } = std::mem::replace(&mut incoming.step, Step::Opening) else {
            unreachable!("only then the superblock is written")
        };
        let at = Position { term: incoming.base.term, index: incoming.base.index };
        self.peers.learn(&configuration.1);
        let file = super::database_file(&self.log);
        self.applier.close();
        self.reads.reopen(file.clone());
        super::copies::remove_leftovers(host, generation)?;
        host.record(Event::Installed {
            at: at.index,
            term: at.term,
            chain: incoming.base.chain,
            last: self.log.last_index(),
        });
        self.raft.step(raft::Input::Installed { at, configuration });
        let (vfs, rules) = (host.sqlite_vfs(), self.rules.clone());
        let options = state_machine::Options { page_size: self.options.page_bytes, ..Default::default() };
        let job = move || {
            let opened = StateMachine::open_with(&vfs, &file, rules, options).map(Box::new);
            Outcome(Box::new(Worked::<R>::Received(Done::Opened(opened))))
        };
        host.run(Work::Open, Box::new(job));
        Ok(())
    }
}
