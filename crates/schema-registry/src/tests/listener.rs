//! A listener that answers as a test says, and lives as long as the test's runtime.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
pub(super) enum Answer {
    /// A status and a body.
    Status(u16, String),
    /// A body that never ends.
    Endless,
    /// The connection is closed.
    Hangup,
    /// Nothing, ever.
    Never,
}

impl Answer {
    /// What was asked for, in JSON.
    pub(super) fn ok(body: &str) -> Self {
        Self::Status(200, body.to_owned())
    }
}

/// Its address. `answer` sees a request's head, from its method on.
pub(super) async fn listen(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = std::sync::Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = std::sync::Arc::clone(&answer);
            // A client that has read enough hangs up: that is its right.
            tokio::spawn(async move { drop(serve(stream, &*answer).await) });
        }
    });
    address
}

async fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(&str) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let head = read(&mut stream).await?;
    match answer(&head) {
        Answer::Status(status, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            stream.write_all((head + &body).as_bytes()).await?;
            stream.shutdown().await
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 4_096]).await?;
            }
        }
        Answer::Hangup => Ok(()),
        Answer::Never => std::future::pending().await,
    }
}

/// Reads a request to its end; returns its head.
async fn read(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").and_then(|value| value.parse::<usize>().ok())
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok(format!("{head}\r\n"));
            }
        }
        let mut chunk = [0; 4_096];
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}
