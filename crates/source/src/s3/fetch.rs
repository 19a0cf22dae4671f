//! One object as a stream: a task on the workers fetches, the driver's thread reads.

use super::fault::{Fault, classify, full_text};
use super::in_flight::InFlight;
use super::runtime::{IoRuntime, STOP_CHECK};
use crate::seam::StopFlag;
use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Pieces fetched and not yet read, per object: at most 2 MiB.
const PIECES_MAX: usize = 16;

/// Largest piece handed over at once.
const PIECE_BYTES_MAX: usize = 128 << 10;

/// Attempts to open an object, or to go on after a break without a byte in between.
const ATTEMPTS: u32 = 3;

/// Waiting before the second attempt; doubles.
const BACK_OFF: Duration = Duration::from_millis(250);

/// A stream that gives nothing for this long is taken as broken.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Why an object could not be opened.
#[derive(Clone, Debug)]
pub(super) struct OpenError {
    pub fault: Fault,
    pub detail: String,
}

/// What is fetched.
#[derive(Clone)]
pub(super) struct Wanted {
    pub objects: Arc<dyn ObjectStore>,
    pub meta: ObjectMeta,
}

/// A fetch under way: ask [`Fetch::opened`], then read the body.
pub(super) struct Fetch {
    opened: Receiver<Result<(), OpenError>>,
    pub body: ObjectBody,
}

/// Starts to fetch.
pub(super) fn fetch(runtime: &Arc<IoRuntime>, stop: &StopFlag, wanted: Wanted) -> Fetch {
    let (opened_in, opened) = sync_channel(1);
    // The semaphore makes the task wait when the channel is full; one more place is for an error.
    let (pieces_in, pieces) = sync_channel(PIECES_MAX + 1);
    let room = Arc::new(Semaphore::new(PIECES_MAX));
    let pump = Pump {
        wanted,
        pieces: pieces_in,
        room: room.clone(),
        at: 0,
    };
    runtime.spawn(pump.run(opened_in));
    let body = ObjectBody {
        pieces,
        room,
        current: Bytes::new(),
        stop: stop.clone(),
        watch: None,
        broken: false,
        _runtime: runtime.clone(),
    };
    Fetch { opened, body }
}

impl Fetch {
    /// Waits until the store has begun to answer. `None`: told to stop.
    pub(super) fn opened(&self, stop: &StopFlag) -> Option<Result<(), OpenError>> {
        loop {
            match self.opened.recv_timeout(STOP_CHECK) {
                Ok(result) => return Some(result),
                Err(RecvTimeoutError::Timeout) if stop.is_set() => return None,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let detail = "the fetching task ended early".to_owned();
                    return Some(Err(OpenError {
                        fault: Fault::Store,
                        detail,
                    }));
                }
            }
        }
    }
}

type Pieces = futures::stream::BoxStream<'static, object_store::Result<Bytes>>;

struct Pump {
    wanted: Wanted,
    pieces: SyncSender<io::Result<Bytes>>,
    room: Arc<Semaphore>,
    at: u64,
}

impl Pump {
    async fn run(mut self, opened: SyncSender<Result<(), OpenError>>) {
        let mut stream = match self.open().await {
            Ok(stream) => {
                opened.try_send(Ok(())).ok();
                stream
            }
            Err(error) => {
                opened.try_send(Err(error)).ok();
                return;
            }
        };
        let mut breaks = 0;
        loop {
            let before = self.at;
            match self.copy(&mut stream).await {
                Copied::All | Copied::ReaderGone => return,
                Copied::Broke(why) => {
                    breaks = if self.at > before { 1 } else { breaks + 1 };
                    if breaks >= ATTEMPTS {
                        let text = format!("broke off after {} bytes: {why}", self.at);
                        self.pieces
                            .send(Err(io::Error::new(io::ErrorKind::ConnectionReset, text)))
                            .ok();
                        return;
                    }
                }
            }
            tokio::time::sleep(BACK_OFF * 2u32.pow(breaks - 1)).await;
            stream = match self.open().await {
                Ok(stream) => stream,
                Err(error) => {
                    self.pieces.try_send(Err(mid_way(&error))).ok();
                    return;
                }
            };
        }
    }

    /// Opens the object at `self.at`, as the version that was listed.
    async fn open(&self) -> Result<Pieces, OpenError> {
        let meta = &self.wanted.meta;
        let options = GetOptions {
            if_match: meta.e_tag.clone(),
            range: (self.at > 0).then_some(GetRange::Bounded(self.at..meta.size)),
            ..GetOptions::default()
        };
        let mut attempt = 0;
        loop {
            let answer = self.wanted.objects.get_opts(&meta.location, options.clone());
            let error = match tokio::time::timeout(SILENCE_MAX, answer).await {
                Ok(Ok(result)) => return Ok(result.into_stream()),
                Ok(Err(error)) => OpenError {
                    fault: classify(&error),
                    detail: full_text(&error),
                },
                Err(_) => OpenError {
                    fault: Fault::Unreachable,
                    detail: "no answer in 30 s".to_owned(),
                },
            };
            attempt += 1;
            let hopeless = matches!(
                error.fault,
                Fault::Changed
                    | Fault::NoSuchBucket
                    | Fault::NoCredentials
                    | Fault::WrongRegion
                    | Fault::BadKey
            );
            if hopeless || attempt >= ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(BACK_OFF * 2u32.pow(attempt - 1)).await;
        }
    }

    async fn copy(&mut self, stream: &mut Pieces) -> Copied {
        loop {
            let mut piece = match tokio::time::timeout(SILENCE_MAX, stream.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return Copied::Broke(full_text(&error)),
                Ok(None) if self.at >= self.wanted.meta.size => return Copied::All,
                Ok(None) => return Copied::Broke("ended early".to_owned()),
                Err(_) => return Copied::Broke("nothing for 30 s".to_owned()),
            };
            while !piece.is_empty() {
                let part = piece.split_to(piece.len().min(PIECE_BYTES_MAX));
                // The reader closes the semaphore when it goes.
                let Ok(place) = self.room.acquire().await else {
                    return Copied::ReaderGone;
                };
                place.forget();
                self.at += part.len() as u64;
                if self.pieces.try_send(Ok(part)).is_err() {
                    return Copied::ReaderGone;
                }
            }
        }
    }
}

enum Copied {
    All,
    ReaderGone,
    Broke(String),
}

/// What the driver sees when a stream cannot be resumed.
fn mid_way(error: &OpenError) -> io::Error {
    let kind = match error.fault {
        Fault::Gone => io::ErrorKind::NotFound,
        _ => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, format!("cannot be read on: {}", error.detail))
}

/// Whom to tell when the body breaks off.
pub(super) struct Watch {
    pub in_flight: InFlight,
    pub key: String,
    pub etag: String,
}

/// The object's bytes. Buffers at most 2 MiB.
pub(super) struct ObjectBody {
    pieces: Receiver<io::Result<Bytes>>,
    room: Arc<Semaphore>,
    current: Bytes,
    stop: StopFlag,
    watch: Option<Watch>,
    broken: bool,
    _runtime: Arc<IoRuntime>,
}

impl ObjectBody {
    pub(super) fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.pieces.recv_timeout(STOP_CHECK) {
                Ok(Ok(piece)) => return Ok(Some(piece)),
                Ok(Err(error)) => {
                    self.broken = error.kind() != io::ErrorKind::NotFound;
                    return Err(error);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if self.stop.is_set() => {
                    self.broken = true;
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "stopping"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Read for ObjectBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.current.is_empty() {
            match self.next_piece()? {
                None => return Ok(0),
                Some(piece) => self.current = piece,
            }
            self.room.add_permits(1);
        }
        let taken = self.current.split_to(self.current.len().min(buffer.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

impl Drop for ObjectBody {
    /// The driver lets go of a body only after it has settled what it took of it, so only now
    /// may the source look at the progress.
    fn drop(&mut self) {
        self.room.close();
        if let (true, Some(watch)) = (self.broken, &self.watch) {
            watch.in_flight.broke(&watch.key, &watch.etag);
        }
    }
}

/// A body that can never be read: one record in, one rejected.
pub(super) struct Unreadable(pub Option<io::Error>);

impl Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0.take() {
            Some(error) => Err(error),
            None => Ok(0),
        }
    }
}
