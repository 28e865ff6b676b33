//! Where changes come from. Invariant: changes are heard in the order in which the source tells them, and a listener that is asked to look
//! answers after everything that was there to be told.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::directory::{Directory, Listing, Watch};
use crate::{Clock, ResourceId};

/// What a stream tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<R> {
    /// The resource is wanted, as it is here. If it has another uid than before, the one before is deleted first.
    Wanted(R),
    /// The resource is to be deleted.
    Unwanted(ResourceId),
}

/// The source of a controller.
pub(super) enum Feed<R> {
    Directory(Directory),
    Stream(Pin<Box<dyn Stream<Item = Change<R>> + Send>>),
}

/// What the loop hears.
pub(super) enum Heard<R> {
    Change(Change<R>),
    Listing(Listing),
    /// Everything that was there was told.
    Looked(oneshot::Sender<()>),
}

/// The loop's end of a source.
pub(super) struct Changes<R> {
    heard: mpsc::Receiver<Heard<R>>,
    looks: mpsc::UnboundedSender<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl<R> Changes<R> {
    pub(super) async fn recv(&mut self) -> Option<Heard<R>> {
        self.heard.recv().await
    }

    /// Asks the source to look, and to tell `done` on afterwards.
    pub(super) fn look(&self, done: oneshot::Sender<()>) {
        drop(self.looks.send(done));
    }
}

impl<R> Drop for Changes<R> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<R: Send + 'static> Feed<R> {
    pub(super) fn listen(self, clock: Arc<dyn Clock>) -> Changes<R> {
        let (told, heard) = mpsc::channel(64);
        let (looks, asked) = mpsc::unbounded_channel();
        let task = match self {
            Feed::Directory(directory) => tokio::spawn(watch(directory, clock, told, asked)),
            Feed::Stream(stream) => tokio::spawn(follow(stream, told, asked)),
        };
        Changes { heard, looks, task }
    }
}

type Asked = mpsc::UnboundedReceiver<oneshot::Sender<()>>;

/// Reads the directory again and again. Ends when no one listens.
async fn watch<R>(directory: Directory, clock: Arc<dyn Clock>, told: mpsc::Sender<Heard<R>>, mut asked: Asked) {
    let every = directory.every;
    let mut watch = Watch::new(directory);
    let mut answer = None;
    loop {
        let listing;
        (watch, listing) = watch.read(clock.wall()).await;
        if told.send(Heard::Listing(listing)).await.is_err() {
            return;
        }
        if let Some(done) = answer.take()
            && told.send(Heard::Looked(done)).await.is_err()
        {
            return;
        }
        tokio::select! {
            () = clock.sleep(every) => {}
            look = asked.recv() => match look {
                Some(done) => answer = Some(done),
                None => return,
            },
        }
    }
}

/// Passes the stream on. After its end it goes on answering those who ask it to look.
async fn follow<R>(
    mut stream: Pin<Box<dyn Stream<Item = Change<R>> + Send>>,
    told: mpsc::Sender<Heard<R>>,
    mut asked: Asked,
) {
    let mut ended = false;
    loop {
        let next = poll_fn(|context| if ended { Poll::Pending } else { stream.as_mut().poll_next(context) });
        let heard = tokio::select! {
            // The stream first: what is ready is told before the answer.
            biased;
            change = next => match change {
                Some(change) => Heard::Change(change),
                None => {
                    ended = true;
                    continue;
                }
            },
            look = asked.recv() => match look {
                Some(done) => Heard::Looked(done),
                None => return,
            },
        };
        if told.send(heard).await.is_err() {
            return;
        }
    }
}
