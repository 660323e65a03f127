//! What clients do.

pub mod bank_schema;
