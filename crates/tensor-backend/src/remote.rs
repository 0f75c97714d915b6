//! Offering this machine's devices to other machines, over WebSocket.
//!
//! WebSocket is neither encrypted nor authenticated: whoever reaches the port may compute and read what is computed.
//! Bind to the loopback and tunnel, or serve on a network that you trust.

use std::net::TcpListener;

use burn::server::{RemoteServer, WebSocketTransport};

use crate::error::{Error, Result};
use crate::open::Opened;

/// Serves devices on a socket until the process receives Ctrl-C or `SIGTERM`; the calling thread waits. Clients open
/// the first of them as `remote:ws://host:port`.
///
/// All devices must be of one family: processor alone, or GPUs alone.
///
/// # Errors
/// [`Error::Absent`] for no device at all, [`Error::Execution`] when serving fails.
pub fn serve(listener: TcpListener, devices: &[Opened]) -> Result<()> {
    if devices.is_empty() {
        return Err(Error::Absent { what: "to serve".to_owned(), found: "the list is empty".to_owned() });
    }
    let server = RemoteServer::new(devices.iter().map(|opened| opened.device.clone()));
    server
        .serve(WebSocketTransport::from_listener(listener))
        .map_err(|e| Error::execution("serving devices", e))
}
