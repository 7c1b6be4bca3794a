//! The show's page without a browser: its stream, folded as the browser folds it.

use std::time::Duration;

use anyhow::Result;
use model::snapshot::Cluster;
use model::wire::{Picture, Snapshot};
use test_client::{Live, View};
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
        let url = url.to_owned();
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
    let mut live = Live::open(&reqwest::Client::new(), url, View::Show, None, "").await?;
    loop {
        let event = live.next().await?;
        let mut applied = Ok(false);
        pictures.send_if_modified(|picture| {
            applied = event.apply(picture);
            matches!(applied, Ok(true))
        });
        applied?;
    }
}
