//! A simulated site on disk, and what a reader of its labels should expect.

use super::service::{output, stderr};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub struct Site {
    pub dir: PathBuf,
    pub labels: Value,
}

impl Site {
    /// Runs `haetae simulate` into `dir/NAME`.
    pub fn simulate(dir: &Path, name: &str, arguments: &[&str]) -> Site {
        let out = dir.join(name);
        let mut all = vec!["simulate"];
        all.extend_from_slice(arguments);
        let text = out.to_string_lossy().into_owned();
        all.extend_from_slice(&["--out", &text]);
        let done = output(dir, &all);
        assert!(done.status.success(), "{}", stderr(&done));
        let labels = std::fs::read(out.join("labels.json")).expect("labels are written");
        Site {
            dir: out,
            labels: serde_json::from_slice(&labels).expect("labels are JSON"),
        }
    }

    /// Log objects in name order: (name, bytes).
    pub fn objects(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.dir, &self.dir, &mut found);
        found.retain(|(name, _)| !name.ends_with("labels.json"));
        found.sort();
        found
    }

    pub fn web_events(&self) -> u64 {
        self.number("/totals/web/events")
    }

    pub fn flow_events(&self) -> u64 {
        self.number("/totals/vpcflow/events")
    }

    pub fn events(&self) -> u64 {
        self.web_events() + self.flow_events()
    }

    pub fn number(&self, pointer: &str) -> u64 {
        self.labels
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("{pointer} in labels"))
    }

    /// Requests by class of status, e.g. `4`.
    pub fn status_class(&self, class: char) -> u64 {
        let by_status = self
            .labels
            .pointer("/totals/web/status")
            .and_then(Value::as_object)
            .expect("status totals");
        by_status
            .iter()
            .filter(|(code, _)| code.starts_with(class))
            .filter_map(|(_, n)| n.as_u64())
            .sum()
    }

    /// (attack id, kind, address) of every attack that became detectable.
    pub fn detectable(&self) -> Vec<(String, String, String)> {
        let attacks = self.labels["attacks"].as_array().expect("attacks");
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        attacks
            .iter()
            .filter(|attack| !attack["detectable_at"].is_null())
            .map(|attack| {
                (
                    text(&attack["id"]),
                    text(&attack["kind"]),
                    text(&attack["entity"]["value"]),
                )
            })
            .collect()
    }
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path
                .strip_prefix(root)
                .expect("inside")
                .to_string_lossy()
                .into_owned();
            found.push((name, std::fs::read(&path).expect("readable")));
        }
    }
}

/// Findings in a form that does not depend on ids: rule, entity, window, count.
pub fn comparable(findings: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = findings
        .iter()
        .map(|f| {
            format!(
                "{} {}={} {}..{} n={} {} evidence={}",
                f["rule_id"],
                f["entity"]["kind"],
                f["entity"]["value"],
                f["window"]["start"],
                f["window"]["end"],
                f["count"],
                f["level"],
                f["evidence"]
            )
        })
        .collect();
    lines.sort();
    lines
}

/// Every attack of the labels has a finding of at least medium level about its address.
pub fn assert_all_reported(site: &Site, findings: &[Value]) {
    for (id, kind, address) in site.detectable() {
        let reported = findings.iter().any(|f| {
            f["entity"]["value"] == address.as_str()
                && matches!(f["level"].as_str(), Some("medium" | "high" | "critical"))
        });
        assert!(reported, "attack {id} ({kind}) by {address} was not reported");
    }
}
