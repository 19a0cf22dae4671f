//! The line ordinary traffic never crosses: clear of every alarm's threshold by construction.

use crate::event::SimEvent;
use crate::labels::is_sensitive;
use crate::site::is_static;
use haetae_event::Micros;
use haetae_event::time::MINUTE_US;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Requests for pages and API a client may make in any 60 s.
pub(crate) const NON_STATIC_MAX: usize = 50;
/// 4xx answers a client may get in any 5 min.
pub(crate) const REFUSED_MAX: usize = 8;
/// Log-in, payment and other delicate paths a client may ask for in any 5 min.
pub(crate) const DELICATE_MAX: usize = 8;
/// Requests of any kind a client may make in any 60 s.
pub(crate) const ALL_MAX: usize = 300;

#[derive(Default)]
struct Recent {
    all: VecDeque<i64>,
    non_static: VecDeque<i64>,
    refused: VecDeque<i64>,
    delicate: VecDeque<i64>,
    last: i64,
}

/// What each ordinary client did lately. Clients not seen for 5 min are forgotten, so the size
/// is bounded by the traffic of 5 min.
#[derive(Default)]
pub(crate) struct Courtesy {
    clients: HashMap<IpAddr, Recent>,
}

fn has_room(times: &mut VecDeque<i64>, now: i64, window_us: i64, most: usize) -> bool {
    while times.front().is_some_and(|&at| at <= now - window_us) {
        times.pop_front();
    }
    times.len() < most
}

fn is_delicate(path: &str) -> bool {
    path.starts_with("/login")
        || path.starts_with("/api/auth")
        || path.starts_with("/payment")
        || is_sensitive(path)
}

impl Courtesy {
    /// Whether an ordinary client would still do this; what it would not is left out.
    pub(crate) fn allows(&mut self, event: &SimEvent) -> bool {
        let SimEvent::Web(request) = event else {
            return true;
        };
        let now = request.ts.0;
        let recent = self.clients.entry(request.client).or_default();
        let (non_static, refused) = (!is_static(&request.path), (400..500).contains(&request.status));
        let delicate = is_delicate(&request.path);
        let room = has_room(&mut recent.all, now, MINUTE_US, ALL_MAX)
            && (!non_static || has_room(&mut recent.non_static, now, MINUTE_US, NON_STATIC_MAX))
            && (!refused || has_room(&mut recent.refused, now, 5 * MINUTE_US, REFUSED_MAX))
            && (!delicate || has_room(&mut recent.delicate, now, 5 * MINUTE_US, DELICATE_MAX));
        if !room {
            return false;
        }
        recent.last = now;
        recent.all.push_back(now);
        for (wanted, times) in [
            (non_static, &mut recent.non_static),
            (refused, &mut recent.refused),
            (delicate, &mut recent.delicate),
        ] {
            if wanted {
                times.push_back(now);
            }
        }
        true
    }

    pub(crate) fn forget_before(&mut self, instant: Micros) {
        self.clients.retain(|_, recent| recent.last >= instant.0);
    }
}
