//! Ports and addresses: a free one, who has a taken one, and where phones find this machine.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::{http, stop, tool};

/// A port of this machine that nobody uses now.
pub(crate) fn free() -> Result<u16> {
    free_at(Ipv4Addr::LOCALHOST.into())
}

fn free_at(bind: IpAddr) -> Result<u16> {
    let listener = TcpListener::bind((bind, 0)).with_context(|| format!("cannot open a port at {bind}"))?;
    Ok(listener.local_addr()?.port())
}

/// The port to use: the one asked for, or any free one for 0. `patience` is for a former demo that is still ending.
pub(crate) fn take(bind: IpAddr, port: u16, patience: Duration) -> Result<u16> {
    if port == 0 {
        return free_at(bind);
    }
    let deadline = Instant::now() + patience;
    loop {
        match TcpListener::bind((bind, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                if Instant::now() < deadline {
                    stop::check()?;
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
                return Err(taken(bind, port));
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                bail!(
                    "Port {port} is reserved for the system's administrator: choose one above 1023 with `--port`."
                )
            }
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                bail!("This machine has no address {bind}: `--bind 0.0.0.0` listens on all it has.")
            }
            Err(error) => return Err(error).with_context(|| format!("cannot listen at {bind}:{port}")),
        }
    }
}

fn taken(bind: IpAddr, port: u16) -> anyhow::Error {
    let here = SocketAddr::new(local(bind), port);
    let other = port.checked_add(1).unwrap_or(8930);
    let demo = http::get(here, "/").is_some_and(|(_, body)| body.contains("King of Scaling"));
    let who = match (demo, owner(port)) {
        (true, Some(process)) => format!("another demo, at http://{here} ({process})"),
        (true, None) => format!("another demo, at http://{here}"),
        (false, Some(process)) => process,
        (false, None) => "another program".to_owned(),
    };
    anyhow!("Port {port} is taken by {who}: stop it, or choose another port with `--port {other}`.")
}

/// The process that listens at a port, by whichever tool can tell.
fn owner(port: u16) -> Option<String> {
    let fields =
        tool::output(Command::new("lsof").args(["-nP", "-sTCP:LISTEN", "-Fpc", &format!("-iTCP:{port}")]))?;
    let field = |letter: char| fields.lines().find_map(|line| line.strip_prefix(letter));
    Some(format!("process {}, {}", field('p')?, field('c')?))
}

/// The address at which this machine itself reaches what listens at `bind`.
pub(crate) fn local(bind: IpAddr) -> IpAddr {
    if bind.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { bind }
}

/// This machine's address in the network that phones share with it, or nothing without a network.
pub(crate) fn in_network(bind: IpAddr) -> Option<IpAddr> {
    if !bind.is_unspecified() {
        return (!bind.is_loopback()).then_some(bind);
    }
    // Connecting a datagram socket sends nothing: it makes the system choose the interface (the address is for
    // documentation).
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_a_remedy() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = take(Ipv4Addr::LOCALHOST.into(), port, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains(&format!("Port {port} is taken by")) && error.contains("--port"), "{error}");
    }

    #[test]
    fn loopback_is_not_in_the_network() {
        assert_eq!(in_network(Ipv4Addr::LOCALHOST.into()), None);
        assert_eq!(local(Ipv4Addr::UNSPECIFIED.into()), IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}
