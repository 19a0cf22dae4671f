//! The written bytes: same seed same bytes, and files that read back.

use flate2::read::MultiGzDecoder;
use haetae_simulate::{
    ObjectOptions, Plan, Scenario, generate, write_all, write_cloudfront_bulk, write_ndjson,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

fn objects(plan: &Plan) -> (BTreeMap<String, Vec<u8>>, haetae_simulate::Written) {
    let mut all = BTreeMap::new();
    let mut sink = |name: &str, bytes: &[u8]| {
        assert!(
            all.insert(name.to_owned(), bytes.to_vec()).is_none(),
            "{name} written twice"
        );
        Ok(())
    };
    let written = write_all(plan, &ObjectOptions::default(), &mut sink).expect("nothing fails");
    (all, written)
}

#[allow(clippy::disallowed_methods, reason = "own output, a few megabytes")]
fn unzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("gzip of UTF-8");
    text
}

#[test]
fn same_seed_same_bytes_other_seed_other_bytes() {
    let plan = Plan {
        duration_s: 600,
        ..Plan::new(Scenario::Mixed, 5)
    };
    assert_eq!(objects(&plan).0, objects(&plan).0);
    assert_ne!(
        objects(&plan).0,
        objects(&Plan {
            seed: 6,
            ..plan.clone()
        })
        .0
    );
}

#[test]
fn files_read_back_with_every_record() {
    // Across an hour, so that there are files of two hours.
    let mut plan = Plan::new(Scenario::Mixed, 9);
    plan.start = plan.start.saturating_add(45 * 60 * 1_000_000);
    let (all, written) = objects(&plan);
    let (mut web, mut flows, mut headers) = (0, 0, 0);
    let mut ids = BTreeSet::new();
    let mut shuffled = false;
    for (name, bytes) in &all {
        if name.starts_with("cloudfront/") {
            assert!(
                name.starts_with("cloudfront/E2HTAE0SIM7KR1.2026-03-02-0") && name.ends_with(".gz"),
                "{name}"
            );
            let text = unzip(bytes);
            let mut before = String::new();
            for line in text.lines() {
                if line.starts_with('#') {
                    headers += 1;
                    continue;
                }
                let fields: Vec<&str> = line.split('\t').collect();
                assert_eq!(fields.len(), 33, "{line}");
                assert!(
                    fields
                        .iter()
                        .all(|f| !f.is_empty() && !f.contains(' ') && f.is_ascii()),
                    "{line}"
                );
                assert!(name.contains(&format!("{}-{}", fields[0], &fields[1][..2])));
                assert!(ids.insert(fields[14].to_owned()) && fields[14].len() == 56);
                shuffled |= *fields[1] < *before;
                before = fields[1].to_owned();
                web += 1;
            }
        } else if name.starts_with("vpcflow/") {
            assert!(name.ends_with(".log.gz"));
            for line in unzip(bytes).lines() {
                assert_eq!(line.split(' ').count(), 14, "{line}");
                if line.starts_with("version ") {
                    headers += 1
                } else {
                    flows += 1
                }
            }
        }
    }
    assert!(shuffled);
    assert_eq!(web, written.labels.totals.web.events);
    assert_eq!(flows, written.labels.totals.vpcflow.events);
    assert_eq!(headers, written.header_lines);
    assert!(written.cloudfront_objects >= 6, "two hours, three files each");
    let labels: haetae_simulate::Labels =
        serde_json::from_slice(&all["labels.json"]).expect("labels read back");
    assert_eq!(labels, written.labels);
}

#[test]
fn late_lines_come_after_files_of_later_hours_and_none_is_lost() {
    let plan = Plan {
        duration_s: 6 * 3600,
        requests_per_minute: 60,
        ..Plan::new(Scenario::Macro, 4)
    };
    let mut hours: Vec<String> = Vec::new();
    let mut lines = 0;
    let mut sink = |name: &str, bytes: &[u8]| {
        if name.ends_with(".gz") {
            hours.push(name.split('.').nth(1).unwrap_or_default().to_owned());
            lines += unzip(bytes).lines().filter(|line| !line.starts_with('#')).count() as u64;
        }
        Ok(())
    };
    let written = write_all(&plan, &ObjectOptions::default(), &mut sink).expect("nothing fails");
    assert_eq!(lines, written.labels.totals.web.events);
    assert!(!hours.is_sorted(), "{hours:?}");
    let punctual = ObjectOptions {
        late_per_mille: 0,
        ..ObjectOptions::default()
    };
    hours.clear();
    let mut sink = |name: &str, _: &[u8]| {
        if name.ends_with(".gz") {
            hours.push(name.split('.').nth(1).unwrap_or_default().to_owned());
        }
        Ok(())
    };
    write_all(&plan, &punctual, &mut sink).expect("nothing fails");
    assert!(hours.is_sorted(), "{hours:?}");
}

#[test]
fn ndjson_has_the_contracted_fields() {
    let mut out = Vec::new();
    let mut traffic = generate(&Plan {
        duration_s: 300,
        ..Plan::new(Scenario::Sqli, 2)
    })
    .expect("in range");
    let count = write_ndjson(&mut traffic, &mut out).expect("a Vec takes all");
    assert_eq!(count, traffic.labels().totals.web.events);
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    assert_eq!(text.lines().count() as u64, count);
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("an object");
        for key in [
            "ts",
            "src_ip",
            "method",
            "uri",
            "status",
            "ua",
            "host",
            "bytes_in",
            "bytes_out",
            "time_taken_ms",
        ] {
            assert!(value.get(key).is_some(), "{key} in {line}");
        }
        let ts = value["ts"].as_str().expect("text");
        assert!(
            ts.len() == 24 && haetae_event::Micros::parse_rfc3339(ts).is_some(),
            "{ts}"
        );
    }
}

#[test]
fn bulk_reaches_the_size_asked_for() {
    let mut out = Vec::new();
    let plan = Plan {
        requests_per_minute: 6000,
        ..Plan::new(Scenario::Mixed, 1)
    };
    let (lines, raw) = write_cloudfront_bulk(&plan, 2_000_000, &mut out).expect("a Vec takes all");
    let text = unzip(&out);
    assert_eq!(text.len() as u64, raw);
    assert!(raw >= 2_000_000);
    assert_eq!(text.lines().count() as u64, lines + 2);
}

#[test]
fn unknown_names_and_wild_plans_are_refused() {
    let error = Scenario::parse("chaos")
        .expect_err("no such scenario")
        .to_string();
    assert!(error.contains("mixed"), "{error}");
    assert!(
        generate(&Plan {
            duration_s: 0,
            ..Plan::new(Scenario::Normal, 1)
        })
        .is_err()
    );
}
