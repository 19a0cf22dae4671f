//! `src_ip` and `peer_ip` of a row.

use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use haetae_event::net::{ClientIpPolicy, parse_address};
use std::net::IpAddr;
use std::ops::Range;

/// Warning of a row whose address does not parse: `src_ip` is null, `peer_ip` as logged.
pub const BAD_ADDRESS: &str = "bad_address";

/// Puts addresses: the client in canonical text, the peer as logged.
pub struct ClientColumns {
    src_ip: Slot,
    peer_ip: Slot,
    warnings: Slot,
    policy: ClientIpPolicy,
    header: String,
    /// The last peer that was not canonical v4, and its canonical text.
    last: Option<(String, Option<String>)>,
}

impl ClientColumns {
    pub fn new(plan: &Plan, policy: &ClientIpPolicy) -> Self {
        ClientColumns {
            src_ip: plan.slot("src_ip"),
            peer_ip: plan.slot("peer_ip"),
            warnings: plan.slot("warnings"),
            policy: policy.clone(),
            header: policy.header_name(),
            last: None,
        }
    }

    pub fn wanted(&self) -> bool {
        self.src_ip.wanted() || self.peer_ip.wanted()
    }

    /// Lower-case name of the header with the hops.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether any peer's forwarded header may matter.
    pub fn reads_hops(&self) -> bool {
        !self.policy.trusted.is_empty()
    }

    /// Puts both columns of `row`. `hops` is only looked at when the peer is trusted.
    #[inline]
    pub fn put(&mut self, sheet: &mut Sheet<'_>, row: usize, peer: Range<usize>, hops: Option<&str>) {
        sheet.put_span(self.peer_ip, row, peer.clone());
        if !self.src_ip.wanted() {
            return;
        }
        let text = &sheet.text()[peer.clone()];
        if self.policy.trusted.is_empty() && scalar::is_canonical_v4(text.as_bytes()) {
            sheet.put_span(self.src_ip, row, peer);
            return;
        }
        match self.client(text, hops) {
            Some(client) => sheet.put_str(self.src_ip, row, &client),
            None if self.warnings.wanted() => sheet.warn(row, BAD_ADDRESS),
            None => {}
        }
    }

    /// As [`ClientColumns::put`], for a peer that is not in the block.
    pub fn put_text(&mut self, sheet: &mut Sheet<'_>, row: usize, peer: &str, hops: Option<&str>) {
        sheet.put_str(self.peer_ip, row, peer);
        match self.client(peer, hops) {
            Some(client) => sheet.put_str(self.src_ip, row, &client),
            None if self.warnings.wanted() => sheet.warn(row, BAD_ADDRESS),
            None => {}
        }
    }

    fn client(&mut self, peer: &str, hops: Option<&str>) -> Option<String> {
        if self.policy.trusted.is_empty() {
            if let Some((last, canonical)) = &self.last
                && last == peer
            {
                return canonical.clone();
            }
            let canonical = parse_address(peer).map(|address| address.to_string());
            if peer.len() <= 64 {
                self.last = Some((peer.to_owned(), canonical.clone()));
            }
            return canonical;
        }
        let peer: IpAddr = parse_address(peer)?;
        Some(self.policy.resolve(peer, hops).to_string())
    }
}
