//! A webhook receiver that keeps every body and answers by script.

use super::http::read_message;
use std::collections::VecDeque;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What to answer to one request.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Ok,
    Status(u16),
    RetryAfterS(u16, u64),
}

#[derive(Default)]
struct State {
    /// Every request's body with the answer it got.
    received: Vec<(serde_json::Value, bool)>,
    script: VecDeque<Answer>,
}

#[derive(Clone)]
pub struct Webhook {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Webhook {
    pub fn start() -> Webhook {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback binds");
        let address = listener.local_addr().expect("bound");
        let hook = Webhook {
            address,
            state: Arc::default(),
        };
        let shared = hook.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        hook
    }

    fn serve(&self, stream: std::net::TcpStream) {
        let mut writer = stream.try_clone().expect("clones");
        let mut reader = BufReader::new(stream);
        while let Ok((_, _, body)) = read_message(&mut reader, true) {
            let mut state = self.state.lock().expect("not poisoned");
            let answer = state.script.pop_front().unwrap_or(Answer::Ok);
            let body = serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null);
            let reply = match answer {
                Answer::Ok => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
                Answer::Status(code) => format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n"),
                Answer::RetryAfterS(code, s) => {
                    format!("HTTP/1.1 {code} X\r\nRetry-After: {s}\r\nContent-Length: 0\r\n\r\n")
                }
            };
            state.received.push((body, matches!(answer, Answer::Ok)));
            drop(state);
            if writer.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/services/T0/B0/secret", self.address)
    }

    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().expect("not poisoned").script.extend(answers);
    }

    /// Bodies that were answered with 200.
    pub fn accepted(&self) -> Vec<serde_json::Value> {
        let state = self.state.lock().expect("not poisoned");
        state
            .received
            .iter()
            .filter(|(_, ok)| *ok)
            .map(|(body, _)| body.clone())
            .collect()
    }

    pub fn attempts(&self) -> usize {
        self.state.lock().expect("not poisoned").received.len()
    }

    /// Waits until `enough` holds for the accepted bodies, or the time is over.
    pub fn wait(
        &self,
        limit: Duration,
        enough: impl Fn(&[serde_json::Value]) -> bool,
    ) -> Vec<serde_json::Value> {
        let end = Instant::now() + limit;
        loop {
            let bodies = self.accepted();
            if enough(&bodies) || Instant::now() > end {
                return bodies;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
