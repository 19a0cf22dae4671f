//! `POST /detect`: the inline judge behind the server's seam.

use haetae_detect::inline::{Inline, InlineRequest, Method};
use haetae_server::{DetectAnswer, DetectRequest, RequestJudge};
use std::sync::Arc;

/// The one judge of the process; the driver feeds it the access logs.
pub struct InlineJudge(pub Arc<Inline>);

impl RequestJudge for InlineJudge {
    fn judge(&self, request: &DetectRequest<'_>) -> DetectAnswer {
        let answer = self.0.judge(&InlineRequest {
            tenant: request.tenant,
            ip: request.ip,
            ts_us: request.ts.0,
            method: request.method,
            uri: request.uri,
            ua: request.ua,
            headers: request.headers,
        });
        DetectAnswer {
            anomaly: answer.anomaly,
            method: answer.method.map(|method| match method {
                Method::Rule => "rule",
                Method::Model => "ml",
            }),
            rule_id: answer.rule_id.map(|id| id.to_string()),
            score: answer.score,
            reasons: answer.reasons,
        }
    }
}
