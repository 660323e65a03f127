//! The detailed trace, written through `tracing`: a family is a target, so that its filters pick families.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::report::{FAMILIES, Line};

/// Renders trace lines, only those of some families, or all if none is named.
pub fn render<'l>(lines: impl Iterator<Item = &'l Line>, only: &[String]) -> String {
    let targets = match only {
        [] => Targets::new().with_targets(FAMILIES.iter().map(|family| (*family, Level::INFO))),
        _ => Targets::new().with_targets(only.iter().map(|family| (family.clone(), Level::INFO))),
    };
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let layer = tracing_subscriber::fmt::layer().event_format(Timeline).with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(targets).with(layer);
    tracing::subscriber::with_default(subscriber, || lines.for_each(emit));
    buffer.into_text()
}

/// Emits a line as an event. A target is part of the place an event is emitted from, so each family has its own.
fn emit(line: &Line) {
    macro_rules! emit_as {
        ($($family:literal)*) => {
            match line.family {
                $($family => {
                    let at = line.at.as_secs_f64();
                    let node = line.machine.map(|machine| machine.to_string()).unwrap_or_default();
                    tracing::info!(target: $family, at, node, "{}", line.text);
                })*
                other => panic!("the family {other} has no target"),
            }
        };
    }
    emit_as!("client" "disk" "fault" "log" "network" "raft" "sqlite" "world");
}

/// One line an event: simulated time, node, family, text.
struct Timeline;

impl<S, N> FormatEvent<S, N> for Timeline
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { at, node, message } = fields;
        writeln!(writer, "{at:>10.6}s  {node:>3}  {:<7}  {message}", event.metadata().target())
    }
}

#[derive(Default)]
struct Fields {
    at: f64,
    node: String,
    message: String,
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "at" {
            self.at = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "node" {
            self.node = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

/// Text in memory: the subscriber swallows errors of its writer, and a closed pipe must end the program.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn into_text(self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("nothing panics while it writes"));
        String::from_utf8(bytes).expect("events are text")
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nothing panics while it writes").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::Machine;

    fn lines() -> Vec<Line> {
        let line = |family, text: &str| Line {
            at: Duration::from_millis(3900),
            machine: Some(Machine(2)),
            family,
            text: text.to_owned(),
        };
        FAMILIES.iter().map(|family| line(family, family)).collect()
    }

    #[test]
    fn every_family_has_a_target() {
        assert_eq!(render(lines().iter(), &[]).lines().count(), FAMILIES.len());
    }

    #[test]
    fn a_line_shows_time_node_family_and_text() {
        let text = render(lines().iter(), &["raft".to_owned()]);
        assert_eq!(text, "  3.900000s   n3  raft     raft\n");
    }
}
