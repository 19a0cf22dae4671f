//! Notifiers against a local server that captures what it is sent.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use haetae_event::commit::OutboxRow;
use haetae_event::{Level, Micros, SystemClock};
use haetae_respond::console::{Colours, Console};
use haetae_respond::slack::{Slack, SlackOptions, WebhookUrl};
use haetae_respond::{Delivery, Message, Notifier};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Copy)]
enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Redirect,
    Hang,
}

#[derive(Clone, Default)]
struct Capture {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    bodies: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

async fn answer(State(capture): State<Capture>, headers: HeaderMap, body: String) -> Response {
    capture
        .bodies
        .lock()
        .unwrap()
        .push((headers, serde_json::from_str(&body).unwrap()));
    let next = capture
        .answers
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or(Answer::Status(200));
    match next {
        Answer::Status(status) => {
            (StatusCode::from_u16(status).unwrap(), "no_service\x1b[2J").into_response()
        }
        Answer::RetryAfter(status, value) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", value)]).into_response()
        }
        Answer::Redirect => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        Answer::Hang => std::future::pending().await,
    }
}

async fn slack(answers: &[Answer]) -> (Slack, Capture) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let capture = Capture::default();
    capture.answers.lock().unwrap().extend(answers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(capture.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let url = WebhookUrl::parse(&format!("http://{address}/services/T0/B0/very-secret")).unwrap();
    let options = SlackOptions {
        total_timeout: Duration::from_millis(400),
        ..SlackOptions::default()
    };
    (Slack::new(url, options, Arc::new(SystemClock)).unwrap(), capture)
}

fn row(payload: String) -> OutboxRow {
    OutboxRow {
        id: "row-1".into(),
        channel: "any".into(),
        kind: "incident".into(),
        payload,
        created_at: Micros(1),
    }
}

fn hostile() -> OutboxRow {
    let evil = "<!channel>\x1b]0;x\x07`\u{202e}\n".repeat(400);
    let message = Message {
        incident_id: Some("inc-42".into()),
        level: Some(Level::High),
        title: evil.clone(),
        summary: evil.clone(),
        fields: vec![(evil.clone(), evil.clone()); 20],
        evidence: vec![evil.clone(); 60],
        actions: vec![evil; 60],
        ..Message::default()
    };
    row(serde_json::to_string(&message).unwrap())
}

/// The exam every notifier takes.
async fn contract(notifier: &dyn Notifier) {
    let channel = notifier.channel();
    assert!(!channel.is_empty() && channel.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
    assert!(notifier.pace() <= Duration::from_secs(60));
    assert_eq!(
        notifier.deliver(&hostile()).await,
        Delivery::Delivered,
        "{channel} takes hostile text"
    );
    let smallest = row("{}".into());
    assert_eq!(
        notifier.deliver(&smallest).await,
        Delivery::Delivered,
        "{channel} takes an empty message"
    );
    for broken in ["", "not json", "[]", "{\"fields\":7}"] {
        let delivery = notifier.deliver(&row(broken.into())).await;
        assert!(
            matches!(delivery, Delivery::Dead { .. }),
            "{channel}: {broken:?} gave {delivery:?}"
        );
    }
    drop(notifier.deliver(&hostile()));
    assert_eq!(
        notifier.deliver(&smallest).await,
        Delivery::Delivered,
        "{channel} after a dropped try"
    );
}

#[tokio::test]
async fn console_passes() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Shared::default();
    contract(&Console::new(Box::new(out.clone()), Colours::Plain)).await;
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("inc-42") && !text.contains(['\x1b', '\x07', '\u{202e}']));
}

#[tokio::test]
async fn slack_passes() {
    let (slack, capture) = slack(&[]).await;
    contract(&slack).await;
    let bodies = capture.bodies.lock().unwrap();
    let (headers, body) = &bodies[0];
    assert_eq!(headers["content-type"], "application/json");
    assert!(body["text"].as_str().unwrap().contains("inc-42"));
    assert!(!body["text"].as_str().unwrap().contains("<!channel>"));
    assert!(body["blocks"].as_array().unwrap().len() <= 50);
}

#[tokio::test]
async fn slack_answers_become_outcomes() {
    use Answer::{Hang, Redirect, RetryAfter, Status};
    let (slack, capture) = slack(&[
        RetryAfter(429, "7"),
        Status(429),
        Status(500),
        Status(200),
        Status(404),
        Redirect,
        Hang,
        Status(408),
        Status(425),
    ])
    .await;
    let row = hostile();
    let mut outcomes = Vec::new();
    for _ in 0..9 {
        outcomes.push(slack.deliver(&row).await);
    }
    let kind = |d: &Delivery| match d {
        Delivery::Delivered => "ok".to_owned(),
        Delivery::Retry { after, .. } => format!("retry {:?}", after.map(|a| a.as_secs())),
        Delivery::Dead { .. } => "dead".to_owned(),
    };
    let kinds: Vec<_> = outcomes.iter().map(kind).collect();
    let none = "retry None";
    assert_eq!(
        kinds,
        [
            "retry Some(7)",
            none,
            none,
            "ok",
            "dead",
            "dead",
            none,
            none,
            none
        ]
    );
    let told = format!("{outcomes:?}");
    assert!(!told.contains("secret") && !told.contains("127.0.0.1"), "{told}");
    assert!(told.contains("no_service") && told.contains("timed out"));
    assert_eq!(
        capture.bodies.lock().unwrap().len(),
        9,
        "a redirect is not followed"
    );
}

#[tokio::test]
async fn slack_retry_after_takes_a_date() {
    let (slack, _) = slack(&[Answer::RetryAfter(503, "Fri, 01 Jan 2100 00:00:00 GMT")]).await;
    let Delivery::Retry {
        after: Some(after), ..
    } = slack.deliver(&row("{}".into())).await
    else {
        panic!()
    };
    assert!(after > Duration::from_secs(86_400));
}

#[tokio::test]
async fn slack_never_sends_demo_messages_and_retries_a_refused_connection() {
    let (slack, capture) = slack(&[]).await;
    assert!(matches!(
        slack.deliver(&row("{\"demo\":true}".into())).await,
        Delivery::Dead { .. }
    ));
    assert!(capture.bodies.lock().unwrap().is_empty());
    let url = WebhookUrl::parse("http://127.0.0.1:1/very-secret").unwrap();
    let down = Slack::new(url, SlackOptions::default(), Arc::new(SystemClock)).unwrap();
    let Delivery::Retry { why, .. } = down.deliver(&row("{}".into())).await else {
        panic!()
    };
    assert_eq!(why, "cannot connect");
}
