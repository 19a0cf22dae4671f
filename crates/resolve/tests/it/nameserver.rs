//! A name server on loopback, UDP and TCP, that says what a test tells it to.

use hickory_resolver::proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, NS, PTR};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What fits a datagram, RFC 9715.
const DATAGRAM_MAX: usize = 1_232;

/// What is said to a question.
#[derive(Clone)]
#[allow(
    dead_code,
    reason = "the tests of haetae include this file and need a part of it"
)]
pub enum Says {
    Records(Vec<RData>),
    /// Records, each with its own name: answers with aliases in them.
    Named(Vec<(String, RData)>),
    Code(ResponseCode),
    /// Nothing at all.
    Silence,
    /// Bytes that are no message.
    Noise,
    Late(Duration, Vec<RData>),
}

type Zone = HashMap<(String, RecordType), Says>;

/// Answers until it is dropped. What it was not told of does not exist; `com.` has a server.
pub struct NameServer {
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

#[allow(
    dead_code,
    reason = "the tests of haetae include this file and need a part of it"
)]
impl NameServer {
    pub fn start() -> NameServer {
        let (udp, tcp) = sockets();
        let server = NameServer {
            address: udp.local_addr().expect("bound"),
            zone: Arc::default(),
            asked: Arc::default(),
            stop: Arc::default(),
        };
        server.say(
            "com.",
            RecordType::NS,
            Says::Records(vec![RData::NS(NS(name("ns.example.")))]),
        );
        udp.set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        tcp.set_nonblocking(true).expect("non-blocking");
        let (zone, asked, stop) = (server.zone.clone(), server.asked.clone(), server.stop.clone());
        std::thread::spawn(move || datagrams(&udp, &zone, &asked, &stop));
        let (zone, asked, stop) = (server.zone.clone(), server.asked.clone(), server.stop.clone());
        std::thread::spawn(move || streams(&tcp, &zone, &asked, &stop));
        server
    }

    pub fn say(&self, of: &str, kind: RecordType, says: Says) -> &NameServer {
        let key = (name(of).to_string().to_ascii_lowercase(), kind);
        self.zone.lock().expect("zone").insert(key, says);
        self
    }

    pub fn say_reverse(&self, address: &str, says: Says) -> &NameServer {
        let address: IpAddr = address.parse().expect("an address");
        self.say(&Name::from(address).to_string(), RecordType::PTR, says)
    }

    /// The reverse name of an address.
    pub fn named(&self, address: &str, of: &str) -> &NameServer {
        self.say_reverse(address, Says::Records(vec![RData::PTR(PTR(name(of)))]))
    }

    /// Both ways.
    pub fn pair(&self, address: &str, of: &str) -> &NameServer {
        let ip: IpAddr = address.parse().expect("an address");
        self.named(address, of)
            .say(of, kind_of(ip), Says::Records(vec![data_of(ip)]))
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// The same port for both.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")) {
            return (udp, tcp);
        }
    }
    panic!("no port that is free for UDP and TCP");
}

pub fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect(text);
    name.set_fqdn(true);
    name
}

pub fn kind_of(address: IpAddr) -> RecordType {
    match address {
        IpAddr::V4(_) => RecordType::A,
        IpAddr::V6(_) => RecordType::AAAA,
    }
}

pub fn data_of(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    }
}

#[allow(
    dead_code,
    reason = "the tests of haetae include this file and need a part of it"
)]
pub fn alias(to: &str) -> RData {
    RData::CNAME(CNAME(name(to)))
}

fn datagrams(socket: &UdpSocket, zone: &Mutex<Zone>, asked: &AtomicUsize, stop: &AtomicBool) {
    let mut buffer = [0; 4_096];
    while !stop.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let (says, request) = match read(&buffer[..length], zone, asked) {
            Some(read) => read,
            None => continue,
        };
        let Ok(socket) = socket.try_clone() else { return };
        // A late answer holds nobody else up.
        std::thread::spawn(move || {
            let Some(mut reply) = reply(&request, says) else {
                return;
            };
            if reply.len() > DATAGRAM_MAX {
                let mut cut = empty(&request, ResponseCode::NoError);
                cut.metadata.truncation = true;
                reply = cut.to_vec().expect("a message");
            }
            socket.send_to(&reply, from).ok();
        });
    }
}

fn streams(listener: &TcpListener, zone: &Arc<Mutex<Zone>>, asked: &Arc<AtomicUsize>, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                let (zone, asked) = (zone.clone(), asked.clone());
                std::thread::spawn(move || stream_of(stream, &zone, &asked));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn stream_of(mut stream: TcpStream, zone: &Mutex<Zone>, asked: &AtomicUsize) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message).ok()?;
        let (says, request) = read(&message, zone, asked)?;
        let reply = reply(&request, says)?;
        let length = u16::try_from(reply.len()).expect("a message has at most 64 KiB");
        stream.write_all(&length.to_be_bytes()).ok()?;
        stream.write_all(&reply).ok()?;
    }
}

fn read(bytes: &[u8], zone: &Mutex<Zone>, asked: &AtomicUsize) -> Option<(Says, Message)> {
    let request = Message::from_vec(bytes).ok()?;
    asked.fetch_add(1, Ordering::SeqCst);
    let query: &Query = request.queries.first()?;
    let key = (query.name().to_string().to_ascii_lowercase(), query.query_type());
    let zone = zone.lock().expect("zone");
    let alias = (key.0.clone(), RecordType::CNAME);
    let says = zone.get(&key).or_else(|| zone.get(&alias)).cloned();
    Some((says.unwrap_or(Says::Code(ResponseCode::NXDomain)), request))
}

fn empty(request: &Message, code: ResponseCode) -> Message {
    let mut message = Message::response(request.metadata.id, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.queries = request.queries.clone();
    message
}

fn reply(request: &Message, says: Says) -> Option<Vec<u8>> {
    let asked = request.queries[0].name().clone();
    let records = match says {
        Says::Silence => return None,
        Says::Noise => {
            return Some(
                request
                    .metadata
                    .id
                    .to_be_bytes()
                    .into_iter()
                    .chain([0xff; 40])
                    .collect(),
            );
        }
        Says::Code(code) => return empty(request, code).to_vec().ok(),
        Says::Late(wait, records) => {
            std::thread::sleep(wait);
            records.into_iter().map(|data| (asked.clone(), data)).collect()
        }
        Says::Records(records) => records.into_iter().map(|data| (asked.clone(), data)).collect(),
        Says::Named(records) => records
            .into_iter()
            .map(|(of, data)| (name(&of), data))
            .collect::<Vec<_>>(),
    };
    let mut message = empty(request, ResponseCode::NoError);
    message.answers = records
        .into_iter()
        .map(|(of, data)| Record::from_rdata(of, 600, data))
        .collect();
    message.to_vec().ok()
}
