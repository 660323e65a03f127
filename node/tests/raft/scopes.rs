//! The scopes that the model of the core is explored in.
//!
//! The tests print how many states each has.

use lockstep_node::raft::{Change, NodeId, Rule};
use stateright::{Checker as _, HasDiscoveries, Model};

use crate::model::{Limits, Scope, State};

/// Explores every scope to its end.
pub fn the_core_is_safe_in_small_scopes() {
    scopes().into_iter().for_each(explore);
}

/// Explores scopes in which a rule is broken until a property is.
pub fn broken_rules_are_found() {
    let slow = Scope { slow_disks: true, ..BASE };
    let fast = Limits { campaigns: 1, proposals: 1, crashes: 1, ..NONE };
    find(Scope { breaks: Some(Rule::AnswerAfterSync), limits: fast.clone(), ..slow.clone() }, "durability");
    let votes = Limits { campaigns: 2, crashes: 2, ..NONE };
    find(Scope { breaks: Some(Rule::RememberVote), limits: votes, ..BASE }, "one vote a term");
    let terms = Limits { campaigns: 2, proposals: 1, ..NONE };
    find(Scope { breaks: Some(Rule::CheckPreviousTerm), limits: terms, ..BASE }, "log matching");
}

fn scopes() -> Vec<Scope> {
    vec![
        Scope {
            name: "two slow disks, a crash",
            voters: 2,
            slow_disks: true,
            limits: Limits { campaigns: 1, proposals: 1, crashes: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_committed_anew(3),
            ..BASE
        },
        Scope {
            name: "three nodes, two campaigns",
            limits: Limits { campaigns: 2, ..NONE },
            goal: |state| state.has_committed_anew(3),
            ..BASE
        },
        Scope {
            name: "three nodes, a campaign, a proposal",
            limits: Limits { campaigns: 1, proposals: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_committed_anew(3),
            ..BASE
        },
        Scope {
            name: "three nodes, a campaign, a crash",
            limits: Limits { campaigns: 1, proposals: 1, crashes: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_committed_anew(3),
            ..BASE
        },
        Scope {
            name: "three nodes, a campaign, a read",
            limits: Limits { campaigns: 1, reads: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_answered(1) && state.has_committed_anew(3),
            ..BASE
        },
        Scope {
            name: "three nodes become two",
            changes: vec![Change::Remove(NodeId(1))],
            limits: Limits { changes: 1, campaigns: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_changed() && state.has_committed_anew(3),
            ..BASE
        },
        Scope {
            name: "two nodes become three",
            voters: 2,
            learners: 1,
            changes: vec![Change::Promote(NodeId(3))],
            limits: Limits { changes: 1, proposals: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_changed(),
            ..BASE
        },
        Scope {
            name: "three nodes, a transfer, a read",
            limits: Limits { transfers: 1, reads: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_answered(1) && state.has_committed_anew(3),
            ..BASE
        },
        Scope {
            name: "three nodes, a compaction, a copy, a campaign",
            limits: Limits { proposals: 1, compactions: 1, campaigns: 1, ..NONE },
            goal: |state| state.is_spent() && state.has_copied() && state.has_committed_anew(3),
            ..BASE
        },
    ]
}

const NONE: Limits = Limits {
    campaigns: 0,
    proposals: 0,
    heartbeats: 0,
    crashes: 0,
    duplicates: 0,
    changes: 0,
    transfers: 0,
    reads: 0,
    compactions: 0,
};

const BASE: Scope = Scope {
    name: "three nodes",
    voters: 3,
    learners: 0,
    changes: vec![],
    limits: NONE,
    goal: State::is_spent,
    slow_disks: false,
    breaks: None,
};

fn explore(scope: Scope) {
    let name = scope.name;
    let checker = scope.checker().spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    println!("model of {name}: {states} states, {steps} steps, depth {depth}");
    checker.assert_properties();
}

fn find(scope: Scope, property: &'static str) {
    let (name, rule) = (scope.name, scope.breaks.expect("a rule is broken"));
    let checker = scope.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let states = checker.unique_state_count();
    let path = checker.discovery(property).unwrap_or_else(|| panic!("{property} holds in {name} without {rule:?}"));
    println!(
        "model of {name} without {rule:?}: {property} breaks in {} steps, after {states} states",
        path.into_actions().len()
    );
}
