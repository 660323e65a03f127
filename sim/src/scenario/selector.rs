//! Selectors: how a fault names the nodes that it strikes.

use super::model::Selector;
use super::reader::{Item, Table, nearest};
use super::value::Wrong;

/// The selectors that are no names of nodes.
const SELECTORS: &[(&str, Selector)] = &[
    ("leader", Selector::Leader),
    ("any", Selector::Any),
    ("follower", Selector::Follower),
    ("all", Selector::All),
    ("some", Selector::Some),
    ("minority", Selector::Minority),
    ("majority", Selector::Majority),
    ("rest", Selector::Rest),
];

/// A selector and where it stands.
pub type Placed<'a> = (Selector, Item<'a>);

/// One selector or a list of them.
pub fn selectors<'a>(item: &Item<'a>, machines: u32) -> Option<Vec<Placed<'a>>> {
    let items = item.one_or_list();
    if items.is_empty() {
        return item.wrong(Wrong::new(
            "names nobody",
            "this list is empty",
            "for instance [\"leader\"] or [\"n1\", \"n2\"]",
        ));
    }
    items.into_iter().map(|item| Some((selector(&item, machines)?, item))).collect()
}

/// The selectors without their places.
pub fn plain(placed: &[Placed<'_>]) -> Vec<Selector> {
    placed.iter().map(|(selector, _)| selector.clone()).collect()
}

/// Refuses to name the same nodes twice. What is drawn draws other nodes each time.
pub fn unique(placed: &[Placed<'_>]) -> Option<()> {
    for (place, (selector, item)) in placed.iter().enumerate() {
        let drawn = matches!(selector, Selector::Any | Selector::Follower | Selector::Count(_));
        if !drawn && placed[..place].iter().any(|(earlier, _)| earlier == selector) {
            let name = selector_name(selector);
            return item.refuse(format!("`{name}` is named twice in one event"), "", "name each node on one side only");
        }
    }
    Some(())
}

/// One selector. Refuses what names nobody in a cluster of this size.
pub fn selector(item: &Item<'_>, machines: u32) -> Option<Selector> {
    let text = item.text()?;
    let nodes: Vec<String> = (1..=machines).map(|number| format!("n{number}")).collect();
    if nodes.contains(&text) {
        return Some(Selector::Node(text));
    }
    if let Ok(count) = text.parse::<u32>() {
        return counted(item, count, machines);
    }
    let names: Vec<&str> = SELECTORS.iter().map(|(name, _)| *name).collect();
    let Some((_, selector)) = SELECTORS.iter().find(|(name, _)| *name == text) else {
        let label = nearest(&text, &names).map(|name| format!("did you mean `{name}`?")).unwrap_or_default();
        let help =
            format!("the nodes are {}; or a role: {}; or a number of them: \"2\"", nodes.join(", "), names.join(", "));
        return item.refuse(format!("there is no node `{text}`"), label, help);
    };
    let least = match selector {
        Selector::Follower => 2,
        Selector::Minority => 3,
        _ => 1,
    };
    if machines < least {
        let label = format!("the cluster has {machines} {}", if machines == 1 { "node" } else { "nodes" });
        return item.refuse(format!("`{text}` names nobody here"), label, "raise `voters` in `[cluster]`");
    }
    Some(selector.clone())
}

/// The label of a node, which stands at `item`.
pub fn label(item: &Item<'_>, text: &str, machines: u32) -> Option<String> {
    let nodes: Vec<String> = (1..=machines).map(|number| format!("n{number}")).collect();
    if nodes.iter().any(|node| node == text) {
        return Some(text.to_owned());
    }
    item.refuse(format!("there is no node `{text}`"), "", format!("the nodes are {}", nodes.join(", ")))
}

/// So many nodes.
fn counted(item: &Item<'_>, count: u32, machines: u32) -> Option<Selector> {
    if !(1..=machines).contains(&count) {
        let label = format!("the cluster has {machines} {}", if machines == 1 { "node" } else { "nodes" });
        return item.refuse(format!("there are no {count} nodes to choose"), label, "raise `voters` in `[cluster]`");
    }
    Some(Selector::Count(count))
}

/// The nodes of a key that has no other side.
pub fn target(table: &Table<'_>, default: Selector, machines: u32) -> Option<Vec<Selector>> {
    let Some(item) = table.find("target") else { return Some(vec![default]) };
    let placed = selectors(&item, machines)?;
    if let Some((_, rest)) = placed.iter().find(|(selector, _)| *selector == Selector::Rest) {
        return rest.refuse("`rest` of what?", "a target has no other side", "write \"all\", or name the nodes");
    }
    unique(&placed)?;
    Some(plain(&placed))
}

/// How a selector is written.
pub fn selector_name(selector: &Selector) -> String {
    match selector {
        Selector::Node(name) => name.clone(),
        Selector::Count(count) => count.to_string(),
        other => {
            let named = SELECTORS.iter().find(|(_, known)| known == other);
            named.expect("every other selector has a name").0.to_owned()
        }
    }
}
