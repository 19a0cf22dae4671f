//! What names mean: kinds of entities under their various names, and what rule ids speak of.

use crate::plan::AttackKind;
use haetae_event::Entity;

/// One name for each kind of entity.
pub(super) fn entity_kind(kind: &str) -> &str {
    match kind {
        "src_ip" | "client" | "client_ip" | "address" | "srcaddr" => "ip",
        "cidr" | "subnet" | "network" | "block" | "ip_bucket" => "net",
        "src_asn" | "as" => "asn",
        "user_agent" | "useragent" | "agent" => "ua",
        "uri" | "url" | "endpoint" | "cs-uri-stem" => "path",
        "user" | "username" | "login" => "account",
        "session_id" => "session",
        "dst_host" | "site" => "host",
        "dst_ip" | "dstaddr" | "destination" => "dst",
        other => other,
    }
}

/// Beginnings of words in rules' ids and titles, and the kinds of attack each stands for.
const WORDS: [(&str, &[AttackKind]); 43] = {
    use AttackKind as K;
    [
        ("sqli", &[K::Sqli]),
        ("sql", &[K::Sqli]),
        ("inject", &[K::Sqli]),
        ("xss", &[K::Sqli]),
        ("portscan", &[K::Portscan]),
        ("port scan", &[K::Portscan]),
        ("ports", &[K::Portscan]),
        ("address scan", &[K::Portscan]),
        ("refus", &[K::Portscan]),
        ("probing", &[K::Scan]),
        ("probe", &[K::Scan]),
        ("sensitive", &[K::Scan]),
        ("path scan", &[K::Scan]),
        ("scanner", &[K::Scan, K::Bots]),
        ("flood", &[K::Flood, K::Ddos, K::Bots]),
        ("request rate", &[K::Flood, K::Ddos, K::Bots]),
        ("surge", &[K::Flood, K::Ddos]),
        ("ddos", &[K::Ddos]),
        ("many to one", &[K::Ddos]),
        ("user agent", &[K::Bots, K::Fakebot, K::Scan]),
        ("bot", &[K::Bots, K::Fakebot]),
        ("crawler", &[K::Fakebot]),
        ("macro", &[K::Macro]),
        ("ticket", &[K::Macro]),
        ("interval", &[K::Macro]),
        ("regular", &[K::Macro]),
        ("assets", &[K::Macro]),
        ("sequence", &[K::Macro]),
        ("sale", &[K::Macro]),
        ("edos", &[K::Edos]),
        ("cost", &[K::Edos]),
        ("cache bust", &[K::Edos]),
        ("yoyo", &[K::Edos]),
        ("yo yo", &[K::Edos]),
        ("largest", &[K::Edos]),
        ("exfil", &[K::Exfil]),
        ("stuff", &[K::Stuffing]),
        ("credential", &[K::Stuffing]),
        ("login", &[K::Stuffing]),
        ("log in", &[K::Stuffing]),
        ("brute", &[K::Stuffing]),
        ("password", &[K::Stuffing]),
        ("payment", &[K::Payment]),
    ]
};

/// What the words of a rule's id and title say it speaks of.
pub(super) fn by_words(rule_id: &str, title: &str) -> Vec<AttackKind> {
    let text = format!(" {rule_id} {title}")
        .to_ascii_lowercase()
        .replace(['-', '_', '.', '/', ':'], " ");
    let said = WORDS
        .iter()
        .filter(|(word, _)| text.contains(&format!(" {word}")));
    let mut kinds: Vec<AttackKind> = said.flat_map(|(_, kinds)| kinds.iter().copied()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The parts of an entity, each by its one name: rules that group by several fields name them
/// all, joined by commas.
pub(super) fn parts(entity: &Entity) -> Vec<(&str, &str)> {
    if !entity.kind.contains(',') {
        return vec![(entity_kind(&entity.kind), entity.value.as_str())];
    }
    let values = entity.value.split([',', '\u{1f}', '|', ' ']);
    entity
        .kind
        .split(',')
        .map(str::trim)
        .map(entity_kind)
        .zip(values)
        .collect()
}

/// Kinds that a whole host or dataset can show.
pub(super) fn is_about_volume(kind: AttackKind) -> bool {
    matches!(kind, AttackKind::Flood | AttackKind::Ddos | AttackKind::Edos)
}
