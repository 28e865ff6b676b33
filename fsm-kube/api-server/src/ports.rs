//! Free ports of 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::error::StartError;

/// Below the range from which systems take the ports of outgoing connections, so that no other program gets one of ours between a kill and
/// a restart.
const RANGE: std::ops::Range<u16> = 15_000..30_000;

/// The ports of one server. Free when they were picked; somebody else may take one before we listen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) api: u16,
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
}

impl Ports {
    pub(crate) fn pick() -> Result<Self, StartError> {
        // Held together until all three are there, so that they differ.
        let held = [free_port()?, free_port()?, free_port()?];
        let [api, etcd, etcd_peer] = held.each_ref().map(|(_, port)| *port);
        Ok(Self { api, etcd, etcd_peer })
    }
}

fn free_port() -> Result<(TcpListener, u16), StartError> {
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..200 {
        let port = fastrand::u16(RANGE);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok((listener, port)),
            Err(error) => refused = error,
        }
    }
    Err(StartError::io("find a free port on 127.0.0.1")(refused))
}
