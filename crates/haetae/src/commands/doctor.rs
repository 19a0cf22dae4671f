//! `haetae doctor`: what is wrong, where, and how to mend it. Exit 1 on a finding.

use super::catalog::Row;
use super::query::open_idle;
use crate::cli::{DoctorArgs, RowOutput};
use crate::config::{AfterCommit, Config, SourceType};
use anyhow::Result;
use haetae_event::{Clock, Counts, SystemClock};
use haetae_source::s3;
use haetae_store::Store;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Less free space than this is a finding.
const DISK_FREE_MIN_BYTES: u64 = 1 << 30;

/// 2024-01-01: a clock before it was never set.
const CLOCK_MIN_US: i64 = 1_704_067_200_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Note,
    Wrong,
}

struct Check {
    what: String,
    verdict: Verdict,
    text: String,
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, what: &str, verdict: Verdict, text: impl Into<String>) {
        self.0.push(Check {
            what: what.to_owned(),
            verdict,
            text: text.into(),
        });
    }
}

pub fn run(args: &DoctorArgs, config: &Config, file: Option<&Path>) -> Result<ExitCode> {
    let mut checks = Checks::default();
    configuration(&mut checks, config, file);
    clock_and_disk(&mut checks, config);
    for (index, entry) in config.sources.iter().enumerate() {
        source(&mut checks, index, &entry.value);
    }
    if config.data_dir.join("catalog.db").exists() {
        let store = open_idle(config)?;
        balances(&mut checks, &store)?;
        segments(&mut checks, &store)?;
    } else {
        checks.add(
            "data",
            Verdict::Note,
            format!("nothing in {} yet", config.data_dir.display()),
        );
    }
    print(&checks, args.output);
    let wrong = checks.0.iter().any(|check| check.verdict == Verdict::Wrong);
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn configuration(checks: &mut Checks, config: &Config, file: Option<&Path>) {
    match file {
        Some(file) => checks.add(
            "configuration",
            Verdict::Ok,
            format!("{} is valid", file.display()),
        ),
        None => checks.add(
            "configuration",
            Verdict::Note,
            "no haetae.yaml: defaults, no sources",
        ),
    }
    if config.notify.slack.is_none() {
        checks.add(
            "notify",
            Verdict::Note,
            "no Slack configured: notifications go to the console",
        );
    }
    let deletes = config
        .sources
        .iter()
        .any(|s| s.value.after_commit == Some(AfterCommit::Delete));
    if deletes {
        let text = format!(
            "after_commit: delete leaves the only copy on this disk ({}); back it up, or use archive",
            config.data_dir.display()
        );
        checks.add("durability", Verdict::Note, text);
    }
}

fn clock_and_disk(checks: &mut Checks, config: &Config) {
    let now = SystemClock.now();
    if now.0 < CLOCK_MIN_US {
        checks.add(
            "clock",
            Verdict::Wrong,
            format!("says {now}; set it (timedatectl set-ntp true)"),
        );
    } else {
        checks.add("clock", Verdict::Ok, now.to_string());
    }
    let place = if config.data_dir.exists() {
        config.data_dir.as_path()
    } else {
        Path::new(".")
    };
    match rustix::fs::statvfs(place) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!(
                "{:.1} GiB free at {}",
                free as f64 / (1u64 << 30) as f64,
                place.display()
            );
            let verdict = if free < DISK_FREE_MIN_BYTES {
                Verdict::Wrong
            } else {
                Verdict::Ok
            };
            checks.add("disk", verdict, text);
        }
        Err(error) => checks.add("disk", Verdict::Wrong, format!("{}: {error}", place.display())),
    }
}

fn source(checks: &mut Checks, index: usize, entry: &crate::config::SourceConfig) {
    let what = format!("sources[{index}]");
    match entry.r#type {
        SourceType::S3 => match s3::probe_blocking(&crate::wiring::s3_config(entry)) {
            Ok(()) => checks.add(&what, Verdict::Ok, "the bucket can be listed"),
            Err(problem) => checks.add(&what, Verdict::Wrong, problem.to_string()),
        },
        SourceType::File => {
            let paths = entry.paths.clone().unwrap_or_default();
            let files = haetae_source::inputs::matching_files(&paths);
            let unreadable = files.iter().find(|file| std::fs::File::open(file).is_err());
            match unreadable {
                Some(file) => {
                    let text = format!("{} cannot be read; check its permissions", file.display());
                    checks.add(&what, Verdict::Wrong, text);
                }
                None if files.is_empty() => {
                    checks.add(&what, Verdict::Note, format!("{paths:?} matches no file yet"))
                }
                None => checks.add(&what, Verdict::Ok, format!("{} files", files.len())),
            }
        }
    }
}

fn line(counts: &Counts) -> String {
    format!(
        "lines_in {} = events {} + rejected {} + duplicates {} + sampled_out {} + skipped {}",
        counts.lines_in,
        counts.events,
        counts.rejected,
        counts.duplicates,
        counts.sampled_out,
        counts.skipped
    )
}

fn balances(checks: &mut Checks, store: &Store) -> Result<()> {
    for row in store.counts()? {
        let what = format!("{} {} {}", row.source, row.tenant_id, row.dataset);
        let verdict = if row.counts.balanced() {
            Verdict::Ok
        } else {
            Verdict::Wrong
        };
        checks.add(&what, verdict, line(&row.counts));
    }
    Ok(())
}

fn segments(checks: &mut Checks, store: &Store) -> Result<()> {
    let report = store.verify()?;
    for problem in &report.problems {
        checks.add(
            problem.code,
            Verdict::Wrong,
            format!("{}: {}", problem.subject, problem.message),
        );
    }
    checks.add(
        "store",
        Verdict::Ok,
        format!("{} segments, {} rows", report.segments, report.rows),
    );
    let stat = store.stat()?;
    if stat.outbox.dead > 0 {
        let text = format!(
            "{} messages could not be delivered for a day and were given up",
            stat.outbox.dead
        );
        checks.add("outbox", Verdict::Note, text);
    }
    Ok(())
}

fn print(checks: &Checks, output: RowOutput) {
    let word = |verdict| match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Wrong => "WRONG",
    };
    if output == RowOutput::Text {
        for check in &checks.0 {
            println!("{:<6} {}: {}", word(check.verdict), check.what, check.text);
        }
        return;
    }
    let row = |check: &Check| {
        let value = json!({"check": check.what, "verdict": word(check.verdict), "text": check.text});
        Row::of(&value, &["check", "verdict", "text"])
    };
    let rows: Vec<Row> = checks.0.iter().map(row).collect();
    if super::catalog::print_rows(&rows, output).is_err() {
        // Nobody reads any more.
    }
}
