//! The command line: reads arguments and configuration, wires the parts, prints.
//!
//! What is here: one file per command (`commands/`), the configuration file (`config/`), learned
//! models in use and their retraining (`models/`), and the adapters that fit store, journal and query engine to the seams of the others (`wiring/`).
//!
//! What is not here: anything that parses, detects, stores or delivers.

mod cli;
mod commands;
mod config;
mod models;
mod wiring;

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command, ConfigCommand};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no mistake.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            error.print().ok();
            return ExitCode::from(code);
        }
    };
    // ring is the one TLS provider of the binary; a second call only finds it there.
    rustls::crypto::ring::default_provider().install_default().ok();
    match run(&cli) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("haetae: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever read our output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

fn run(cli: &Cli) -> Result<ExitCode> {
    if let Command::Config(ConfigCommand::Schema) = &cli.command {
        println!("{}", serde_json::to_string_pretty(&config::json_schema())?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Simulate(args) = &cli.command {
        commands::simulate::run(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let demo = matches!(&cli.command, Command::Run(args) if args.demo);
    let (mut config, file) = config::find_and_load(cli.config.as_deref())?;
    if demo {
        config.data_dir = "./haetae-demo".into();
    }
    if let Some(dir) = &cli.data_dir {
        config.data_dir.clone_from(dir);
    }
    match &cli.command {
        Command::Run(args) => commands::run::run(args, config, file.as_deref())?,
        Command::Analyze(args) => commands::analyze::run(args, &config)?,
        Command::Parse(args) => commands::parse::run(args, &config)?,
        Command::Detect(args) => return commands::detect::run(args, &config),
        Command::Query(args) => commands::query::run(args, &config)?,
        Command::Dlq(command) => commands::catalog::dlq(command, &config)?,
        Command::Incident(command) => commands::catalog::incident(command, &config)?,
        Command::Store(command) => return commands::catalog::store(command, &config),
        Command::Rules(command) => return commands::rules::run(command, &config),
        Command::Model(command) => return commands::model::run(command, &config),
        Command::Parser(command) => return commands::parser::run(command, &config),
        Command::Doctor(args) => return commands::doctor::run(args, &config, file.as_deref()),
        Command::Simulate(_) | Command::Config(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}
