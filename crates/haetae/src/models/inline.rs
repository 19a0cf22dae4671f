//! A model behind the seam of `POST /detect`: the client's window so far is scored with each
//! request.
//!
//! A window is scored when its requests have grown by more than half since, and its reasons are found
//! when it first is unusual and at each doubling: in between the last word holds, so that a flood
//! does not buy work.

use super::Model;
use haetae_detect::inline::{InlineModel, InlineRequest};
use haetae_event::{EventBatch, Micros};
use haetae_learn::features::online::{Asked, Online, Window};
use std::sync::Arc;

/// Memory of the clients' windows: about 17,000 clients at once.
const BYTES_MAX: usize = 64 << 20;
/// With fewer requests a window says too little: there are no two intervals to compare.
const REQUESTS_MIN: u64 = 3;

/// See the module.
pub struct InlineForest {
    model: Arc<Model>,
    windows: Online<Judged>,
}

/// What was said of a client's window last.
#[derive(Default)]
struct Judged {
    /// Requests at the last scoring, and when reasons were found.
    scored_at: u64,
    explained_at: u64,
    score: f64,
    anomaly: bool,
    reasons: Vec<String>,
}

impl InlineForest {
    pub fn new(model: Arc<Model>) -> InlineForest {
        InlineForest {
            windows: Online::new(model.window_us, model.seed, BYTES_MAX),
            model,
        }
    }

    fn judge(&self, window: &Window<'_>, judged: &mut Judged) -> Option<(f64, bool, Vec<String>)> {
        let requests = window.requests();
        if requests < REQUESTS_MIN {
            return None;
        }
        // The other origin may come to count, with fewer requests: then it is scored anew too.
        let due = judged.scored_at + judged.scored_at / 2;
        if requests > due || requests < judged.scored_at {
            let values = window.values();
            judged.scored_at = requests;
            judged.score = self
                .model
                .forest
                .score_row(&values)
                .expect("a model has this program's features");
            judged.anomaly = self.model.forest.is_anomaly(judged.score);
            if judged.anomaly && (judged.reasons.is_empty() || requests >= judged.explained_at * 2) {
                judged.explained_at = requests;
                let reasons = self.model.reasons(&values).into_iter();
                judged.reasons = reasons.map(|(name, said)| format!("{name} {said}")).collect();
            }
        }
        let reasons = if judged.anomaly {
            judged.reasons.clone()
        } else {
            Vec::new()
        };
        Some((judged.score, judged.anomaly, reasons))
    }
}

impl InlineModel for InlineForest {
    fn id(&self) -> &str {
        &self.model.id
    }

    fn score(&self, request: &InlineRequest<'_>, _count: u64) -> Option<(f64, bool, Vec<String>)> {
        let asked = Asked {
            method: request.method,
            uri: request.uri,
            ua: request.ua,
        };
        let who = (request.tenant, request.ip);
        let ts = Micros(request.ts_us);
        self.windows
            .ask(who, ts, &asked, |window, judged| self.judge(&window, judged))
            .flatten()
    }

    fn observe(&self, batch: &EventBatch) {
        self.windows.observe(batch);
    }
}
