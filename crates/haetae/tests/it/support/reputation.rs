//! A reputation service that answers by script and remembers who was asked about, and when.

use super::http::read_message;
use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is said about one address.
#[derive(Clone, Debug)]
pub enum Said {
    Score(u32),
    After(Duration, u32),
    NotFound,
    RetryAfterS(u64),
    Redirect(String),
    /// Takes the request and says nothing.
    Silence,
}

#[derive(Default)]
struct State {
    script: HashMap<String, Said>,
    asked: Vec<(String, Instant, Option<String>)>,
}

#[derive(Clone)]
pub struct Reputation {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Reputation {
    /// `otherwise` is said about addresses that `script` does not name.
    pub fn start(script: &[(&str, Said)], otherwise: Said) -> Reputation {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback binds");
        let service = Reputation {
            address: listener.local_addr().expect("bound"),
            state: Arc::default(),
        };
        let named = script
            .iter()
            .map(|(address, said)| ((*address).to_owned(), said.clone()));
        service.state.lock().expect("not poisoned").script.extend(named);
        let shared = service.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, otherwise) = (shared.clone(), otherwise.clone());
                std::thread::spawn(move || shared.serve(stream, &otherwise));
            }
        });
        service
    }

    fn serve(&self, stream: TcpStream, otherwise: &Said) {
        let mut writer = stream.try_clone().expect("clones");
        let mut reader = BufReader::new(stream);
        while let Ok((first, headers, _)) = read_message(&mut reader, true) {
            let path = first.split(' ').nth(1).unwrap_or_default();
            let address = path.rsplit('/').next().unwrap_or_default().to_owned();
            let key = headers.into_iter().find(|(name, _)| name == "x-api-key");
            let said = {
                let mut state = self.state.lock().expect("not poisoned");
                state
                    .asked
                    .push((address.clone(), Instant::now(), key.map(|(_, value)| value)));
                state.script.get(&address).unwrap_or(otherwise).clone()
            };
            if let Said::After(delay, _) = said {
                std::thread::sleep(delay);
            }
            let none = |head: String| format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
            let reply = match said {
                Said::Score(score) | Said::After(_, score) => {
                    let body = format!("{{\"data\":{{\"score\":{score}}}}}");
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                }
                Said::NotFound => none("404 Not Found".to_owned()),
                Said::RetryAfterS(s) => none(format!("429 Slow\r\nRetry-After: {s}")),
                Said::Redirect(to) => none(format!("302 Found\r\nLocation: {to}")),
                Said::Silence => continue,
            };
            if writer.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1/ip/{{ip}}", self.address)
    }

    /// Addresses in the order of asking.
    pub fn asked(&self) -> Vec<String> {
        self.requests().into_iter().map(|(address, ..)| address).collect()
    }

    /// Address, time and `X-Api-Key` of each request.
    pub fn requests(&self) -> Vec<(String, Instant, Option<String>)> {
        self.state.lock().expect("not poisoned").asked.clone()
    }
}
