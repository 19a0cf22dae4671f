//! Request logs of Node servers inside a message: one JSON object with `req` and a status, as
//! hapi's `good` (Kibana, OpenSearch Dashboards), pino and bunyan write it.
//!
//! What is not here: the members as attributes, which the parser of the message puts.

use super::{FAILURE, Said, address_after};

/// In the path of a log-in.
const LOGIN_PATHS: [&str; 6] = [
    "/login",
    "/signin",
    "/sign-in",
    "/logon",
    "/authenticate",
    "/session",
];

/// A log-in that was answered with 401.
pub fn read(message: &str) -> Option<Said> {
    let object = message.strip_prefix("@cee:").unwrap_or(message).trim_start();
    let refused = ["\"statusCode\":401", "\"statusCode\": 401"]
        .iter()
        .any(|status| object.contains(status));
    if !object.starts_with('{') || !refused {
        return None;
    }
    let url = object.split("\"url\":").nth(1)?.trim_start().strip_prefix('"')?;
    let path = url.split(['?', '"']).next().unwrap_or(url);
    LOGIN_PATHS.iter().find(|part| path.contains(**part))?;
    let address = [
        "\"remoteAddress\":\"",
        "\"remoteAddress\": \"",
        "\"remote_ip\":\"",
    ]
    .iter()
    .find_map(|mark| address_after(message, mark))?;
    Some(Said::login(FAILURE, "http").from(Some(address)))
}
