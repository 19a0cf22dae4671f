//! Names of files and folders that no visitor asks for.
//!
//! From the file-system hierarchy of Unix systems, the layout of Windows, and the default file
//! names of servers, shells, version control, editors, build tools and AI assistants.

use ahash::AHashSet;
use std::sync::LazyLock;

/// Sets of names, looked up in lower case.
pub struct Names(pub(super) LazyLock<AHashSet<&'static str>>);

impl Names {
    pub fn has(&self, name: &[u8]) -> bool {
        let mut buffer = [0u8; 40];
        let Some(out) = buffer.get_mut(..name.len()) else {
            return false;
        };
        for (to, from) in out.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        std::str::from_utf8(out).is_ok_and(|name| self.0.contains(name))
    }
}

/// Declares sets of names from lists with spaces between.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub static $name: Names = Names(std::sync::LazyLock::new(|| $text.split_ascii_whitespace().collect()));)*
    };
}

pub(super) use names;

names! {
    /// Files and folders right below `/etc`.
    ETC = "passwd shadow group gshadow hosts hostname issue motd fstab mtab crontab sudoers profile bashrc resolv.conf \
        ssh ssl nginx httpd apache apache2 mysql my.cnf php php.ini php5 php7 postgresql redis samba vsftpd.conf proftpd.conf \
        ld.so.conf ld.so.preload environment os-release redhat-release lsb-release debian_version centos-release services \
        protocols networks network inetd.conf xinetd.d init.d rc.d rc.local cron.d cron.daily subuid subgid security shells \
        exports syslog.conf rsyslog.conf logrotate.d pam.d master.passwd security.passwd host.conf hosts.allow hosts.deny \
        kubernetes docker systemd sysconfig sysctl.conf nsswitch.conf at.allow at.deny cron.allow cron.deny anacrontab \
        pure-ftpd tomcat letsencrypt openldap ldap postfix exim4 dovecot bind named.conf squid snmp modules aliases login.defs";
    /// Below `/proc`; numbers are there too.
    PROC = "self version cpuinfo meminfo net mounts interrupts cmdline stat uptime loadavg filesystems partitions modules devices \
        swaps sys kallsyms sched_debug ioports iomem version_signature thread-self config.gz keys driver bus fs irq mdstat \
        misc mtrr scsi slabinfo softirqs timer_list tty vmstat zoneinfo buddyinfo crypto diskstats dma execdomains fb kcore \
        kmsg locks pagetypeinfo sysrq-trigger sysvipc latency_stats key-users acpi asound consoles cgroups";
    /// Below `/sys`.
    SYS = "class kernel block bus dev devices firmware fs hypervisor module power";
    /// Files that hold secrets or configuration, wherever they lie.
    SENSITIVE = "composer.json package.json webpack.config.js config.yml config.yaml settings.py local_settings.py \
        requirements.txt pipfile makefile rakefile gemfile tsconfig.json cargo.lock go.sum phpinfo wp-config.php.txt dockerfile.dev \
        docker-compose.override.yml .dockerignore jenkinsfile.groovy sources.list debug.txt id_rsa.pub application.properties \
        application.yaml bootstrap.yml id_rsa id_dsa id_ecdsa id_ed25519 authorized_keys known_hosts boot.ini win.ini system.ini php.ini my.cnf my.ini \
        httpd.conf apache2.conf nginx.conf web.config machine.config web.xml wp-config.php wp-config.txt wp-config.inc config.inc.php \
        configuration.php-dist settings.local.php local.xml localsettings.php database.yml secrets.yml credentials.json \
        master.key server.key private.key privkey.pem terraform.tfstate terraform.tfvars docker-compose.yml docker-compose.yaml \
        dockerfile jenkinsfile vagrantfile procfile gemfile.lock composer.lock composer.phar auth.json npm-shrinkwrap.json \
        yarn.lock pnpm-lock.yaml package-lock.json gruntfile.js gulpfile.js bower.json phpunit.xml phpinfo.php \
        ntuser.dat sysprep.inf unattend.xml unattended.xml global.asa global.asax debug.log error.log errors.log error_log access_log access.log \
        laravel.log npm-debug.log yarn-error.log php_error.log php_errors.log master.passwd passwd.bak shadow.bak sftp-config.json ws_ftp.ini \
        deployment-config.json appsettings.json appsettings.development.json application.yml application-prod.yml \
        log4j.properties log4j2.xml hibernate.cfg.xml context.xml tomcat-users.xml server.xml shiro.ini phpmyadmin.sql dump.sql backup.sql \
        database.sql db.sql kubeconfig wallet.dat keystore.jks secring.gpg pubring.gpg mcp.json claude.md agents.md gemini.md copilot-instructions.md \
        llms-private.txt secrets.env config.env env.local.js parameters.yml elmah.axd trace.axd winnt.ini cacert.key ssl.key desktop.ini thumbs.db";
    /// What a file name ends in when it is a copy, a dump or a key.
    SUFFIX = "sql bak backup old orig save swp swo swn tmp~ dump dmp sqlite sqlite3 db3 mdb ldf mdf pem ppk p12 pfx jks keystore kdbx rsa \
        ovpn tfstate tfvars tfplan pgpass htpasswd htaccess inc~ conf~ php~ env aider core rdb cer~ asc~ key~";
    /// Suffixes in front of which a copy's suffix stands.
    PACKED = "zip gz tgz bz2 xz 7z rar tar lzma zst z lz4";
    /// Hidden names that are meant to be read.
    PUBLIC_DOT = ".well-known .html .htm .js .css .php .aspx .jsp .json .xml .png .jpg .gif .svg .ico .woff .woff2 .txt .do";
    /// Hidden files that hold secrets, known by name.
    SECRET_DOT = ".env .git .svn .hg .htaccess .htpasswd .ssh .aws .bash_history .bashrc .profile .netrc .npmrc .pypirc .pgpass .my.cnf \
        .docker .kube .gitconfig .git-credentials .gitignore .ds_store .mysql_history .psql_history .zsh_history .history .dockercfg .bash_profile .bash_logout .cshrc .viminfo .subversion .idea .vscode .claude .cursor .mcp";
    /// Top folders of Windows.
    WINDOWS = "windows winnt system32 inetpub";
    /// Schemes of streams and archives.
    STREAMS = "php file phar expect zip glob zlib compress.zlib ogg ssh2 rar jar gopher dict ldap netdoc data";
}
