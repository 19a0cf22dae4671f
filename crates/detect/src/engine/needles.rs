//! Which bytes of each literal a search by vectors looks for.
//!
//! Teddy (the `packed` searcher of `aho-corasick`) puts patterns into eight buckets, and asks of every
//! place of a text whether the nibbles of the next four bytes stand, each at its place, in patterns of
//! one bucket. What passes is compared byte by byte, which costs as much as a hundred bytes of search:
//! a pass is as good as its buckets. Literals as rules write them begin with frequent letters, so that
//! nearly every word of a log passes. But any four bytes of a literal will do, and literals that share
//! four can share a pattern. So each literal gets the four bytes and the bucket that let the fewest
//! places pass, by a rough idea of how frequent bytes are in logs.
//!
//! What is not here: the search itself ([`super::scan`]).

use std::collections::{HashMap, HashSet};

/// Bytes of a pattern that Teddy looks at.
pub(super) const BYTES: usize = 4;
/// Makes ASCII letters small, and other bytes no less alike: one operation where lower case needs four.
pub(super) const FOLD: u8 = 0x20;
/// More than 32 patterns are sought half as fast.
const BUCKETS: usize = 8;
const DEPTH: usize = 4;
/// Places of a literal that are weighed.
const TRIED: usize = 16;
/// How often each literal is placed anew, beside all others.
const ROUNDS: usize = 2;

type Window = [u8; BYTES];

/// A pattern to search for.
#[derive(Clone, Debug, Default)]
pub(super) struct Needle {
    pub bytes: Vec<u8>,
    /// Literals that it stands for, and where in them it begins.
    pub literals: Vec<(usize, usize)>,
}

/// Share of a byte among those of logs, roughly; letters in any case.
fn share(byte: u8) -> f64 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' | b'"' => 0.045,
        b'c' | b'd' | b'l' | b'm' | b'p' | b'u' | b'h' | b'0'..=b'2' | b'.' | b':' | b',' | b'/' | b'-' => {
            0.025
        }
        b'3'..=b'9' => 0.02,
        b'a'..=b'z' => 0.012,
        b'A'..=b'Z' => 0.0,
        b'_' | b'=' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'\\' => 0.01,
        b'!'..=b'~' => 0.004,
        _ => 0.0005,
    }
}

/// How much more often bytes come together than each by itself would: words are no chance, least at
/// their ends, and what reaches from one word into the next is.
fn weight(literal: &[u8], from: usize) -> f64 {
    let is_letter = |at: usize| literal.get(at).is_some_and(u8::is_ascii_alphabetic);
    match std::array::from_fn(|at| is_letter(from + at)) {
        [true, true, true, true] if from > 0 && is_letter(from - 1) && is_letter(from + BYTES) => 4.0,
        [true, true, true, true] => 12.0,
        [false, true, true, true] | [true, true, true, false] => 6.0,
        _ => 1.0,
    }
}

fn window(literal: &[u8], from: usize) -> Window {
    let mut window = [0; BYTES];
    window.copy_from_slice(&literal[from..from + BYTES]);
    window
}

fn frequency(window: &Window, shares: &Shares) -> f64 {
    let share = |byte: &u8| shares[usize::from(byte >> 4)][usize::from(byte & 15)];
    window.iter().map(share).product()
}

/// Shares of folded bytes by the high and the low nibble.
type Shares = [[f64; 16]; 16];

fn shares() -> Shares {
    let mut shares = [[0.0; 16]; 16];
    for byte in u8::MIN..=u8::MAX {
        let folded = byte | FOLD;
        shares[usize::from(folded >> 4)][usize::from(folded & 15)] += share(byte);
    }
    shares
}

fn nibbles_of(mut set: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let nibble = set.trailing_zeros() as usize;
        (set != 0).then(|| {
            set &= set - 1;
            nibble
        })
    })
}

/// Windows that are looked for together.
#[derive(Clone, Default)]
struct Bucket {
    /// How many literals each stands for.
    windows: Vec<(Window, usize)>,
    /// Share of places that pass.
    rate: f64,
}

impl Bucket {
    fn rate_with(&self, more: Option<&Window>, shares: &Shares) -> f64 {
        let known = self.windows.iter().map(|(window, _)| window);
        let windows = || known.clone().chain(more);
        let at = |place: usize| -> f64 {
            let nibbles =
                |shift: u32| windows().fold(0u16, |set, window| set | 1 << (window[place] >> shift & 15));
            let (high, low) = (nibbles(4), nibbles(0));
            let of = |h: usize| nibbles_of(low).map(|l| shares[h][l]).sum::<f64>();
            nibbles_of(high).map(of).sum()
        };
        if windows().next().is_none() {
            return 0.0;
        }
        (0..BYTES).map(at).product()
    }

    fn place_of(&self, window: &Window) -> Option<usize> {
        self.windows.iter().position(|(known, _)| known == window)
    }

    fn put(&mut self, window: Window, shares: &Shares) {
        match self.place_of(&window) {
            Some(at) => self.windows[at].1 += 1,
            None => self.windows.push((window, 1)),
        }
        self.rate = self.rate_with(None, shares);
    }

    fn take(&mut self, window: &Window, shares: &Shares) {
        if let Some(at) = self.place_of(window) {
            self.windows[at].1 -= 1;
            self.windows.retain(|(_, literals)| *literals > 0);
        }
        self.rate = self.rate_with(None, shares);
    }
}

/// A window of a literal.
#[derive(Clone, Copy)]
struct Place {
    from: usize,
    /// What it costs to look for it, beside what its bucket costs.
    cost: f64,
    /// How many literals have it: they share that.
    holders: f64,
}

/// The places of each literal, the best of them first.
fn places_of(literals: &[&[u8]], shares: &Shares) -> Vec<Vec<Place>> {
    let mut holders: HashMap<Window, usize> = HashMap::new();
    for literal in literals {
        let windows: HashSet<Window> = (0..=literal.len() - BYTES)
            .map(|from| window(literal, from))
            .collect();
        windows
            .into_iter()
            .for_each(|window| *holders.entry(window).or_default() += 1);
    }
    let of = |literal: &&[u8]| {
        let place = |from| {
            let window = window(literal, from);
            Place {
                from,
                cost: 2.0 * frequency(&window, shares) * weight(literal, from),
                holders: holders[&window] as f64,
            }
        };
        let mut places: Vec<Place> = (0..=literal.len() - BYTES).map(place).collect();
        places.sort_by(|a, b| (a.cost / a.holders).total_cmp(&(b.cost / b.holders)));
        places
    };
    literals.iter().map(of).collect()
}

/// The window and bucket that let the fewest places more pass.
fn best(literal: &[u8], places: &[Place], buckets: &[Bucket], shares: &Shares) -> Option<(usize, usize)> {
    let mut best: Option<(f64, usize, usize)> = None;
    let mut offer = |cost: f64, from: usize, bucket: usize| {
        if best.is_none_or(|(least, ..)| cost < least) {
            best = Some((cost, from, bucket));
        }
    };
    for (rank, place) in places.iter().enumerate() {
        let window = window(literal, place.from);
        // What is looked for already costs nothing more. A window has one place only, so that no two
        // patterns begin at one place of a text.
        let known = buckets
            .iter()
            .position(|bucket| bucket.place_of(&window).is_some());
        if let Some(bucket) = known {
            offer(0.0, place.from, bucket);
        } else if rank < TRIED {
            let open = buckets.iter().enumerate();
            for (at, bucket) in open.filter(|(_, bucket)| bucket.windows.len() < DEPTH) {
                let more = bucket.rate_with(Some(&window), shares) - bucket.rate;
                offer((place.cost + more) / place.holders, place.from, at);
            }
        }
    }
    best.map(|(_, from, bucket)| (from, bucket))
}

/// Where each literal is looked for; `None` when there is no room for all.
fn placed(literals: &[&[u8]], buckets: &mut [Bucket]) -> Option<Vec<(usize, usize)>> {
    let shares = shares();
    let options = places_of(literals, &shares);
    let mut order: Vec<usize> = (0..literals.len()).collect();
    order.sort_by_key(|at| options[*at].len());
    let mut places: Vec<Option<(usize, usize)>> = vec![None; literals.len()];
    for _ in 0..ROUNDS {
        for at in &order {
            if let Some((from, bucket)) = places[*at].take() {
                buckets[bucket].take(&window(literals[*at], from), &shares);
            }
            let (from, bucket) = best(literals[*at], &options[*at], buckets, &shares)?;
            buckets[bucket].put(window(literals[*at], from), &shares);
            places[*at] = Some((from, bucket));
        }
    }
    places.into_iter().collect()
}

fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The needles of one bucket: as many bytes as all their literals share.
fn needles(literals: &[&[u8]], places: &[(usize, usize)], bucket: usize) -> Vec<Needle> {
    let mut needles: Vec<Needle> = Vec::new();
    let own = places.iter().enumerate().filter(|(_, (_, of))| *of == bucket);
    for (at, (from, _)) in own {
        let rest = &literals[at][*from..];
        match needles
            .iter_mut()
            .find(|needle| shared_bytes(&needle.bytes, rest) >= BYTES)
        {
            Some(needle) => {
                needle.bytes.truncate(shared_bytes(&needle.bytes, rest));
                needle.literals.push((at, *from));
            }
            None => needles.push(Needle {
                bytes: rest.to_vec(),
                literals: vec![(at, *from)],
            }),
        }
    }
    needles
}

/// The needles of up to `passes_max` passes, in the order in which they fall into their buckets (a
/// pattern that begins like none before goes to the bucket of its number, modulo eight); repeated or
/// impossible ones fill up. `literals` are folded and have [`BYTES`] bytes at least. `None` when they are too many.
pub(super) fn passes(literals: &[&[u8]], passes_max: usize) -> Option<Vec<Vec<Needle>>> {
    for passes in 1..=passes_max {
        let mut buckets = vec![Bucket::default(); BUCKETS * passes];
        let Some(places) = placed(literals, &mut buckets) else {
            continue;
        };
        let of_pass = |pass: usize| -> Vec<Needle> {
            let of_bucket = |bucket: usize| needles(literals, &places, pass * BUCKETS + bucket);
            let buckets: Vec<Vec<Needle>> = (0..BUCKETS).map(of_bucket).collect();
            let deepest = buckets.iter().map(Vec::len).max().unwrap_or(0);
            // No byte of a text.
            let nothing = Needle {
                bytes: vec![0xff; BYTES],
                literals: Vec::new(),
            };
            let at = |depth: usize, bucket: &[Needle]| {
                bucket.get(depth).or(bucket.first()).unwrap_or(&nothing).clone()
            };
            (0..deepest)
                .flat_map(|depth| {
                    buckets
                        .iter()
                        .map(move |bucket| at(depth, bucket))
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        return Some(
            (0..passes)
                .map(of_pass)
                .filter(|needles| !needles.is_empty())
                .collect(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_literal_is_looked_for_once_and_no_two_needles_begin_alike() {
        let literals: Vec<String> = (0..70)
            .map(|n| format!("show thing{} of {}", n * 7_919 % 97, n))
            .collect();
        let words = [
            "erase",
            "delete",
            "copy",
            "logging",
            "archive tar",
            "clear archive",
        ];
        let all: Vec<&[u8]> = literals
            .iter()
            .map(String::as_bytes)
            .chain(words.map(str::as_bytes))
            .collect();
        let passes = passes(&all, 4).expect("few windows");
        let mut found = vec![0; all.len()];
        let mut beginnings = std::collections::BTreeSet::new();
        for pass in &passes {
            assert!(
                pass.len() % BUCKETS == 0 && pass.len() <= BUCKETS * DEPTH,
                "{}",
                pass.len()
            );
            let mut own: Vec<&Needle> = Vec::new();
            for needle in pass {
                if !own.iter().any(|known| known.bytes == needle.bytes) {
                    own.push(needle);
                }
            }
            for needle in own.iter().filter(|needle| !needle.literals.is_empty()) {
                assert!(beginnings.insert(needle.bytes[..BYTES].to_vec()), "{needle:?}");
                for (literal, from) in &needle.literals {
                    found[*literal] += 1;
                    assert!(all[*literal][*from..].starts_with(&needle.bytes), "{needle:?}");
                }
            }
        }
        assert_eq!(found, vec![1; all.len()]);
    }
}
