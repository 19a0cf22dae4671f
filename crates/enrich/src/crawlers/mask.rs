//! Names compared label by label.

/// Longest name and label of the name system (RFC 1035, 2.3.4), in text without the last dot.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Which names belong to a crawler: `.googlebot.com` (any name below), `crawl-*.example.com`
/// (`*` for part of one label; several in a row are one), `@.example.com` (the same as
/// `.example.com`), `a.example.com` (this name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMask {
    /// From the last one on, lower case.
    labels: Vec<String>,
    /// One label or more may stand before them.
    below: bool,
}

impl NameMask {
    /// `None` for what could match names of more than one owner: fewer than two whole labels at
    /// the end, or none at all.
    pub fn parse(text: &str) -> Option<NameMask> {
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let (below, rest) = match text.strip_prefix("@.").or_else(|| text.strip_prefix('.')) {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let labels: Vec<String> = rest.split('.').rev().map(str::to_owned).collect();
        let whole = labels.iter().take_while(|label| !label.contains('*')).count();
        let empty = labels.iter().any(|label| label.is_empty() || label.contains('@'));
        (whole >= 2 && !empty).then_some(NameMask { labels, below })
    }

    /// Whether `name` is covered. Hostile names (too long, empty labels) never are.
    pub fn covers(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.len() > NAME_BYTES_MAX {
            return false;
        }
        let labels: Vec<&str> = name.rsplit('.').collect();
        let sound = |label: &&str| !label.is_empty() && label.len() <= LABEL_BYTES_MAX;
        let enough = match self.below {
            true => labels.len() > self.labels.len(),
            false => labels.len() == self.labels.len(),
        };
        enough
            && labels.iter().all(sound)
            && self
                .labels
                .iter()
                .zip(&labels)
                .all(|(mask, label)| label_fits(mask, &label.to_ascii_lowercase()))
    }
}

/// Whether a label fits a mask in which `*` stands for one character or more.
fn label_fits(mask: &str, label: &str) -> bool {
    let mut parts = mask.split('*').filter(|part| !part.is_empty()).peekable();
    if !mask.contains('*') {
        return mask == label;
    }
    let mut rest = label;
    if !mask.starts_with('*') {
        let first = parts.next().unwrap_or("");
        match rest.strip_prefix(first) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        if last && !mask.ends_with('*') {
            return rest.len() > part.len() && rest.ends_with(part);
        }
        // At least one character stands for the star before the part.
        let from = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at);
        match rest[from..].find(part) {
            Some(at) => rest = &rest[from + at + part.len()..],
            None => return false,
        }
    }
    !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(mask: &str, name: &str) -> bool {
        NameMask::parse(mask).expect(mask).covers(name)
    }

    #[test]
    fn labels_are_whole() {
        assert!(covers(".googlebot.com", "crawl-66-249-66-1.googlebot.com"));
        assert!(covers(".googlebot.com", "CRAWL-1.GoogleBot.com."));
        assert!(covers(
            ".geo.googlebot.com",
            "geo-crawl-1-2-3-4.geo.googlebot.com"
        ));
        for name in [
            "crawl-1.googlebot.com.evil.example",
            "crawl-1.evilgooglebot.com",
            "googlebot.com",
            "googlebot.com.",
            ".googlebot.com",
            "a..googlebot.com",
            "crawl.googlebot.com..",
            "crawl.googlebot.comx",
            "",
            ".",
        ] {
            assert!(!covers(".googlebot.com", name), "{name}");
        }
        assert!(!covers(
            ".googlebot.com",
            &format!("{}.googlebot.com", "a".repeat(64))
        ));
        assert!(!covers(
            ".googlebot.com",
            &format!("{}googlebot.com", "a.".repeat(400))
        ));
    }

    #[test]
    fn stars_stay_inside_their_label() {
        let mask = "crawl-***-***-***-***.googlebot.com";
        assert!(covers(mask, "crawl-66-249-66-1.googlebot.com"));
        assert!(!covers(mask, "crawl-66-249-66.googlebot.com"));
        assert!(!covers(mask, "crawl-66-249-66-.googlebot.com"));
        assert!(!covers(mask, "crawl-66-249.66-1.googlebot.com"));
        assert!(covers(
            "rate-limited-proxy-*.google.com",
            "rate-limited-proxy-66-249-90-77.google.com"
        ));
        assert!(!covers("rate-limited-proxy-*.google.com", "mail.google.com"));
        assert!(!covers(
            "rate-limited-proxy-*.google.com",
            "rate-limited-proxy-.google.com"
        ));
        assert!(covers("*-bot.example.com", "a-b-bot.example.com"));
        assert!(covers("@.search.msn.com", "msnbot-1.search.msn.com"));
        assert!(covers("ip.uptimerobot.com", "ip.uptimerobot.com"));
        assert!(!covers("ip.uptimerobot.com", "x.ip.uptimerobot.com"));
    }

    #[test]
    fn masks_for_whole_zones_are_refused() {
        for mask in ["", ".", "*", ".com", "*.com", "com", "a.*", "@", "@.*", "a..com"] {
            assert_eq!(NameMask::parse(mask), None, "{mask}");
        }
    }
}
