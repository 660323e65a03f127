//! The language of the scripts.
//!
//! | command | does |
//! |---|---|
//! | `cluster nodes=3` | voters n1 to n3, each with the configuration as entry 1 of term 1; also `learners=`, `blank=` (nodes with an empty log, from the next number on), `break=`, and the options `append_bytes=`, `inflight=`, `inflight_bytes=`, `uncommitted=`, `lag=`, `lease=` and `dead=` |
//! | `disk n1 terms=1,1,2 term=3 vote=n2` | reboots n1 with a log of entries of these terms and this hard state; `disk n1 empty` with nothing |
//! | `tick n1 50` | lets time pass on a node |
//! | `timeout n1` | lets the time pass after which n1 does something |
//! | `elect n1` | makes n1 leader: time passes on the others, then n1 campaigns and all messages arrive; prints the end only |
//! | `propose n1 a b` | proposes payloads in one batch |
//! | `deliver`, `deliver n1->n2`, `deliver n1->n2 2` | delivers everything until it is quiet, what is on a link now, or the second message on it |
//! | `drop n1->n2`, `drop n1->n2 2` | loses messages; `drop` loses all |
//! | `repeat n1->n2 1` | puts a copy of a message at the end of its link |
//! | `save n1->n2 1 old`, `replay old` | keeps a copy of a message; delivers such a copy |
//! | `send n2->n1 Heartbeat term=3 commit=1` | delivers a message that nobody sent, written as it is shown |
//! | `cut n1->n2`, `cut n1 n2`, `heal` | what arrives on the link, on all links between the two (or of a node) is lost; mends all |
//! | `stall n1`, `sync n1`, `sync n1 2`, `unstall n1` | syncs wait until told; some of them, or all |
//! | `read n1 7` | n1 wants to read; 7 names the read |
//! | `change n1 add=n4 promote=n4 remove=n2` | asks n1 for a change of the members |
//! | `transfer n1 n2` | n1 is to hand its leadership to n2 |
//! | `compact n1 5` | n1 has entries 1 to 5 in its database for good, and forgets them |
//! | `copy n1 n2` | a copy of n1's database arrives at n2 and takes the place of its own; `copy n1 n2 fails` does not arrive |
//! | `corrupt n1 4` | n1 loses its log from entry 4 on, and boots, knowing that |
//! | `reboots n1 n2` | n1 hears that n2 booted anew |
//! | `crash n1`, `restart n1` | loses what is not synced; boots with what is |
//! | `draw n1 300` | from now on, the election timeout that n1 draws |
//! | `status`, `status n1` | prints what nodes are and hold |
//! | `members n1` | prints the configuration that is in effect on n1 |
//! | `links` | prints the messages under way |
//!
//! `quiet COMMAND` prints violations only.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockstep_node::raft::{
    Body, Change, Configuration, Entry, EntryKind, HardState, Index, Input, Message, NodeId, Options, Position,
    ProposalId, ReadId, Role, Rule, Term,
};

use crate::cluster::{Breaks, Cluster, Letter, Link};
use crate::disk::Disk;
use crate::show::{show, show_entries};

/// Runs a script and returns it with the outputs as they are now.
pub fn run(text: &str) -> Result<String, String> {
    let mut script = Script { cluster: None, saved: BTreeMap::new() };
    let mut result = String::new();
    let mut before = "";
    for (number, line) in text.lines().enumerate() {
        let kind = if line.starts_with('#') { "comment" } else { "command" };
        if kind == "comment" {
            let gap = if before.is_empty() || before == "comment" { "" } else { "\n" };
            result += &format!("{gap}{line}\n");
        } else if let Some(command) = line.strip_prefix("> ") {
            let gap = if before == "output" || (before == "comment" && script.cluster.is_none()) { "\n" } else { "" };
            result += &format!("{gap}{line}\n");
            let output = script.command(command).map_err(|error| format!("line {}: {error}: {line}", number + 1))?;
            output.iter().for_each(|line| result += &format!("{line}\n"));
            before = if output.is_empty() { "command" } else { "output" };
            continue;
        } else {
            continue;
        }
        before = kind;
    }
    Ok(result)
}

struct Script {
    cluster: Option<Cluster>,
    saved: BTreeMap<String, (Link, Letter)>,
}

impl Script {
    fn command(&mut self, line: &str) -> Result<Vec<String>, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["cluster", options @ ..] = &words[..] {
            self.cluster = Some(new_cluster(options)?);
        } else if let ["quiet", ..] = &words[..] {
            let output = self.command(line.trim_start_matches("quiet "))?;
            return Ok(output.into_iter().filter(|line| line.starts_with("VIOLATION")).collect());
        } else {
            self.act(&words)?;
        }
        let output = self.cluster.as_mut().and_then(|cluster| cluster.output.as_mut()).map(std::mem::take);
        Ok(output.unwrap_or_default())
    }

    fn act(&mut self, words: &[&str]) -> Result<(), String> {
        let cluster = self.cluster.as_mut().ok_or("a script begins with `cluster`")?;
        match *words {
            ["disk", id, "empty"] => cluster.install(node(id)?, Disk::default()),
            ["disk", id, ref rest @ ..] => install(cluster, node(id)?, rest)?,
            ["tick", id, ticks] => cluster.step(node(id)?, Input::Tick(number(ticks)? as u32)),
            ["timeout", id] => timeout(cluster, node(id)?),
            ["elect", id] => elect(cluster, node(id)?),
            ["propose", id, ref payloads @ ..] => cluster.propose(node(id)?, payloads),
            ["deliver"] => cluster.deliver_all(),
            ["deliver", link] => deliver(cluster, parse_link(link)?),
            ["deliver", link, place] => {
                let delivered = cluster.deliver(parse_link(link)?, number(place)? as usize - 1);
                delivered.then_some(()).ok_or("no such message")?;
            }
            ["drop"] => cluster.links.clear(),
            ["drop", link] => cluster.links.entry(parse_link(link)?).or_default().clear(),
            ["drop", link, place] => {
                let queue = cluster.links.entry(parse_link(link)?).or_default();
                queue.remove(number(place)? as usize - 1).ok_or("no such message")?;
            }
            ["repeat", link, place] => {
                let letter = letter_at(cluster, link, place)?;
                cluster.links.entry(parse_link(link)?).or_default().push_back(letter);
            }
            ["save", link, place, name] => {
                let letter = letter_at(cluster, link, place)?;
                self.saved.insert(name.to_string(), (parse_link(link)?, letter));
            }
            ["replay", name] => {
                let (link, letter) = self.saved.get(name).ok_or("nothing was saved under this name")?;
                cluster.arrive(*link, letter.clone());
            }
            ["send", link, ref rest @ ..] => {
                let letter = cluster.letter(parse_link(link)?, parse_message(rest)?);
                cluster.arrive(parse_link(link)?, letter);
            }
            ["cut", link] if link.contains("->") => drop(cluster.cut.insert(parse_link(link)?)),
            ["cut", id] => cluster.ids().into_iter().try_for_each(|other| cut(cluster, node(id)?, other))?,
            ["cut", one, other] => cut(cluster, node(one)?, node(other)?)?,
            ["heal"] => cluster.cut.clear(),
            ["stall", id] => cluster.nodes.get_mut(&node(id)?).ok_or("no such node")?.stalled = true,
            ["unstall", id] => {
                while cluster.sync(node(id)?) {}
                cluster.nodes.get_mut(&node(id)?).ok_or("no such node")?.stalled = false;
            }
            ["sync", id] => while cluster.sync(node(id)?) {},
            ["sync", id, count] => (0..number(count)?).try_for_each(|_| {
                let synced = cluster.sync(node(id)?);
                synced.then_some(()).ok_or("nothing left to sync".to_string())
            })?,
            ["read", id, read] => cluster.read(node(id)?, ReadId(number(read)?)),
            ["forget", id, read] => {
                cluster.step(node(id)?, Input::ForgetReads { up_to: ReadId(number(read)?) });
            }
            ["change", id, ref rest @ ..] => {
                let changes = rest.iter().map(|word| change(word)).collect::<Result<_, String>>()?;
                cluster.change(node(id)?, changes);
            }
            ["transfer", id, to] => {
                cluster.step(node(id)?, Input::Transfer { id: ProposalId(u64::MAX), to: node(to)? });
            }
            ["compact", id, to] => cluster.compact(node(id)?, Index(number(to)?)),
            ["copy", from, to] => {
                let copy = cluster.snapshot_of(node(from)?).ok_or("the node is down")?;
                cluster.put_snapshot(node(to)?, copy);
                cluster.step(node(from)?, Input::SnapshotEnded { to: node(to)? });
            }
            ["copy", from, to, "fails"] => cluster.step(node(from)?, Input::SnapshotEnded { to: node(to)? }),
            ["corrupt", id, from] => {
                let id = node(id)?;
                cluster.crash(id);
                let disk = cluster.disks.get_mut(&id).ok_or("no such node")?;
                disk.truncate(Index(number(from)?));
                disk.recovering = true;
                cluster.restart(id);
            }
            ["reboots", id, peer] => cluster.step(node(id)?, Input::Restarted { peer: node(peer)? }),
            ["crash", id] => cluster.crash(node(id)?),
            ["restart", id] => cluster.restart(node(id)?),
            ["draw", id, ticks] => {
                cluster.nodes.get_mut(&node(id)?).ok_or("no such node")?.timeout = number(ticks)? as u32;
                cluster.step(node(id)?, Input::ElectionTimeout { ticks: number(ticks)? as u32 });
            }
            ["status"] => cluster.ids().into_iter().for_each(|id| status(cluster, id)),
            ["status", id] => status(cluster, node(id)?),
            ["members", id] => members(cluster, node(id)?),
            ["links"] => links(cluster),
            _ => return Err("no such command".into()),
        }
        Ok(())
    }
}

fn new_cluster(words: &[&str]) -> Result<Cluster, String> {
    let keys = keys(words)?;
    let count = |key: &str, default: u64| keys.get(key).map_or(Ok(default), |value| number(value));
    let (voters, learners, blank) = (count("nodes", 3)?, count("learners", 0)?, count("blank", 0)?);
    let named = |from: u64, to: u64| (from..=to).map(|id| (NodeId(id), format!("n{id}"))).collect();
    let mut configuration = Configuration::of_voters(named(1, voters));
    configuration.learners = named(voters + 1, voters + learners);
    let rule = match keys.get("break") {
        None => None,
        Some(&"answer-after-sync") => Some(Rule::AnswerAfterSync),
        Some(&"remember-vote") => Some(Rule::RememberVote),
        Some(&"check-previous-term") => Some(Rule::CheckPreviousTerm),
        Some(_) => return Err("no such rule".into()),
    };
    let options = Options {
        heartbeat_ticks: 50,
        election_ticks: 150,
        max_append_bytes: count("append_bytes", 1024)? as usize,
        max_inflight: count("inflight", 4)? as usize,
        max_inflight_bytes: count("inflight_bytes", 1 << 20)? as usize,
        max_uncommitted_bytes: count("uncommitted", 1024)? as usize,
        promote_lag: count("lag", 0)?,
        lease_ticks: count("lease", 0)? as u32,
        dead_ticks: count("dead", 0)?,
    };
    let blank: Vec<NodeId> = (voters + learners + 1..=voters + learners + blank).map(NodeId).collect();
    Ok(Cluster::new(options, Breaks(rule), &configuration, &blank))
}

fn install(cluster: &mut Cluster, id: NodeId, words: &[&str]) -> Result<(), String> {
    let keys = keys(words)?;
    let mut log = cluster.disks.get(&id).ok_or("no such node")?.log[..1].to_vec();
    for term in keys.get("terms").into_iter().flat_map(|terms| terms.split(',')).skip(1) {
        let index = Index(log.len() as u64 + 1);
        log.push(Entry { index, term: Term(number(term)?), kind: EntryKind::Noop, payload: Bytes::new() });
    }
    let last = log.last().map_or(0, |entry| entry.term.0);
    let term = Term(keys.get("term").map_or(Ok(last), |term| number(term))?);
    let vote = keys.get("vote").map(|vote| node(vote)).transpose()?;
    cluster.install(id, Disk { hard_state: HardState { term, vote }, log, ..Disk::default() });
    Ok(())
}

fn timeout(cluster: &mut Cluster, id: NodeId) {
    if let Some(ticks) = cluster.raft(id).and_then(|raft| raft.ticks_to_deadline()) {
        cluster.step(id, Input::Tick(ticks));
    }
}

/// Time passes for the others without a message, but for less than would make them campaign.
fn elect(cluster: &mut Cluster, id: NodeId) {
    for other in cluster.ids() {
        let drawn = cluster.nodes[&other].timeout;
        cluster.nodes.get_mut(&other).expect("a known node").timeout = if other == id { drawn } else { 10_000 };
        cluster.step(other, Input::ElectionTimeout { ticks: if other == id { drawn } else { 10_000 } });
        if other != id && cluster.raft(other).is_some_and(|raft| raft.role() != Role::Leader) {
            cluster.step(other, Input::Tick(cluster.options.election_ticks));
        }
        cluster.nodes.get_mut(&other).expect("a known node").timeout = drawn;
    }
    timeout(cluster, id);
    cluster.deliver_all();
    timeout(cluster, id);
    cluster.deliver_all();
    let leads = cluster.raft(id).is_some_and(|raft| raft.role() == Role::Leader);
    let term = cluster.raft(id).map_or(Term(0), |raft| raft.term());
    let output = cluster.output.as_mut().expect("a script is read");
    output.retain(|line| line.starts_with("VIOLATION"));
    output.push(if leads { format!("n{} leads term {term}", id.0) } else { format!("n{} was not elected", id.0) });
}

fn deliver(cluster: &mut Cluster, link: Link) {
    let count = cluster.links.get(&link).map_or(0, |queue| queue.len());
    for _ in 0..count {
        cluster.deliver(link, 0);
    }
}

fn letter_at(cluster: &Cluster, link: &str, place: &str) -> Result<Letter, String> {
    let queue = cluster.links.get(&parse_link(link)?);
    Ok(queue.and_then(|queue| queue.get(number(place).ok()? as usize - 1)).ok_or("no such message")?.clone())
}

fn cut(cluster: &mut Cluster, one: NodeId, other: NodeId) -> Result<(), String> {
    cluster.cut.extend([(one, other), (other, one)]);
    Ok(())
}

fn status(cluster: &mut Cluster, id: NodeId) {
    let line = match cluster.raft(id) {
        None => format!("n{} is down", id.0),
        Some(raft) => {
            let role = format!("{:?}", raft.role()).to_lowercase();
            let leader = raft.leader().map_or("none".into(), |leader| format!("n{}", leader.0));
            let base = raft.base();
            let after = if base.index > Index(0) { format!("{base}.. ") } else { String::new() };
            let log = after + &show_entries(raft.entries(base.index.next(), raft.last().index));
            let (term, commit, durable) = (raft.term(), raft.commit(), raft.durable());
            format!("n{} {role} term={term} leader={leader} log={log} commit={commit} durable={durable}", id.0)
        }
    };
    cluster.output.as_mut().expect("a script is read").push(line);
}

fn members(cluster: &mut Cluster, id: NodeId) {
    let Some(raft) = cluster.raft(id) else { return };
    let (index, configuration) = (raft.configuration_index(), raft.configuration());
    let parts = [
        ("voters", &configuration.voters),
        ("outgoing", &configuration.outgoing),
        ("learners", &configuration.learners),
    ];
    let mut line = format!("n{} has, by entry {index},", id.0);
    for (name, nodes) in parts.into_iter().filter(|(_, nodes)| !nodes.is_empty()) {
        let nodes: Vec<String> = nodes.keys().map(|id| format!("n{}", id.0)).collect();
        line += &format!(" {name} {}", nodes.join(" "));
    }
    cluster.output.as_mut().expect("a script is read").push(line);
}

fn links(cluster: &mut Cluster) {
    let queued = cluster.links.iter().flat_map(|(link, queue)| queue.iter().map(move |letter| (link, letter)));
    let lines: Vec<String> =
        queued.map(|((from, to), letter)| format!("n{}->n{} {}", from.0, to.0, show(&letter.message))).collect();
    cluster.output.as_mut().expect("a script is read").extend(lines);
}

/// Reads a message in the form in which [`show`] writes it; of entries only the terms, which follow `previous`.
fn parse_message(words: &[&str]) -> Result<Message, String> {
    let (name, rest) = words.split_first().ok_or("a message has a name")?;
    let (granted, told) = (rest.contains(&"granted"), rest.contains(&"told"));
    let rest: Vec<&str> = rest.iter().copied().filter(|word| !["granted", "refused", "told"].contains(word)).collect();
    let keys = keys(&rest)?;
    let count = |key: &str| keys.get(key).map_or(Ok(0), |value| number(value));
    let at = |key: &str| keys.get(key).map_or(Ok(Position::default()), |value| position(value));
    let body = match *name {
        "PreVote" => Body::PreVote { last: at("last")?, round: count("round")? },
        "PreVoteReply" => Body::PreVoteReply { granted, round: count("round")? },
        "Vote" => Body::Vote { last: at("last")?, told },
        "VoteReply" => Body::VoteReply { granted },
        "Append" => {
            let positions = keys.get("entries").map_or("", |list| list);
            let positions: Result<Vec<Position>, String> =
                positions.split(',').filter(|p| !p.is_empty()).map(position).collect();
            let noop =
                |at: Position| Entry { index: at.index, term: at.term, kind: EntryKind::Noop, payload: Bytes::new() };
            let entries = positions?.into_iter().map(noop).collect();
            Body::Append { previous: at("previous")?, entries, commit: Index(count("commit")?) }
        }
        "Appended" => Body::Appended { matched: Index(count("matched")?) },
        "Rejected" => Body::Rejected { previous: Index(count("previous")?), hint: at("hint")? },
        "Heartbeat" => Body::Heartbeat { commit: Index(count("commit")?) },
        "HeartbeatReply" => Body::HeartbeatReply,
        "Confirm" => Body::Confirm { round: count("round")? },
        "Confirmed" => Body::Confirmed { round: count("round")? },
        "ReadIndex" => Body::ReadIndex { number: count("number")? },
        "ReadIndexReply" => {
            let index = keys.contains_key("index").then(|| count("index")).transpose()?.map(Index);
            Body::ReadIndexReply { number: count("number")?, index }
        }
        "Campaign" => Body::Campaign,
        _ => return Err("no such message".into()),
    };
    Ok(Message { term: Term(count("term")?), body })
}

/// Reads `add=n4`, `promote=n4` or `remove=n2`.
fn change(word: &str) -> Result<Change, String> {
    match word.split_once('=') {
        Some(("add", id)) => Ok(Change::AddLearner { id: node(id)?, address: id.to_owned() }),
        Some(("promote", id)) => Ok(Change::Promote(node(id)?)),
        Some(("remove", id)) => Ok(Change::Remove(node(id)?)),
        _ => Err(format!("`{word}` is no change")),
    }
}

fn keys<'a>(words: &[&'a str]) -> Result<BTreeMap<&'a str, &'a str>, String> {
    words.iter().map(|word| word.split_once('=').ok_or(format!("`{word}` is not of the form key=value"))).collect()
}

fn parse_link(text: &str) -> Result<Link, String> {
    let (from, to) = text.split_once("->").ok_or("a link is written n1->n2")?;
    Ok((node(from)?, node(to)?))
}

fn node(text: &str) -> Result<NodeId, String> {
    Ok(NodeId(number(text.strip_prefix('n').ok_or("a node is written n1")?)?))
}

fn position(text: &str) -> Result<Position, String> {
    let (index, term) = text.split_once('@').ok_or("a position is written index@term")?;
    Ok(Position { index: Index(number(index)?), term: Term(number(term)?) })
}

fn number(text: &str) -> Result<u64, String> {
    if text == "max" {
        return Ok(u64::MAX);
    }
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
