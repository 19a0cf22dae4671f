//! Two bounded queues between a [`super::CachedLookup`] and the fetcher that serves it.

use super::{Answer, NotTaken, RemoteLookup};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// The near end.
pub struct QueuedLookup<V> {
    requests: SyncSender<IpAddr>,
    answers: Receiver<(IpAddr, Answer<V>)>,
}

/// The far end, for a thread or task that does the fetching.
pub struct FetcherEnd<V> {
    requests: Receiver<IpAddr>,
    answers: Answers<V>,
}

/// The way back, also for tasks that end in another order than they began.
pub struct Answers<V>(SyncSender<(IpAddr, Answer<V>)>);

impl<V> Clone for Answers<V> {
    fn clone(&self) -> Self {
        Answers(self.0.clone())
    }
}

impl<V> Answers<V> {
    /// Hands an answer back; whether there was room for it.
    pub fn answer(&self, address: IpAddr, answer: Answer<V>) -> bool {
        self.0.try_send((address, answer)).is_ok()
    }
}

/// Both ends. At most `capacity` requests and as many answers wait; a request too many is
/// refused, an answer too many is dropped (the request then counts as lost).
pub fn channel<V>(capacity: usize) -> (QueuedLookup<V>, FetcherEnd<V>) {
    let (request_tx, request_rx) = sync_channel(capacity.max(1));
    let (answer_tx, answer_rx) = sync_channel(capacity.max(1));
    let near = QueuedLookup {
        requests: request_tx,
        answers: answer_rx,
    };
    let far = FetcherEnd {
        requests: request_rx,
        answers: Answers(answer_tx),
    };
    (near, far)
}

impl<V: Send> RemoteLookup<V> for QueuedLookup<V> {
    fn request(&mut self, address: IpAddr) -> Result<(), NotTaken> {
        self.requests.try_send(address).map_err(|_| NotTaken)
    }

    fn answers(&mut self, wait: Duration) -> Vec<(IpAddr, Answer<V>)> {
        let mut answers: Vec<_> = self.answers.try_iter().collect();
        if answers.is_empty() && !wait.is_zero() {
            answers.extend(self.answers.recv_timeout(wait).ok());
            answers.extend(self.answers.try_iter());
        }
        answers
    }
}

/// What a fetcher finds when it asks for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Fetch(IpAddr),
    /// Nothing for now.
    Idle,
    /// The near end is gone: stop.
    Closed,
}

impl<V> FetcherEnd<V> {
    /// The next request without waiting.
    pub fn poll(&self) -> Work {
        match self.requests.try_recv() {
            Ok(address) => Work::Fetch(address),
            Err(TryRecvError::Empty) => Work::Idle,
            Err(TryRecvError::Disconnected) => Work::Closed,
        }
    }

    /// The next request, waiting for it at most `wait`.
    pub fn next(&self, wait: Duration) -> Work {
        match self.requests.recv_timeout(wait) {
            Ok(address) => Work::Fetch(address),
            Err(RecvTimeoutError::Timeout) => Work::Idle,
            Err(RecvTimeoutError::Disconnected) => Work::Closed,
        }
    }

    /// See [`Answers::answer`].
    pub fn answer(&self, address: IpAddr, answer: Answer<V>) -> bool {
        self.answers.answer(address, answer)
    }

    /// For whoever answers later.
    pub fn answers(&self) -> Answers<V> {
        self.answers.clone()
    }
}
