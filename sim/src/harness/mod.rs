//! The test harness.
pub mod tables;
