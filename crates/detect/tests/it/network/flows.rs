//! Flow records and batches made of them.

use crate::batches::{SECOND, START};
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Entity, Episode, EventBatch, TenantId};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Seconds after [`START`].
    pub at: i64,
    pub src: String,
    pub dst: String,
    pub ports: (i32, i32),
    pub protocol: i32,
    pub packets: i64,
    pub bytes: i64,
    pub action: Option<&'static str>,
    pub flags: Option<i32>,
    pub score: Option<i32>,
}

/// A refused knock.
pub fn refused(at: i64, src: &str, dst: &str, port: i32) -> Flow {
    Flow {
        at,
        src: src.into(),
        dst: dst.into(),
        ports: (51_000, port),
        protocol: 6,
        packets: 1,
        bytes: 44,
        action: Some("REJECT"),
        flags: None,
        score: None,
    }
}

/// A conversation's first direction.
pub fn accepted(at: i64, src: &str, dst: &str, port: i32, bytes: i64) -> Flow {
    Flow {
        packets: 12 + bytes / 1_400,
        bytes,
        action: Some("ACCEPT"),
        ..refused(at, src, dst, port)
    }
}

/// The other direction of it.
pub fn answer(to: &Flow, bytes: i64) -> Flow {
    Flow {
        src: to.dst.clone(),
        dst: to.src.clone(),
        ports: (to.ports.1, to.ports.0),
        packets: 10,
        bytes,
        ..to.clone()
    }
}

pub fn flow_batch(flows: &[Flow]) -> EventBatch {
    let texts = |of: fn(&Flow) -> Option<&str>| -> ArrayRef {
        Arc::new(flows.iter().map(of).collect::<StringViewArray>())
    };
    let numbers =
        |of: fn(&Flow) -> Option<i32>| -> ArrayRef { Arc::new(flows.iter().map(of).collect::<Int32Array>()) };
    let long = |of: fn(&Flow) -> i64| -> ArrayRef {
        Arc::new(flows.iter().map(|f| Some(of(f))).collect::<Int64Array>())
    };
    let ts: TimestampMicrosecondArray = flows.iter().map(|f| Some(START + f.at * SECOND)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("src_ip", texts(|f| f.action.map(|_| f.src.as_str()))),
        ("dstaddr", texts(|f| f.action.map(|_| f.dst.as_str()))),
        ("srcport", numbers(|f| f.action.map(|_| f.ports.0))),
        ("dstport", numbers(|f| f.action.map(|_| f.ports.1))),
        ("protocol", numbers(|f| Some(f.protocol))),
        ("packets", long(|f| f.packets)),
        ("bytes", long(|f| f.bytes)),
        ("action", texts(|f| f.action)),
        ("tcp_flags", numbers(|f| f.flags)),
        ("ti_score", numbers(|f| f.score)),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::VpcFlow,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// The code detectors alone, with the thresholds that ship.
pub fn engine() -> Engine {
    engine_within(EngineOptions::one_shot())
}

pub fn engine_within(options: EngineOptions) -> Engine {
    let mut rules = RuleSet::empty();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/detectors.yml");
    let text = std::fs::read_to_string(shipped).expect("rules/detectors.yml");
    rules.load_detectors("detectors.yml", &text);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, options)
}

pub fn told(flows: &[Flow]) -> Vec<Episode> {
    let mut engine = engine();
    engine.observe(&flow_batch(flows));
    engine.evaluate(&Closing::everything()).episodes
}

pub fn by<'a>(episodes: &'a [Episode], detector: &str) -> Vec<&'a Episode> {
    episodes.iter().filter(|e| e.detector == detector).collect()
}

pub fn ip(value: &str) -> Entity {
    Entity {
        kind: "ip".into(),
        value: value.into(),
    }
}

pub fn fact<'a>(episode: &'a Episode, name: &str) -> &'a str {
    let fact = episode.facts.iter().find(|(key, _)| key == name);
    fact.map_or("", |(_, value)| value.as_str())
}
