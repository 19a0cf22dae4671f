//! Who may see whom: inside the house from `cargo metadata`, what each crate pulls in from
//! `cargo tree` of that crate alone. The graph of `cargo metadata` has the features that the whole
//! workspace asks for together, so a library would seem to reach what only its neighbour switched
//! on.

use super::{fail_on, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

/// From the top down: a crate may depend only on crates below it.
const ORDER: [&str; 18] = [
    "haetae", "server", "pipeline", "respond", "report", "incident", "source", "query", "store", "journal",
    "resolve", "learn", "detect", "enrich", "sandbox", "parse", "simulate", "event",
];

/// Stand beside the order, and no crate may depend on them: tests of the whole, and comparisons with
/// other programs, with what each may see.
const ASIDE: [(&str, &[&str]); 4] = [
    ("tidy", &[]),
    ("versus", &["event", "parse"]),
    ("verdicts", &["detect", "event", "parse"]),
    ("oracle", &["event", "detect"]),
];

const EDGES_MAX: usize = 6;

/// Crates that must not reach these packages by any path of normal dependencies.
const PURE: [&str; 6] = ["event", "parse", "simulate", "detect", "learn", "enrich"];
const TOKIO: [&str; 3] = ["tokio", "async-std", "smol"];
const NETWORK: [&str; 6] = ["reqwest", "hyper", "hyper-util", "axum", "object_store", "rustls"];
const TRANSITIVE_BANS: [(&str, &[&str]); 4] = [
    ("report", &NETWORK),
    ("incident", &NETWORK),
    ("store", &["datafusion"]),
    ("journal", &["datafusion"]),
];

/// Direct dependencies that a crate must not have.
const DIRECT_BANS: [(&str, &[&str]); 4] = [
    ("server", &["detect"]),
    ("source", &["store"]),
    ("query", &["source"]),
    ("respond", &["store"]),
];

struct Graph {
    /// Workspace package (without prefix) → workspace packages it names, any kind of dependency
    /// but dev.
    direct: BTreeMap<String, BTreeSet<String>>,
}

fn short(name: &str) -> &str {
    name.strip_prefix("haetae-").unwrap_or(name)
}

/// The platform built for: packages of other platforms need not be here.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host")
        .to_owned()
}

fn graph() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(resolve)
}

fn resolve() -> Graph {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", &host()])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names: BTreeMap<String, String> = each(&metadata["packages"])
        .iter()
        .map(|p| (text(&p["id"]), text(&p["name"])))
        .collect();
    let normal = |dep: &Value| each(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
    let edges: BTreeMap<String, Vec<String>> = each(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let deps = each(&node["deps"]);
            (
                text(&node["id"]),
                deps.iter()
                    .filter(|d| normal(d))
                    .map(|d| text(&d["pkg"]))
                    .collect(),
            )
        })
        .collect();
    let members: BTreeSet<String> = each(&metadata["workspace_members"]).iter().map(text).collect();
    let mut graph = Graph {
        direct: BTreeMap::new(),
    };
    for member in &members {
        let name = short(&names[member]).to_owned();
        let direct = edges[member].iter().filter(|id| members.contains(*id));
        graph.direct.insert(
            name.clone(),
            direct.map(|id| short(&names[id]).to_owned()).collect(),
        );
    }
    graph
}

/// Names of every package that a build of this one crate takes in by normal dependencies.
fn reached(name: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let package = format!("haetae-{name}");
    let package = if name == "haetae" { name } else { &package };
    let output = Command::new(cargo)
        .args(["tree", "-p", package, "-e", "normal", "--locked", "--offline"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // `name v1.2.3 (path) (*)`, the crate itself first.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().skip(1).filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn arrows_point_down() {
    let place = |name: &str| ORDER.iter().position(|other| *other == name);
    let mut problems = Vec::new();
    for (name, direct) in &graph().direct {
        if let Some((_, allowed)) = ASIDE.iter().find(|(aside, _)| aside == name) {
            let more = direct.iter().filter(|below| !allowed.contains(&below.as_str()));
            problems.extend(more.map(|below| format!("{name} must not see {below}")));
            continue;
        }
        let Some(from) = place(name) else {
            problems.push(format!(
                "crate {name} has no place in ORDER (directions.rs) and ARCHITECTURE.md"
            ));
            continue;
        };
        for below in direct {
            if place(below).is_none_or(|to| to <= from) {
                problems.push(format!("{name} → {below} points up"));
            }
        }
    }
    fail_on(problems);
}

#[test]
fn the_graph_is_shallow() {
    fn depth(name: &str, direct: &BTreeMap<String, BTreeSet<String>>) -> usize {
        direct[name]
            .iter()
            .map(|below| 1 + depth(below, direct))
            .max()
            .unwrap_or(0)
    }
    let graph = graph();
    let depths = graph.direct.keys().map(|name| (name, depth(name, &graph.direct)));
    fail_on(
        depths
            .filter(|(_, d)| *d > EDGES_MAX)
            .map(|(name, d)| format!("{name} is {d} edges deep"))
            .collect(),
    );
}

#[test]
fn direct_bans_hold() {
    let graph = graph();
    let mut problems = Vec::new();
    for (name, banned) in DIRECT_BANS {
        let Some(direct) = graph.direct.get(name) else {
            continue;
        };
        problems.extend(
            banned
                .iter()
                .filter(|b| direct.contains(**b))
                .map(|b| format!("{name} must not see {b}")),
        );
    }
    fail_on(problems);
}

#[test]
fn transitive_bans_hold() {
    let graph = graph();
    let mut bans: Vec<(&str, Vec<&str>)> = TRANSITIVE_BANS.iter().map(|(n, b)| (*n, b.to_vec())).collect();
    let pure: Vec<&str> = TOKIO
        .iter()
        .chain(&NETWORK)
        .copied()
        .chain(["datafusion"])
        .collect();
    bans.extend(PURE.iter().map(|name| (*name, pure.clone())));
    let mut problems = Vec::new();
    for (name, banned) in bans {
        // Rooms of the plan that are not built yet reach nothing.
        if !graph.direct.contains_key(name) {
            continue;
        }
        let reach = reached(name);
        let seen = banned.iter().filter(|b| reach.contains(**b));
        problems.extend(
            seen.map(|b| format!("{name} reaches {b}: cargo tree -p haetae-{name} -i {b} -e normal")),
        );
    }
    fail_on(problems);
}

/// The bans are worth something only while the tree shows what is there.
#[test]
fn the_tree_of_one_crate_is_its_own() {
    let reaches = |name: &str, other: &str| reached(name).contains(other);
    let mut problems = Vec::new();
    for (name, other, want) in [
        ("store", "tokio", true),
        ("query", "datafusion", true),
        ("haetae", "haetae-query", true),
        ("parse", "parquet", true),
        // `parquet` brings it where `async` is asked for, which the neighbours do.
        ("parse", "tokio", false),
    ] {
        if reaches(name, other) != want {
            problems.push(format!("{name} reaches {other}: not {want}"));
        }
    }
    fail_on(problems);
}

#[test]
fn only_query_sees_datafusion() {
    let graph = graph();
    let mut problems = Vec::new();
    for name in graph
        .direct
        .keys()
        .filter(|name| ASIDE.iter().all(|(aside, _)| aside != name))
    {
        let reach = reached(name);
        let through_query = name == "query" || reach.contains("haetae-query");
        if reach.contains("datafusion") && !through_query {
            problems.push(format!("{name} sees datafusion without query"));
        }
    }
    fail_on(problems);
}
