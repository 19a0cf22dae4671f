#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test inputs are small and known"
)]

use super::config::{AfterCommit, S3Config};
use super::connect::Connection;
use super::credentials::{Environment, Origin};
use super::mini::{MiniS3, Trouble, etag};
use super::run::S3Source;
use crate::contract::{Commit, MemoryLedger, Seen, exam, once, start};
use crate::seam::{Cleaned, Source};
use haetae_event::commit::PositionRow;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn config(store: &MiniS3) -> S3Config {
    S3Config {
        bucket: "logs".to_owned(),
        prefix: "cf/".to_owned(),
        endpoint: Some(store.endpoint.clone()),
        interval: Duration::from_secs(1),
        ..S3Config::default()
    }
}

fn keys() -> Environment {
    Environment::of([
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ])
}

fn source(config: S3Config) -> Box<dyn Source> {
    Box::new(S3Source::over(Connection::within(config, keys())))
}

fn ledger() -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::default())
}

#[test]
fn it_passes_the_exam_of_all_sources() {
    let store = MiniS3::start(&[("cf/a", b"a1\na2\na3\n"), ("cf/b", b"b1\n"), ("other/c", b"c1\n")]);
    exam(&|| source(config(&store)), &["a1", "a2", "a3", "b1"]);
}

#[test]
fn a_partly_committed_object_goes_on_behind_its_records() {
    let store = MiniS3::start(&[("cf/a", b"a1\na2\na3\n")]);
    let ledger = ledger();
    once(source(config(&store)), &ledger, Commit::Partly(2));
    assert_eq!(
        once(source(config(&store)), &ledger, Commit::Finished).lines(),
        ["a3"]
    );
}

#[test]
fn markers_the_archive_and_young_objects_are_passed_over() {
    let store = MiniS3::start(&[
        ("cf/", b""),
        ("cf/x/", b""),
        ("cf/done/cf/a", b"old\n"),
        ("cf/b", b"b1\n"),
    ]);
    let archive = |delay| S3Config {
        after_commit: AfterCommit::Archive,
        archive_prefix: Some("cf/done/".to_owned()),
        delay,
        ..config(&store)
    };
    assert_eq!(
        once(source(archive(Duration::ZERO)), &ledger(), Commit::Finished).lines(),
        ["b1"]
    );
    let century = Duration::from_secs(100 * 365 * 86_400);
    assert!(
        once(source(archive(century)), &ledger(), Commit::Finished)
            .lines()
            .is_empty()
    );
}

#[test]
fn an_overwritten_object_is_read_again() {
    let store = MiniS3::start(&[("cf/a", b"a1\n")]);
    let ledger = ledger();
    once(source(config(&store)), &ledger, Commit::Finished);
    store.put("cf/a", b"a2\n");
    assert_eq!(
        once(source(config(&store)), &ledger, Commit::Finished).lines(),
        ["a2"]
    );
}

#[test]
fn a_broken_stream_is_resumed_without_a_gap() {
    let body: String = (0..40_000).map(|n| format!("line {n:06}\n")).collect();
    let store = MiniS3::start(&[("cf/a", body.as_bytes())]);
    store.trouble(Trouble::Cut {
        times: 3,
        after: 70_001,
    });
    let seen = once(source(config(&store)), &ledger(), Commit::Finished);
    assert_eq!(seen.lines().join("\n") + "\n", body);
    assert_eq!(seen.read[0].2, None);
}

#[test]
fn a_body_that_breaks_off_comes_again_from_where_it_was() {
    let body: String = (0..40_000).map(|n| format!("line {n:06}\n")).collect();
    let store = MiniS3::start(&[("cf/a", body.as_bytes())]);
    // Cut behind a whole line (12 bytes each): the test driver takes a cut line for a record.
    store.trouble(Trouble::Cut {
        times: 1,
        after: 60_000,
    });
    store.trouble(Trouble::Cut { times: 30, after: 0 });
    let ledger = ledger();
    let running = start(source(config(&store)), &ledger, false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| {
        seen.read.iter().any(|(_, _, error)| error.is_none())
    });
    running.stop_now();
    assert!(seen.read.len() >= 2, "it broke off at least once");
    assert_eq!(
        seen.lines().join("\n") + "\n",
        body,
        "neither a gap nor a line twice"
    );
}

#[test]
fn one_refused_object_is_unreadable_and_the_rest_goes_on() {
    let store = MiniS3::start(&[("cf/a", b"a1\n"), ("cf/b", b"b1\n"), ("cf/c", b"c1\n")]);
    store.trouble(Trouble::Key("cf/b".to_owned(), 403, "AccessDenied"));
    let ledger = ledger();
    let seen = once(source(config(&store)), &ledger, Commit::Finished);
    assert_eq!(seen.lines(), ["a1", "c1"]);
    let refused: Vec<_> = seen.read.iter().filter(|(_, _, error)| error.is_some()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (refused[0].0.as_str(), refused[0].2),
        ("s3://logs/cf/b", Some(ErrorKind::PermissionDenied))
    );
    let again = once(source(config(&store)), &ledger, Commit::Finished);
    assert!(again.read.is_empty(), "rejected once");
}

#[test]
fn when_no_object_can_be_read_none_is_rejected() {
    let store = MiniS3::start(&[("cf/a", b"a1\n"), ("cf/b", b"b1\n")]);
    store.trouble(Trouble::Key("cf/a".to_owned(), 403, "AccessDenied"));
    store.trouble(Trouble::Key("cf/b".to_owned(), 403, "AccessDenied"));
    let ledger = ledger();
    let seen = once(source(config(&store)), &ledger, Commit::Finished);
    assert!(seen.read.is_empty());
    let action = seen.problems[0].iam_action.as_deref();
    assert_eq!(action, Some("s3:GetObject on arn:aws:s3:::logs/cf/*"));
    store.well_again();
    assert_eq!(
        once(source(config(&store)), &ledger, Commit::Finished).lines(),
        ["a1", "b1"]
    );
}

#[test]
fn an_object_that_vanishes_counts_as_unreadable() {
    let store = MiniS3::start(&[("cf/a", b"a1\n"), ("cf/b", b"b1\n")]);
    store
        .content
        .lock()
        .unwrap()
        .hidden_from_get
        .insert("cf/a".to_owned());
    let seen = once(source(config(&store)), &ledger(), Commit::Finished);
    assert_eq!(seen.lines(), ["b1"]);
    assert!(
        seen.read
            .iter()
            .any(|(_, _, error)| *error == Some(ErrorKind::NotFound))
    );
}

#[test]
fn a_failing_store_is_tried_again_and_nothing_is_rejected() {
    let store = MiniS3::start(&[("cf/a", b"a1\n")]);
    store.trouble(Trouble::Key("cf/a".to_owned(), 500, "InternalError"));
    let ledger = ledger();
    let running = start(source(config(&store)), &ledger, false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.problems.is_empty());
    assert!(seen.read.is_empty());
    store.well_again();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.read.is_empty());
    running.stop_now();
    assert_eq!(seen.lines(), ["a1"]);
}

/// The problem that a source meets, and that it is told within 3 s.
fn problem_of(config: S3Config, environment: Environment) -> crate::SourceProblem {
    let started = Instant::now();
    let running = start(
        Box::new(S3Source::over(Connection::within(config, environment))),
        &ledger(),
        false,
    );
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.problems.is_empty());
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "told only after {:?}",
        started.elapsed()
    );
    running.stop_now();
    seen.problems.remove(0)
}

#[test]
fn what_is_wrong_with_the_set_up_is_told_within_three_seconds() {
    let answers = [
        (
            Trouble::All(403, "AccessDenied"),
            "access_denied",
            Some("s3:ListBucket on arn:aws:s3:::logs"),
        ),
        (Trouble::All(404, "NoSuchBucket"), "no_such_bucket", None),
        (Trouble::All(301, "PermanentRedirect"), "wrong_region", None),
        (
            Trouble::All(400, "AuthorizationHeaderMalformed"),
            "wrong_region",
            None,
        ),
        (
            Trouble::All(403, "SignatureDoesNotMatch"),
            "bad_credentials",
            Some("s3:ListBucket on arn:aws:s3:::logs"),
        ),
        (Trouble::All(503, "SlowDown"), "store_error", None),
        (Trouble::Silent, "unreachable", None),
    ];
    for (trouble, code, action) in answers {
        let store = MiniS3::start(&[]);
        store.trouble(trouble.clone());
        let problem = problem_of(config(&store), keys());
        assert_eq!(
            (problem.code, problem.iam_action.as_deref()),
            (code, action),
            "{trouble:?}: {problem}"
        );
        assert_eq!(problem.source, "s3:logs/cf/");
        assert!(!problem.hint.is_empty());
    }
}

#[test]
fn a_dead_endpoint_and_missing_keys_are_told_within_three_seconds() {
    let nobody = S3Config {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        ..config(&MiniS3::start(&[]))
    };
    assert_eq!(problem_of(nobody.clone(), keys()).code, "unreachable");
    let unknown = S3Config {
        endpoint: Some("http://no-such-host.invalid".to_owned()),
        ..nobody.clone()
    };
    assert_eq!(problem_of(unknown, keys()).code, "unreachable");
    let none = Environment::of([("AWS_EC2_METADATA_DISABLED", "true")]);
    let problem = problem_of(nobody, none);
    assert_eq!(problem.code, "no_credentials");
    assert_eq!(
        problem.iam_action.as_deref(),
        Some("s3:ListBucket on arn:aws:s3:::logs")
    );
}

#[test]
fn a_failed_poll_ends_and_a_later_one_recovers() {
    let store = MiniS3::start(&[("cf/a", b"a1\n")]);
    store.trouble(Trouble::All(403, "AccessDenied"));
    let ledger = ledger();
    let running = start(source(config(&store)), &ledger, false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| seen.polls == 2);
    assert_eq!((seen.polls_open, seen.problems.len()), (0, 1), "told once");
    store.well_again();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.read.is_empty());
    running.stop_now();
    assert_eq!(seen.lines(), ["a1"]);
}

#[test]
fn uncommitted_objects_are_not_sent_again_by_the_next_poll() {
    let store = MiniS3::start(&[("cf/a", b"a1\n")]);
    let ledger = ledger();
    let running = start(source(config(&store)), &ledger, false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Nothing, |seen| seen.polls == 3);
    running.stop_now();
    assert_eq!(seen.lines(), ["a1"]);
}

#[test]
fn clean_up_deletes_or_archives_only_what_was_read() {
    for after_commit in [AfterCommit::Delete, AfterCommit::Archive] {
        let store = MiniS3::start(&[("cf/a", b"a1\n"), ("cf/b", b"b1\n"), ("cf/c", b"c1\n")]);
        let config = S3Config {
            after_commit,
            archive_prefix: Some("done/".to_owned()),
            ..config(&store)
        };
        let seen = once(source(config.clone()), &ledger(), Commit::Finished);
        assert_eq!(seen.cleanups.len(), 3);
        store.put("cf/b", b"other\n");
        store.content.lock().unwrap().objects.remove("cf/c");
        // A source of a later process carries the rows out, twice.
        let cleaner = source(config).cleaner().expect("cleans up");
        for _ in 0..2 {
            let ends: Vec<_> = seen
                .cleanups
                .iter()
                .map(|row| cleaner.clean(row).expect("reachable"))
                .collect();
            assert_eq!(ends, [Cleaned::Done, Cleaned::Changed, Cleaned::Done]);
        }
        let left = match after_commit {
            AfterCommit::Archive => vec!["cf/b", "done/cf/a"],
            _ => vec!["cf/b"],
        };
        assert_eq!(store.keys(), left);
    }
}

#[test]
fn a_refused_clean_up_stays_owed_and_names_the_action() {
    let store = MiniS3::start(&[("cf/a", b"a1\n")]);
    let config = S3Config {
        after_commit: AfterCommit::Delete,
        ..config(&store)
    };
    let source = source(config);
    let cleaner = source.cleaner().expect("cleans up");
    let seen = once(source, &ledger(), Commit::Finished);
    store.trouble(Trouble::All(403, "AccessDenied"));
    let error = cleaner.clean(&seen.cleanups[0]).expect_err("refused");
    assert_eq!(error.problem.code, "access_denied");
    assert_eq!(store.keys(), ["cf/a"]);
    store.well_again();
    assert_eq!(cleaner.clean(&seen.cleanups[0]).expect("allowed"), Cleaned::Done);
    assert!(store.keys().is_empty());
}

#[test]
fn a_hundred_thousand_known_keys_pass_in_pages() {
    let store = MiniS3::start(&[]);
    let ledger = ledger();
    let mut rows = Vec::new();
    for n in 0..100_000 {
        let (key, bytes) = (format!("cf/{n:06}.gz"), b"x\n");
        let value = format!("{{\"etag\":{:?},\"records_done\":1,\"done\":true}}", etag(bytes));
        rows.push(PositionRow {
            source: "s3:logs/cf/".to_owned(),
            key: key.clone(),
            value: Some(value),
        });
        store.put(&key, bytes);
    }
    rows.pop();
    ledger.commit(rows);
    let seen = once(source(config(&store)), &ledger, Commit::Finished);
    assert_eq!(seen.lines(), ["x"]);
    assert_eq!(seen.read[0].0, "s3://logs/cf/099999.gz");
    assert_eq!(
        store.content.lock().unwrap().largest_page,
        1000,
        "no more keys are held at once"
    );
}

#[test]
fn thousands_of_new_keys_do_not_pile_up_in_memory() {
    let store = MiniS3::start(&[]);
    for n in 0..5_000 {
        store.put(&format!("cf/{n:05}"), b"x\n");
    }
    let source = S3Source::over(Connection::within(config(&store), keys()));
    let in_flight = source.in_flight_for_tests();
    let running = start(Box::new(source), &ledger(), true);
    let (mut seen, mut peak) = (Seen::default(), 0);
    running.take_until(&mut seen, Commit::Finished, |_| {
        peak = peak.max(in_flight.len());
        false
    });
    running.wait();
    assert_eq!(seen.read.len(), 5_000);
    assert!(peak <= 2_100, "{peak} keys held");
}

#[test]
fn urls_and_mistakes_of_the_configuration() {
    let parsed = S3Config::from_url("s3://b/p/q").expect("a URL");
    assert_eq!((parsed.bucket.as_str(), parsed.prefix.as_str()), ("b", "p/q"));
    assert!(S3Config::from_url("file.log").is_none());
    let good = S3Config {
        bucket: "b".to_owned(),
        ..S3Config::default()
    };
    assert!(good.validate().is_ok());
    let mistakes = [
        (
            S3Config {
                bucket: String::new(),
                ..good.clone()
            },
            "bucket",
        ),
        (
            S3Config {
                bucket: "a/b".to_owned(),
                ..good.clone()
            },
            "bucket",
        ),
        (
            S3Config {
                interval: Duration::from_millis(999),
                ..good.clone()
            },
            "interval",
        ),
        (
            S3Config {
                endpoint: Some("ftp://x".to_owned()),
                ..good.clone()
            },
            "endpoint",
        ),
        (
            S3Config {
                after_commit: AfterCommit::Archive,
                ..good.clone()
            },
            "archive_prefix",
        ),
    ];
    for (config, key) in mistakes {
        assert!(
            config.validate().expect_err("a mistake").starts_with(key),
            "{key}"
        );
    }
}

#[test]
fn profiles_are_read_from_the_shared_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let credentials = folder.path().join("credentials");
    let config = folder.path().join("config");
    let text = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n# note\n[ work ]\naws_access_key_id=C\n\
                aws_secret_access_key = D=\naws_session_token=E\n";
    std::fs::write(&credentials, text).expect("written");
    let text = "[default]\nregion=us-west-2\n[profile work]\nregion = ap-northeast-2\ns3 =\n  region = no\n";
    std::fs::write(&config, text).expect("written");
    let paths = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().expect("text")),
        ("AWS_CONFIG_FILE", config.to_str().expect("text")),
    ];
    let Origin::Profile(default) = Environment::of(paths).origin() else {
        panic!("a profile")
    };
    assert_eq!(
        (default.key_id.as_deref(), default.region.as_deref()),
        (Some("A"), Some("us-west-2"))
    );
    let work = Environment::of(paths.into_iter().chain([("AWS_PROFILE", "work")])).profile();
    assert_eq!(work.secret.as_deref(), Some("D="));
    assert_eq!(
        (work.token.as_deref(), work.region.as_deref()),
        (Some("E"), Some("ap-northeast-2"))
    );
    let wins = Environment::of(paths.into_iter().chain([("AWS_ACCESS_KEY_ID", "X")]));
    assert_eq!(wins.origin(), Origin::Environment);
}
