//! The scenario file format: TOML in, a [`Scenario`](model::Scenario) with every default filled in out, or a
//! [`Report`] that shows all that is wrong with it, each mistake at its place.
//!
//! A file is parsed to a tree that keeps where everything stands and is lowered by hand, section by section: derived
//! deserialisation loses the places in tables that differ by a tag. Every key has a default, and no key that is not
//! understood is passed over.

mod connected;
pub mod discover;
mod event;
mod expect;
mod fault;
mod given;
mod lower;
mod machines;
pub mod marks;
mod migrate;
mod mix;
pub mod model;
mod nemesis;
mod network;
mod operations;
mod parse;
mod reader;
pub mod report;
mod schema;
pub mod scratch;
mod selector;
mod show;
mod syntax;
mod template;
pub mod value;
mod values;
mod wish;
mod workload;

pub use discover::discover;
pub use given::{Given, SqlFiles};
pub use lower::lower;
pub use machines::CLIENT_PATIENCE;
pub use parse::{Known, Origin, load, parse};
pub use report::Report;
pub use show::{event_line, show};
pub use template::template;
