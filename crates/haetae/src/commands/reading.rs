//! Reads the inputs of a one-shot command, one batch at a time.

use crate::cli::InputArgs;
use crate::config::Config;
use anyhow::{Context, Result, bail};
use haetae_detect::Engine;
use haetae_enrich::files::DiskFiles;
use haetae_enrich::{Enrichers, Knowledge, Notice};
use haetae_event::inside::Inside;
use haetae_event::net::ClientIpPolicy;
use haetae_event::{Clock, Columns, Counts, Dataset, EventBatch, Reason, Reject, SystemClock, TenantId};
use haetae_parse::{Candidates, Choice, InputReader, ParseOptions};
use haetae_source::inputs::{Input, expand};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Read};
use std::sync::Arc;

/// What one step of reading gives to a command.
pub struct Step<'a> {
    pub input: &'a str,
    pub parser: &'a str,
    pub batch: Option<EventBatch>,
    pub rejects: &'a [Reject],
}

/// What a command wants of each record.
#[derive(Clone, Debug)]
pub struct Asked {
    pub columns: Columns,
    /// Values inside JSON, for detection.
    pub inside: Inside,
}

impl From<&Columns> for Asked {
    fn from(columns: &Columns) -> Asked {
        Asked {
            columns: columns.clone(),
            inside: Inside::default(),
        }
    }
}

impl From<&Engine> for Asked {
    fn from(engine: &Engine) -> Asked {
        Asked {
            columns: engine.columns(),
            inside: engine.inside().clone(),
        }
    }
}

/// The client policy that a configuration asks for.
///
/// # Errors
/// When a CIDR block does not parse; the loader has checked that already.
pub fn client_policy(config: &Config) -> Result<ClientIpPolicy> {
    let trusted = config
        .trusted_proxies
        .iter()
        .map(|cidr| cidr.parse())
        .collect::<Result<Vec<_>, _>>();
    Ok(ClientIpPolicy {
        trusted: trusted.context("trusted_proxies")?,
        header: config.client_ip_header.clone(),
    })
}

/// Reads every input in turn and hands each batch to `each`. An input that cannot be opened or
/// read to its end is said on stderr and counted as one rejected record; the rest goes on.
///
/// # Errors
/// A wrong `--format`, an input that does not exist, or what `each` returns.
pub fn read_all(
    args: &InputArgs,
    config: &Config,
    asked: impl Into<Asked>,
    each: impl FnMut(Step<'_>) -> Result<()>,
) -> Result<Counts> {
    let choice = match &args.format {
        None => Choice::Detect,
        Some(name) => super::parser::choice(name, config)?,
    };
    read_with(args, config, asked, &choice, None, each)
}

/// What is to be read: what is piped in, where nothing is named.
fn named(inputs: &[String]) -> Result<Vec<String>> {
    if !inputs.is_empty() {
        return Ok(inputs.to_vec());
    }
    if std::io::stdin().is_terminal() {
        bail!("name files to read, or pipe them in");
    }
    Ok(vec!["-".to_owned()])
}

/// As [`read_all`], with the parser already chosen (`--format` is not looked at) and perhaps another
/// version beside it.
///
/// # Errors
/// As [`read_all`].
pub fn read_with(
    args: &InputArgs,
    config: &Config,
    asked: impl Into<Asked>,
    choice: &Choice,
    candidates: Option<Arc<dyn Candidates>>,
    mut each: impl FnMut(Step<'_>) -> Result<()>,
) -> Result<Counts> {
    let Asked { columns, inside } = asked.into();
    let options = ParseOptions {
        blueprints: match choice {
            Choice::Detect => super::parser::offered(config),
            _ => Arc::from([]),
        },
        candidates,
        columns,
        inside,
        client_ip: client_policy(config)?,
        flow_format: args.format_string.clone(),
        time_zone: args.time_zone.clone(),
        arrival: SystemClock.now(),
        ..ParseOptions::default()
    };
    let inputs = expand(&named(&args.inputs)?)?;
    let mut enrichers = enrichers(config)?;
    let bar = progress(&inputs);
    let mut totals = Counts::default();
    for input in &inputs {
        bar.set_message(input.name.clone());
        totals += read_one(input, choice, &options, &bar, &mut |step: Step<'_>| {
            let batch = step.batch.map(|batch| enrichers.apply(batch));
            each(Step { batch, ..step })
        })?;
    }
    bar.finish_and_clear();
    Ok(totals)
}

/// Knowledge as it is now: a one-shot command does not wait for files to change.
fn enrichers(config: &Config) -> Result<Enrichers> {
    let knowledge = Knowledge::new(&config.enrich, Arc::new(DiskFiles), Arc::new(SystemClock))?;
    for notice in knowledge.refresh() {
        if let Notice::Alarm { text } = notice {
            eprintln!("problem: {text}");
        }
    }
    Ok(knowledge.enrichers())
}

fn read_one(
    input: &Input,
    choice: &Choice,
    options: &ParseOptions,
    bar: &ProgressBar,
    each: &mut impl FnMut(Step<'_>) -> Result<()>,
) -> Result<Counts> {
    let body = match input.open() {
        Ok(body) => body,
        Err(error) => return unreadable(input, &error.to_string(), each),
    };
    let mut reader = InputReader::open(Metered { body, bar }, choice.clone(), options);
    let tenant = TenantId::default();
    loop {
        let parsed = match reader.next_batch() {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(reader.totals()),
            Err(error) => {
                let mut counts = reader.totals();
                counts += unreadable(input, &error.to_string(), each)?;
                return Ok(counts);
            }
        };
        let dataset = reader.dataset().unwrap_or(Dataset::App);
        let batch = parsed.records.map(|records| EventBatch {
            tenant: tenant.clone(),
            dataset,
            records,
        });
        each(Step {
            input: &input.name,
            parser: reader.parser_id(),
            batch,
            rejects: &parsed.rejects,
        })?;
    }
}

fn unreadable(input: &Input, why: &str, each: &mut impl FnMut(Step<'_>) -> Result<()>) -> Result<Counts> {
    let reject = Reject {
        ordinal: 0,
        reason: Reason::Unreadable,
        detail: why.to_owned(),
        bytes: Vec::new(),
    };
    each(Step {
        input: &input.name,
        parser: "none",
        batch: None,
        rejects: &[reject],
    })?;
    Ok(Counts {
        lines_in: 1,
        rejected: 1,
        ..Counts::default()
    })
}

fn progress(inputs: &[Input]) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let total: Option<u64> = inputs.iter().map(|input| input.size).sum();
    let bar = match total {
        Some(bytes) => ProgressBar::new(bytes),
        None => ProgressBar::new_spinner(),
    };
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}")
        .expect("the template is well formed");
    bar.set_style(style);
    bar
}

/// Moves the progress bar as bytes are read.
struct Metered<'a> {
    body: Box<dyn Read + Send>,
    bar: &'a ProgressBar,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.body.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}
