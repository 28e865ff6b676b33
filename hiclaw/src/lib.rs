//! HiClaw's Worker, Team and Human as durable machines over real HTTP.
//!
//! The Worker's machine is [`worker::WorkerFlow`], what it does to the world is [`provision`]; the others are [`team::TeamFlow`] with
//! [`team::provision`], and [`human::HumanFlow`] with [`human::provision`]. The world is either real servers or the
//! stand-ins of [`servers`], which misbehave as the real ones do. The Worker runs on its own ([`controller`]: records in files, containers in
//! Docker). With the feature `embedded`, all three kinds run over a directory of documents (`embedded`), and with the feature `cluster` in a Kubernetes
//! cluster (`cluster`: records in annotations, workers in pods, secrets in Secrets).

pub mod accounts;
pub mod administrator;
pub mod clients;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod command;
pub mod container_settings;
pub mod containers;
pub mod controller;
pub mod credentials;
mod crossings;
pub mod demo;
mod document;
#[cfg(feature = "embedded")]
pub mod documents;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "embedded")]
pub mod human;
pub mod inventory;
#[cfg(feature = "embedded")]
pub mod kind;
pub mod naive;
pub mod names;
pub mod office;
pub mod pace;
#[cfg(feature = "embedded")]
pub mod post;
pub mod provision;
#[cfg(feature = "embedded")]
pub mod roster;
mod secret_file;
pub mod servers;
#[cfg(feature = "embedded")]
mod serving;
#[cfg(feature = "embedded")]
pub mod sweep;
#[cfg(feature = "embedded")]
pub mod team;
pub mod worker;
