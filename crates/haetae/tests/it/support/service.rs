//! The program itself, as a child process.

use super::http::{Reply, request};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_haetae");

/// A command with nothing of the machine's own AWS set-up in its environment.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command
        .current_dir(dir)
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_ENDPOINT_URL")
        .env("HOME", dir)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("NO_COLOR", "1")
        .env("LANG", "C.UTF-8");
    command
}

/// Runs to the end and gives what it printed; the exit code is the test's business.
pub fn output(dir: &Path, arguments: &[&str]) -> Output {
    command(dir)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running `haetae run`.
pub struct Service {
    pub child: Child,
    pub dir: PathBuf,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Service {
    /// Starts `haetae run` in `dir` with the configuration there and waits until it is ready.
    pub fn start(dir: &Path, arguments: &[&str]) -> Service {
        Service::spawn(dir, arguments).unwrap_or_else(|log| panic!("the service did not come up:\n{log}"))
    }

    /// Like `start`; `Err` holds what the process said when it did not come up.
    pub fn spawn(dir: &Path, arguments: &[&str]) -> Result<Service, String> {
        let log = dir.join("run.log");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("log opens");
        let lock = dir.join("haetae-data/lock");
        std::fs::write(&lock, b"").ok();
        let mut child = command(dir)
            .arg("run")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("clones"))
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(address) = address_in_lock(&lock)
                && request(address, "GET", "/readyz", &[], b"").is_ok_and(|reply| reply.status == 200)
            {
                return Ok(Service {
                    child,
                    dir: dir.to_path_buf(),
                    address,
                    log,
                });
            }
            let ended = child.try_wait().expect("waitable").is_some();
            if ended || Instant::now() > end {
                child.kill().ok();
                child.wait().ok();
                return Err(std::fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn token(&self) -> String {
        std::fs::read_to_string(self.dir.join("haetae-data/local.token"))
            .expect("token file")
            .trim()
            .to_owned()
    }

    pub fn ingest_at(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> std::io::Result<Reply> {
        let mut all = vec![("Content-Type", "application/x-ndjson")];
        all.extend_from_slice(headers);
        request(self.address, "POST", path, &all, body)
    }

    /// What the service says of one request, or of an array of them.
    pub fn detect(&self, body: &serde_json::Value) -> serde_json::Value {
        let text = body.to_string();
        let json = [("Content-Type", "application/json")];
        let reply = request(self.address, "POST", "/detect", &json, text.as_bytes());
        reply.expect("the service answers").json()
    }

    pub fn get(&self, path: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token());
        request(self.address, "GET", path, &[("Authorization", &bearer)], b"").expect("the service answers")
    }

    /// Rows of a SQL query through the running service.
    pub fn sql(&self, text: &str) -> serde_json::Value {
        sql(&self.dir, text)
    }

    pub fn signal(&self, signal: &str) {
        Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .expect("kill runs");
    }

    /// SIGTERM, then waits for a clean end.
    pub fn stop(mut self) -> String {
        self.signal("-TERM");
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().expect("waitable") {
                assert!(status.success(), "ended with {status}:\n{}", self.log());
                return self.log();
            }
            assert!(Instant::now() < end, "did not stop within 20 s:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL: no goodbye.
    pub fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn address_in_lock(lock: &Path) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(lock).ok()?;
    text.split_whitespace().find_map(|word| {
        word.trim_matches(['"', ',', '}'])
            .rsplit('"')
            .next()?
            .parse()
            .ok()
    })
}

/// Rows of `haetae query`, whether a service runs or not.
pub fn sql(dir: &Path, text: &str) -> serde_json::Value {
    let output = output(dir, &["query", "--output", "json", text]);
    assert!(output.status.success(), "query failed: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("JSON rows")
}
