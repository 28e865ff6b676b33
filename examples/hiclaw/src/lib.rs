//! HiClaw's Worker as a durable machine: eight steps over real HTTP.
//!
//! The machine is [`worker::WorkerFlow`], what it does to the world is [`provision`], and the world is either real servers or the
//! stand-ins of [`servers`], which misbehave as the real ones do. It runs on its own ([`controller`]: records in files, containers in
//! Docker) or, with the feature `cluster`, in a Kubernetes cluster (`cluster`: records in annotations, pods, secrets).

pub mod clients;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod command;
pub mod containers;
pub mod controller;
pub mod credentials;
pub mod demo;
pub mod inventory;
pub mod naive;
pub mod provision;
pub mod servers;
pub mod worker;
