//! English.

use super::Words;
use crate::family::Family;

pub(super) const REVIEW: &[&str] = &[
    "Write down when it began, when it was seen and when it was stopped.",
    "If it was a false alarm, close it as false positive and adjust the rule or its threshold.",
    "Decide which check would have caught it earlier, and add it.",
];

/// The table.
pub(super) fn words(family: Family) -> &'static Words {
    match family {
        Family::SqlInjection => &SQL_INJECTION,
        Family::CrossSiteScripting => &CROSS_SITE_SCRIPTING,
        Family::PathTraversal => &PATH_TRAVERSAL,
        Family::CommandInjection => &COMMAND_INJECTION,
        Family::Injection => &INJECTION,
        Family::SensitivePath => &SENSITIVE_PATH,
        Family::ForeignTechnology => &FOREIGN_TECHNOLOGY,
        Family::Probing => &PROBING,
        Family::ScannerAgent => &SCANNER_AGENT,
        Family::Login => &LOGIN,
        Family::Flood => &FLOOD,
        Family::Exfiltration => &EXFILTRATION,
        Family::PortScan => &PORT_SCAN,
        Family::Refusals => &REFUSALS,
        Family::ErrorRate => &ERROR_RATE,
        Family::Surge => &SURGE,
        Family::Cost => &COST,
        Family::Macro => &MACRO,
        Family::Payment => &PAYMENT,
        Family::FakeCrawler => &FAKE_CRAWLER,
        Family::Connection => &CONNECTION,
        Family::Silence => &SILENCE,
        Family::Risk => &RISK,
        Family::Crawler => &CRAWLER,
        Family::Generic => &GENERIC,
    }
}

const SQL_INJECTION: Words = Words {
    title: "SQL injection attempts",
    what: "{who} sent requests that carry SQL (count {n}).",
    cause: "Someone is testing parameters for SQL injection, most likely with a tool such as sqlmap.",
    actions: &[
        "Look at the answers: a 200 or 500 where others get 400 or 403, or a much larger response, means a parameter may be open.",
        "Block the address at the WAF for a few hours.",
        "Check the database's slow and error log for the same minutes.",
    ],
    contain: &["Switch the WAF's SQL injection rules for the paths attacked from count to block."],
    recover: &[
        "Turn the queries behind those parameters into prepared statements.",
        "If data may have been read, change the database account's password and work out what was exposed.",
    ],
};

const CROSS_SITE_SCRIPTING: Words = Words {
    title: "Script injection (XSS) attempts",
    what: "{who} sent requests that carry script code (count {n}).",
    cause: "Someone is looking for a page that prints its input unescaped.",
    actions: &[
        "Open the attacked path with a harmless marker and see whether it comes back unescaped.",
        "If the input is stored (comments, profiles), look for the payload there.",
        "Block the address at the WAF for a few hours.",
    ],
    contain: &["Take stored payloads off the pages."],
    recover: &["Escape output where it is printed; add a Content-Security-Policy."],
};

const PATH_TRAVERSAL: Words = Words {
    title: "Path traversal attempts",
    what: "{who} tried to step out of the web root, or to read system files (count {n}).",
    cause: "Someone is looking for a file parameter or a server that follows `../`.",
    actions: &[
        "Look for answers with status 200 and bytes among these requests: those would have been delivered.",
        "Block the address at the WAF for a few hours.",
    ],
    contain: &["Refuse encoded `../` at the proxy or WAF."],
    recover: &["If a file was delivered, treat every secret in it as known and change it."],
};

const COMMAND_INJECTION: Words = Words {
    title: "Code or command execution attempts",
    what: "{who} sent requests that try to run code on the server (count {n}).",
    cause: "Known exploits are being tried, often by a bot that tries everyone.",
    actions: &[
        "Check whether any of these requests was answered with 200, and whether the server opened connections outwards in the same minutes.",
        "Look for new processes, cron entries and files in the web root.",
        "Block the address at the WAF.",
    ],
    contain: &["If there is a sign of success, take the host off the network and keep its disk."],
    recover: &["Update the component attacked; rebuild the host from a clean image if in doubt."],
};

const INJECTION: Words = Words {
    title: "Injection attempts of several kinds",
    what: "{who} sent requests that carry attack code of more than one kind (count {n}).",
    cause: "A scanner or a curious person is trying what the site does with hostile input.",
    actions: &[
        "Look at the answers: a 200 or 500 where others get 400 or 403 means an input may be open.",
        "Block the address at the WAF for a few hours.",
    ],
    contain: &["Switch the WAF's managed rules for the paths attacked from count to block."],
    recover: &["Check the inputs behind the attacked paths one by one."],
};

const SENSITIVE_PATH: Words = Words {
    title: "Requests for sensitive files",
    what: "{who} asked for files that must not be public (count {n}).",
    cause: "Someone is collecting `.env`, `.git`, backups or configuration left on web servers.",
    actions: &[
        "See whether any of them was answered with 200. If so, that file is out: change the secrets in it now.",
        "Block the address at the WAF if it goes on.",
    ],
    contain: &["Refuse dot files and backup endings at the web server or CDN."],
    recover: &["Take such files out of the web root and out of the deployment."],
};

const FOREIGN_TECHNOLOGY: Words = Words {
    title: "Probes for software that is not in use here",
    what: "{who} asked for paths of software this site does not appear to run (count {n}).",
    cause: "An internet-wide bot tries well-known holes everywhere; usually background noise.",
    actions: &[
        "Nothing is urgent while all answers are 404 or 403.",
        "If one was answered with 200, find out what answered.",
        "Block the address if the load bothers.",
    ],
    contain: &["Refuse these paths at the WAF or CDN, so that they do not reach the origin."],
    recover: &["Check that none of this software is installed somewhere forgotten."],
};

const PROBING: Words = Words {
    title: "Path probing",
    what: "{who} went through many paths that do not exist or are refused (count {n}).",
    cause: "A scanner is drawing a map of the site; or a broken link or a client gone wrong.",
    actions: &[
        "Look at the paths: a word list means a scanner, one repeated path a broken link.",
        "Look at what it got with status 200.",
        "Block the address at the WAF for a few hours.",
    ],
    contain: &["Add a rate limit on 404 and 403 answers per address."],
    recover: &["Take down or protect what the scan found (admin pages, old files)."],
};

const SCANNER_AGENT: Words = Words {
    title: "Scanner by its user agent",
    what: "{who} introduces itself as a vulnerability scanner (count {n}).",
    cause: "A scanning tool with its default settings; perhaps a test that was ordered.",
    actions: &[
        "Ask whether a security test is announced for now.",
        "If not, block the address, and look at what else it asked for.",
    ],
    contain: &["Refuse the tool's user agent at the WAF."],
    recover: &["Read the scan's requests as a free list of what strangers check first."],
};

const LOGIN: Words = Words {
    title: "Login attempts in series",
    what: "{who} tried to log in again and again (count {n}).",
    cause: "Guessed passwords, or lists of stolen ones being tried.",
    actions: &[
        "Look for a success behind the failures: that account must be locked and its sessions ended.",
        "Block the address; add a rate limit or CAPTCHA to the login.",
    ],
    contain: &["Lock accounts that were entered; end their sessions."],
    recover: &["Have those users set new passwords; offer a second factor."],
};

const FLOOD: Words = Words {
    title: "Request flood",
    what: "{who} sent far more requests than a person or an ordinary client does (count {n}).",
    cause: "A flood, a scraper, a load test, or a client that retries without pause.",
    actions: &[
        "Check whether the site still answers well (5xx, time taken).",
        "See whether it is one of your own: monitoring, a batch job, a load test, a partner.",
        "If not, block the address or add a rate-based rule at the WAF.",
    ],
    contain: &["Add a rate-based rule; cache or protect the path that is hit most."],
    recover: &["Take the block off when it has been quiet; check what the traffic cost."],
};

const EXFILTRATION: Words = Words {
    title: "Unusual amount of data going out",
    what: "{who} moved an unusual amount of data (count {n}).",
    cause: "A large download, a backup, or data being carried away.",
    actions: &[
        "Find out which paths or hosts the bytes went through, and whether a backup or export was planned.",
        "If nobody knows of it, cut the connection and keep the logs.",
    ],
    contain: &["Block the destination; lock the account or key used."],
    recover: &["Work out what was taken; check the duty to report."],
};

const PORT_SCAN: Words = Words {
    title: "Port scan",
    what: "{who} tried many ports or hosts in a short time (count {n}).",
    cause: "From outside: usually internet background noise. From inside: a host may be taken over, or an inventory tool is running.",
    actions: &[
        "If the address is yours, find out what runs on that host now.",
        "If it is from outside, check which of the ports answered (ACCEPT), and close what need not be open.",
    ],
    contain: &["Inside: take the host off the network. Outside: deny the address in the network ACL."],
    recover: &["Reduce security groups to the ports that are needed."],
};

const REFUSALS: Words = Words {
    title: "Many refused requests",
    what: "{who} was refused again and again (count {n}).",
    cause: "An attacker who is being stopped; or a rule that hits real users.",
    actions: &[
        "See which rule refuses, and whether the requests look like users or like attacks.",
        "If users are hit, set that rule to count; if not, nothing is urgent: it is being stopped.",
    ],
    contain: &["Keep blocking; lengthen the block if it goes on."],
    recover: &["Correct a rule that hits users, and tell those affected."],
};

const ERROR_RATE: Words = Words {
    title: "Error rate has risen",
    what: "The share of failed requests rose for {who} (requests counted {n}).",
    cause: "A deployment, an origin in trouble, a dependency that is down, or an attack that makes errors.",
    actions: &[
        "See whether the errors are 5xx (our side) or 4xx (the clients' side), and on which paths.",
        "If something was deployed just before, roll it back.",
        "Check the origin's health and its dependencies.",
    ],
    contain: &["Roll back, or take the failing origin out of rotation."],
    recover: &["Find the cause in the application log of the same minutes."],
};

const SURGE: Words = Words {
    title: "Traffic surge",
    what: "Traffic of {who} rose well above its usual level (requests counted {n}).",
    cause: "A campaign or a news link, a crawler, or a distributed flood.",
    actions: &[
        "See whether it is spread over many addresses and ordinary pages (visitors) or over few addresses or one path (attack).",
        "Ask whether an event or a campaign was planned.",
        "Watch errors and time taken; scale out or cache if needed.",
    ],
    contain: &["If it is an attack: a rate-based rule, or a challenge on the path hit."],
    recover: &["Set capacity and alarms by what was learned."],
};

const COST: Words = Words {
    title: "Traffic that runs up the bill",
    what: "Requests of {who} cost far more than ordinary visitors' (count {n}).",
    cause: "Someone makes the site pay: large objects, random queries past the cache, slow or rhythmic load. It may also be a partner or a build server that nobody told you about.",
    actions: &[
        "Look at the estimated cost and what it would be after 24 hours: that is how urgent it is.",
        "Find out whose address it is; a partner or your own machine gets an exception with an end date.",
        "Limit the rate of, or block, the address at the WAF. Blocked requests still cost the WAF's price, but no transfer.",
    ],
    contain: &[
        "Leave unknown query parameters out of the cache key, and refuse ranges and parameters the site does not use.",
        "Serve large objects by signed URLs that expire.",
    ],
    recover: &["Compare the bill of these days with the estimate and set a budget alarm."],
};

const MACRO: Words = Words {
    title: "Macro or automated client",
    what: "{who} acts like a script, not like a person (count {n}).",
    cause: "A ticket macro, a scraper, or a script of a partner. The evidence says what gave it away.",
    actions: &[
        "Hold the orders of these sessions and accounts until somebody has looked at them.",
        "Ask for a CAPTCHA or a queue token on the path in the evidence.",
        "Block the address only if nobody else is behind it: offices and carriers share addresses.",
    ],
    contain: &["Limit how often one session or account may ask for seats and payments."],
    recover: &["Cancel what was bought by script where your terms allow it, and give the seats back."],
};

const PAYMENT: Words = Words {
    title: "Payment steps out of order",
    what: "{who} paid without the steps that others take before (count {n}).",
    cause: "Someone calls the payment interface directly, replays a call, or tries out cards.",
    actions: &[
        "Compare the orders of this session or account with what was really paid.",
        "If many payments were declined, tell your payment provider: it may be card testing.",
    ],
    contain: &["Refuse a payment call without a fresh, unused order of the same session."],
    recover: &["Cancel orders that were never paid, and check prices on the server."],
};

const FAKE_CRAWLER: Words = Words {
    title: "False crawler",
    what: "{who} uses the name of a crawler it is not (count {n}).",
    cause: "A scraper or scanner hopes to be let through as a search engine.",
    actions: &[
        "Block the address: the real crawler comes from elsewhere and loses nothing.",
        "See what it asked for: prices, accounts, or holes.",
    ],
    contain: &["Let only verified addresses use the names of crawlers."],
    recover: &["Remove exceptions that go by the user agent alone."],
};

const CONNECTION: Words = Words {
    title: "Unusual connection",
    what: "{who} has connections this network does not usually have (count {n}).",
    cause: "A way in that was tried until it opened, a program that calls out, or a new service nobody announced.",
    actions: &[
        "Find out who owns the host and whether the service is meant to be reachable.",
        "Look at the host's log-ins and running programs for the same minutes.",
        "Close the port to the outside if nobody needs it there.",
    ],
    contain: &["Cut the host off from the internet if nobody can say what it is doing."],
    recover: &["Change the credentials that were on the host, and rebuild it if somebody was in."],
};

const SILENCE: Words = Words {
    title: "Log source gone silent",
    what: "{who} sends no logs any more.",
    cause: "A shipper that stopped, a permission or key that ended, a full disk, or a service that is down.",
    actions: &[
        "Run `haetae doctor` and see whether the source is reached.",
        "See whether the service itself still answers its users.",
        "If nothing is broken, ask who switched the logs off: attackers do.",
    ],
    contain: &["Until it speaks again, watch that service by other means."],
    recover: &["Bring in the logs of the gap from where they were kept."],
};

const RISK: Words = Words {
    title: "Several small things add up",
    what: "{n} different small things were found about {who} within a day, and together they pass the risk threshold. None was large enough to be told alone.",
    cause: "Someone careful stays below each limit; or many people share one address.",
    actions: &[
        "Read the things that add up in order of time: do they make the path of one person?",
        "See whether many people share the address (an office, a carrier): many sessions and user agents say so.",
        "Check whether it ever logged in or paid successfully.",
    ],
    contain: &["If it is one person, challenge or block this source at the WAF for a few hours."],
    recover: &[
        "If it was permitted, such as a security check, write it into `exceptions.yml` with an owner and a last day.",
    ],
};

const CRAWLER: Words = Words {
    title: "Automated client",
    what: "{who} is an automated client (count {n}).",
    cause: "A search engine, a link preview, a monitor, or a bot that follows a programme.",
    actions: &[
        "Nothing is urgent. If it is too much, use robots.txt or a rate limit.",
        "A name in a user agent is no proof: check by reverse DNS before allowing it anything.",
    ],
    contain: &["Limit its rate."],
    recover: &["Write the bots you want into an allow list."],
};

const GENERIC: Words = Words {
    title: "Rule matched",
    what: "{who}: {rule} (count {n}).",
    cause: "The rule's own description says what it looks for.",
    actions: &[
        "Read the evidence lines and see whether this client or host is known.",
        "Search for the same address or account in the hour before and after.",
    ],
    contain: &["If it is hostile, block the source at the WAF or firewall."],
    recover: &["Undo what was changed, and close the way it came in by."],
};
