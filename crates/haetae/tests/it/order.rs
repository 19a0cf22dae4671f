//! The result does not depend on the order in which files arrive.

use crate::support::s3::S3;
use crate::support::service::{Service, output, sql, stderr};
use crate::support::site::{Site, assert_all_reported, comparable};
use std::path::Path;

type Object = (String, Vec<u8>);

/// Delivers `waves` one poll after the other and gives the findings that stand in the end.
fn findings_after(s3: &S3, bucket: &str, dir: &Path, waves: &[&[Object]], site: &Site) -> Vec<String> {
    std::fs::create_dir_all(dir).expect("dir");
    s3.create_bucket(bucket);
    let text = format!(
        "listen: 127.0.0.1:0\nlanguage: en\nflush_interval: 1s\nsources:\n  - type: s3\n    bucket: {bucket}\n    \
         region: us-east-1\n    endpoint: {}\n    interval: 1s\nnotify:\n  kpi_every: off\n",
        s3.endpoint()
    );
    std::fs::write(dir.join("haetae.yaml"), text).expect("config");
    for wave in waves {
        for (name, bytes) in *wave {
            s3.put(bucket, name, bytes);
        }
        let done = output(dir, &["run", "--once"]);
        assert!(done.status.success(), "{}", stderr(&done));
    }
    let rows = sql(dir, "SELECT count(*) AS n FROM events");
    assert_eq!(
        rows[0]["n"].as_u64(),
        Some(site.events()),
        "{bucket}: every event once"
    );
    let service = Service::start(dir, &[]);
    let findings = service.get("/v1/findings?limit=10000").json();
    let findings = findings.as_array().expect("findings").clone();
    service.stop();
    assert_all_reported(site, &findings);
    comparable(&findings)
}

/// A fixed shuffle: the test must not be another one each time.
fn shuffled(objects: &[Object]) -> Vec<Object> {
    let mut keyed: Vec<(u64, Object)> = objects
        .iter()
        .map(|object| {
            let hash = object.0.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
                (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
            });
            (hash, object.clone())
        })
        .collect();
    keyed.sort_by_key(|(hash, _)| *hash);
    keyed.into_iter().map(|(_, object)| object).collect()
}

#[test]
fn shuffled_reversed_and_late_files_give_the_same_findings() {
    let Some(s3) = S3::start() else { return };
    let dir = tempfile::tempdir().expect("temp dir");
    let arguments = [
        "mixed",
        "--seed",
        "33",
        "--duration",
        "90m",
        "--start",
        "2026-11-02T03:00:00Z",
    ];
    let site = Site::simulate(dir.path(), "site", &arguments);
    let objects = site.objects();
    assert!(objects.len() >= 4, "several objects: {}", objects.len());

    let together = findings_after(&s3, "together", &dir.path().join("a"), &[&objects], &site);
    assert!(!together.is_empty());

    let reversed: Vec<Object> = objects.iter().rev().cloned().collect();
    let waves: Vec<&[Object]> = reversed.chunks(reversed.len().div_ceil(4)).collect();
    let backwards = findings_after(&s3, "reversed", &dir.path().join("b"), &waves, &site);
    similar(&together, &backwards, "reversed in four polls");

    let mixed = shuffled(&objects);
    let waves: Vec<&[Object]> = mixed.chunks(mixed.len().div_ceil(5)).collect();
    let any = findings_after(&s3, "shuffled", &dir.path().join("c"), &waves, &site);
    similar(&together, &any, "shuffled in five polls");

    // The object in the middle comes when everything around it was long judged.
    let middle = objects.len() / 2;
    let early: Vec<Object> = objects
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != middle)
        .map(|(_, o)| o.clone())
        .collect();
    let late = [objects[middle].clone()];
    let later = findings_after(&s3, "late", &dir.path().join("d"), &[&early, &late], &site);
    similar(&together, &later, "one object late");
}

fn similar(expected: &[String], got: &[String], how: &str) {
    let missing: Vec<_> = expected.iter().filter(|line| !got.contains(line)).collect();
    let extra: Vec<_> = got.iter().filter(|line| !expected.contains(line)).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{how}: missing {missing:#?}\nextra {extra:#?}"
    );
    let mut unique = got.to_vec();
    unique.dedup();
    assert_eq!(unique.len(), got.len(), "{how}: a finding twice");
}
