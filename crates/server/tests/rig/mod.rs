//! A server on a free port, with the rest of the house faked.

use futures::future::{BoxFuture, FutureExt};
use haetae_event::clock::ManualClock;
use haetae_event::commit::DeliveryMark;
use haetae_event::{Micros, TenantId};
use haetae_server::{
    DetectAnswer, DetectRequest, DoorError, IngestAuth, IngestDoor, IngestKey, ListFilter, Metrics,
    MetricsSnapshot, ParserAdmin, ParserError, ParserRequest, Parts, Push, QueryError, QueryRequest,
    QueryRows, QueryRunner, ReadError, Reader, RequestJudge, ServerOptions, Token,
};
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub const LOCAL: &str = "local-token-0123456789";
pub const INGEST_KEY: &str = "ingest-key-0123456789";

#[derive(Default)]
pub struct FakeDoor {
    pub pushes: Mutex<Vec<Push>>,
    pub backlog: AtomicU64,
    pub delay_ms: AtomicU64,
    pub failing: AtomicBool,
}

impl IngestDoor for FakeDoor {
    fn append(&self, push: Push) -> Result<(), DoorError> {
        std::thread::sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst)));
        if self.failing.load(Ordering::SeqCst) {
            return Err(DoorError::Failed("secret disk".into()));
        }
        self.pushes.lock().unwrap().push(push);
        Ok(())
    }

    fn backlog_bytes(&self) -> u64 {
        self.backlog.load(Ordering::SeqCst)
    }
}

struct Rest;

impl QueryRunner for Rest {
    fn run(&self, request: QueryRequest) -> BoxFuture<'_, Result<QueryRows, QueryError>> {
        async move {
            match request.query.as_str() {
                "bad" => Err(QueryError::Rejected {
                    code: "syntax".into(),
                    message: "no".into(),
                }),
                "huge" => Err(QueryError::TooLarge("too many rows".into())),
                "busy" => Err(QueryError::Busy),
                "broken" => Err(QueryError::Internal("/secret/path".into())),
                "slow" => std::future::pending().await,
                _ => Ok(QueryRows {
                    json: b"[{\"n\":1}]".to_vec(),
                    truncated: true,
                }),
            }
        }
        .boxed()
    }
}

impl Metrics for Rest {
    fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot::default()
    }
}

impl Reader for Rest {
    fn incidents(&self, _: &ListFilter) -> Result<Value, ReadError> {
        Ok(json!([]))
    }
    fn incident(&self, id: &str) -> Result<Option<Value>, ReadError> {
        Ok((id == "i1").then(|| json!({"id": id})))
    }
    fn findings(&self, _: &ListFilter) -> Result<Value, ReadError> {
        Ok(json!([]))
    }
    fn dlq(&self, _: &ListFilter) -> Result<Value, ReadError> {
        Ok(json!([]))
    }
    fn dlq_entry(&self, id: &str) -> Result<Option<Value>, ReadError> {
        if id == "broken" {
            Err(ReadError("/secret/path".into()))
        } else {
            Ok(Some(json!({"id": id})))
        }
    }
    fn counts(&self) -> Result<Value, ReadError> {
        Ok(json!([]))
    }
}

/// Says what it was asked; `ghost` is not there, `wrong` is refused, `taken` exists.
impl ParserAdmin for Rest {
    fn handle(&self, request: ParserRequest) -> Result<Value, ParserError> {
        match request {
            ParserRequest::Upload(upload) => match upload.definition.as_str() {
                "wrong" => Err(ParserError::Refused {
                    code: "bad_signature",
                    message: "not signed by a trusted key".into(),
                }),
                "taken" => Err(ParserError::Conflict("shop@v1 exists with other content".into())),
                "broken" => Err(ParserError::Internal("/secret/path".into())),
                _ => Ok(json!({"module": upload.module, "signature": upload.signature})),
            },
            ParserRequest::Promote { id } if id == "ghost" => Err(ParserError::NotFound(id)),
            other => Ok(json!(format!("{other:?}"))),
        }
    }
}

/// Finds fault with the path `/bad`, and says what it was told.
impl RequestJudge for Rest {
    fn judge(&self, request: &DetectRequest<'_>) -> DetectAnswer {
        let bad = request.uri == "/bad";
        DetectAnswer {
            anomaly: bad,
            method: bad.then_some("rule"),
            rule_id: bad.then(|| "test.bad".into()),
            score: if bad { 0.9 } else { 0.0 },
            reasons: vec![format!(
                "{} {} {} {:?} {:?} at {}",
                request.tenant.as_str(),
                request.ip,
                request.method,
                request.ua,
                request.headers,
                request.ts
            )],
        }
    }
}

pub struct Rig {
    pub door: Arc<FakeDoor>,
    pub clock: Arc<ManualClock>,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

pub fn options() -> ServerOptions {
    let local = Token::new(LOCAL).unwrap();
    let mut options = ServerOptions::new("127.0.0.1:0".parse().unwrap(), local, IngestAuth::OpenOnLoopback);
    options.hosts.push("logs.internal".into());
    options.query_timeout = Duration::from_millis(300);
    options
}

pub fn with_keys(options: &mut ServerOptions) {
    let key = IngestKey {
        tenant: TenantId::new("team-a").unwrap(),
        token: Token::new(INGEST_KEY).unwrap(),
    };
    options.ingest = IngestAuth::Keys(vec![key]);
}

impl Rig {
    pub async fn open() -> Rig {
        Rig::start(|_| {}, Vec::new()).await
    }

    pub async fn start(change: impl FnOnce(&mut ServerOptions), marks: Vec<DeliveryMark>) -> Rig {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut options = options();
        change(&mut options);
        let door = Arc::new(FakeDoor::default());
        let clock = Arc::new(ManualClock::at(Micros::from_seconds(1_770_000_000)));
        let bound = haetae_server::bind(options).await.unwrap();
        let address = bound.address();
        let rest = Arc::new(Rest);
        let parts = Parts {
            door: door.clone(),
            query: rest.clone(),
            metrics: rest.clone(),
            reader: rest.clone(),
            parsers: rest.clone(),
            judge: rest,
            clock: clock.clone(),
            marks,
        };
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(bound.run(parts, stopped));
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Rig {
            door,
            clock,
            address,
            http,
            stop,
            server,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn ingest(&self) -> reqwest::RequestBuilder {
        self.http
            .post(self.url("/v1/ingest"))
            .header("content-type", "application/x-ndjson; charset=utf-8")
    }

    pub fn pushes(&self) -> Vec<Push> {
        self.door.pushes.lock().unwrap().clone()
    }

    /// Stops, and asserts that it took no longer than the grace.
    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(6), self.server)
            .await
            .expect("stops in time")
            .unwrap();
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Sends bytes as they are; everything that comes back until the server closes.
pub async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out).await;
    String::from_utf8_lossy(&out).into_owned()
}
