//! Country and autonomous system of an address, from MaxMind DB files.
//!
//! The reader is the crate `maxminddb`, which bounds depth, pointers and payload of what it
//! decodes. A file is still not believed: on loading its whole tree and every record are verified
//! and it must answer for the field it was configured for; a look-up that fails afterwards is
//! "unknown". Format: MaxMind DB 2.0.

use crate::Enricher;
use crate::addresses::Addresses;
use crate::cache::Recent;
use crate::live::Live;
use arrow::array::ArrayRef;
use haetae_event::EventBatch;
use maxminddb::{Reader, WithinOptions, path};
use std::net::IpAddr;
use std::sync::Arc;

/// Larger files are refused; the largest City databases are below 200 MB.
pub const DATABASE_BYTES_MAX: u64 = 1 << 30;

/// So many networks are asked for the field before a database counts as one without it.
const PROBED_NETWORKS: usize = 65_536;

/// Addresses whose answer is at hand across batches.
const CACHED_ADDRESSES: usize = 65_536;

/// What a database is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `country.iso_code` of a Country, City or Enterprise database.
    Country,
    /// `autonomous_system_number` of an ASN or ISP database.
    Asn,
}

/// Why a file is not used as a database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("not a sound MaxMind database: {0}")]
    Unsound(String),
    #[error("a database of type {kind:?} that has no {field}")]
    WrongKind { kind: String, field: &'static str },
}

/// A verified database.
pub struct Database {
    reader: Reader<Vec<u8>>,
}

impl Database {
    /// Verifies the whole file: time and memory are linear in its size.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn load(bytes: Vec<u8>, role: Role) -> Result<Self, DatabaseError> {
        let unsound = |error: maxminddb::MaxMindDbError| DatabaseError::Unsound(error.to_string());
        let reader = Reader::from_source(bytes).map_err(unsound)?;
        reader.verify().map_err(unsound)?;
        let database = Database { reader };
        if !database.answers(role) {
            return Err(DatabaseError::WrongKind {
                kind: database
                    .reader
                    .metadata()
                    .database_type
                    .chars()
                    .take(64)
                    .collect(),
                field: match role {
                    Role::Country => "country.iso_code",
                    Role::Asn => "autonomous_system_number",
                },
            });
        }
        Ok(database)
    }

    fn answers(&self, role: Role) -> bool {
        let Ok(networks) = self.reader.networks(WithinOptions::default()) else {
            return false;
        };
        networks.take(PROBED_NETWORKS).flatten().any(|found| match role {
            Role::Country => country_of(&found).is_some(),
            Role::Asn => asn_of(&found).is_some(),
        })
    }

    /// ISO 3166-1 alpha-2 letters of the country the address is in.
    pub fn country(&self, address: IpAddr) -> Option<[u8; 2]> {
        country_of(&self.reader.lookup(self.askable(address)?).ok()?)
    }

    /// Number of the autonomous system that announces the address.
    pub fn asn(&self, address: IpAddr) -> Option<u32> {
        asn_of(&self.reader.lookup(self.askable(address)?).ok()?)
    }

    /// v4-mapped v6 as v4; `None` for v6 in a database of v4.
    fn askable(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        let fits = address.is_ipv4() || self.reader.metadata().ip_version == 6;
        fits.then_some(address)
    }

    /// When the database was made, seconds since 1970.
    pub fn built_s(&self) -> u64 {
        self.reader.metadata().build_epoch
    }
}

type Found<'a> = maxminddb::LookupResult<'a, Vec<u8>>;

fn country_of(found: &Found<'_>) -> Option<[u8; 2]> {
    let code: Option<&str> = found.decode_path(&path!["country", "iso_code"]).ok()?;
    country_letters(code?)
}

fn asn_of(found: &Found<'_>) -> Option<u32> {
    let asn: Option<u32> = found.decode_path(&path!["autonomous_system_number"]).ok()?;
    asn.filter(|&asn| asn != 0)
}

/// Upper-case letters of a country code; `None` for anything but two ASCII letters.
pub(crate) fn country_letters(text: &str) -> Option<[u8; 2]> {
    match text.as_bytes() {
        [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Some([a.to_ascii_uppercase(), b.to_ascii_uppercase()])
        }
        _ => None,
    }
}

/// The configured databases, shared by the enrichers of all threads.
#[derive(Clone, Default)]
pub struct Databases {
    pub country: Option<Arc<Live<Database>>>,
    /// Asked for the country where the country database is absent or does not know.
    pub city: Option<Arc<Live<Database>>>,
    pub asn: Option<Arc<Live<Database>>>,
}

impl Databases {
    /// Those that are configured.
    pub fn each(&self) -> impl Iterator<Item = &Arc<Live<Database>>> {
        [&self.country, &self.city, &self.asn].into_iter().flatten()
    }

    fn version(&self) -> u64 {
        self.each().map(|live| live.version()).sum()
    }
}

#[derive(Clone, Copy, Default)]
struct Answer {
    country: Option<[u8; 2]>,
    asn: Option<u32>,
}

/// Fills `src_country` and `src_asn`.
pub struct Geo {
    databases: Databases,
    answers: Recent<IpAddr, Answer>,
    /// Version of the databases that `answers` are from.
    version: u64,
}

impl Geo {
    pub fn new(databases: Databases) -> Self {
        Geo {
            databases,
            answers: Recent::new(CACHED_ADDRESSES),
            version: 0,
        }
    }

    fn answers(&mut self, addresses: &[IpAddr]) -> Vec<Answer> {
        // The version is read before the databases: a swap in between makes the next batch
        // forget, and cannot leave old answers under a new version.
        let version = self.databases.version();
        if version != self.version {
            self.answers.clear();
            self.version = version;
        }
        let open = |live: &Option<Arc<Live<Database>>>| live.as_ref().and_then(|live| live.current());
        let (country, city) = (open(&self.databases.country), open(&self.databases.city));
        let asn = open(&self.databases.asn);
        let mut look_up = |address: IpAddr| {
            if let Some(answer) = self.answers.get(&address) {
                return answer;
            }
            let country_in = |database: &Option<Arc<Database>>| database.as_ref()?.country(address);
            let answer = Answer {
                country: country_in(&country).or_else(|| country_in(&city)),
                asn: asn.as_ref().and_then(|asn| asn.asn(address)),
            };
            self.answers.put(address, answer);
            answer
        };
        addresses.iter().map(|&address| look_up(address)).collect()
    }
}

impl Enricher for Geo {
    fn name(&self) -> &'static str {
        "geo"
    }

    fn enrich(&mut self, batch: &EventBatch) -> Vec<(&'static str, ArrayRef)> {
        let Some(addresses) = Addresses::of(batch) else {
            return Vec::new();
        };
        let answers = self.answers(&addresses.distinct);
        let mut columns: Vec<(&'static str, ArrayRef)> = Vec::new();
        if self.databases.country.is_some() || self.databases.city.is_some() {
            let countries: Vec<_> = answers.iter().map(|a| a.country).collect();
            columns.push(("src_country", addresses.spread_country(&countries)));
        }
        if self.databases.asn.is_some() {
            let asns: Vec<_> = answers.iter().map(|a| a.asn.map(i64::from)).collect();
            columns.push(("src_asn", addresses.spread_i64(&asns)));
        }
        columns
    }
}
