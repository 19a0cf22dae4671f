//! Texts with the personal data in them replaced.

use super::find::{Found, Kind, Wanted, find};
use super::policy::{AddressPolicy, PiiPolicy, TextPolicy};
use haetae_event::identity::{TenantKey, hex};
use haetae_event::net::parse_address;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::net::IpAddr;

/// Hex digits of a keyed hash that stand for a value: 64 bits, unique among a tenant's clients.
const HASH_DIGITS: usize = 16;

/// What stands for every account under a mask policy.
pub const ACCOUNT_MASK: &str = "[account]";
const ACCOUNT_HASH: &str = "account-";

/// Whether the text is what [`Masker::account`] makes of a name under a hash policy.
pub fn is_account_hash(text: &str) -> bool {
    let digits = text.strip_prefix(ACCOUNT_HASH);
    digits.is_some_and(|digits| {
        digits.len() == HASH_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Replaces values under one policy and one tenant's key. Cheap to make; holds no state, so that
/// equal texts always become equal texts.
pub struct Masker<'a> {
    policy: &'a PiiPolicy,
    key: &'a TenantKey,
}

impl<'a> Masker<'a> {
    pub fn new(policy: &'a PiiPolicy, key: &'a TenantKey) -> Self {
        Masker { policy, key }
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            personal: self.policy.text != TextPolicy::Keep,
            addresses: self.policy.src_ip != AddressPolicy::Keep,
        }
    }

    /// The address as stored: as it is, the network's first address (/24, /48), or a keyed hash
    /// (`ip-…`). What is no address is masked like any text.
    pub fn address<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.policy.src_ip == AddressPolicy::Keep {
            return Cow::Borrowed(text);
        }
        match parse_address(text) {
            Some(address) => Cow::Owned(self.of_address(address)),
            None => self.text(text),
        }
    }

    fn of_address(&self, address: IpAddr) -> String {
        match self.policy.src_ip {
            AddressPolicy::Keep => address.to_string(),
            AddressPolicy::Truncate => network(address).to_string(),
            AddressPolicy::Hash => format!("ip-{}", self.hash("src_ip", &address.to_string())),
        }
    }

    /// The value as stored under the `account` policy.
    pub fn account<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.policy.account {
            TextPolicy::Keep => Cow::Borrowed(text),
            // Owned: what is borrowed is taken as unchanged.
            TextPolicy::Mask => Cow::Owned(ACCOUNT_MASK.to_owned()),
            TextPolicy::Hash => Cow::Owned(self.account_hash(text)),
        }
    }

    /// The keyed hash that tells one account from another, whatever the policy.
    pub fn account_hash(&self, text: &str) -> String {
        format!("{ACCOUNT_HASH}{}", self.hash("account", text))
    }

    fn hash(&self, kind: &str, value: &str) -> String {
        let mut digits = hex(&self.key.keyed_hash(kind, value.to_lowercase().as_bytes()));
        digits.truncate(HASH_DIGITS);
        digits
    }

    /// The text with every find replaced by `[kind]`, or `[kind:hash]` under a hash policy. Valid
    /// JSON stays valid JSON.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = find(text, self.wanted());
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let json = text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok();
        let mut out = String::with_capacity(text.len());
        let (mut at, mut quoted) = (0, false);
        for one in &found {
            let between = &text[at..one.span.start];
            out.push_str(between);
            quoted = in_string(between, quoted);
            let mask = self.replacement(one);
            if json && !quoted {
                out.push('"');
                out.push_str(&mask);
                out.push('"');
            } else {
                out.push_str(&mask);
            }
            at = one.span.end;
        }
        out.push_str(&text[at..]);
        Cow::Owned(out)
    }

    fn replacement(&self, found: &Found) -> String {
        let name = match found.kind {
            // What makes a secret recognisable again is as good as the secret.
            Kind::Secret => return "[secret]".to_owned(),
            Kind::Address => {
                return match found.value.parse() {
                    Ok(address) => self.of_address(address),
                    Err(_) => "[address]".to_owned(),
                };
            }
            Kind::ResidentNumber => "rrn",
            Kind::Card => "card",
            Kind::Email => "email",
            Kind::Phone => "phone",
        };
        // Few enough resident, card and phone numbers exist to be tried out, but not without the key.
        match self.policy.text {
            TextPolicy::Hash => format!("[{name}:{}]", self.hash(name, &found.value)),
            TextPolicy::Keep | TextPolicy::Mask => format!("[{name}]"),
        }
    }
}

/// Whether a JSON string is open behind `text`, when one was (`open`) before it.
fn in_string(text: &str, open: bool) -> bool {
    let (mut open, mut escaped) = (open, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if open => escaped = true,
            b'"' => open = !open,
            _ => {}
        }
    }
    open
}

/// First address of the /24 or /48.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    }
}
