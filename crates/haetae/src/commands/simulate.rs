//! `haetae simulate`: labelled traffic into a folder, a file, or a running service.

use crate::cli::{SimulateArgs, SimulateFormat};
use crate::config::parse_duration;
use anyhow::{Context, Result, bail};
use haetae_event::{Clock, Micros, SystemClock};
use haetae_simulate::{
    Background, Labels, ObjectOptions, ObjectSink, Plan, Scenario, SimEvent, generate, ndjson_line,
};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Records sent in one request to `--target`.
const BATCH_RECORDS: usize = 2_000;

pub fn run(args: &SimulateArgs) -> Result<()> {
    let plan = plan(args)?;
    let out = args.out.as_deref();
    let labels = args.labels.as_deref();
    if let Some(url) = &args.target {
        let told = send(&plan, url)?;
        return labels.map_or(Ok(()), |path| save_labels(&told, path));
    }
    match args.format {
        SimulateFormat::Logs if out.is_some() || !piped() => {
            let dir = out.unwrap_or(Path::new("haetae-simulated"));
            write_logs(&plan, dir, labels.unwrap_or(&dir.join("labels.json")))
        }
        _ => write_ndjson(&plan, out.unwrap_or(Path::new("-")), labels),
    }
}

/// Whether another program reads what is written.
fn piped() -> bool {
    std::fs::metadata("/dev/stdout").is_ok_and(|meta| meta.file_type().is_fifo())
}

fn plan(args: &SimulateArgs) -> Result<Plan> {
    let scenario = Scenario::parse(&args.scenario)?;
    let mut plan = Plan::new(scenario, args.seed);
    if let Some(text) = &args.duration {
        let length = parse_duration(text).map_err(|message| anyhow::anyhow!("--duration: {message}"))?;
        plan.duration_s = u32::try_from(length.as_secs()).context("--duration is too long")?;
    }
    if args.plain {
        plan.background = Background::Plain;
    }
    if let Some(requests) = args.requests_per_minute {
        plan.requests_per_minute = requests;
    }
    plan.start = match &args.start {
        Some(text) => Micros::parse_rfc3339(text)
            .with_context(|| format!("--start: {text:?} is not RFC 3339, e.g. 2026-11-01T09:00:00+09:00"))?,
        // Ends a little before now, so that nothing lies in the future.
        None => SystemClock
            .now()
            .saturating_sub((i64::from(plan.duration_s) + 60) * 1_000_000),
    };
    plan.validate()?;
    Ok(plan)
}

/// Writes objects as files below a folder.
struct Folder(PathBuf);

impl ObjectSink for Folder {
    fn object(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)
    }
}

fn write_logs(plan: &Plan, dir: &Path, labels: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let written =
        haetae_simulate::write_all(plan, &ObjectOptions::default(), &mut Folder(dir.to_path_buf()))?;
    eprintln!(
        "{}: {} CloudFront and {} VPC flow objects, {} requests and {} flows, {} attacks",
        dir.display(),
        written.cloudfront_objects,
        written.vpcflow_objects,
        written.labels.totals.web.events,
        written.labels.totals.vpcflow.events,
        written.labels.attacks.len()
    );
    save_labels(&written.labels, labels)
}

fn save_labels(labels: &Labels, path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(labels)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn write_ndjson(plan: &Plan, path: &Path, labels: Option<&Path>) -> Result<()> {
    let mut traffic = generate(plan)?;
    let beside = path.with_extension("labels.json");
    let labels = if path == Path::new("-") {
        haetae_simulate::write_ndjson(&mut traffic, BufWriter::new(std::io::stdout().lock()))?;
        labels
    } else {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut out = BufWriter::new(file);
        haetae_simulate::write_ndjson(&mut traffic, &mut out)?;
        out.flush()?;
        Some(labels.unwrap_or(&beside))
    };
    let told = traffic.labels();
    let flows = told.totals.vpcflow.events;
    if flows > 0 {
        eprintln!("{flows} flows are left out: NDJSON has requests only; --format logs has both");
    }
    match labels {
        Some(path) => save_labels(&told, path),
        None => {
            eprintln!("no labels are written; --labels FILE keeps them for `haetae rules eval`");
            Ok(())
        }
    }
}

fn send(plan: &Plan, url: &str) -> Result<Labels> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = reqwest::Client::new();
    let mut traffic = generate(plan)?;
    let mut sent = 0usize;
    loop {
        let (mut body, mut records) = (Vec::new(), 0);
        for event in traffic.by_ref() {
            if let SimEvent::Web(request) = event {
                ndjson_line(&request, &mut body);
                records += 1;
            }
            if records == BATCH_RECORDS {
                break;
            }
        }
        if records == 0 {
            eprintln!("{sent} records sent");
            return Ok(traffic.labels());
        }
        let key = format!("simulate-{}-{}-{sent}", plan.seed, plan.start.0);
        runtime.block_on(post(&client, url, &key, body))?;
        sent += records;
    }
}

/// Posts one NDJSON body; a 429 is obeyed, anything but 200 else is an error.
///
/// # Errors
/// When the service cannot be reached or refuses the body.
pub async fn post(client: &reqwest::Client, url: &str, key: &str, body: Vec<u8>) -> Result<()> {
    loop {
        let request = client
            .post(url)
            .query(&[("dataset", "web")])
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", key)
            .body(body.clone());
        let reply = request
            .send()
            .await
            .with_context(|| format!("cannot reach {url}"))?;
        let status = reply.status();
        if status.as_u16() == 429 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            continue;
        }
        if !status.is_success() {
            bail!(
                "{url} answered {status}: {}",
                reply.text().await.unwrap_or_default()
            );
        }
        return Ok(());
    }
}
