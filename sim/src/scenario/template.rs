//! The scenario that `lockstep new` writes.

/// A commented scenario that passes, for a name like `join/my-case`.
pub fn template(name: &str) -> String {
    let title = name.rsplit('/').next().unwrap_or(name).replace(['\n', '\r'], " ");
    format!("# {title}: the leader loses power, comes back, and is cut off.{TEMPLATE}")
}

const TEMPLATE: &str = r#"
# Would catch: (which bug? say it here)

# Every key has a default; `cargo sim check FILE --show` prints them all. `A..B` includes both ends.
seeds    = "1..3"

# What clients do: transfers between accounts whose total never changes. Other kinds: counter, register, append, migrate.
# For statements of your own:
# { kind = "sql", clients = 4, ops = 100, mix = [{ sql = "UPDATE t SET n = n + 1 WHERE id = :id" }], values = { id = "1..9" } }
workload = [{ kind = "bank", clients = 4, ops = 200 }]

# What goes wrong, and when. `at` is a time or a range of times; `when` is something that happens:
# { applied = 300 }, { mark = "leader.elected", nth = 2 } or { io = 7, during = "commit", node = "n1" }.
# Faults of machines: power-cut, kill, restart, crash-loop, pause, slow-disk, stall-disk, clock-jump, clock-drift, clock-freeze,
# wipe; of links: partition, cut, isolate, bridge, ring, clog, swizzle; of single messages: drop, delay.
# Of the members, by an operator: join (node = "n4"), promote, remove, leave, replace (by = "n4"), transfer (to), churn.
# Targets: leader, follower, any, all, some, minority, majority, "2", n1, n2 …
event    = [
  { at = "500ms..1s", do = "power-cut", target = "leader", for = "1s" },
  { when = { applied = 150 }, do = "partition", groups = [["leader"], ["rest"]], for = "2s" },
]

# The same at random, until `phases.faults` is over; each seed has it or not:
# nemesis = [{ do = "kill", target = "any", every = "2s..8s", for = "100ms..2s", enabled = "75%" }]

# Tables or queries whose rows at the end are a snapshot. With `ops`, not `rate`, they do not depend on timing.
final    = ["SELECT count(*), sum(balance) FROM accounts"]

[cluster]
voters = 3

[network]
latency = "1ms..4ms"
loss    = "1%"

[expect]
sometimes = ["leader.changed"]
"#;
