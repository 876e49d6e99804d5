//! Keeps two databases the same, both ways: whatever finds a possibly changed row only proposes its
//! key; a pure three-way merge of what both sides hold now and held after the last sync decides; a
//! guarded apply writes only rows that still are what the decision saw, and keeps what it overwrites.
//!
//! The floors, lowest first (ARCHITECTURE.md draws them): [`model`], [`plan`], then with the feature
//! `engine` the rooms that talk to servers. Nothing imports upward.

pub mod model;
pub mod plan;

#[cfg(feature = "engine")]
pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "engine")]
pub mod config;
#[cfg(feature = "engine")]
pub mod endpoint;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod error;
#[cfg(feature = "engine")]
pub mod failpoint;
#[cfg(feature = "engine")]
pub mod journal;
#[cfg(feature = "engine")]
pub mod note;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "engine")]
pub mod report;
