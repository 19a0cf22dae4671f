//! A real S3 API: the `moto` server, started for one test and stopped with it.

use super::http::{Reply, request};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct S3 {
    child: Child,
    pub address: SocketAddr,
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

impl S3 {
    /// Starts moto, or says loudly that it is missing. With `CI=true` that is a failure.
    pub fn start() -> Option<S3> {
        let python = root().join(".cache/venv/bin/python");
        let present = Command::new(&python)
            .args(["-c", "import moto.server"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !present {
            assert!(
                std::env::var("CI").is_err(),
                "moto is missing from {}; run ./test",
                python.display()
            );
            eprintln!(
                "\n*** SKIPPED: the S3 peer (moto) is missing; ./test installs it into .cache/venv ***\n"
            );
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("loopback binds")
            .port();
        let child = Command::new(&python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let s3 = S3 {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        let end = Instant::now() + Duration::from_secs(40);
        while request(s3.address, "GET", "/moto-api/", &[], b"").is_err() {
            assert!(Instant::now() < end, "moto did not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(s3)
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let host = self.address.to_string();
        request(self.address, method, path, &[("Host", &host)], body).expect("moto answers")
    }

    pub fn create_bucket(&self, bucket: &str) {
        let reply = self.call("PUT", &format!("/{bucket}"), b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    pub fn put(&self, bucket: &str, key: &str, body: &[u8]) {
        let reply = self.call("PUT", &format!("/{bucket}/{key}"), body);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Every key of the bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let text = self
            .call("GET", &format!("/{bucket}?list-type=2&max-keys=1000"), b"")
            .text();
        text.split("<Key>")
            .skip(1)
            .filter_map(|part| part.split("</Key>").next())
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
