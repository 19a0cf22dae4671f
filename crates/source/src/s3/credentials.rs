//! Keys from AWS's shared files, and whether anything else could give keys.
//!
//! Order: `AWS_ACCESS_KEY_ID`; the profile (`AWS_PROFILE`, else `default`) of the shared
//! credentials file, then of the config file; web identity; container; instance metadata. The
//! environment kinds are read by the object store crate itself.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The instance metadata service answers in a millisecond or is not there.
const METADATA_TIMEOUT: Duration = Duration::from_millis(800);

const METADATA_ADDRESS: ([u8; 4], u16) = ([169, 254, 169, 254], 80);

/// Variables and files as the process sees them; tests pass their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    variables: HashMap<String, String>,
}

/// What a profile says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub key_id: Option<String>,
    pub secret: Option<String>,
    pub token: Option<String>,
    pub region: Option<String>,
}

/// Where the keys will come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Variables that the object store crate reads.
    Environment,
    Profile(Profile),
    Metadata,
    /// Nothing found; the text says where was looked.
    Nowhere(String),
}

impl Environment {
    pub(super) fn of_process() -> Self {
        let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Environment {
            variables: std::env::vars_os().filter_map(text).collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        Environment {
            variables: variables.collect(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Pairs whose names start with `AWS_`, lower-cased.
    pub(super) fn aws(&self) -> impl Iterator<Item = (String, &str)> {
        let aws = |(key, value): (&'_ String, _)| {
            key.starts_with("AWS_").then(|| (key.to_ascii_lowercase(), value))
        };
        self.variables
            .iter()
            .map(|(key, value)| (key, value.as_str()))
            .filter_map(aws)
    }

    fn profile_name(&self) -> &str {
        self.get("AWS_PROFILE")
            .or_else(|| self.get("AWS_DEFAULT_PROFILE"))
            .unwrap_or("default")
    }

    fn shared_file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        match self.get(variable) {
            Some(path) => Some(PathBuf::from(path)),
            None => self
                .get("HOME")
                .map(|home| Path::new(home).join(".aws").join(name)),
        }
    }

    /// The profile's values: the credentials file first, the config file fills the gaps.
    pub(super) fn profile(&self) -> Profile {
        let name = self.profile_name();
        let mut values = HashMap::new();
        let config_section = match name {
            "default" => "default".to_owned(),
            other => format!("profile {other}"),
        };
        let files = [
            (
                self.shared_file("AWS_CONFIG_FILE", "config"),
                config_section.as_str(),
            ),
            (
                self.shared_file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                name,
            ),
        ];
        for (path, section) in files {
            // A shared file that is missing or unreadable gives nothing, as with AWS's own tools.
            if let Some(text) = path.and_then(|path| std::fs::read_to_string(path).ok()) {
                values.extend(section_of(&text, section));
            }
        }
        Profile {
            key_id: values.remove("aws_access_key_id"),
            secret: values.remove("aws_secret_access_key"),
            token: values.remove("aws_session_token"),
            region: values.remove("region"),
        }
    }

    /// Decides where keys come from. Takes up to 0.8 s where it has to ask for the instance
    /// metadata service.
    pub(super) fn origin(&self) -> Origin {
        // A named profile wins over web identity and container, as with AWS's own tools.
        let unsigned = self
            .get("AWS_SKIP_SIGNATURE")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if unsigned || self.get("AWS_ACCESS_KEY_ID").is_some() {
            return Origin::Environment;
        }
        let profile = self.profile();
        if profile.key_id.is_some() && profile.secret.is_some() {
            return Origin::Profile(profile);
        }
        let web_identity =
            self.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() && self.get("AWS_ROLE_ARN").is_some();
        let container = self.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_some()
            || self.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some();
        if web_identity || container {
            return Origin::Environment;
        }
        let disabled = self
            .get("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if !disabled && metadata_answers() {
            return Origin::Metadata;
        }
        Origin::Nowhere(format!(
            "no AWS_ACCESS_KEY_ID, no keys in profile {:?}, no container or instance role",
            self.profile_name()
        ))
    }
}

fn metadata_answers() -> bool {
    TcpStream::connect_timeout(&SocketAddr::from(METADATA_ADDRESS), METADATA_TIMEOUT).is_ok()
}

/// The `key = value` lines of one `[section]` of an INI file. Nested (indented) values, which
/// the shared files have for service settings, are passed over.
fn section_of(text: &str, wanted: &str) -> HashMap<String, String> {
    let mut inside = false;
    let mut values = HashMap::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = name.split_whitespace().eq(wanted.split_whitespace());
            continue;
        }
        let nested = line.starts_with([' ', '\t']);
        let comment = trimmed.starts_with(['#', ';']);
        if let Some((key, value)) = trimmed.split_once('=')
            && inside
            && !nested
            && !comment
        {
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    values
}
