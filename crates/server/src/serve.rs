//! Accepting connections, and letting them go.

use crate::api;
use crate::error::ServerError;
use crate::guard::Ends;
use crate::options::ServerOptions;
use crate::state::{AppState, Parts};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Pause after a failed `accept` (out of file descriptors), so that it is not spun on.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of one request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A listener that does not accept yet.
pub struct BoundServer {
    listener: TcpListener,
    address: SocketAddr,
    options: ServerOptions,
}

/// Checks the options and takes the address.
///
/// # Errors
/// See [`ServerError`].
pub async fn bind(options: ServerOptions) -> Result<BoundServer, ServerError> {
    options.check()?;
    let listen = options.listen;
    let failed = |source| ServerError::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(BoundServer {
        listener,
        address,
        options,
    })
}

impl BoundServer {
    /// The address with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` becomes true (or its sender is gone). Then accepts no more, lets
    /// requests under way finish for [`ServerOptions::stop_grace`], and cuts the rest.
    pub async fn run(self, parts: Parts, mut stop: watch::Receiver<bool>) {
        let state = AppState::new(parts, self.options);
        let router = api::router(&state);
        let slots = Arc::new(Semaphore::new(state.options.connections_max.max(1)));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.listener, &slots) => accepted,
                Some(_) = connections.join_next() => continue,
                _ = stop.wait_for(|&stop| stop) => break,
            };
            match accepted {
                Ok((stream, peer, permit)) => {
                    let connection = Connection {
                        router: router.clone(),
                        state: state.clone(),
                        permit,
                    };
                    connections.spawn(connection.serve(stream, peer, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        state.stop();
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(state.options.stop_grace, all).await.is_err() {
            tracing::warn!("requests still under way were cut");
            connections.shutdown().await;
        }
    }
}

/// Waits for a free slot first: what is not accepted waits in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = slots.clone().acquire_owned().await.expect("never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

struct Connection {
    router: Router,
    state: Arc<AppState>,
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>) {
        let Ok(local) = stream.local_addr() else { return };
        let _ = stream.set_nodelay(true);
        let options = &self.state.options;
        let router = self.router;
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Ends { peer, local });
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(options.header_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let calm = tokio::select! {
            _ = &mut connection => true,
            _ = stop.wait_for(|&stop| stop) => false,
            () = tokio::time::sleep(options.connection_age_max) => false,
        };
        if !calm {
            connection.as_mut().graceful_shutdown();
            // Long enough for any request; the server's own stop is shorter and cuts from above.
            let longest = options.body_timeout + options.query_timeout;
            let _ = tokio::time::timeout(longest, connection).await;
        }
        drop(self.permit);
    }
}
