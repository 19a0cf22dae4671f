//! Claims to be a crawler.

use crate::batches::*;
use haetae_detect::behaviours::crawlers::{CLAIM_FACT, CLAIMED};
use haetae_event::{Dataset, Episode, Level};
use proptest::prelude::*;

fn visit(at: f64, src: &str, path: &str, agent: &str) -> Row {
    Row {
        ua: Some(agent.into()),
        ..Row::web(at, src, path, 200)
    }
}

fn claims(rows: &[Row]) -> Vec<Episode> {
    detected(CLAIMED, Dataset::Web, rows)
}

fn claim(agent: &str) -> Option<String> {
    let rows: Vec<Row> = (0..3)
        .map(|n| visit(f64::from(n), "192.0.2.1", "/a", agent))
        .collect();
    let found = claims(&rows);
    let fact = found.first()?.facts.iter().find(|(key, _)| key == CLAIM_FACT)?;
    Some(fact.1.clone())
}

#[test]
fn user_agents_claim_their_crawler() {
    for (agent, name) in [
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot",
        ),
        ("Googlebot-Image/1.0", "Googlebot"),
        (
            "AdsBot-Google (+http://www.google.com/adsbot.html)",
            "Google special crawlers",
        ),
        (
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Bingbot",
        ),
        (
            "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
            "Naver Yeti",
        ),
        (
            "Mozilla/5.0 (compatible; Daum/4.1; +http://cs.daum.net/faq/15/4118.html?faqId=28966)",
            "Daum",
        ),
        (
            "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
            "Yandex",
        ),
        (
            "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
            "Baiduspider",
        ),
        ("CCBot/2.0 (https://commoncrawl.org/faq/)", "CCBot"),
        (
            "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
            "DuckDuckBot",
        ),
    ] {
        assert_eq!(claim(agent).as_deref(), Some(name), "{agent}");
    }
    for agent in [
        "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        "",
        "yetibike 1.0",
        "KAKAOTALK 25.1.0",
    ] {
        assert_eq!(claim(agent), None, "{agent}");
    }
}

#[test]
fn candidates_are_low_and_told_by_visit() {
    let agent = "Googlebot/2.1";
    let mut rows: Vec<Row> = (0..5)
        .map(|n| visit(f64::from(n) * 60.0, "192.0.2.1", "/a", agent))
        .collect();
    rows.extend((0..4).map(|n| visit(20_000.0 + f64::from(n), "192.0.2.1", "/b", agent)));
    rows.push(visit(0.0, "192.0.2.2", "/a", agent));
    let found = claims(&rows);
    assert_eq!(found.len(), 2, "two visits; two requests are too few: {found:?}");
    assert_eq!(found.iter().map(|e| e.count).collect::<Vec<_>>(), [5, 4]);
    assert!(
        found
            .iter()
            .all(|e| e.level == Level::Low && e.entity.kind == "ip")
    );
}

#[test]
fn an_ai_crawler_without_interest_in_the_rules_is_information() {
    let agent = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
    let mut rows: Vec<Row> = (0..80u32)
        .map(|n| visit(f64::from(n), &format!("192.0.2.{}", n % 5), "/events/1", agent))
        .collect();
    let found = detected("crawler_robots", Dataset::Web, &rows);
    assert_eq!((found.len(), found[0].level), (1, Level::Informational));
    assert_eq!(found[0].entity.value, "GPTBot");
    rows.push(visit(40.0, "192.0.2.9", "/robots.txt", agent));
    assert_eq!(detected("crawler_robots", Dataset::Web, &rows), []);
}

fn row() -> impl Strategy<Value = Row> {
    let agents = ["Googlebot/2.1", "GPTBot/1.2", "Firefox"];
    (
        0u32..9_000,
        0u8..3,
        prop::sample::select(agents.to_vec()),
        prop::sample::select(vec!["/", "/robots.txt"]),
    )
        .prop_map(|(at, src, agent, path)| visit(f64::from(at), &format!("192.0.2.{src}"), path, agent))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_findings(
        (rows, shuffled) in prop::collection::vec(row(), 0..120)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cuts in prop::collection::vec((1usize..30, prop::option::of(0i64..9_000)), 1..20),
    ) {
        crate::order::same_whatever_the_order(&rows, &shuffled, &cuts, || detector("crawlers"))?;
    }
}
