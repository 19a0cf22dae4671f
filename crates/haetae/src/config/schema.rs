//! The JSON Schema printed by `haetae config schema`.

use serde_json::{Value, json};

/// JSON Schema (2020-12) of `haetae.yaml`. A test keeps it and the structs together.
pub fn json_schema() -> Value {
    let duration = json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "haetae.yaml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "data_dir": {"type": "string", "default": "./haetae-data"},
            "listen": {"type": "string", "default": "127.0.0.1:8480",
                "description": "ip:port; anything but loopback needs ingest_token_file"},
            "ingest_token_file": {"type": "string"},
            "allowed_hosts": {"type": "array", "items": {"type": "string"},
                "description": "further Host names the API answers to"},
            "language": {"enum": ["ko", "en"], "description": "default from LANG"},
            "timezone": {"type": "string", "description": "IANA name; default: the system's"},
            "trusted_proxies": {"type": "array", "items": {"type": "string"}, "description": "CIDR blocks"},
            "client_ip_header": {"type": "string", "examples": ["X-Forwarded-For"]},
            "flush_interval": {"default": "10s", "$ref": "#/$defs/duration"},
            "rules_dir": {"type": "string", "description": "further Sigma rules"},
            "dlq_size_max": {"type": "string", "default": "256MB", "pattern": "^[0-9]+ ?[A-Za-z]+$"},
            "retention_days": {"type": "integer", "minimum": 1},
            "sources": {"type": "array", "items": {"$ref": "#/$defs/source"}},
            "notify": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "min_level": {"enum": ["informational", "low", "medium", "high", "critical"], "default": "high"},
                    "kpi_every": {"type": "string", "default": "1h", "description": "5m or more, or off"},
                    "slack": {
                        "type": "object", "additionalProperties": false,
                        "properties": {
                            "webhook_url": {"type": "string"},
                            "webhook_url_file": {"type": "string"}
                        }
                    }
                }
            },
            "parsers": parsers(),
            "enrich": enrich(),
            "crawlers": crawlers(), "models": models(),
            "cost": cost(),
            "pii": pii()
        },
        "$defs": {
            "address_policy": {"enum": ["keep", "truncate", "hash"], "default": "keep"},
            "text_policy": {"enum": ["keep", "mask", "hash"], "default": "keep"},
            "raw_policy": {"enum": ["follow", "keep", "redacted", "drop"], "default": "follow"},
            "duration": duration,
            "source": {
                "type": "object", "additionalProperties": false, "required": ["type"],
                "properties": {
                    "type": {"enum": ["s3", "file"]},
                    "tenant": {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$", "default": "default"},
                    "format": {"type": "string", "description": "a name of `haetae parser list`, NAME@vN for one version"},
                    "format_string": {"type": "string", "description": "field list of custom VPC flow logs"},
                    "time_zone": {
                        "type": "string", "default": "UTC",
                        "description": "of times that name no zone, as in syslog: Asia/Seoul, +09:00"
                    },
                    "bucket": {"type": "string"}, "prefix": {"type": "string"},
                    "region": {"type": "string"}, "endpoint": {"type": "string"},
                    "interval": {"$ref": "#/$defs/duration"}, "delay": {"$ref": "#/$defs/duration"},
                    "after_commit": {"enum": ["keep", "archive", "delete"], "default": "keep"},
                    "archive_prefix": {"type": "string"},
                    "paths": {"type": "array", "items": {"type": "string"}}
                }
            }
        }
    })
}

/// Users' parsers.
fn parsers() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {"trusted_keys": {
            "type": "array", "items": {"type": "string", "pattern": "^ed25519:"},
            "description": "public keys whose signature an uploaded parser needs"
        }, "failure_budget": {
            "default": "1m", "$ref": "#/$defs/duration",
            "description": "wall time an hour that failures of one module may cost before it is suspended"
        }}
    })
}

/// The check of crawlers.
fn crawlers() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "description": "whether clients that say to be crawlers are: reverse DNS confirmed forward, or published ranges",
        "properties": {
            "verify": {"type": "boolean", "default": true,
                "description": "ask the name system about their addresses; without it claims stay unverified"},
            "resolver": {"type": "string", "default": "system", "examples": ["system", "127.0.0.1:5353"],
                "description": "the machine's resolver, or an address with or without port"},
            "ranges_dir": {"type": "string",
                "description": "folder with files as operators publish them: common-crawlers.json, bingbot.json, …"}
        }
    })
}

/// Learned models.
fn models() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "description": "the Isolation Forest over clients' windows, see `haetae model`",
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$", "default": "web",
                "description": "the model that is retrained and that POST /detect asks"},
            "retrain_every": {"type": "string", "default": "24h", "pattern": "^(off|[0-9]+(ms|s|m|h|d))$"},
            "train_on": {"default": "14d", "$ref": "#/$defs/duration"},
            "shadow_for": {"default": "7d", "$ref": "#/$defs/duration",
                "description": "how long candidate and current model are held beside each other"},
            "alerts_per_day": {"type": "number", "minimum": 0, "default": 2,
                "description": "clients a day that a model may tell about"}
        }
    })
}

/// How the site is billed.
fn cost() -> Value {
    let ratio = json!({"type": "number", "minimum": 0, "maximum": 1, "default": 0});
    json!({
        "type": "object", "additionalProperties": false,
        "description": "how the site is billed; without a plan estimates use pay-as-you-go prices and say so",
        "properties": {
            "plan": {"enum": ["payg", "free", "pro", "business", "premium"],
                "description": "CloudFront: pay as you go, or a flat-rate plan (no overage)"},
            "region": {"type": "string", "examples": ["ap-northeast-2"]},
            "prices": {"type": "string", "description": "price table in place of the built-in rules/prices.yml"},
            "usual_out_gb_month": {"type": "number", "minimum": 0, "default": 0,
                "description": "decides the tier an attack is billed in"},
            "log_line_bytes": {"type": "integer", "minimum": 0, "default": 0,
                "description": "bytes a request takes where ingestion of logs is paid for"},
            "waf": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "enabled": {"type": "boolean", "default": false,
                        "description": "requests pass a web ACL even where no WAF log says so"},
                    "wcu": {"type": "integer", "minimum": 0, "default": 1500},
                    "body_kb": {"type": "integer", "minimum": 0, "default": 16},
                    "bot_control": {"enum": ["none", "common", "targeted"], "default": "none"},
                    "challenge_ratio": ratio, "captcha_ratio": ratio
                }
            },
            "origin": {
                "type": "object", "additionalProperties": false,
                "description": "what a request that misses the cache sets in motion",
                "properties": {
                    "lambda_memory_mb": {"type": "integer", "minimum": 0, "default": 0},
                    "lambda_duration_ms": {"type": "integer", "minimum": 0, "default": 0},
                    "api_gateway": {"enum": ["none", "rest", "http"], "default": "none"},
                    "nat": {"type": "boolean", "default": false}
                }
            }
        }
    })
}

/// Country, network, reputation.
fn enrich() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "description": "src_country, src_asn and ti_score of the client's address",
        "properties": {
            "geo": {
                "type": "object", "additionalProperties": false, "description": "MaxMind DB files",
                "properties": {
                    "country": {"type": "string"}, "asn": {"type": "string"}, "city": {"type": "string"}
                }
            },
            "reputation": {"type": "array", "items": reputation_list()},
            "remote": remote_service(),
            "reload_interval_s": {"type": "integer", "minimum": 1, "default": 60}
        }
    })
}

/// The remote reputation service.
fn remote_service() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["name", "url", "score"],
        "description": "public client addresses are sent to this service, by `haetae run` only",
        "properties": {
            "name": {"type": "string"},
            "url": {"type": "string", "pattern": "^https?://[^{]+\\{ip\\}",
                "description": "{ip} once in path or query; http for this machine only",
                "examples": ["https://rep.example/v1/ip/{ip}"]},
            "score": {"type": "string", "pattern": "^(/|$)", "examples": ["/data/score"],
                "description": "JSON pointer to the number in the reply"},
            "score_max": {"type": "integer", "minimum": 1, "default": 100,
                "description": "what the service calls the worst"},
            "header_file": {"type": "string", "description": "file with one `Name: value` line, a credential"},
            "proxy": {"type": "string", "description": "http://host:port; none by default"},
            "requests_per_s": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
            "budget_ms": {"type": "integer", "minimum": 0, "maximum": 1000, "default": 50,
                "description": "what one batch waits at most"},
            "ttl_h": {"type": "integer", "minimum": 1, "maximum": 8760, "default": 24}
        }
    })
}

/// What of personal data is stored.
fn pii() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "description": "what of personal data is stored; detection sees the clear row",
        "properties": {
            "src_ip": {"$ref": "#/$defs/address_policy"}, "text": {"$ref": "#/$defs/text_policy"},
            "account": {"$ref": "#/$defs/text_policy"}, "raw": {"$ref": "#/$defs/raw_policy"},
            "tenants": {"type": "object", "additionalProperties": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "src_ip": {"$ref": "#/$defs/address_policy"}, "text": {"$ref": "#/$defs/text_policy"},
                    "account": {"$ref": "#/$defs/text_policy"}, "raw": {"$ref": "#/$defs/raw_policy"}
                }
            }}
        }
    })
}

/// One reputation list.
fn reputation_list() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["name", "path"],
        "properties": {
            "name": {"type": "string"}, "path": {"type": "string"},
            "format": {"enum": ["auto", "netset", "drop", "drop_json", "abusech_csv", "plain", "stix"],
                "default": "auto"},
            "score": {"type": "integer", "minimum": 0, "maximum": 100, "default": 50},
            "max_age_h": {"type": "integer", "minimum": 1}
        }
    })
}
