use super::*;
use crate::cost::options::{Origin, WafOptions};

fn near(got: f64, want: f64) {
    assert!(
        (got - want).abs() < 1e-9 * want.abs().max(1.0),
        "{got} is not {want}"
    );
}

fn tariff(options: CostOptions) -> Tariff {
    Tariff::new(&PriceTable::builtin(), &options)
}

fn evaluated(requests: u64) -> Usage {
    Usage {
        waf_logged: requests,
        ..Usage::default()
    }
}

#[test]
fn the_worked_check_of_a_web_acl() {
    let plain = tariff(CostOptions::default());
    near(plain.month(&evaluated(10_000_000), 1, 7).waf, 18.00);
    for (wcu, want) in [(1_500, 18.00), (1_501, 20.00), (2_000, 20.00), (2_001, 22.00)] {
        let options = CostOptions {
            waf: WafOptions {
                wcu,
                ..WafOptions::default()
            },
            ..CostOptions::default()
        };
        near(tariff(options).month(&evaluated(10_000_000), 1, 7).waf, want);
    }
}

#[test]
fn requests_that_pass_an_acl_are_charged_once_whoever_logged_them() {
    let mut usage = evaluated(800_000);
    usage.requests = 1_000_000;
    let mut options = CostOptions::default();
    near(tariff(options.clone()).list(&usage).waf, 0.48);
    options.waf.enabled = true;
    near(tariff(options.clone()).list(&usage).waf, 0.60);
    options.waf.bot_control = BotControl::Targeted;
    options.waf.body_kb = 48;
    near(tariff(options.clone()).list(&usage).waf, 0.60 + 10.0 + 0.30);
    options.waf.challenge_ratio = 0.5;
    near(tariff(options.clone()).list(&usage).waf, 10.90 + 0.20);
    options.waf.captcha_ratio = 0.01;
    near(tariff(options).list(&usage).waf, 11.10 + 4.0);
}

#[test]
fn transfer_climbs_the_tiers_from_the_usual_volume() {
    let tb = |n: u64| Usage {
        bytes_out: n << 40,
        ..Usage::default()
    };
    let mut options = CostOptions {
        region: Some("us-east-1".into()),
        ..CostOptions::default()
    };
    near(tariff(options.clone()).list(&tb(10)).edge, 10_240.0 * 0.085);
    near(
        tariff(options.clone()).list(&tb(12)).edge,
        10_240.0 * 0.085 + 2_048.0 * 0.080,
    );
    options.usual_out_gb_month = 9.0 * 1024.0;
    near(
        tariff(options.clone()).list(&tb(2)).edge,
        1_024.0 * 0.085 + 1_024.0 * 0.080,
    );
    options.usual_out_gb_month = 1e9;
    near(tariff(options).list(&tb(1)).edge, 1_024.0 * 0.020);
    // Seoul, where the default is.
    near(tariff(CostOptions::default()).list(&tb(1)).edge, 1_024.0 * 0.120);
}

#[test]
fn a_month_has_its_free_tiers_once() {
    let usage = Usage {
        requests: 11_000_000,
        plain_http: 0,
        bytes_out: (1u64 << 40) + (10u64 << 30),
        ..Usage::default()
    };
    let us = tariff(CostOptions {
        region: Some("us-east-1".into()),
        ..CostOptions::default()
    });
    near(us.month(&usage, 0, 0).edge, 1.0 + 10.0 * 0.085);
    let free = Usage {
        requests: 10_000_000,
        bytes_out: 1u64 << 40,
        ..Usage::default()
    };
    near(us.month(&free, 0, 0).total(), 0.0);
    // An attack comes on top of what is used up.
    assert!(us.marginal(&free).total() > 90.0);
}

#[test]
fn flat_plans_have_no_overage_but_cover_only_the_edge() {
    let usage = Usage {
        requests: 50_000_000,
        bytes_out: 5 << 40,
        origin_requests: 1_000_000,
        waf_logged: 50_000_000,
        balancer_requests: 1_000_000,
        balancer_bytes: 1 << 30,
        origin_bytes_out: 1 << 30,
        ..Usage::default()
    };
    let mut options = CostOptions {
        plan: Some(Plan::Premium),
        log_line_bytes: 500,
        ..CostOptions::default()
    };
    let bill = tariff(options.clone()).marginal(&usage);
    assert_eq!((bill.edge, bill.waf, bill.logs), (0.0, 0.0, 0.0));
    near(bill.balancer, 0.008);
    near(tariff(options.clone()).month(&usage, 1, 7).edge, 1_000.0);
    options.plan = Some(Plan::Payg);
    let payg = tariff(options).marginal(&usage);
    assert!(
        payg.edge > 600.0 && payg.waf > 29.0 && payg.logs > 10.0,
        "{payg:?}"
    );
}

#[test]
fn what_stands_behind_the_cache() {
    let usage = Usage {
        origin_requests: 1_000_000,
        origin_bytes_out: 10 << 30,
        origin_bytes_in: 5 << 30,
        ..Usage::default()
    };
    let options = CostOptions {
        region: Some("us-east-1".into()),
        origin: Origin {
            lambda_memory_mb: 512,
            lambda_duration_ms: 200,
            api_gateway: Gateway::Rest,
            nat: true,
        },
        ..CostOptions::default()
    };
    let bill = tariff(options).list(&usage);
    near(
        bill.origin,
        3.5 + 0.2 + 0.1 * 1e6 * 0.000_016_666_7 + 10.0 * 0.045,
    );
    near(bill.edge, 5.0 * 0.02);
}

#[test]
fn a_load_balancer_alone_pays_for_its_transfer() {
    let usage = Usage {
        balancer_requests: 7_200_000,
        balancer_bytes: 1 << 30,
        ..Usage::default()
    };
    let us = tariff(CostOptions {
        region: Some("us-east-1".into()),
        ..CostOptions::default()
    });
    near(us.list(&usage).balancer, 2.0 * 0.008 + 0.09);
}

#[test]
fn tables_with_holes_are_refused() {
    let text = crate::cost::BUILTIN_PRICES;
    for (from, to) in [
        ("ap-northeast-2: asia", "ap-northeast-2: nowhere"),
        (
            "default: {usd: 0.045, source: the price",
            "other: {usd: 0.045, source: the price",
        ),
        ("request_million: {usd: 0.60", "request_million: {usd: -0.60"),
        ("default_region: ap-northeast-2", "default_region: mars-1"),
        ("as_of:", "as_off:"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(PriceTable::parse(&text.replacen(from, to, 1)).is_err(), "{from}");
    }
}
