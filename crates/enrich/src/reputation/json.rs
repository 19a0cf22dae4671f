//! Spamhaus DROP as JSON lines: `{"cidr":"192.0.2.0/24","sblid":"SBL1","rir":"arin"}`, and a last
//! line `{"type":"metadata",…}`. Lines with an `asn` (ASN-DROP) say nothing about addresses.

use super::source::Intake;
use super::text::each_line;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    cidr: Option<Cow<'a, str>>,
    asn: Option<serde::de::IgnoredAny>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

pub(super) fn read(intake: &mut Intake, bytes: &[u8]) {
    let verdict = intake.verdict(None, None);
    each_line(intake, bytes, |intake, number, text| {
        match serde_json::from_str::<Line<'_>>(text) {
            Ok(Line { cidr: Some(cidr), .. }) => intake.take(number, &cidr, verdict),
            Ok(Line { kind: Some(kind), .. }) if kind == "metadata" => {}
            Ok(Line { asn: Some(_), .. }) => intake.other(),
            Ok(_) => intake.bad(number, "no cidr", text),
            Err(_) => intake.bad(number, "not a JSON object of DROP", text),
        }
    });
}
