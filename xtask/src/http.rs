//! The questions that are asked over a socket: an HTTP GET of a page of ours, and whether a Kafka broker answers, or at
//! least listens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// A local answer takes milliseconds; a remote broker's may cross a continent.
const PATIENCE: Duration = Duration::from_secs(3);

/// The status and the first 64 kB of the body of a page, or nothing when nobody answers HTTP there.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: text/html\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    let _ = stream.take(64 * 1024).read_to_end(&mut bytes);
    let answer = String::from_utf8_lossy(&bytes);
    let status = answer.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}

/// Whether anybody listens: all that can be asked of who speaks TLS.
pub(crate) fn listens(address: &str) -> Result<(), String> {
    first(address, |socket| TcpStream::connect_timeout(&socket, PATIENCE).map(drop))
}

/// Asks a broker which versions it speaks: the first thing that any Kafka client does.
pub(crate) fn kafka_answers(address: &str) -> Result<(), String> {
    first(address, ask_versions)
}

/// Asks each address of a name until one answers; else what is wrong with the last one.
fn first(address: &str, ask: impl Fn(SocketAddr) -> std::io::Result<()>) -> Result<(), String> {
    let found = address.to_socket_addrs().map_err(|_| "its name cannot be resolved".to_owned())?;
    let mut problem = "its name has no address".to_owned();
    for socket in found {
        match ask(socket) {
            Ok(()) => return Ok(()),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem)
}

fn ask_versions(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Length 10, then ApiVersions (18) version 0, correlation id 7, no client id.
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff])?;
    let mut answer = [0; 8];
    stream
        .read_exact(&mut answer)
        .map_err(|_| std::io::Error::other("it listens but does not answer as Kafka does (TLS?)"))?;
    if answer[4..] == [0, 0, 0, 7] {
        Ok(())
    } else {
        Err(std::io::Error::other("it listens but is no Kafka broker"))
    }
}
