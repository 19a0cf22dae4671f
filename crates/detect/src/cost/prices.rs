//! `rules/prices.yml`: every price with its source and date.

use serde::Deserialize;
use std::collections::BTreeMap;

/// One number with where it comes from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars (or the free amount, for free tiers).
    pub usd: f64,
    pub source: String,
    /// Date of the source, `YYYY-MM-DD`.
    pub of: String,
    /// Whether the vendor's own words were read.
    pub verified: bool,
}

/// Prices per group of edge locations.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grouped<T> {
    pub source: String,
    pub of: String,
    pub verified: bool,
    pub groups: BTreeMap<String, T>,
}

/// `(terabytes in the tier, dollars a GB)`; the last tier has no end, whatever its size says.
pub type Tiers = Vec<(f64, f64)>;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudFront {
    pub out_tiers: Grouped<Tiers>,
    /// `[http, https]`, dollars per 10,000 requests.
    pub requests: Grouped<(f64, f64)>,
    pub to_origin_gb: Price,
    pub free_out_gb: Price,
    pub free_requests: Price,
    pub functions_million: Price,
    pub edge_lambda_million: Price,
    pub edge_lambda_gb_second: Price,
    pub realtime_log_million: Price,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waf {
    pub acl_month: Price,
    pub rule_month: Price,
    pub request_million: Price,
    pub wcu_step_million: Price,
    pub body_48k_million: Price,
    pub body_64k_million: Price,
    pub challenge_million: Price,
    pub captcha_million: Price,
    pub bot_control_month: Price,
    pub bot_common_million: Price,
    pub bot_targeted_million: Price,
    pub account_takeover_month: Price,
    pub account_takeover_million: Price,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    pub request_million: Price,
    pub gb_second: Price,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiGateway {
    pub rest_million: Price,
    pub http_million: Price,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {
    pub lcu_hour: Price,
}

/// Prices by region, with `default`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regional {
    pub nat_gb: BTreeMap<String, Price>,
    pub transfer_out_gb: BTreeMap<String, Price>,
    pub log_ingest_gb: BTreeMap<String, Price>,
}

/// The whole table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// `YYYY-MM-DD`, shown beside every estimate.
    pub as_of: String,
    pub currency: String,
    pub cloudfront_group_of_region: BTreeMap<String, String>,
    pub default_region: String,
    pub cloudfront: CloudFront,
    pub flat_plans: BTreeMap<String, Price>,
    pub waf: Waf,
    pub lambda: Lambda,
    pub api_gateway: ApiGateway,
    pub load_balancer: LoadBalancer,
    pub regional: Regional,
}

/// Why a price table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    #[error("{0}")]
    Yaml(#[from] Box<serde_saphyr::Error>),
    #[error("{0}")]
    Content(String),
}

impl PriceTable {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// When the YAML is none, a region names a group without prices, a group has no tiers, a
    /// regional list has no `default`, or a price is negative or not finite.
    pub fn parse(text: &str) -> Result<PriceTable, PriceError> {
        let table: PriceTable = serde_saphyr::from_str(text).map_err(Box::new)?;
        table.check().map_err(PriceError::Content)?;
        Ok(table)
    }

    /// The table compiled into the program.
    pub fn builtin() -> PriceTable {
        PriceTable::parse(super::BUILTIN_PRICES).expect("the built-in table is tested")
    }

    fn check(&self) -> Result<(), String> {
        let groups = self.cloudfront_group_of_region.iter();
        for (region, group) in groups {
            let tiers = self.cloudfront.out_tiers.groups.get(group);
            let requests = self.cloudfront.requests.groups.get(group);
            let (Some(tiers), Some(requests)) = (tiers, requests) else {
                return Err(format!(
                    "region {region}: group {group} has no out_tiers or no requests"
                ));
            };
            let prices = tiers.iter().flat_map(|(size, usd)| [*size, *usd]);
            if tiers.is_empty() || !prices.chain([requests.0, requests.1]).all(sane) {
                return Err(format!("group {group}: prices must be numbers of at least 0"));
            }
        }
        if !self.cloudfront_group_of_region.contains_key(&self.default_region) {
            return Err(format!("default_region {} has no group", self.default_region));
        }
        let regional = [
            ("nat_gb", &self.regional.nat_gb),
            ("transfer_out_gb", &self.regional.transfer_out_gb),
            ("log_ingest_gb", &self.regional.log_ingest_gb),
        ];
        for (name, prices) in regional {
            if !prices.contains_key("default") || !prices.values().all(|price| sane(price.usd)) {
                return Err(format!(
                    "regional.{name}: a `default` and prices of at least 0 are needed"
                ));
            }
        }
        match self.single().iter().all(|price| sane(price.usd)) {
            true => Ok(()),
            false => Err("prices must be numbers of at least 0".to_owned()),
        }
    }

    fn single(&self) -> Vec<&Price> {
        let (cloudfront, waf) = (&self.cloudfront, &self.waf);
        let mut all = vec![
            &cloudfront.to_origin_gb,
            &cloudfront.free_out_gb,
            &cloudfront.free_requests,
            &cloudfront.functions_million,
            &cloudfront.edge_lambda_million,
            &cloudfront.edge_lambda_gb_second,
            &cloudfront.realtime_log_million,
            &waf.acl_month,
            &waf.rule_month,
            &waf.request_million,
            &waf.wcu_step_million,
            &waf.body_48k_million,
            &waf.body_64k_million,
            &waf.challenge_million,
            &waf.captcha_million,
            &waf.bot_control_month,
            &waf.bot_common_million,
            &waf.bot_targeted_million,
            &waf.account_takeover_month,
            &waf.account_takeover_million,
            &self.lambda.request_million,
            &self.lambda.gb_second,
            &self.api_gateway.rest_million,
            &self.api_gateway.http_million,
            &self.load_balancer.lcu_hour,
        ];
        all.extend(self.flat_plans.values());
        all
    }

    /// Whether there are prices of the region.
    pub fn has_region(&self, region: &str) -> bool {
        self.cloudfront_group_of_region.contains_key(region)
    }

    /// Group of edge locations of a region; that of the default region for an unknown one.
    pub fn group(&self, region: &str) -> &str {
        self.cloudfront_group_of_region
            .get(region)
            .or_else(|| self.cloudfront_group_of_region.get(&self.default_region))
            .map_or("us", String::as_str)
    }
}

/// A price by region, or its default.
pub fn regional(prices: &BTreeMap<String, Price>, region: &str) -> f64 {
    let price = prices.get(region).or_else(|| prices.get("default"));
    price.map_or(0.0, |price| price.usd)
}

fn sane(number: f64) -> bool {
    number.is_finite() && number >= 0.0
}
