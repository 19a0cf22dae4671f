//! The door, driven over real sockets.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod rig;

use rig::{INGEST_KEY, LOCAL, Rig, gzip, raw};
use serde_json::Value;
use std::sync::atomic::Ordering;
use std::time::Duration;

const LINE: &str = "{\"a\":1}\n";

#[tokio::test]
async fn accepted_and_refused_lines_are_journalled_together() {
    let rig = Rig::open().await;
    let reply = rig
        .ingest()
        .query(&[("dataset", "web"), ("schema_version", "v1")])
        .body("{\"a\":1}\nnope\n\n{\"b\":2}")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    let reply: Value = reply.json().await.unwrap();
    assert_eq!(reply["accepted"], 2);
    assert_eq!(reply["rejected"][0]["line"], 2);
    assert_eq!(reply["rejected"][0]["code"], "bad_json");
    assert!(reply["rejected"][0]["reason"].is_string());
    let pushes = rig.pushes();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].body, b"{\"a\":1}\n\n{\"b\":2}\n");
    assert_eq!((pushes[0].refused.len(), pushes[0].refused[0].ordinal), (1, 1));
    assert_eq!(pushes[0].tenant.as_str(), "default");
}

#[tokio::test]
async fn refusals_have_status_and_code_and_journal_nothing() {
    let rig = Rig::open().await;
    let ingest = |kind: &'static str, path: &str| rig.http.post(rig.url(path)).header("content-type", kind);
    let nd = "application/x-ndjson";
    let cases = [
        (
            ingest("text/plain", "/v1/ingest").body(LINE),
            415,
            "unsupported_media_type",
        ),
        (
            ingest("application/json", "/v1/ingest").body(LINE),
            415,
            "unsupported_media_type",
        ),
        (
            rig.http.post(rig.url("/v1/ingest")).body(LINE),
            415,
            "unsupported_media_type",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("content-encoding", "br")
                .body(LINE),
            415,
            "unsupported_encoding",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("content-encoding", "gzip, gzip")
                .body(LINE),
            415,
            "unsupported_encoding",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("content-encoding", "gzip")
                .body(LINE),
            400,
            "bad_encoding",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("content-encoding", "zstd")
                .body(LINE),
            400,
            "bad_encoding",
        ),
        (
            ingest(nd, "/v1/ingest?schema_version=v2").body(LINE),
            400,
            "unsupported_schema_version",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("x-schema-version", "9")
                .body(LINE),
            400,
            "unsupported_schema_version",
        ),
        (
            ingest(nd, "/v1/ingest?dataset=nope").body(LINE),
            400,
            "unknown_dataset",
        ),
        (ingest(nd, "/v1/ingest?tenant=x").body(LINE), 400, "bad_parameter"),
        (
            ingest(nd, "/v1/ingest")
                .header("idempotency-key", "k".repeat(300))
                .body(LINE),
            400,
            "bad_idempotency_key",
        ),
        (ingest(nd, "/v1/ingest").body("\n \n"), 400, "empty_body"),
        (
            ingest(nd, "/v1/ingest").body(vec![b' '; 6_000_000]),
            413,
            "body_too_large",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("content-encoding", "gzip")
                .body(gzip(&vec![0; 10_000_000])),
            413,
            "body_too_large",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("content-encoding", "zstd")
                .body(zstd::encode_all(&vec![0u8; 10_000_000][..], 3).unwrap()),
            413,
            "body_too_large",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("origin", "http://evil.example")
                .body(LINE),
            403,
            "cross_origin",
        ),
        (
            ingest(nd, "/v1/ingest").header("origin", "null").body(LINE),
            403,
            "cross_origin",
        ),
        (
            ingest(nd, "/v1/ingest").header("host", "evil.example").body(LINE),
            403,
            "host_not_allowed",
        ),
        (
            ingest(nd, "/v1/ingest")
                .header("x-forwarded-for", "203.0.113.9")
                .body(LINE),
            401,
            "unauthorized",
        ),
        (rig.http.get(rig.url("/v1/ingest")), 405, "method_not_allowed"),
        (rig.http.get(rig.url("/nowhere")), 404, "not_found"),
    ];
    for (index, (request, status, code)) in cases.into_iter().enumerate() {
        let response = request
            .send()
            .await
            .unwrap_or_else(|e| panic!("{index} {code}: {e:?}"));
        assert_eq!(response.status(), status, "{index} {code}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], code, "{index}");
        assert!(body["message"].as_str().is_some_and(|m| !m.is_empty()));
    }
    assert!(rig.pushes().is_empty());
}

#[tokio::test]
async fn what_is_no_ndjson_is_refused_whole() {
    let rig = Rig::open().await;
    let response = rig.ingest().body("x\n".repeat(2_000_000)).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.json::<Value>().await.unwrap()["code"],
        "too_many_bad_lines"
    );
    assert!(rig.pushes().is_empty());
}

#[tokio::test]
async fn packed_bodies_are_unpacked() {
    let rig = Rig::open().await;
    let gz = rig
        .ingest()
        .header("content-encoding", "gzip")
        .body(gzip(b"{\"g\":1}\n"));
    assert_eq!(gz.send().await.unwrap().status(), 200);
    let z = zstd::encode_all(&b"{\"z\":1}\n"[..], 3).unwrap();
    assert_eq!(
        rig.ingest()
            .header("content-encoding", "zstd")
            .body(z)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let bodies: Vec<_> = rig.pushes().into_iter().map(|p| p.body).collect();
    assert_eq!(bodies, [b"{\"g\":1}\n".to_vec(), b"{\"z\":1}\n".to_vec()]);
}

#[tokio::test]
async fn backlog_says_come_back_and_is_not_ready() {
    let rig = Rig::open().await;
    assert_eq!(
        rig.http.get(rig.url("/readyz")).send().await.unwrap().status(),
        200
    );
    rig.door.backlog.store(u64::MAX, Ordering::SeqCst);
    let response = rig.ingest().body(LINE).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(
        response.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    assert_eq!(
        rig.http.get(rig.url("/readyz")).send().await.unwrap().status(),
        503
    );
    assert_eq!(
        rig.http.get(rig.url("/healthz")).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn repeated_deliveries_get_the_first_reply() {
    let rig = Rig::open().await;
    let send = |key: Option<&str>, body: &str| {
        let mut request = rig.ingest().body(body.to_owned());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        }
    };
    let first = send(Some("k1"), "{\"a\":1}\nbad\n").await;
    assert_eq!(first, send(Some("k1"), "{\"a\":1}\nbad\n").await);
    assert_eq!(send(Some("k1"), "{\"a\":2}\n").await.0, 409);
    assert_eq!(
        send(Some("k2"), "{\"a\":1}\nbad\n").await,
        first,
        "another key, another delivery"
    );
    let plain = send(None, "{\"p\":1}\n").await;
    assert_eq!(plain, send(None, "{\"p\":1}\n").await);
    let seen: Vec<_> = rig
        .pushes()
        .iter()
        .map(|p| (p.body.len(), p.refused.len(), p.duplicates, p.mark.is_some()))
        .collect();
    assert_eq!(
        seen,
        [
            (8, 1, 0, true),
            (0, 0, 2, false),
            (8, 1, 0, true),
            (8, 0, 0, true),
            (0, 0, 1, false)
        ]
    );
    rig.clock.advance_us(10 * 60 * 1_000_000 + 1);
    assert_eq!(plain, send(None, "{\"p\":1}\n").await);
    assert_eq!(
        rig.pushes().last().unwrap().body.len(),
        8,
        "after the window it is new"
    );
    assert_eq!(
        first,
        send(Some("k1"), "{\"a\":1}\nbad\n").await,
        "keys hold longer"
    );
    assert_eq!(rig.pushes().last().unwrap().duplicates, 2);
}

#[tokio::test]
async fn of_many_at_once_with_one_key_exactly_one_is_appended() {
    let rig = Rig::open().await;
    rig.door.delay_ms.store(50, Ordering::SeqCst);
    let sends = (0..20).map(|_| {
        rig.ingest()
            .header("idempotency-key", "same")
            .body("{\"a\":1}\n{\"b\":1}\n")
            .send()
    });
    let replies = futures::future::join_all(sends).await;
    assert!(replies.into_iter().all(|r| r.unwrap().status() == 200));
    let pushes = rig.pushes();
    assert_eq!(pushes.iter().filter(|p| !p.body.is_empty()).count(), 1);
    assert_eq!(pushes.iter().map(|p| p.duplicates).sum::<u64>(), 38);
}

#[tokio::test]
async fn a_failed_append_is_not_an_accepted_delivery() {
    let rig = Rig::open().await;
    rig.door.failing.store(true, Ordering::SeqCst);
    let send = || rig.ingest().header("idempotency-key", "k").body(LINE).send();
    let response = send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert!(!response.text().await.unwrap().contains("secret disk"));
    rig.door.failing.store(false, Ordering::SeqCst);
    assert_eq!(send().await.unwrap().status(), 200);
    assert_eq!(rig.pushes().len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_undo_its_delivery() {
    let rig = Rig::open().await;
    rig.door.delay_ms.store(300, Ordering::SeqCst);
    let request = rig.ingest().header("idempotency-key", "gone").body(LINE);
    let left = tokio::time::timeout(Duration::from_millis(100), request.send()).await;
    assert!(left.is_err());
    let again = rig
        .ingest()
        .header("idempotency-key", "gone")
        .body(LINE)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(rig.pushes().iter().filter(|p| !p.body.is_empty()).count(), 1);
}

#[tokio::test]
async fn a_restart_remembers_by_the_marks_it_is_given() {
    let rig = Rig::open().await;
    let first = rig
        .ingest()
        .header("idempotency-key", "k")
        .body(LINE)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let marks = rig.pushes().into_iter().filter_map(|p| p.mark).collect();
    rig.stop().await;
    let rig = Rig::start(|_| {}, marks).await;
    let send = |body: &'static str| rig.ingest().header("idempotency-key", "k").body(body).send();
    assert_eq!(send(LINE).await.unwrap().text().await.unwrap(), first);
    assert_eq!(send("{\"other\":1}\n").await.unwrap().status(), 409);
    assert_eq!(
        rig.pushes()
            .iter()
            .map(|p| (p.body.len(), p.duplicates))
            .collect::<Vec<_>>(),
        [(0, 1)]
    );
}

#[tokio::test]
async fn everything_else_needs_the_local_token() {
    let rig = Rig::open().await;
    for path in [
        "/v1/incidents",
        "/v1/incidents/i1",
        "/v1/findings",
        "/v1/dlq",
        "/v1/dlq/d1",
        "/v1/counts",
        "/metrics",
    ] {
        let get = || rig.http.get(rig.url(path));
        assert_eq!(get().send().await.unwrap().status(), 401, "{path}");
        assert_eq!(
            get()
                .bearer_auth("wrong-wrong-wrong-wrong")
                .send()
                .await
                .unwrap()
                .status(),
            401,
            "{path}"
        );
        assert_eq!(
            get().bearer_auth(LOCAL).send().await.unwrap().status(),
            200,
            "{path}"
        );
        let rebound = get()
            .bearer_auth(LOCAL)
            .header("host", "rebind.example")
            .send()
            .await
            .unwrap();
        assert_eq!(rebound.status(), 403, "{path}");
    }
    assert_eq!(
        rig.http
            .post(rig.url("/v1/query"))
            .json(&serde_json::json!({"query": "x"}))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let get = |path: &str| rig.http.get(rig.url(path)).bearer_auth(LOCAL).send();
    assert_eq!(get("/v1/incidents/none").await.unwrap().status(), 404);
    for bad in [
        "limit=0",
        "limit=x",
        "level=loud",
        "start=yesterday",
        "tenant=A",
        "what=1",
    ] {
        assert_eq!(
            get(&format!("/v1/findings?{bad}")).await.unwrap().status(),
            400,
            "{bad}"
        );
    }
    let broken = get("/v1/dlq/broken").await.unwrap();
    assert_eq!(broken.status(), 500);
    assert!(!broken.text().await.unwrap().contains("/secret/path"));
}

#[tokio::test]
async fn queries_answer_rows_or_say_why_not() {
    let rig = Rig::open().await;
    let ask = |body: Value| {
        rig.http
            .post(rig.url("/v1/query"))
            .bearer_auth(LOCAL)
            .json(&body)
            .send()
    };
    let rows = ask(
        serde_json::json!({"query": "fields @timestamp", "start": "2026-01-01T00:00:00Z", "end": 1767225600}),
    )
    .await
    .unwrap();
    assert_eq!(rows.status(), 200);
    assert_eq!(rows.headers()["x-haetae-truncated"], "true");
    assert_eq!(rows.json::<Value>().await.unwrap()[0]["n"], 1);
    for (query, status, code) in [
        ("bad", 400, "syntax"),
        ("huge", 422, "query_limit"),
        ("busy", 503, "busy"),
        ("broken", 500, "internal"),
        ("slow", 422, "query_limit"),
    ] {
        let response = ask(serde_json::json!({"query": query, "lang": "sql"}))
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{query}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], code);
    }
    assert_eq!(
        ask(serde_json::json!({"query": "x", "lang": "klingon"}))
            .await
            .unwrap()
            .status(),
        400
    );
    let typed = rig
        .http
        .post(rig.url("/v1/query"))
        .bearer_auth(LOCAL)
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(typed.status(), 415);
}

#[tokio::test]
async fn ingest_keys_give_the_tenant() {
    let rig = Rig::start(rig::with_keys, Vec::new()).await;
    assert_eq!(rig.ingest().body(LINE).send().await.unwrap().status(), 401);
    assert_eq!(
        rig.ingest()
            .bearer_auth("not-a-known-key-at-all")
            .body(LINE)
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    assert_eq!(
        rig.ingest()
            .bearer_auth(LOCAL)
            .body(LINE)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(
        rig.ingest()
            .bearer_auth(INGEST_KEY)
            .body(LINE)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(rig.pushes()[0].tenant.as_str(), "team-a");
    let read = rig
        .http
        .get(rig.url("/v1/incidents"))
        .bearer_auth(INGEST_KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), 403);
}

#[tokio::test]
async fn a_public_listener_without_keys_does_not_start() {
    let mut options = rig::options();
    options.listen = "0.0.0.0:0".parse().unwrap();
    let error = haetae_server::bind(options).await.err().expect("refused");
    assert!(error.to_string().contains("without a key"), "{error}");
}

#[tokio::test]
async fn host_names_are_checked_as_sent() {
    let rig = Rig::open().await;
    let port = rig.address.port();
    let allowed = [
        "localhost",
        "LOCALHOST.",
        "127.0.0.1",
        "[::1]:9",
        "logs.internal:80",
        &format!("127.0.0.1:{port}"),
    ]
    .map(str::to_owned);
    for host in allowed {
        let reply = raw(
            rig.address,
            &format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(reply.starts_with("HTTP/1.1 200"), "{host}: {reply}");
    }
    for head in [
        "Host: evil.example\r\n",
        "Host: localhost.evil.example\r\n",
        "Host: 127.0.0.1.nip.io\r\n",
        "Host: 192.0.2.1\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: localhost@evil.example\r\n",
        "Host: \r\n",
        "",
    ] {
        let reply = raw(
            rig.address,
            &format!("GET /healthz HTTP/1.1\r\n{head}Connection: close\r\n\r\n"),
        )
        .await;
        assert!(
            reply.starts_with("HTTP/1.1 403") || reply.starts_with("HTTP/1.1 400"),
            "{head}: {reply}"
        );
    }
    let same = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\nConnection: close\r\n\r\n"
    );
    assert!(raw(rig.address, &same).await.starts_with("HTTP/1.1 200"));
    let other_port = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:1\r\nConnection: close\r\n\r\n"
    );
    assert!(raw(rig.address, &other_port).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let rig = Rig::start(
        |o| (o.header_timeout, o.body_timeout) = (Duration::from_millis(200), Duration::from_millis(200)),
        Vec::new(),
    )
    .await;
    let began = std::time::Instant::now();
    raw(rig.address, "GET /healthz HTTP/1.1\r\nHost: local").await;
    let reply = raw(rig.address, "POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\n{").await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn connections_are_capped() {
    let rig = Rig::start(
        |o| (o.connections_max, o.header_timeout) = (1, Duration::from_millis(600)),
        Vec::new(),
    )
    .await;
    let hog = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let get = || {
        raw(
            rig.address,
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(200), get())
            .await
            .is_err(),
        "waits for a place"
    );
    drop(hog);
    assert!(get().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let rig = Rig::open().await;
    rig.door.delay_ms.store(400, Ordering::SeqCst);
    let request = rig.ingest().body(LINE);
    let under_way = tokio::spawn(request.send());
    tokio::time::sleep(Duration::from_millis(150)).await;
    let address = rig.address;
    let door = rig.door.clone();
    rig.stop().await;
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200);
    assert_eq!(door.pushes.lock().unwrap().len(), 1);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn parsers_are_listed_uploaded_and_switched() {
    let rig = Rig::open().await;
    let url = rig.url("/v1/parsers");
    let listed = rig.http.get(&url).bearer_auth(rig::LOCAL).send().await.unwrap();
    assert_eq!(listed.json::<String>().await.unwrap(), "List");
    assert_eq!(
        rig.http.get(&url).send().await.unwrap().status(),
        401,
        "needs the local token"
    );

    let upload = |definition: &str, module: &str| {
        let body = serde_json::json!({"definition": definition, "module": module, "signature": "s"});
        rig.http.post(&url).bearer_auth(rig::LOCAL).json(&body).send()
    };
    let reply = upload("id: shop", "AAEC").await.unwrap();
    let said: serde_json::Value = reply.json().await.unwrap();
    assert_eq!(said, serde_json::json!({"module": [0, 1, 2], "signature": "s"}));
    for (definition, module, status, code) in [
        ("id: shop", "not base64!", 400, "bad_request"),
        ("wrong", "", 400, "bad_signature"),
        ("taken", "", 409, "version_exists"),
        ("broken", "", 500, "internal"),
    ] {
        let reply = upload(definition, module).await.unwrap();
        assert_eq!(reply.status(), status, "{definition}");
        let said: serde_json::Value = reply.json().await.unwrap();
        assert_eq!(said["code"], code);
        assert!(!said.to_string().contains("/secret"));
    }
    for (path, status) in [
        ("shop@v2:promote", 200),
        ("shop:rollback", 200),
        ("shop@v3:shadow", 200),
        ("shop@v3:unshadow", 200),
        ("shop@v3:resume", 200),
        ("ghost:promote", 404),
        ("shop:explode", 404),
        ("shop", 404),
    ] {
        let post = rig.http.post(format!("{url}/{path}")).bearer_auth(rig::LOCAL);
        let post = post.header("content-type", "application/json");
        assert_eq!(post.send().await.unwrap().status(), status, "{path}");
    }
    rig.stop().await;
}

fn detect(rig: &Rig, body: &'static str) -> reqwest::RequestBuilder {
    rig.http
        .post(rig.url("/detect"))
        .header("content-type", "application/json")
        .body(body)
}

#[tokio::test]
async fn a_request_is_judged_as_the_site_describes_it() {
    let rig = Rig::open().await;
    let body = r#"{"ip":"::ffff:203.0.113.9","ts":"2026-02-02T02:40:01Z","method":"POST","uri":"/bad",
        "ua":"x\u0041","headers":{"Accept":"*/*","Via":["a","b"]},"extra":1}"#;
    let reply: Value = detect(&rig, body).send().await.unwrap().json().await.unwrap();
    assert_eq!(reply["anomaly"], true);
    assert_eq!(
        (&reply["method"], &reply["rule_id"]),
        (&"rule".into(), &"test.bad".into())
    );
    let told = reply["reasons"][0].as_str().unwrap();
    assert_eq!(
        told,
        "default 203.0.113.9 POST Some(\"xA\") Some([(\"Accept\", \"*/*\"), (\"Via\", \"a\")]) at 2026-02-02T02:40:01Z"
    );
    let calm: Value = detect(&rig, r#"{"ip":"2001:db8::1","uri":"/"}"#)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!((&calm["anomaly"], &calm["method"]), (&false.into(), &Value::Null));
    assert!(calm["reasons"][0].as_str().unwrap().contains("GET None None"));
}

#[tokio::test]
async fn a_batch_is_judged_element_by_element() {
    let rig = Rig::open().await;
    let body =
        r#"[{"ip":"192.0.2.1","uri":"/bad"},{"ip":"nobody","uri":"/"},7,{"ip":"192.0.2.1","uri":"/"}]"#;
    let reply: Value = detect(&rig, body).send().await.unwrap().json().await.unwrap();
    let anomalies: Vec<&Value> = reply.as_array().unwrap().iter().map(|r| &r["anomaly"]).collect();
    assert_eq!(anomalies, [true, false, false, false]);
    assert_eq!(reply[1]["error"]["code"], "bad_ip");
    assert_eq!(reply[2]["error"]["code"], "bad_json");
    assert!(reply[3].get("error").is_none());
}

#[tokio::test]
async fn what_cannot_be_judged_is_refused_with_a_code() {
    let rig = Rig::open().await;
    for (body, status, code) in [
        ("{", 400, "bad_json"),
        (r#"{"ip":"192.0.2.1"}"#, 400, "bad_json"),
        (r#"{"ip":"x","uri":"/"}"#, 400, "bad_ip"),
        (r#"{"ip":"192.0.2.1","uri":"/","ts":"noon"}"#, 400, "bad_ts"),
    ] {
        let reply = detect(&rig, body).send().await.unwrap();
        assert_eq!(reply.status(), status, "{body}");
        let reply: Value = reply.json().await.unwrap();
        assert_eq!(reply["code"], code, "{body}");
    }
    let many = format!("[{}]", vec!["1"; 1_001].join(","));
    let reply = rig
        .http
        .post(rig.url("/detect"))
        .header("content-type", "application/json")
        .body(many)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 413);
    let text = rig.http.post(rig.url("/detect")).body("{}").send().await.unwrap();
    assert_eq!(text.status(), 415);
    let keyed = Rig::start(rig::with_keys, Vec::new()).await;
    let reply = detect(&keyed, r#"{"ip":"192.0.2.1","uri":"/"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 401);
}
