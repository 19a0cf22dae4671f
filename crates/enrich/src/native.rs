//! Country and network that the log itself names.
//!
//! CloudFront (`c_country`, `asn`) and AWS WAF (`httprequest_country`, `clientasn`) say them of
//! the peer they spoke to. Where the client was found behind a trusted proxy (`src_ip` is not
//! `peer_ip`) they say nothing about `src_ip`, and are not taken.

use crate::Enricher;
use crate::geo::country_letters;
use arrow::array::{Array, ArrayRef, Int64Array, StringViewArray, StringViewBuilder};
use haetae_event::net::parse_address;
use haetae_event::{Dataset, EventBatch};
use std::sync::Arc;

/// Fills `src_country` and `src_asn` from native columns of the dataset.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeGeo;

impl Enricher for NativeGeo {
    fn name(&self) -> &'static str {
        "native_geo"
    }

    fn enrich(&mut self, batch: &EventBatch) -> Vec<(&'static str, ArrayRef)> {
        let (country, asn) = match batch.dataset {
            Dataset::CloudFront => ("c_country", "asn"),
            Dataset::Waf => ("httprequest_country", "clientasn"),
            _ => return Vec::new(),
        };
        let (countries, asns) = (batch.str(country), batch.i64(asn));
        if countries.is_none() && asns.is_none() {
            return Vec::new();
        }
        let Some(direct) = direct_rows(batch) else {
            return Vec::new();
        };
        let mut columns: Vec<(&'static str, ArrayRef)> = Vec::new();
        if let Some(countries) = countries {
            columns.push(("src_country", country_column(countries, &direct)));
        }
        if let Some(asns) = asns {
            let values = direct
                .iter()
                .zip(asns)
                .map(|(&direct, asn)| asn.filter(|&asn| direct && (1..=i64::from(u32::MAX)).contains(&asn)));
            columns.push(("src_asn", Arc::new(values.collect::<Int64Array>())));
        }
        columns
    }
}

fn country_column(countries: &StringViewArray, direct: &[bool]) -> ArrayRef {
    let mut column = StringViewBuilder::with_capacity(countries.len());
    for (country, &direct) in countries.iter().zip(direct) {
        let letters = country.filter(|_| direct).and_then(country_letters);
        column.append_option(letters.as_ref().and_then(|l| std::str::from_utf8(l).ok()));
    }
    Arc::new(column.finish())
}

/// Per row whether the peer that the log describes is the client. `None` without `src_ip`.
fn direct_rows(batch: &EventBatch) -> Option<Vec<bool>> {
    let clients = batch.str("src_ip")?;
    let Some(peers) = batch.str("peer_ip") else {
        return Some(clients.iter().map(|client| client.is_some()).collect());
    };
    let same = |client: &str, peer: Option<&str>| {
        peer.is_none_or(|peer| peer == client || parse_address(peer) == parse_address(client))
    };
    Some(
        clients
            .iter()
            .zip(peers)
            .map(|(client, peer)| client.is_some_and(|client| same(client, peer)))
            .collect(),
    )
}
