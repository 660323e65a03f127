//! The scenario file format.

pub mod model;
