//! Known bugs, to show that the testbed notices: Lockstep with one rule of its protocol broken.
//!
//! Each is the node itself, built with other [`Rules`] or on a disk that does not keep its own. It must fail a scenario that
//! Lockstep passes; `sim/tests/broken_rules.rs` sees to that.

use lockstep_node::raft::{Rule, Rules};
use lockstep_node::state_machine::Command;

use crate::disk::Durable;
use crate::scenario::model::Cluster;
use crate::systems::lockstep::{LOCKSTEP, Lockstep};
use crate::systems::{DurableLog, Logged, Running, System};
use crate::world::SimHost;

/// Breaks this rule and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Broken(pub Rule);

impl Rules for Broken {
    fn breaks(&self, rule: Rule) -> bool {
        self.0 == rule
    }
}

/// Acknowledges, and counts for a majority, what no sync has made durable.
pub static ANSWERS_BEFORE_SYNC: Lockstep<Broken> = Lockstep::new("answers-before-sync", Broken(Rule::AnswerAfterSync));

/// Does not write down for whom it voted: it can vote again in the same term after a restart.
pub static FORGETS_VOTES: Lockstep<Broken> = Lockstep::new("forgets-votes", Broken(Rule::RememberVote));

/// Appends entries without looking whether the one before them is the leader's.
pub static SKIPS_PREVIOUS_TERM: Lockstep<Broken> =
    Lockstep::new("skips-previous-term", Broken(Rule::CheckPreviousTerm));

/// Lets SQL read the machine's clock.
pub static READS_OWN_CLOCK: Lockstep<Broken> = Lockstep::new("reads-own-clock", Broken(Rule::PinClock));

/// Executes requests whose session has expired: what was executed before that is executed again.
pub static EXECUTES_EXPIRED: Lockstep<Broken> = Lockstep::new("executes-expired", Broken(Rule::RefuseExpired));

/// Says that all is durable, and makes nothing so: after the cluster was founded its disks ignore every sync.
pub struct NeverSyncs;

impl System for NeverSyncs {
    fn name(&self) -> &'static str {
        "never-syncs"
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        LOCKSTEP.found(hosts, cluster)
    }

    fn boot(&self, host: SimHost, cluster: &Cluster) -> Running {
        let cluster = cluster.clone();
        Box::pin(async move {
            host.device().ignore_syncs();
            LOCKSTEP.boot(host, &cluster).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        LOCKSTEP.database(files)
    }

    fn durable_log(&self, disk: &mut Durable) -> Option<Result<DurableLog, String>> {
        LOCKSTEP.durable_log(disk)
    }

    fn request(&self, entry: &Logged) -> Option<Command> {
        LOCKSTEP.request(entry)
    }

    fn reports_events(&self) -> bool {
        true
    }
}

/// All of them: the rules in the order of [`Rule`], then the others.
pub const ALL: &[&dyn System] =
    &[&ANSWERS_BEFORE_SYNC, &FORGETS_VOTES, &SKIPS_PREVIOUS_TERM, &READS_OWN_CLOCK, &EXECUTES_EXPIRED, &NeverSyncs];
