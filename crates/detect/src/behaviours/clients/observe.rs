//! Folding batches in: rows to hits and to slots.

use super::flood::{Counted, SLOT_US, Slot};
use super::request::{self, Agent};
use super::timeline::{Hit, Seen, Span, WINDOW_US};
use super::{AGENTS_MAX, Actor, Client, Clients, Kind, NAMES_MAX, PATHS_MAX, Path, Window};
use crate::columns::{Numbers, Texts};
use crate::detector::Rows;
use crate::engine::Few;
use crate::engine::value::{Column, Value, split_uri};
use crate::names::Name;
use haetae_event::asset::is_asset;
use haetae_event::{Dataset, EventBatch};

/// The columns of a batch.
struct Fields<'a> {
    host: Texts<'a>,
    method: Texts<'a>,
    uri: Texts<'a>,
    status: Numbers<'a>,
    agent: Texts<'a>,
    session: Texts<'a>,
    account: Texts<'a>,
    referer: Texts<'a>,
}

impl<'a> Fields<'a> {
    fn of(batch: &'a EventBatch) -> Fields<'a> {
        let referer = match batch.column("http_referer") {
            None => "cs_referer",
            Some(_) => "http_referer",
        };
        Fields {
            host: Texts::of(batch, "dst_host"),
            method: Texts::of(batch, "method"),
            uri: Texts::of(batch, "uri"),
            status: Numbers::of(batch, "status"),
            agent: Texts::of(batch, "ua"),
            session: Texts::of(batch, "session_id"),
            account: Texts::accounts(batch),
            referer: Texts::of(batch, referer),
        }
    }
}

#[inline]
fn text<'a>(column: &Texts<'a>, row: usize) -> Option<&'a str> {
    column.get(row).filter(|text| !text.is_empty() && *text != "-")
}

/// Counts of one host and slot, held back while rows in a row belong to it.
struct Held<'a> {
    host: Option<&'a str>,
    site: usize,
    slot: i64,
    counted: Slot,
}

impl Clients {
    pub(super) fn read(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        if self.hasher.is_none() {
            self.hasher = Some(rows.hasher.clone());
        }
        let tenant = self.tenant(&batch.tenant);
        let fields = Fields::of(batch);
        let mut held: Option<Held<'_>> = None;
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            let path = split_uri(text(&fields.uri, row).unwrap_or("/")).0;
            let agent_text = text(&fields.agent, row).unwrap_or("");
            let agent_hash = self.fixed.hash_one(agent_text);
            let (agent, class) = self.agent(agent_hash, agent_text);
            let referer = text(&fields.referer, row).is_some();
            let known = (!is_asset(path)).then(|| self.path(path));
            // Robots whose claim is checked elsewhere, and looks at the health of the site, have no
            // timeline.
            let watched = agent != Agent::Declared && !known.as_ref().is_some_and(|k| k.4);
            let client = rows.clients[row].filter(|_| watched);
            let counted = Counted {
                template: known.as_ref().map(|(template, ..)| *template),
                watched: client.is_some(),
                referer,
                agent: class,
            };
            self.count(
                (tenant, batch.dataset),
                text(&fields.host, row),
                ts,
                counted,
                &mut held,
            );
            let Some(client) = client else {
                continue;
            };
            let (who, session) = self.who(&fields, row, agent_hash);
            let Some((window, at)) = place(ts) else {
                continue;
            };
            let (template, exact, kind, call, _) = known.unwrap_or((0, 0, Kind::Asset, false, false));
            let hit = Hit::new(Seen {
                who,
                at,
                template,
                exact,
                agent: class,
                kind,
                call,
                post: matches!(fields.method.get(row), Some("POST" | "PUT" | "PATCH")),
                referer,
                claimed: agent == Agent::Claimed,
                refused: matches!(fields.status.exact(row), Some(400..=428 | 430..=499)),
                session,
                library: agent == Agent::Library,
            });
            let key = keyed(client, batch.dataset);
            self.add((key, tenant, batch.dataset), &rows.src_ip, row, window, hit);
        }
        self.release((tenant, batch.dataset), held);
    }

    fn agent(&mut self, hash: u64, agent: &str) -> (Agent, u8) {
        if let Some(&known) = self.agents.get(&hash) {
            return known;
        }
        let read = (self.words.of(agent), (hash >> 56) as u8);
        if self.agents.len() >= AGENTS_MAX {
            // A cache of a pure function: emptying it loses nothing.
            self.agents.clear();
        }
        self.agents.insert(hash, read);
        read
    }

    fn path(&mut self, path: &str) -> (u32, u16, Kind, bool, bool) {
        let (template, exact) = request::template(path);
        if let Some(known) = self.paths.get(&template) {
            return (template, exact, known.kind, known.call, known.health);
        }
        let text = request::template_text(path);
        let (kind, call) = request::kind_of(&text);
        let health = request::is_health(&text);
        if self.paths.len() >= PATHS_MAX {
            self.paths.clear();
        }
        self.paths.insert(
            template,
            Path {
                kind,
                call,
                health,
                text: text.into(),
            },
        );
        (template, exact, kind, call, health)
    }

    /// The actor of a row: its session, else its account, else its user agent.
    fn who(&mut self, fields: &Fields<'_>, row: usize, agent: u64) -> (u32, bool) {
        let (kind, named) = match (text(&fields.session, row), text(&fields.account, row)) {
            (Some(session), _) => ("session", session),
            (None, Some(account)) => ("account", account),
            (None, None) => return (agent as u32, false),
        };
        let who = self.fixed.hash_one(named) as u32;
        if !self.names[0].contains_key(&who) {
            if self.names[0].len() >= NAMES_MAX {
                self.names.swap(0, 1);
                self.names[0].clear();
            }
            let text = named.into();
            self.names[0].insert(who, Actor { kind, text });
        }
        (who, true)
    }

    fn count<'a>(
        &mut self,
        (tenant, dataset): (u16, Dataset),
        host: Option<&'a str>,
        ts: i64,
        counted: Counted,
        held: &mut Option<Held<'a>>,
    ) {
        let slot = ts.div_euclid(SLOT_US);
        let same_host = held.as_ref().is_some_and(|held| held.host == host);
        if !same_host || held.as_ref().is_some_and(|held| held.slot != slot) {
            let before = held.as_ref().map(|held| held.site).filter(|_| same_host);
            // Before there is another: it may take its place.
            self.release((tenant, dataset), held.take());
            *held = Some(Held {
                host,
                site: before.unwrap_or_else(|| self.sites.site(tenant, dataset, host)),
                slot,
                counted: Slot::default(),
            });
        }
        if let Some(held) = held {
            held.counted.add(counted);
        }
    }

    fn release(&mut self, (tenant, dataset): (u16, Dataset), held: Option<Held<'_>>) {
        let Some(held) = held else {
            return;
        };
        self.sites.join(held.site, held.slot, &held.counted);
        // Requests without a timeline, too, change what a slot or a baseline says.
        if let Some((window, _)) = place(held.slot.saturating_mul(SLOT_US)) {
            self.windows.entry((tenant, dataset, window)).or_default().dirty = true;
        }
    }

    fn add(
        &mut self,
        (key, tenant, dataset): (u64, u16, Dataset),
        addresses: &Column<'_>,
        row: usize,
        window: i32,
        hit: Hit,
    ) {
        let next = self.clients.len();
        let slot = self.clients.place(
            key,
            |client| client.key == key,
            || Client {
                key,
                tenant,
                dataset,
                address: match addresses.value(row) {
                    Value::Text(address) if address != "-" => Name::logged(address),
                    _ => Name::text(""),
                },
                spans: Few::None,
            },
        );
        let client = self.clients.get_mut(slot);
        let at = client.spans.iter().rposition(|span| span.window == window);
        let news = match at {
            Some(at) => {
                let span = &mut client.spans[at];
                let (news, before) = (!span.is_dirty(), span.bytes());
                span.add(hit);
                self.held = self.held + span.bytes() - before;
                news
            }
            None => {
                let before = if slot as usize == next { 0 } else { client.bytes() };
                client.spans.push(Span::new(window, hit));
                self.held = self.held + client.bytes() - before;
                true
            }
        };
        if news {
            let known: &mut Window = self.windows.entry((tenant, dataset, window)).or_default();
            known.dirty = true;
            if at.is_none() {
                known.members.push(slot);
            }
        }
    }
}

/// The key of a client of one dataset.
pub fn keyed(client: u64, dataset: Dataset) -> u64 {
    client ^ (dataset as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The window of an instant and the µs in it; `None` for times no log has.
fn place(ts: i64) -> Option<(i32, u32)> {
    let window = i32::try_from(ts.div_euclid(WINDOW_US)).ok()?;
    Some((window, u32::try_from(ts.rem_euclid(WINDOW_US)).ok()?))
}
