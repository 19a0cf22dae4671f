//! The columns of [`crate::syslog_programs`]: what happened, put beside a syslog row.

use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use crate::syslog_programs::{FAILURE, NETWORK, Said, Service};
use std::ops::Range;

/// Where the parts of [`Said`] go.
pub struct EventSlots {
    category: Slot,
    action: Slot,
    outcome: Slot,
    service: Slot,
    src_port: Slot,
    dst_port: Slot,
    transport: Slot,
    account: Slot,
    dst_host: Slot,
    blocked: Slot,
    method: Slot,
    uri: Slot,
    /// Addresses are put by the parser; without them messages need not be read.
    src_ip: Slot,
    peer_ip: Slot,
}

impl EventSlots {
    pub fn new(plan: &Plan) -> Self {
        EventSlots {
            category: plan.slot("event_category"),
            action: plan.slot("event_action"),
            outcome: plan.slot("event_outcome"),
            service: plan.slot("event_service"),
            src_port: plan.slot("src_port"),
            dst_port: plan.slot("dst_port"),
            transport: plan.slot("transport"),
            account: plan.slot("account"),
            dst_host: plan.slot("dst_host"),
            blocked: plan.slot("blocked"),
            method: plan.slot("method"),
            uri: plan.slot("uri"),
            src_ip: plan.slot("src_ip"),
            peer_ip: plan.slot("peer_ip"),
        }
    }

    /// Whether any column could be filled: else messages are not read at all.
    pub fn wanted(&self) -> bool {
        [
            self.category,
            self.action,
            self.outcome,
            self.service,
            self.src_port,
            self.dst_port,
            self.transport,
            self.account,
            self.dst_host,
            self.blocked,
            self.method,
            self.uri,
            self.src_ip,
            self.peer_ip,
        ]
        .iter()
        .any(|slot| slot.wanted())
    }

    /// Puts everything but the address; `start` is where the message stands in the text.
    pub fn put(&self, sheet: &mut Sheet<'_>, said: &Said, start: usize) {
        let row = sheet.row();
        let moved = |span: &Range<usize>| start + span.start..start + span.end;
        sheet.put_str(self.category, row, said.category);
        sheet.put_str(self.action, row, said.action);
        if let Some(outcome) = said.outcome {
            sheet.put_str(self.outcome, row, outcome);
            if said.category == NETWORK {
                sheet.put_bool(self.blocked, row, outcome == FAILURE);
            }
        }
        match &said.service {
            Some(Service::Known(name)) => sheet.put_str(self.service, row, name),
            Some(Service::Told(span)) => sheet.put_span(self.service, row, moved(span)),
            None => {}
        }
        if let Some(port) = said.src_port {
            sheet.put_i32(self.src_port, row, port);
        }
        if let Some(port) = said.dst_port {
            sheet.put_i32(self.dst_port, row, port);
        }
        if let Some(name) = &said.transport {
            sheet.put_str(self.transport, row, name);
        }
        if let Some(span) = &said.account {
            sheet.put_span(self.account, row, moved(span));
        }
        if let Some(span) = &said.target {
            sheet.put_span(self.dst_host, row, moved(span));
        }
        if let Some([method, uri]) = &said.request {
            sheet.put_span(self.method, row, moved(method));
            sheet.put_span(self.uri, row, moved(uri));
        }
    }
}
