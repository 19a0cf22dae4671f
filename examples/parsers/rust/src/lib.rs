//! The made-up format `turnstile` (see the README one folder up): six parts between `|`.

mod host;

use host::Fields;

/// Gives the fields of one record, or says why it is none of this format.
fn parse(record: &[u8], fields: &mut Fields<'_>) -> Result<(), &'static str> {
    // What stands in for bad UTF-8 is in no part's alphabet, so that part is refused.
    let text = String::from_utf8_lossy(record);
    let mut parts = text.split('|');
    let mut part = || parts.next().ok_or("six parts expected");
    let [time, gate, card, verdict, celsius, tags] = [part()?, part()?, part()?, part()?, part()?, part()?];
    if parts.next().is_some() {
        return Err("six parts expected");
    }

    if !is_count(time, 12) {
        return Err("time");
    }
    fields.number("time", time);

    let in_gate = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=32).contains(&gate.len()) || !gate.bytes().all(in_gate) {
        return Err("gate");
    }
    fields.text("gate", gate);

    match card {
        "-" => fields.null("card"),
        _ if card.len() == 8 && card.bytes().all(|b| b.is_ascii_hexdigit()) => fields.text("card", card),
        _ => return Err("card"),
    }

    match verdict {
        "open" => fields.bool("opened", true),
        "deny" => fields.bool("opened", false),
        _ => return Err("verdict"),
    }

    if !is_temperature(celsius) {
        return Err("temperature");
    }
    fields.number("celsius", celsius);

    let list = tag_list(tags).ok_or("tags")?;
    fields.json("tags", &list);
    Ok(())
}

/// 1 to `digits_max` digits without a leading zero.
fn is_count(text: &str, digits_max: usize) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    plain && (1..=digits_max).contains(&text.len()) && (text == "0" || !text.starts_with('0'))
}

fn is_temperature(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction_is_sound = matches!(fraction.len(), 1 | 2) && fraction.bytes().all(|b| b.is_ascii_digit());
    is_count(whole, 3) && fraction_is_sound
}

/// `a,b` as `["a","b"]`. No word has a character that JSON would escape.
fn tag_list(tags: &str) -> Option<String> {
    if tags.is_empty() {
        return Some("[]".into());
    }
    let in_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let sound = tags.split(',').all(|word| !word.is_empty() && word.bytes().all(in_word));
    sound.then(|| format!("[\"{}\"]", tags.replace(',', "\",\"")))
}
