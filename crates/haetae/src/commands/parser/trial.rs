//! `haetae parser test --try`: what each line becomes, again after every change.

use super::blueprint;
use crate::cli::{ParserTestArgs, TextOrJson};
use crate::commands::say::for_terminal_lines;
use crate::config::Config;
use anyhow::{Context, Result};
use haetae_event::{Clock, SystemClock};
use haetae_parse::custom::{TryOutcome, try_lines};
use haetae_parse::{Blueprint, ParseOptions};
use std::collections::VecDeque;
use std::io::{BufRead, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, SystemTime};

/// How often files are looked at for changes.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// Pasted lines that are tried again after a change; the oldest go first.
const LINES_MAX: usize = 1000;

/// Files and when they were last changed.
pub struct Watched(Vec<(PathBuf, Option<SystemTime>)>);

impl Watched {
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Watched {
        let mut watched = Watched(paths.into_iter().map(|path| (path.to_path_buf(), None)).collect());
        watched.changed();
        watched
    }

    /// Whether one changed since the last call. A file that an editor is replacing has not.
    pub fn changed(&mut self) -> bool {
        let mut any = false;
        for (path, known) in &mut self.0 {
            let now = std::fs::metadata(&*path).and_then(|meta| meta.modified()).ok();
            if now.is_some() && now != *known {
                any = true;
                *known = now;
            }
        }
        any
    }

    pub fn wait(&mut self) {
        while !self.changed() {
            std::thread::sleep(POLL_EVERY);
        }
    }
}

pub fn run(target: &str, args: &ParserTestArgs, config: &Config) -> Result<ExitCode> {
    match args.try_input.as_deref() {
        None | Some("-") => pasted(target, args, config),
        Some(file) => from_file(target, Path::new(file), args, config),
    }
}

fn from_file(target: &str, file: &Path, args: &ParserTestArgs, config: &Config) -> Result<ExitCode> {
    let mut watched = Watched::new([Path::new(target), file]);
    loop {
        let shown = blueprint(target, config).and_then(|parser| {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            show(&parser, &lines, 0, args.output)
        });
        match (shown, args.watch) {
            (Ok(()), false) => return Ok(ExitCode::SUCCESS),
            (Err(error), false) => return Err(error),
            (Ok(()), true) => {}
            (Err(error), true) => eprintln!("{error:#}"),
        }
        eprintln!("waiting for the next change; Ctrl-C ends");
        watched.wait();
    }
}

/// Lines from stdin, each at once; all again when the definition changes.
fn pasted(target: &str, args: &ParserTestArgs, config: &Config) -> Result<ExitCode> {
    let mut watched = Watched::new([Path::new(target)]);
    let mut parser = Some(blueprint(target, config)?);
    let came = lines_of_stdin();
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    let mut first = 0;
    let mut open = true;
    loop {
        match open.then(|| came.recv_timeout(POLL_EVERY)) {
            Some(Ok(line)) => {
                if let Some(parser) = &parser {
                    show(parser, &[line.as_slice()], first + lines.len(), args.output)?;
                }
                if lines.len() == LINES_MAX {
                    lines.pop_front();
                    first += 1;
                }
                lines.push_back(line);
            }
            Some(Err(RecvTimeoutError::Disconnected)) if !args.watch => return Ok(ExitCode::SUCCESS),
            Some(Err(RecvTimeoutError::Disconnected)) => open = false,
            Some(Err(RecvTimeoutError::Timeout)) => {}
            None => std::thread::sleep(POLL_EVERY),
        }
        if !watched.changed() {
            continue;
        }
        match blueprint(target, config) {
            Ok(changed) => {
                eprintln!("-- {target} changed");
                let all: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
                show(&changed, &all, first, args.output)?;
                parser = Some(changed);
            }
            Err(error) => {
                eprintln!("{error:#}");
                parser = None;
            }
        }
    }
}

/// Read on a thread of its own: the main one also looks at files. It ends with its input or the process.
fn lines_of_stdin() -> Receiver<Vec<u8>> {
    // Full: the reader waits, and so does whoever pastes.
    let (send, receive) = sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// Prints what the lines become; `first` is the number of the first one, from 0.
fn show(parser: &Arc<dyn Blueprint>, lines: &[&[u8]], first: usize, output: TextOrJson) -> Result<()> {
    let options = ParseOptions {
        arrival: SystemClock.now(),
        ..ParseOptions::default()
    };
    for mut outcome in try_lines(parser.as_ref(), lines, &options) {
        outcome.line += first;
        match output {
            TextOrJson::Json => {
                writeln!(
                    stdout(),
                    "{}",
                    serde_json::to_string(&outcome).expect("strings and numbers always serialise")
                )?;
            }
            TextOrJson::Text => writeln!(stdout(), "{}", for_terminal_lines(&text(&outcome)))?,
        }
    }
    Ok(())
}

fn text(outcome: &TryOutcome) -> String {
    let number = outcome.line + 1;
    if let Some((reason, detail)) = &outcome.reject {
        return format!("line {number}: refused, {}: {detail}", reason.code());
    }
    let columns = outcome.columns.as_deref().unwrap_or("{}");
    let columns: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(columns).unwrap_or_default();
    let width = columns.keys().map(String::len).max().unwrap_or(0);
    let mut text = format!("line {number}: event");
    for (name, value) in &columns {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("\n  {name:<width$}  {value}"));
    }
    text
}
