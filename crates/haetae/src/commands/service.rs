//! Talking to the running service as the local operator.

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::Value;
use std::path::Path;

/// Longest a call may take: compiling a large module takes seconds.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(90);

/// The token of the data directory.
///
/// # Errors
/// When it cannot be read, with what to do.
pub fn read_token(dir: &Path) -> Result<String> {
    let path = dir.join("local.token");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read {}; run as the user that runs the service",
            path.display()
        )
    })?;
    Ok(text.trim().to_owned())
}

/// One call; the answer's JSON.
///
/// # Errors
/// When the service does not answer, or refuses: then its own message.
pub fn call(
    data_dir: &Path,
    address: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let token = read_token(data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (status, text) = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        let request = client
            .request(method, format!("http://{address}{path}"))
            .bearer_auth(token);
        let request = match body {
            Some(body) => request.json(body),
            None => request.header("content-type", "application/json"),
        };
        let reply = request.send().await;
        let reply = reply.with_context(|| format!("the service at {address} does not answer"))?;
        let status = reply.status();
        anyhow::Ok((status, reply.text().await?))
    })?;
    let said: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if !status.is_success() {
        bail!("{}", said["message"].as_str().unwrap_or(&text));
    }
    Ok(said)
}
