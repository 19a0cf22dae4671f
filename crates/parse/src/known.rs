//! Keys people use for core fields, found in pairs: the same lists that JSON records have.

use crate::client::ClientColumns;
use crate::inside::{InsideReader, TreeId};
use crate::json_keys::{self, Fill};
use crate::pairs::{Pair, Said};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use ahash::AHashMap;
use haetae_event::net::ClientIpPolicy;
use std::borrow::Cow;

/// Room made for attributes; most need no more.
pub const ATTRIBUTES_BYTES: usize = 256;

/// What one key may be.
#[derive(Clone, Copy, Debug)]
enum Role {
    Time,
    Client,
    /// The column's number and what it fills.
    Column(usize, Fill),
    /// Only hops of a forwarded request.
    Hops,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    role: Role,
    /// Place among the spellings of its role; the first wins.
    rank: usize,
    hops: bool,
}

/// Fills columns from pairs, the rest goes to `attrs`.
pub struct KnownKeys {
    map: AHashMap<&'static str, Known>,
    client: ClientColumns,
    attrs: Slot,
    /// A peer that is no address stays an attribute, instead of being the client with a warning.
    strict_client: bool,
    /// (column's number, rank, pair) of the record at hand.
    chosen: Vec<(usize, usize, usize, Fill)>,
    /// Takes out of `attrs` what is wished.
    inside: Option<(InsideReader, TreeId)>,
}

/// Which pairs of a record hold time and addresses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Roles {
    pub time: Option<usize>,
    client: Option<usize>,
    hops: Option<usize>,
}

impl KnownKeys {
    /// `native` says which native columns keys may fill, `clients` are more spellings of the peer's
    /// address, `times` of the time. With more `clients` a peer that is no address is left alone.
    pub fn new(
        plan: &Plan,
        policy: &ClientIpPolicy,
        native: impl Fn(&str) -> bool,
        clients: &[&'static str],
        times: &[&'static str],
    ) -> Self {
        let mut map = AHashMap::new();
        let client = ClientColumns::new(plan, policy);
        for (rank, name) in json_keys::TIME.iter().chain(times).enumerate() {
            map.insert(
                *name,
                Known {
                    role: Role::Time,
                    rank,
                    hops: false,
                },
            );
        }
        for (rank, name) in json_keys::CLIENT.iter().chain(clients).enumerate() {
            map.entry(*name).or_insert(Known {
                role: Role::Client,
                rank,
                hops: false,
            });
        }
        for (name, rank, column, fill) in json_keys::known_keys(plan, false, native) {
            map.entry(name).or_insert(Known {
                role: Role::Column(column, fill),
                rank,
                hops: false,
            });
        }
        for (rank, name) in json_keys::FORWARDED.iter().enumerate() {
            map.entry(name)
                .or_insert(Known {
                    role: Role::Hops,
                    rank,
                    hops: true,
                })
                .hops = true;
        }
        KnownKeys {
            map,
            client,
            attrs: plan.slot("attrs"),
            strict_client: !clients.is_empty(),
            chosen: Vec::new(),
            inside: InsideReader::new(plan).and_then(|reader| {
                let tree = reader.tree("attrs")?;
                Some((reader, tree))
            }),
        }
    }

    /// Finds out what the pairs are. Nothing is put yet.
    pub fn roles(&mut self, pairs: &[Pair<'_>]) -> Roles {
        let mut roles = Roles::default();
        let mut ranks = [usize::MAX; 3];
        let mut better = |place: usize, rank: usize, role: &mut Option<usize>, at: usize| {
            if rank < ranks[place] {
                ranks[place] = rank;
                *role = Some(at);
            }
        };
        self.chosen.clear();
        for (at, pair) in pairs.iter().enumerate() {
            let Some(&known) = self.map.get(pair.key) else {
                continue;
            };
            if pair.done || pair.said == Said::Json(crate::json_scan::Kind::Null, "null") {
                continue;
            }
            match known.role {
                Role::Time => better(0, known.rank, &mut roles.time, at),
                Role::Client if !self.strict_client || is_address(pair) => {
                    better(1, known.rank, &mut roles.client, at);
                }
                Role::Column(column, fill) if pair.is_scalar() => self.choose(column, known.rank, at, fill),
                _ => {}
            }
            if known.hops {
                better(2, known.rank, &mut roles.hops, at);
            }
        }
        roles
    }

    fn choose(&mut self, column: usize, rank: usize, at: usize, fill: Fill) {
        match self.chosen.iter_mut().find(|(other, ..)| *other == column) {
            Some(best) if rank < best.1 => (best.1, best.2) = (rank, at),
            Some(_) => {}
            None => self.chosen.push((column, rank, at, fill)),
        }
    }

    /// Puts the pairs found by [`KnownKeys::roles`] into their columns and marks them done.
    pub fn put(&mut self, sheet: &mut Sheet<'_>, pairs: &mut [Pair<'_>], roles: Roles) {
        let row = sheet.row();
        for &(_, _, at, fill) in &self.chosen {
            pairs[at].done = put(sheet, row, fill, &pairs[at]);
        }
        if let Some(at) = roles.client
            && let Some(peer) = pairs[at].text()
        {
            let hops = roles.hops.and_then(|at| pairs[at].text());
            self.put_client(sheet, &peer, hops.as_deref());
            drop(peer);
            pairs[at].done = true;
        }
    }

    /// Puts the peer's address, and the client's behind trusted hops.
    pub fn put_client(&mut self, sheet: &mut Sheet<'_>, peer: &str, hops: Option<&str>) {
        let row = sheet.row();
        match place_in(sheet.text(), peer) {
            Some(span) => self.client.put(sheet, row, span, hops),
            None => self.client.put_text(sheet, row, peer, hops),
        }
    }

    /// Writes the pairs that are not done into `attrs`, and puts what is wished of them.
    pub fn put_attrs(&mut self, sheet: &mut Sheet<'_>, pairs: &[Pair<'_>]) {
        if !self.attrs.wanted() || pairs.iter().all(|pair| pair.done) {
            return;
        }
        let mut object = String::with_capacity(ATTRIBUTES_BYTES);
        object.push('{');
        for pair in pairs.iter().filter(|pair| !pair.done) {
            let value = pair.write_member(&mut object);
            if let Some((reader, tree)) = &mut self.inside {
                let is_json = matches!(pair.said, Said::Json(..));
                reader.written(*tree, (pair.key, is_json), &object, value);
            }
        }
        object.push('}');
        let written = sheet.extra(&object);
        sheet.put_extra(self.attrs, sheet.row(), written);
        if let Some((reader, _)) = &mut self.inside {
            reader.put_written(sheet, written);
        }
    }
}

/// Whether the value is an address as logs write them.
pub fn is_address(pair: &Pair<'_>) -> bool {
    pair.text().is_some_and(|text| scalar::address(&text).is_some())
}

/// Where `part` lies in `text`, when it is a piece of it.
fn place_in(text: &str, part: &str) -> Option<std::ops::Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    (start + part.len() <= text.len()).then_some(start..start + part.len())
}

/// Puts text: as a view where it is a piece of the block, else as a copy.
pub fn put_text(sheet: &mut Sheet<'_>, slot: Slot, row: usize, text: &str) {
    if slot.wanted() {
        match place_in(sheet.text(), text) {
            Some(span) => sheet.put_span(slot, row, span),
            None => sheet.put_str(slot, row, text),
        }
    }
}

/// Puts a value into its column; `false` when it does not fit and must not be lost.
fn put(sheet: &mut Sheet<'_>, row: usize, fill: Fill, pair: &Pair<'_>) -> bool {
    let Some(text) = pair.text() else {
        return true;
    };
    let whole = |text: &Cow<'_, str>| {
        scalar::integer(text.as_bytes()).or_else(|| {
            let number = scalar::decimal(text.as_bytes())?;
            (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
        })
    };
    match fill {
        Fill::Text(slot) => put_text(sheet, slot, row, &text),
        Fill::I32(slot) => match whole(&text).and_then(|n| i32::try_from(n).ok()) {
            Some(number) => sheet.put_i32(slot, row, number),
            None => return false,
        },
        Fill::I64(slot) => match whole(&text) {
            Some(number) => sheet.put_i64(slot, row, number),
            None => return false,
        },
        Fill::F64(slot) => match scalar::decimal(text.as_bytes()) {
            Some(number) => sheet.put_f64(slot, row, number),
            None => return false,
        },
        Fill::Bool(slot) => match &*text {
            "true" => sheet.put_bool(slot, row, true),
            "false" => sheet.put_bool(slot, row, false),
            _ => return false,
        },
    }
    true
}
