//! Slack that is down, slow or strict: nothing is lost, nothing is told twice.

use crate::support::service::Service;
use crate::support::webhook::{Answer, Webhook};
use std::path::Path;
use std::time::Duration;

fn configure(dir: &Path, hook: &str) {
    let text = format!(
        "listen: 127.0.0.1:0\nlanguage: ko\nflush_interval: 500ms\nnotify:\n  kpi_every: off\n  slack:\n    webhook_url: {hook}\n"
    );
    std::fs::write(dir.join("haetae.yaml"), text).expect("config");
}

/// A flood by one client, now.
fn flood(address: &str) -> Vec<u8> {
    let mut body = String::new();
    let now = jiff::Timestamp::now();
    for i in 0..400 {
        let at = now - jiff::SignedDuration::from_millis(i * 100);
        body.push_str(&format!(
            "{{\"ts\":\"{at}\",\"src_ip\":\"{address}\",\"method\":\"GET\",\"uri\":\"/api/seats?n={i}\",\"status\":200,\"ua\":\"Mozilla/5.0 <!channel>\"}}\n"
        ));
    }
    body.into_bytes()
}

#[test]
fn messages_survive_a_slack_outage_and_a_restart() {
    let hook = Webhook::start();
    let dir = tempfile::tempdir().expect("temp dir");
    configure(dir.path(), &hook.url());
    hook.script([
        Answer::Status(500),
        Answer::RetryAfterS(429, 1),
        Answer::Status(503),
    ]);
    let mut service = Service::start(dir.path(), &[]);
    let reply = service
        .ingest_at("/v1/ingest?dataset=web", &flood("203.0.113.77"), &[])
        .expect("answers");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["accepted"], 400);
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while hook.attempts() == 0 && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(hook.attempts() > 0, "no attempt:\n{}", service.log());
    service.kill();
    let service = Service::start(dir.path(), &[]);
    let told = hook.wait(Duration::from_secs(60), |bodies| !bodies.is_empty());
    assert_eq!(
        told.len(),
        1,
        "one message for one incident: {told:?}\n{}",
        service.log()
    );
    let said = told[0].to_string();
    assert!(said.contains("203.0.113.77"), "{said}");
    assert!(
        !said.contains("<!channel>"),
        "log text must not become a mention: {said}"
    );
    assert!(
        said.chars().any(|c| ('가'..='힣').contains(&c)),
        "the message is in Korean: {said}"
    );
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(hook.accepted().len(), 1);
    service.stop();
}

#[test]
fn without_slack_the_console_says_it_once() {
    let dir = tempfile::tempdir().expect("temp dir");
    let text = "listen: 127.0.0.1:0\nlanguage: en\nflush_interval: 500ms\nnotify:\n  kpi_every: off\n";
    std::fs::write(dir.path().join("haetae.yaml"), text).expect("config");
    let service = Service::start(dir.path(), &[]);
    for last in [81, 82] {
        let reply = service.ingest_at(
            "/v1/ingest?dataset=web",
            &flood(&format!("203.0.113.{last}")),
            &[],
        );
        assert_eq!(reply.expect("answers").status, 200);
        std::thread::sleep(Duration::from_millis(1500));
    }
    let end = std::time::Instant::now() + Duration::from_secs(15);
    while !(service.log().contains("203.0.113.81") && service.log().contains("203.0.113.82")) {
        assert!(
            std::time::Instant::now() < end,
            "not on the console:\n{}",
            service.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let log = service.stop();
    assert_eq!(log.matches("no Slack").count(), 1, "{log}");
}
