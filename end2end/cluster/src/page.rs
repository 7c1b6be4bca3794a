//! The show's page without a browser: its stream, folded as the browser folds it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use model::snapshot::{Cluster, Snapshot};
use model::wire::Picture;
use tokio::sync::watch;

use crate::wait::until;

/// A page that is open; a broken stream is opened again.
#[derive(Debug, Clone)]
pub struct Page {
    pictures: watch::Receiver<Picture>,
}

impl Page {
    /// Opens it at the server's address.
    ///
    /// # Panics
    /// When no picture comes within half a minute.
    pub async fn open(url: &str) -> Self {
        let (sender, pictures) = watch::channel(Picture::default());
        let url = format!("{url}/live");
        tokio::spawn(async move {
            while !sender.is_closed() {
                // However it ended: the next picture is a whole one.
                let _ = follow(&url, &sender).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let page = Self { pictures };
        let seen = || async { page.snapshot().cluster.is_some().then_some(()) };
        until("the page shows a cluster", Duration::from_secs(30), seen).await;
        page
    }

    /// What it shows now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.pictures.borrow().snapshot.clone()
    }

    /// What it shows of the cluster now.
    ///
    /// # Panics
    /// When it shows none.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        self.snapshot().cluster.expect("the page shows a cluster")
    }

    /// Waits until it shows something.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until<T>(&self, what: &str, patience: Duration, look: impl Fn(&Snapshot) -> Option<T>) -> T {
        until(&format!("on the page: {what}"), patience, || async { look(&self.snapshot()) }).await
    }
}

/// One stream to its end.
async fn follow(url: &str, pictures: &watch::Sender<Picture>) -> Result<()> {
    let response = reqwest::Client::new().get(url).send().await?.error_for_status()?;
    let mut chunks = response.bytes_stream();
    let mut buffer = Vec::new();
    while let Some(chunk) = chunks.next().await {
        buffer.extend_from_slice(&chunk?);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = buffer.drain(..end + 2).collect();
            take(std::str::from_utf8(&frame)?, pictures)?;
        }
    }
    Ok(())
}

fn take(frame: &str, pictures: &watch::Sender<Picture>) -> Result<()> {
    let field = |name: &str| {
        frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_start)
    };
    let Some(kind) = field("event") else { return Ok(()) };
    let data = field("data").context("an event without data")?;
    match kind {
        "picture" => drop(pictures.send_replace(serde_json::from_str(data)?)),
        "tick" => {
            let tick = serde_json::from_str(data)?;
            pictures.send_modify(|picture| picture.apply(tick));
        }
        "hello" => {}
        other => bail!("an event of the unknown kind {other}"),
    }
    Ok(())
}
