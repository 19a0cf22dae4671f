//! One client at work: how it sends requests, and what a browser loads beside a page.

use crate::event::{Edge, SimEvent, Text, WebRequest};
use crate::schedule::Schedule;
use crate::site::{Asset, HOST};
use crate::visitor::Tag;
use haetae_event::Micros;
use rand::{Rng, RngExt};
use std::net::IpAddr;
use std::sync::Arc;

/// Which of a page's assets a client fetches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Habit {
    /// Has been here before: fewer assets, many answered 304.
    pub cached: bool,
    /// Share of a page's assets it fetches at all.
    pub assets: f64,
    pub images: bool,
    /// Fetches what ad blockers block.
    pub third_party: bool,
}

impl Habit {
    pub(crate) const fn browser(cached: bool) -> Habit {
        Habit {
            cached,
            assets: 1.0,
            images: true,
            third_party: true,
        }
    }
}

pub(crate) struct Session {
    pub client: IpAddr,
    pub port: u16,
    pub agent: Text,
    pub id: Option<u64>,
    pub account: Option<Text>,
    pub habit: Habit,
    pub http: &'static str,
    pub tag: Tag,
}

/// A request under way to the schedule: what differs from request to request.
pub(crate) struct Ask<'a> {
    pub method: &'static str,
    pub path: &'a Text,
    pub query: Option<Text>,
    pub referer: Option<Text>,
    pub status: u16,
    pub bytes_out: u64,
    pub time_taken_ms: u32,
    pub edge: Edge,
    pub content_type: &'static str,
    pub range: Option<(u64, u64)>,
    /// See [`crate::visitor::Deed`].
    pub telling: bool,
}

const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

/// A page or API call that the origin answers.
pub(crate) fn dynamic<'a>(rng: &mut impl Rng, path: &'a Text, referer: Option<Text>) -> Ask<'a> {
    let api = path.starts_with("/api/");
    let (low, high) = if api { (600, 9_000) } else { (18_000, 64_000) };
    let slow = if rng.random_bool(0.02) { 1200 } else { 0 };
    Ask {
        method: "GET",
        path,
        query: None,
        referer,
        status: 200,
        bytes_out: rng.random_range(low..high),
        time_taken_ms: rng.random_range(28..260) + slow,
        edge: Edge::Miss,
        content_type: if api { JSON } else { HTML },
        range: None,
        telling: false,
    }
}

/// A call that changes something.
pub(crate) fn post<'a>(rng: &mut impl Rng, path: &'a Text, referer: Option<Text>) -> Ask<'a> {
    Ask {
        method: "POST",
        ..dynamic(rng, path, referer)
    }
}

impl<'a> Ask<'a> {
    /// The same, answered with an error or a refusal of the application.
    pub(crate) fn answered(self, status: u16) -> Ask<'a> {
        if status < 400 {
            return Ask { status, ..self };
        }
        let bytes_out = if status == 404 { 3_400 } else { 1_100 };
        Ask {
            status,
            bytes_out,
            edge: Edge::Error,
            ..self
        }
    }

    pub(crate) fn telling(self, telling: bool) -> Ask<'a> {
        Ask { telling, ..self }
    }

    pub(crate) fn query(self, query: impl Into<Text>) -> Ask<'a> {
        Ask {
            query: Some(query.into()),
            ..self
        }
    }
}

impl Session {
    pub(crate) fn send(&self, rng: &mut impl Rng, at: i64, ask: Ask<'_>, schedule: &mut Schedule) {
        let bytes_in = match (ask.method, &ask.query) {
            ("POST", _) => rng.random_range(700..1900),
            (_, query) => rng.random_range(280..900) + query.as_ref().map_or(0, |query| query.len() as u64),
        };
        let request = WebRequest {
            sequence: 0,
            seed: 0,
            ts: Micros(at.div_euclid(1000) * 1000),
            client: self.client,
            client_port: self.port,
            method: ask.method,
            host: HOST,
            path: Arc::clone(ask.path),
            query: ask.query,
            status: ask.status,
            referer: ask.referer,
            ua: Some(Arc::clone(&self.agent)),
            bytes_in,
            bytes_out: ask.bytes_out,
            time_taken_ms: ask.time_taken_ms,
            session: self.id,
            account: self.account.clone(),
            range: ask.range,
            edge: ask.edge,
            content_type: ask.content_type,
            http_version: self.http,
        };
        let mut tag = self.tag;
        if let Tag::Attack(deed) = &mut tag {
            deed.telling = ask.telling;
        }
        schedule.push(tag, SimEvent::Web(request));
    }

    pub(crate) fn asset(
        &self,
        rng: &mut impl Rng,
        at: i64,
        asset: &Asset,
        referer: &Text,
        schedule: &mut Schedule,
    ) {
        let habit = self.habit;
        let unwanted = (!habit.images && asset.content_type.starts_with("image/"))
            || (!habit.third_party && asset.third_party)
            || (habit.assets < 1.0 && !rng.random_bool(habit.assets));
        if unwanted {
            return;
        }
        let (mut status, mut edge, mut bytes_out) = (200, Edge::Hit, asset.bytes + 420);
        let mut time_taken_ms = rng.random_range(1..24);
        if habit.cached && rng.random_bool(0.6) {
            (status, bytes_out) = (304, rng.random_range(180..330));
        } else if rng.random_bool(0.06) {
            (edge, time_taken_ms) = (Edge::Miss, rng.random_range(40..190));
        } else if rng.random_bool(0.03) {
            edge = Edge::RefreshHit;
        } else if rng.random_bool(0.003) {
            (status, edge, bytes_out) = (404, Edge::Error, 900);
        }
        let ask = Ask {
            method: "GET",
            path: &asset.path,
            query: None,
            referer: Some(Arc::clone(referer)),
            status,
            bytes_out,
            time_taken_ms,
            edge,
            content_type: asset.content_type,
            range: None,
            telling: false,
        };
        self.send(rng, at, ask, schedule);
    }

    /// Part of a large file, as players and download managers ask for it.
    pub(crate) fn part(&self, rng: &mut impl Rng, at: i64, chunk: Chunk<'_>, schedule: &mut Schedule) {
        let last = (chunk.from + chunk.bytes).min(chunk.asset.bytes) - 1;
        let size = last + 1 - chunk.from;
        let whole = chunk.from == 0 && size == chunk.asset.bytes;
        let mut ask = dynamic(rng, &chunk.asset.path, chunk.referer);
        ask.content_type = chunk.asset.content_type;
        ask.bytes_out = size + 420;
        // 12 to 80 Mbit/s.
        ask.time_taken_ms = u32::try_from(size / rng.random_range(1_500..10_000)).unwrap_or(u32::MAX);
        ask.query = chunk.query;
        ask.edge = if chunk.miss { Edge::Miss } else { Edge::Hit };
        ask.telling = chunk.telling;
        if !whole {
            (ask.status, ask.range) = (206, Some((chunk.from, last)));
        }
        self.send(rng, at, ask, schedule);
    }

    /// A page or API call, with the site's ordinary share of mishaps.
    pub(crate) fn ask(&self, rng: &mut impl Rng, at: i64, mut ask: Ask<'_>, schedule: &mut Schedule) {
        let chance: f64 = rng.random();
        if ask.status < 400 && chance < 0.0015 {
            let status = [500, 502, 503, 504][rng.random_range(0..4)];
            ask = ask.answered(status);
        } else if ask.status < 400 && chance < 0.0045 {
            ask = ask.answered(404);
        }
        self.send(rng, at, ask, schedule);
    }

    /// A page with what the browser loads beside it.
    pub(crate) fn page(&self, rng: &mut impl Rng, at: i64, load: Load<'_>, schedule: &mut Schedule) {
        let mut ask = dynamic(rng, load.path, load.referer);
        ask.query = load.query;
        self.ask(rng, at, ask, schedule);
        let mut at = at + rng.random_range(60_000..350_000);
        for (path, query) in load.calls {
            let mut ask = dynamic(rng, path, Some(Arc::clone(load.url)));
            ask.query = query;
            self.ask(rng, at, ask, schedule);
            at += rng.random_range(15_000..180_000);
        }
        for asset in load.assets {
            self.asset(rng, at, asset, load.url, schedule);
            at += rng.random_range(3_000..90_000);
        }
    }
}

/// A part of a large file.
pub(crate) struct Chunk<'a> {
    pub asset: &'a Asset,
    pub from: u64,
    pub bytes: u64,
    pub query: Option<Text>,
    pub referer: Option<Text>,
    /// The edge has to fetch it from the origin.
    pub miss: bool,
    pub telling: bool,
}

/// What one page view fetches.
pub(crate) struct Load<'a> {
    pub path: &'a Text,
    pub query: Option<Text>,
    pub url: &'a Text,
    pub referer: Option<Text>,
    pub calls: Vec<(&'a Text, Option<Text>)>,
    pub assets: Vec<&'a Asset>,
}

impl<'a> Load<'a> {
    /// A page with nothing beside it yet.
    pub(crate) fn plain(path: &'a Text, url: &'a Text) -> Load<'a> {
        Load {
            path,
            query: None,
            url,
            referer: None,
            calls: Vec::new(),
            assets: Vec::new(),
        }
    }
}
