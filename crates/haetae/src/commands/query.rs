//! `haetae query`: through the running service, or on the idle store.

use super::catalog::Row;
use super::service::read_token;
use crate::cli::{QueryArgs, RowOutput};
use crate::config::Config;
use crate::wiring::StoreSegments;
use anyhow::{Context, Result, bail};
use haetae_event::{Micros, SystemClock};
use haetae_query::{QueryEngine, QueryOptions};
use haetae_store::{Store, StoreError, StoreOptions};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;

pub fn run(args: &QueryArgs, config: &Config) -> Result<()> {
    let time = |name: &str, text: &Option<String>| -> Result<Option<Micros>> {
        let parse = |text: &String| {
            Micros::parse_rfc3339(text).with_context(|| format!("{name}: {text:?} is not RFC 3339"))
        };
        text.as_ref().map(parse).transpose()
    };
    let (start, end) = (time("--start", &args.start)?, time("--end", &args.end)?);
    match haetae_store::holder(&config.data_dir).filter(|holder| !holder.address.is_empty()) {
        Some(holder) => through_service(args, config, &holder.address, start, end),
        None => on_idle_store(args, config, start, end),
    }
}

/// Opens the store of a data directory for reading.
///
/// # Errors
/// With a hint when there is none.
pub fn open_idle(config: &Config) -> Result<Arc<Store>> {
    let clock = Arc::new(SystemClock);
    match Store::open_read_only(&config.data_dir, StoreOptions::default(), clock) {
        Ok(store) => Ok(Arc::new(store)),
        Err(StoreError::Absent { dir }) => {
            bail!(
                "no data in {}; run `haetae run` first, or name the folder with --data-dir",
                dir.display()
            )
        }
        Err(error) => Err(error.into()),
    }
}

fn on_idle_store(
    args: &QueryArgs,
    config: &Config,
    start: Option<Micros>,
    end: Option<Micros>,
) -> Result<()> {
    let engine = QueryEngine::new(Arc::new(StoreSegments(open_idle(config)?)))?;
    let options = QueryOptions {
        start,
        end,
        ..QueryOptions::default()
    };
    let rows = engine.sql_blocking(&args.text, &options)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match args.output {
        RowOutput::Text => rows.write_text(&mut out)?,
        RowOutput::Json => writeln!(out, "{}", rows.to_json())?,
        RowOutput::Ndjson => rows.write_ndjson(&mut out)?,
        RowOutput::Csv => rows.write_csv(&mut out)?,
    }
    out.flush()?;
    if let Some(note) = rows.truncation() {
        eprintln!("note: {note}");
    }
    Ok(())
}

fn through_service(
    args: &QueryArgs,
    config: &Config,
    address: &str,
    start: Option<Micros>,
    end: Option<Micros>,
) -> Result<()> {
    let token = read_token(&config.data_dir)?;
    let body = json!({"query": args.text, "lang": "sql", "start": start, "end": end});
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (status, truncated, text) = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://{address}/v1/query");
        let reply = client.post(url).bearer_auth(token).json(&body).send().await;
        let reply = reply.with_context(|| format!("the service at {address} does not answer"))?;
        let truncated = reply.headers().contains_key("x-haetae-truncated");
        let status = reply.status();
        anyhow::Ok((status, truncated, reply.text().await?))
    })?;
    if !status.is_success() {
        let said: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        bail!("{}", said["message"].as_str().unwrap_or(&text));
    }
    let rows: Vec<Row> = serde_json::from_str(&text).context("the service's answer is not a list of rows")?;
    super::catalog::print_rows(&rows, args.output)?;
    if truncated {
        eprintln!("note: more rows were left out; add LIMIT or narrow the time");
    }
    Ok(())
}
