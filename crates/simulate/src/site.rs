//! The ticketing site: its pages, its assets and how popular they are.

use crate::event::Text;
use rand::{Rng, RngExt};

pub(crate) const HOST: &str = "www.haetae-ticket.example";
const EVENTS: usize = 240;
const TERMS: [&str; 24] = [
    "콘서트",
    "뮤지컬",
    "아이유 콘서트",
    "임영웅",
    "야구",
    "LG 트윈스",
    "한화 이글스",
    "오페라의 유령",
    "레미제라블",
    "페스티벌",
    "재즈",
    "전시회",
    "어린이 뮤지컬",
    "팬미팅",
    "서울 공연",
    "부산",
    "클래식",
    "내한공연",
    "연극 대학로",
    "발레",
    "크리스마스",
    "시카고",
    "DAY6",
    "워터밤",
];

/// Extensions of static assets: what caches hold, and what request-rate rules leave out.
const STATIC: [&str; 17] = [
    ".css",
    ".js",
    ".mjs",
    ".map",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".webp",
    ".avif",
    ".svg",
    ".ico",
    ".woff",
    ".woff2",
    ".ttf",
    ".mp4",
    ".webmanifest",
];

/// Whether a path names a static asset, by its extension.
pub fn is_static(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').is_some_and(|dot| STATIC.contains(&&name[dot..]))
}

/// An asset and its size.
#[derive(Clone)]
pub(crate) struct Asset {
    pub path: Text,
    pub bytes: u64,
    pub content_type: &'static str,
    /// Analytics and the like: what ad blockers block.
    pub third_party: bool,
}

/// One show on sale.
pub(crate) struct Show {
    pub page: Text,
    pub seats: Text,
    pub api: Text,
    pub api_seats: Text,
    pub api_holds: Text,
    pub poster: Asset,
    pub seat_map: Asset,
    pub page_url: Text,
    pub seats_url: Text,
}

pub(crate) struct Site {
    pub shows: Vec<Show>,
    /// Running sums of Zipf weights (exponent 1.05) over `shows`.
    popularity: Vec<f64>,
    pub home: Text,
    pub home_url: Text,
    pub search: Text,
    pub search_url: Text,
    pub searches: Vec<Text>,
    pub genres: Vec<Text>,
    pub login: Text,
    pub login_url: Text,
    pub api_login: Text,
    pub reservations: Text,
    pub checkout: Text,
    pub checkout_url: Text,
    pub payments: Text,
    pub mine: Text,
    pub queue: Text,
    pub queue_enter: Text,
    pub recommend: Text,
    pub partner: Text,
    pub orders: Text,
    pub app_home: Text,
    /// On every page.
    pub frame: Vec<Asset>,
    pub favicon: Asset,
    /// Beside the frame where the background is full.
    pub analytics: Asset,
    /// Trailers of 30 to 200 MB.
    pub trailers: Vec<Asset>,
    /// Programme booklets of 4 to 30 MB.
    pub booklets: Vec<Asset>,
}

fn asset(path: &str, bytes: u64, content_type: &'static str) -> Asset {
    Asset {
        path: path.into(),
        bytes,
        content_type,
        third_party: false,
    }
}

/// A large file of `low` to `low + spread` MB.
fn media(index: u64, folder: &str, kind: (&str, &'static str), size: (u64, u64)) -> Asset {
    let megabytes = size.0 + index * 7919 % size.1;
    let path = format!("/media/{folder}/{}.{}", 26_000_100 + index * 37, kind.0);
    asset(&path, megabytes * 1_000_000 + index * 12_345, kind.1)
}

/// Percent-encodes as browsers do in a query value.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn show(index: usize) -> Show {
    let id = 26_000_100 + index * 37;
    let url = |path: &str| Text::from(format!("https://{HOST}{path}"));
    let (page, seats) = (format!("/events/{id}"), format!("/events/{id}/seats"));
    let size = 18_000 + (index as u64 * 7919) % 90_000;
    Show {
        page_url: url(&page),
        seats_url: url(&seats),
        page: page.into(),
        seats: seats.into(),
        api: format!("/api/events/{id}").into(),
        api_seats: format!("/api/events/{id}/seats").into(),
        api_holds: format!("/api/events/{id}/holds").into(),
        poster: asset(&format!("/posters/{id}.webp"), size, "image/webp"),
        seat_map: asset(
            &format!("/static/img/seatmap/{}.svg", index % 12),
            64_000 + size / 3,
            "image/svg+xml",
        ),
    }
}

impl Site {
    pub(crate) fn new() -> Site {
        let mut sum = 0.0;
        let popularity = (1..=EVENTS)
            .map(|rank| {
                sum += (rank as f64).powf(-1.05);
                sum
            })
            .collect();
        let url = |path: &str| Text::from(format!("https://{HOST}{path}"));
        Site {
            shows: (0..EVENTS).map(show).collect(),
            popularity,
            home: "/".into(),
            home_url: url("/"),
            search: "/search".into(),
            search_url: url("/search"),
            searches: TERMS
                .iter()
                .map(|term| format!("q={}", percent(term)).into())
                .collect(),
            genres: ["concert", "musical", "sports", "theater", "classic", "exhibition"]
                .iter()
                .map(|genre| format!("/genre/{genre}").into())
                .collect(),
            login: "/login".into(),
            login_url: url("/login"),
            api_login: "/api/auth/login".into(),
            reservations: "/api/reservations".into(),
            checkout: "/payment/checkout".into(),
            checkout_url: url("/payment/checkout"),
            payments: "/api/payments".into(),
            mine: "/my/reservations".into(),
            queue: "/api/queue/status".into(),
            queue_enter: "/api/queue/enter".into(),
            recommend: "/api/recommendations".into(),
            partner: "/api/partner/v1/events".into(),
            orders: "/api/admin/orders".into(),
            app_home: "/api/app/home".into(),
            frame: vec![
                asset("/static/css/main.5f3a9c1e.css", 48_210, "text/css"),
                asset("/static/js/vendor.8d21b77a.js", 291_400, "application/javascript"),
                asset("/static/js/app.c90e4412.js", 118_930, "application/javascript"),
                asset("/static/fonts/pretendard-variable.woff2", 206_300, "font/woff2"),
                asset("/static/img/logo.svg", 5_120, "image/svg+xml"),
                asset("/static/img/banner-spring.webp", 142_800, "image/webp"),
            ],
            favicon: asset("/favicon.ico", 4_286, "image/x-icon"),
            analytics: Asset {
                third_party: true,
                ..asset("/t/analytics.js", 38_400, "application/javascript")
            },
            trailers: (0..14)
                .map(|index| media(index, "trailers", ("mp4", "video/mp4"), (30, 170)))
                .collect(),
            booklets: (0..24)
                .map(|index| media(index, "booklets", ("pdf", "application/pdf"), (4, 26)))
                .collect(),
        }
    }

    /// A show, popular ones more often.
    pub(crate) fn pick(&self, rng: &mut impl Rng) -> &Show {
        let total = self.popularity.last().copied().unwrap_or(1.0);
        let point = rng.random::<f64>() * total;
        let index = self.popularity.partition_point(|&sum| sum < point);
        &self.shows[index.min(self.shows.len() - 1)]
    }
}
