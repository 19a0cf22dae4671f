//! Reading the file: `${ENV}` expansion, diagnostics with file, line and fix, validation.

use super::{Config, SourceConfig, SourceType};
use serde_saphyr::Spanned;
use std::fmt;
use std::path::{Path, PathBuf};

/// A mistake in the configuration: where it is and how to mend it.
#[derive(Debug)]
pub struct ConfigError {
    pub file: PathBuf,
    pub line: Option<u64>,
    pub column: Option<u64>,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  fix: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Default file name, looked for in the working directory.
pub const DEFAULT_FILE: &str = "haetae.yaml";

/// Loads `named`, else `./haetae.yaml` if it exists, else the defaults.
///
/// # Errors
/// When the named file cannot be read, or the file is wrong.
pub fn find_and_load(named: Option<&Path>) -> Result<(Config, Option<PathBuf>), ConfigError> {
    let path = match named {
        Some(path) => path.to_path_buf(),
        None if Path::new(DEFAULT_FILE).exists() => PathBuf::from(DEFAULT_FILE),
        None => return Ok((Config::default(), None)),
    };
    let text = std::fs::read_to_string(&path).map_err(|e| ConfigError {
        file: path.clone(),
        line: None,
        column: None,
        message: format!("cannot read the configuration: {e}"),
        hint: Some("check the path given to --config and its permissions".to_owned()),
    })?;
    let config = load_text(&path, &text, &|name| std::env::var(name).ok())?;
    Ok((config, Some(path)))
}

/// Parses and checks a configuration; `environment` answers `${NAME}`.
///
/// # Errors
/// The first mistake, with its place and its fix.
pub fn load_text(
    file: &Path,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let expanded = expand_environment(file, text, environment)?;
    if expanded
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Config::default());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let config: Config =
        serde_saphyr::from_str_with_options(&expanded, options).map_err(|e| from_yaml_error(file, &e))?;
    validate(file, &config)?;
    Ok(config)
}

/// Replaces `${NAME}` outside comments. Values are inserted as they are: a secret with YAML
/// syntax in it should be quoted in the file.
fn expand_environment(
    file: &Path,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ConfigError> {
    let mut out = String::with_capacity(text.len());
    for (number, line) in (1u64..).zip(text.split_inclusive('\n')) {
        if line.trim_start().starts_with('#') {
            out.push_str(line);
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else {
                break;
            };
            let name = &rest[start + 2..start + length];
            let value = environment(name).ok_or_else(|| ConfigError {
                file: file.to_path_buf(),
                line: Some(number),
                column: None,
                message: format!("the environment variable {name} is not set"),
                hint: Some(format!(
                    "export {name}=… before starting, or write the value here"
                )),
            })?;
            out.push_str(&rest[..start]);
            out.push_str(&value);
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
    }
    Ok(out)
}

fn from_yaml_error(file: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let error = error.without_snippet();
    let location = error.location();
    let (message, hint) = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), Some(nearest(field, expected)))
        }
        serde_saphyr::Error::SerdeUnknownVariant {
            variant, expected, ..
        } => (
            format!("unknown value `{variant}`"),
            Some(nearest(variant, expected)),
        ),
        other => (other.to_string(), None),
    };
    ConfigError {
        file: file.to_path_buf(),
        line: location.map(|l| l.line()),
        column: location.map(|l| l.column()),
        message,
        hint,
    }
}

/// "did you mean …", else the list of what is known.
fn nearest(word: &str, known: &[&'static str]) -> String {
    let best = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min();
    match best {
        Some((distance, candidate)) if distance <= 1 + word.len() / 3 => {
            format!("did you mean `{candidate}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}

fn validate(file: &Path, config: &Config) -> Result<(), ConfigError> {
    let wrong = |line: Option<u64>, message: String, hint: &str| ConfigError {
        file: file.to_path_buf(),
        line,
        column: None,
        message,
        hint: Some(hint.to_owned()),
    };
    if let Some(name) = &config.timezone
        && jiff::tz::TimeZone::get(name).is_err()
    {
        return Err(wrong(
            None,
            format!("timezone: `{name}` is not known"),
            "use an IANA name such as Asia/Seoul",
        ));
    }
    if config.listen.parse::<std::net::SocketAddr>().is_err() {
        let message = format!("listen: `{}` is not an address", config.listen);
        return Err(wrong(None, message, "write ip:port, e.g. 127.0.0.1:8480"));
    }
    for cidr in &config.trusted_proxies {
        if cidr.parse::<haetae_event::net::Cidr>().is_err() {
            let message = format!("trusted_proxies: `{cidr}` is not a CIDR block");
            return Err(wrong(
                None,
                message,
                "write an address or network, e.g. 10.0.0.0/8",
            ));
        }
    }
    if let Some(slack) = &config.notify.slack {
        slack
            .url()
            .map_err(|message| wrong(None, message, "see `haetae config schema`"))?;
    }
    config.parsers.keys().map_err(|message| {
        wrong(
            None,
            message,
            "`haetae parser sign --new-key --key FILE` prints the line to put here",
        )
    })?;
    if let Some(mistake) = config.models.mistake() {
        return Err(wrong(None, mistake.to_owned(), "see `haetae config schema`"));
    }
    if let Some(mistake) = config.crawlers.mistake() {
        return Err(wrong(None, mistake, "see `haetae config schema`"));
    }
    config
        .enrich
        .validate()
        .map_err(|error| wrong(None, error.to_string(), "see `haetae config schema`"))?;
    for (index, source) in config.sources.iter().enumerate() {
        if let Some((message, hint)) = source_mistake(source) {
            let line = Some(source.referenced.line());
            return Err(wrong(line, format!("sources[{index}]: {message}"), hint));
        }
    }
    Ok(())
}

fn source_mistake(source: &Spanned<SourceConfig>) -> Option<(String, &'static str)> {
    let s = &source.value;
    if let Some(mistake) = s.format.as_deref().and_then(format_mistake) {
        return Some(mistake);
    }
    if let Some(name) = &s.time_zone
        && name.parse::<haetae_parse::LocalZone>().is_err()
    {
        return Some((
            format!("time_zone: `{name}` is not known"),
            "use an IANA name such as Asia/Seoul, or an offset such as +09:00",
        ));
    }
    match s.r#type {
        SourceType::S3 => s3_mistake(s),
        SourceType::File => file_mistake(s),
    }
}

/// A format is built in or a user's parser, which may be uploaded later: only what cannot be one, or
/// is a slip of the pen, is wrong already.
fn format_mistake(format: &str) -> Option<(String, &'static str)> {
    const HINT: &str = "see `haetae parser list` for the names; or leave it out to detect by content";
    if format.parse::<haetae_parse::Format>().is_ok() {
        return None;
    }
    if !haetae_parse::custom::is_parser_id(format) {
        return Some((format!("format `{format}` is not known"), HINT));
    }
    let near = haetae_parse::Format::all()
        .map(|known| known.spec().name)
        .find(|name| name.len() > 3 && strsim::damerau_levenshtein(name, format) <= 2);
    near.map(|name| {
        let message = format!("format `{format}` is not known; did you mean `{name}`?");
        (message, HINT)
    })
}

fn s3_mistake(s: &SourceConfig) -> Option<(String, &'static str)> {
    if s.bucket.as_deref().unwrap_or_default().is_empty() {
        return Some(("an s3 source needs `bucket`".to_owned(), "add bucket: NAME"));
    }
    if s.paths.is_some() {
        return Some((
            "`paths` belongs to type: file".to_owned(),
            "use bucket and prefix, or type: file",
        ));
    }
    if s.interval.is_some_and(|interval| interval.0.as_secs() < 1) {
        return Some(("interval is at least 1s".to_owned(), "write interval: 1m"));
    }
    let archives = s.after_commit == Some(super::AfterCommit::Archive);
    if archives && s.archive_prefix.as_deref().unwrap_or_default().is_empty() {
        return Some((
            "after_commit: archive needs `archive_prefix`".to_owned(),
            "add archive_prefix: done/",
        ));
    }
    None
}

fn file_mistake(s: &SourceConfig) -> Option<(String, &'static str)> {
    if s.paths.as_deref().unwrap_or_default().is_empty() {
        return Some((
            "a file source needs `paths`".to_owned(),
            "add paths: [/var/log/nginx/*.log]",
        ));
    }
    let foreign = [
        ("bucket", s.bucket.is_some()),
        ("prefix", s.prefix.is_some()),
        ("region", s.region.is_some()),
        ("endpoint", s.endpoint.is_some()),
        ("interval", s.interval.is_some()),
        ("delay", s.delay.is_some()),
        ("after_commit", s.after_commit.is_some()),
        ("archive_prefix", s.archive_prefix.is_some()),
    ];
    foreign.into_iter().find(|(_, set)| *set).map(|(key, _)| {
        (
            format!("`{key}` belongs to type: s3"),
            "remove it, or use type: s3",
        )
    })
}
