//! `haetae parser`: users' parsers, from the first draft to the stable version and back.

mod draft;
mod shadow;
mod sign;
mod test;
mod trial;

use super::catalog::{Row, print_rows};
use super::service;
use crate::cli::{ParserCommand, RowOutput, UploadArgs};
use crate::config::Config;
use crate::wiring::{Shelf, built_in};
use anyhow::{Context, Result};
use base64::Engine;
use draft::Draft;
use haetae_enrich::pii::PiiPolicy;
use haetae_event::disk::RealDisk;
use haetae_event::identity::InstallationKey;
use haetae_event::{SystemClock, TenantId};
use haetae_parse::{Blueprint, Choice};
use haetae_pipeline::ParserShelf;
use haetae_respond::for_terminal;
use haetae_sandbox::Quota;
use haetae_server::{ParserAdmin, ParserRequest, ParserUpload};
use haetae_store::{Store, StoreOptions};
use serde_json::{Value, json};
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub fn run(command: &ParserCommand, config: &Config) -> Result<ExitCode> {
    match command {
        ParserCommand::List { output } => list(config, *output)?,
        ParserCommand::Show { id } => {
            writeln!(stdout(), "{}", serde_json::to_string_pretty(&show(id, config)?)?)?
        }
        ParserCommand::Functions => write!(stdout(), "{}", haetae_parse::functions_reference())?,
        ParserCommand::Test(args) => return test::run(args, config),
        ParserCommand::Shadow(args) => return shadow::run(args, config),
        ParserCommand::Sign(args) => sign::run(args)?,
        ParserCommand::Upload(args) => upload(args, config)?,
        ParserCommand::Promote { id } => {
            let said = ask(config, ParserRequest::Promote { id: id.clone() })?;
            writeln!(stdout(), "{} is the stable version now", text(&said, "id"))?;
        }
        ParserCommand::Resume { id } => {
            let said = ask(config, ParserRequest::Resume { id: id.clone() })?;
            let what = if said["resumed"] == true {
                "runs again"
            } else {
                "was not suspended"
            };
            writeln!(stdout(), "{} {what}", text(&said, "id"))?;
        }
        ParserCommand::Rollback { name } => {
            let said = ask(config, ParserRequest::RollBack { name: name.clone() })?;
            writeln!(stdout(), "{} is the stable version again", text(&said, "id"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn show(id: &str, config: &Config) -> Result<Value> {
    ask(config, ParserRequest::Show { id: id.to_owned() })
}

fn list(config: &Config, output: RowOutput) -> Result<()> {
    let listed = match ask(config, ParserRequest::List) {
        Ok(listed) => listed,
        // No data directory yet: the built-in ones are there all the same.
        Err(_) if !config.data_dir.exists() => Value::Array(built_in()),
        Err(error) => return Err(error),
    };
    let columns = ["id", "kind", "dataset", "channel", "state", "signed_by", "about"];
    let rows: Vec<Row> = listed
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| Row::of(row, &columns))
        .collect();
    print_rows(&rows, output)
}

fn upload(args: &UploadArgs, config: &Config) -> Result<()> {
    let draft = Draft::read(&args.definition, args.module.as_deref())?;
    let path = args
        .signature
        .clone()
        .unwrap_or_else(|| sign::signature_path(&args.definition));
    let signature = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read the signature {}; make it with `haetae parser sign {} --key KEY.pem`",
            path.display(),
            args.definition.display()
        )
    })?;
    let said = ask(
        config,
        ParserRequest::Upload(ParserUpload {
            definition: draft.text,
            module: draft.module,
            signature,
        }),
    )?;
    match said["state"].as_str() {
        Some("unchanged") => writeln!(stdout(), "{} was there already, unchanged", text(&said, "id"))?,
        _ => writeln!(
            stdout(),
            "{} added in channel alpha: sources use it by name (`format: {}`); `haetae parser promote` \
             makes it the stable version",
            text(&said, "id"),
            text(&said, "id")
        )?,
    }
    Ok(())
}

/// What `--format` and `--against` name: a built-in format, a definition file, a version in the catalog.
///
/// # Errors
/// When it is none of them.
pub fn choice(name: &str, config: &Config) -> Result<Choice> {
    match name.split("@v").next().unwrap_or(name).parse() {
        Ok(format) => Ok(Choice::Format(format)),
        Err(_) => Ok(Choice::Blueprint(blueprint(name, config)?)),
    }
}

/// A definition file, or a version in the catalog.
fn blueprint(id: &str, config: &Config) -> Result<Arc<dyn Blueprint>> {
    if Path::new(id).is_file() {
        return Draft::read(Path::new(id), None)?.blueprint();
    }
    let unknown =
        || format!("{id} is no format, no definition file and no uploaded parser; see `haetae parser list`");
    let store = super::query::open_idle(config).with_context(unknown)?;
    let shelf = open_shelf(store, config)?;
    shelf.named(id).with_context(unknown)
}

/// The promoted parsers, for recognition by content as in the service; none without a store.
pub fn offered(config: &Config) -> Arc<[Arc<dyn Blueprint>]> {
    let none = || Arc::from([]);
    let Ok(store) = super::query::open_idle(config) else {
        return none();
    };
    open_shelf(store, config).map_or_else(|_| none(), |shelf| shelf.offered().blueprints)
}

/// For one request: nothing is read through it, so it keeps nothing of any record.
fn open_shelf(store: Arc<Store>, config: &Config) -> Result<Shelf> {
    let keys = config.parsers.keys().map_err(anyhow::Error::msg)?;
    let privacy = (
        PiiPolicy::default(),
        InstallationKey::new([0; 32]).tenant_key(&TenantId::default()),
    );
    let shelf = Shelf::open(store, keys, Quota::default(), privacy, Arc::new(SystemClock))?;
    for alarm in shelf.take_alarms() {
        eprintln!("problem: {}", for_terminal(&alarm));
    }
    Ok(shelf)
}

/// Asks the running service, else the idle store.
fn ask(config: &Config, request: ParserRequest) -> Result<Value> {
    if let Some(holder) = haetae_store::holder(&config.data_dir).filter(|holder| !holder.address.is_empty()) {
        return through_service(config, &holder.address, request);
    }
    let clock = Arc::new(SystemClock);
    let reads = matches!(request, ParserRequest::List | ParserRequest::Show { .. });
    let store = if reads {
        super::query::open_idle(config)?
    } else {
        let options = StoreOptions::default();
        let store = Store::open(&config.data_dir, options, Arc::new(RealDisk), clock.clone());
        Arc::new(store.with_context(|| format!("cannot open {}", config.data_dir.display()))?)
    };
    open_shelf(store, config)?
        .handle(request)
        .map_err(anyhow::Error::from)
}

fn through_service(config: &Config, address: &str, request: ParserRequest) -> Result<Value> {
    use reqwest::Method;
    let (method, path, body) = match request {
        ParserRequest::List => (Method::GET, "/v1/parsers".to_owned(), None),
        ParserRequest::Show { id } => (Method::GET, format!("/v1/parsers/{id}"), None),
        ParserRequest::Upload(upload) => {
            let module = base64::engine::general_purpose::STANDARD.encode(&upload.module);
            let body =
                json!({"definition": upload.definition, "module": module, "signature": upload.signature});
            (Method::POST, "/v1/parsers".to_owned(), Some(body))
        }
        ParserRequest::Promote { id } => (Method::POST, format!("/v1/parsers/{id}:promote"), None),
        ParserRequest::RollBack { name } => (Method::POST, format!("/v1/parsers/{name}:rollback"), None),
        ParserRequest::Resume { id } => (Method::POST, format!("/v1/parsers/{id}:resume"), None),
        ParserRequest::Shadow { id } => (Method::POST, format!("/v1/parsers/{id}:shadow"), None),
        ParserRequest::Unshadow { id } => (Method::POST, format!("/v1/parsers/{id}:unshadow"), None),
    };
    service::call(&config.data_dir, address, method, &path, body.as_ref())
}
