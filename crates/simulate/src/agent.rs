//! User agents.

use std::net::IpAddr;

/// Browsers and apps, common ones repeated.
pub(crate) const PEOPLE: [&str; 16] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36 Edg/133.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Whale/4.30.291.11 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 KAKAOTALK 25.1.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 NAVER(inapp; search; 1350; 12.9.1; 15PRO)",
    "Mozilla/5.0 (Linux; Android 14; SM-S928N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-G991N; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0.6778.200 Mobile Safari/537.36;KAKAOTALK 2511080",
    "Mozilla/5.0 (Linux; Android 14; SM-A546S; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/132.0.6834.79 Mobile Safari/537.36 NAVER(inapp; search; 1240; 12.10.2)",
];

/// Members of [`PEOPLE`] that are web views of other apps.
pub(crate) const WEBVIEWS: [usize; 4] = [9, 10, 14, 15];

/// The operator's own app.
pub(crate) const APPS: [&str; 4] = [
    "HaetaeTicket/6.4.1 (iPhone; iOS 18.3; Scale/3.00)",
    "HaetaeTicket/6.3.0 (iPhone; iOS 17.6; Scale/2.00)",
    "HaetaeTicket/6.4.0 (Android 14; SM-S928N) okhttp/4.12.0",
    "HaetaeTicket/6.2.7 (Android 13; SM-A546S) okhttp/4.12.0",
];

/// Screen readers' browsers and text browsers.
pub(crate) const ACCESSIBLE: [&str; 3] = [
    "Lynx/2.9.0 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.13",
    "w3m/0.5.3+git20230121",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
];

/// Partners' servers: user agent and address.
pub(crate) const PARTNERS: [(&str, [u8; 4]); 3] = [
    ("Java-http-client/17.0.10", [210, 89, 160, 88]),
    ("okhttp/4.12.0", [210, 103, 240, 15]),
    (
        "partner-sync/2.3 (+https://partner.example/contact)",
        [183, 111, 26, 9],
    ),
];

/// A declared crawler: user agent and the /24 networks it comes from.
pub(crate) const CRAWLERS: [(&str, [[u8; 3]; 2]); 4] = [
    (
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        [[66, 249, 66], [66, 249, 71]],
    ),
    (
        "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
        [[110, 93, 150], [125, 209, 222]],
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
        [[40, 77, 167], [157, 55, 39]],
    ),
    (
        "Mozilla/5.0 (compatible; Daumoa/4.0; +http://cs.daum.net/faq/15/4118.html?faqId=28966)",
        [[203, 133, 169], [211, 231, 107]],
    ),
];

/// The name a crawler's address resolves to, in the manner of its operator (Naver's and Daum's
/// by suffix: `.naver.com`, `.daum.net`). `None` for other addresses.
pub(crate) fn reverse_name(address: IpAddr) -> Option<String> {
    let IpAddr::V4(address) = address else { return None };
    let [a, b, c, d] = address.octets();
    let which = CRAWLERS
        .iter()
        .position(|crawler| crawler.1.contains(&[a, b, c]))?;
    let dashed = format!("{a}-{b}-{c}-{d}");
    Some(match which {
        0 => format!("crawl-{dashed}.googlebot.com"),
        1 => format!("crawl.{dashed}.web.naver.com"),
        2 => format!("msnbot-{dashed}.search.msn.com"),
        _ => format!("crawler-{dashed}.daum.net"),
    })
}

/// Fetchers of link previews and their /24 networks.
pub(crate) const PREVIEWS: [(&str, [u8; 3]); 4] = [
    (
        "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/t/scrap/33984",
        [211, 249, 203],
    ),
    (
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        [69, 171, 249],
    ),
    (
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        [54, 172, 10],
    ),
    ("Twitterbot/1.0", [199, 16, 157]),
];

/// Uptime probes.
pub(crate) const PROBES: [(&str, [u8; 4]); 3] = [
    (
        "Amazon-Route53-Health-Check-Service (ref 3f1c9c1e-7a02-4f0e-9a55-2b6c1c0f7d11; report http://amzn.to/1vsZADi)",
        [15, 177, 2, 41],
    ),
    (
        "Amazon-Route53-Health-Check-Service (ref 3f1c9c1e-7a02-4f0e-9a55-2b6c1c0f7d11; report http://amzn.to/1vsZADi)",
        [15, 177, 18, 113],
    ),
    (
        "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        [63, 143, 42, 243],
    ),
];

/// Tools whose own user agents give them away.
pub(crate) const SCANNERS: [&str; 7] = [
    "sqlmap/1.8.4#stable (https://sqlmap.org)",
    "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
    "Mozilla/5.0 zgrab/0.x",
    "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
    "gobuster/3.6",
    "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
    "WPScan v3.8.25 (https://wpscan.com/wordpress-security-scanner)",
];

/// HTTP libraries: innocent in themselves.
pub(crate) const LIBRARIES: [&str; 4] = [
    "python-requests/2.31.0",
    "Go-http-client/2.0",
    "axios/1.6.8",
    "okhttp/4.12.0",
];
