//! Commands, code and templates in a request.
//!
//! Commands are those of POSIX shells, `cmd.exe` and PowerShell; functions those of PHP, Java,
//! Python and Node.js that run something; templates those of the common engines.

use super::evidence::{Evidence, Literals};
use super::path_words::{Names, names};
use super::verdict::{Class, Place, Verdicts};
use std::sync::LazyLock;

names! {
    /// Commands whose names mean little else.
    COMMANDS = "cat wget curl whoami ifconfig ipconfig nslookup ping uname netstat bash sh zsh ksh csh dash nc ncat netcat \
         chmod chown ls pwd passwd phpinfo perl python python2 python3 ruby php lua tftp ftp telnet ssh scp rsync dig traceroute \
         tracert systeminfo tasklist powershell pwsh cmd certutil bitsadmin mshta rundll32 regsvr32 wmic cscript wscript reg \
         awk sed grep egrep xargs tee rm mkdir rmdir cp mv touch printf printenv env busybox nohup crontab useradd adduser sudo su \
         ps lsof df du tar gzip gunzip base64 xxd od hexdump md5sum openssl gcc iptables systemctl lynx fetch socat nmap sleep tail \
         agetty aptitude aria2c arj ascii85 aspell atobm basenc bpftrace bsdtar bunzip2 bzcat bzdiff bzip2 c89 c99 \
         capsh check_by_ssh chattr chpasswd chroot cmp cobc codium comm cpan cpio cpulimit cscli csplit csvtool \
         cupsfilter dirb dmidecode dmsetup dnf dpkg dvips egrep espeak exiftool ffmpeg fgrep fping gawk gdb \
         genisoimage getent ghc ginsh gobuster grc gtester hping3 htop httpie iconv iftop ionice irb ispell jexec jjs \
         journalctl jq jrunscript jshell ksshell kubectl ldconfig ldd libreoffice linux64 loginctl logsave lscpu \
         ltrace lualatex lwp-request lzcat lzma mailx masscan mawk msfconsole msgattrib mtr mysqldump nasm nawk \
         neofetch netkit ngrep nikto nroff nsenter openvt opkg pdb pdftex pftp pidof pidstat pip pip3 pkexec pkill \
         pg_dump pgrep pry psexec psftp psql ptx rbash rbenv readelf restic rlogin rlwrap rmt rpm rpmquery rsh \
         runscript rview rvim sash scanmem scrot sendmail setarch setfacl setsid sftp shuf slsh smbclient smbmap \
         sqlite3 sqlmap sshpass stdbuf strace strings sysctl taskset tasksh tclsh tcpdump tcpping tcptraceroute tcsh \
         timedatectl tmate tmux traceroute6 unlzma unxz unrar unzstd uudecode uuencode vigr vimdiff vipw virsh visudo \
         vmstat whiptail wfuzz xargs xelatex xmodmap xz xzcat zathura zcat zdiff zegrep zfgrep zgrep zless zmore znew \
         zsoelim zstd zypper attrib bcdboot bcdedit cacls cmdkey cipher cscript dism diskpart dsquery esentutl \
         findstr forfiles fsutil gpresult gpupdate icacls installutil iwr iex iwmi klist makecab mavinject msbuild \
         msiexec mshta msdt netsh nltest ntdsutil odbcconf pcalua pnputil qwinsta regedit regasm regini regsvcs \
         robocopy schtasks subst takeown taskkill tasklist vssadmin wevtutil winrm winrs xcopy invoke-webrequest \
         invoke-expression invoke-wmimethod start-process";
    /// Commands that are words of ordinary text too; they count with an argument no prose has.
    WORDS = "id who w find more less sort time date type dir net echo set head top at kill man test which exec eval \
         source export host route arp last finger users groups history cd copy del ver vol start timeout shutdown reboot expr let read";
    /// Programs under words or brands that people search for; only an argument of a shell makes them commands.
    PROSE = "alias base bridge column cut diff expand expect fold file flock free git help info install ip join line link \
         look mail mount mosquitto nm perf ping pic pr restore run script sed service split stat task tbl tic unlink \
         uniq users wall watch wc wish write assoc at call chcp choice comp erase for ftype if label more move path \
         print query recover ren replace sc tree docker npm npx yarn zip unzip screen dialog node composer puppet \
         julia genie snap cancel alpine nice joe knife yum rake ed ex vi view less locale paste octave pandoc make \
         gimp ansible apt nano vim latex wireshark mutt dosbox cowsay pkg easy_install ash nl tac lastb csc setx hh \
         valgrind bundler dmesg troff eqn efax";
    /// Commands that run the command behind them.
    RUNNERS = "time sudo env nohup exec command nice busybox timeout setsid stdbuf watch xargs doas ionice strace";
}

static CODE: LazyLock<Literals> = LazyLock::new(|| {
    Literals::new(&[
        (
            0.9,
            "lookup or expression that runs code",
            &[
                "*${jndi:*",
                "*${${*",
                "*:-j}*",
                "*() {*",
                "*(){ :;*",
                "*() { :*",
                "*<?php*",
                "*<?=*",
                "*<%=*",
                "*@java.lang*",
                "java.lang.*",
                "*getruntime*",
                "processbuilder",
                "class.module.classloader*",
                "class.classloader*",
                "*_memberaccess*",
                "*ognl*context*",
                "*opensymphony*",
                "*t(java*",
                "freemarker.template*",
                "*__import__*",
                "*__subclasses__*",
                "*__globals__*",
                "*__class__*",
                "*child_process*",
                "process.mainmodule*",
                "process.binding*",
                "*/dev/tcp/*",
                "*${ifs}*",
                "*$ifs*",
                "*$shell -c*",
                "*${shell}*",
                "*${path:*",
                "*${home:*",
                "*invoke-webrequest *",
                "*invoke-expression*",
                "*invoke-wmimethod*",
                "*start-process *",
                "*downloadstring(*",
                "*new-object net.*",
                "* -encodedcommand *",
                "*/usr/local/bin/*",
                "*/usr/sbin/*",
                "*/bi?/*",
                "*/b?n/*",
                "*/?in/*",
                "*/???/b??h*",
                "*</dev/null*",
                "*>/dev/null*",
                "*2>&1*",
                "*allow_url_include*",
                "*auto_prepend_file*",
                "invokefunction",
                "call_user_func*",
                "*php://input*",
                "*expect://*",
                "cmd.exe*",
                "*powershell*",
                "*xp_cmdshell*",
                "*/bin/sh*",
                "*/bin/bash*",
                "*/bin/cat*",
                "*/bin/ls*",
                "*/bin/id*",
                "*/usr/bin/*",
                "*;echo*|*",
                "*#{7*",
                "*{{7*",
                "*${7*",
                "*rO0ABX*",
                "*%{(#*",
                "*%{#*",
                "*{{config*",
                "*{{self*",
                "*{{request*",
                "*{{''*",
                "*{{\"*",
                "*{{_self*",
                "*{php}*",
                "*wget http*",
                "*curl http*",
                "constructor.prototype*",
                "*__proto__*",
                "os.system*",
                "os.popen*",
                "subprocess.*",
                "*require('*",
                "*require(\"*",
                "*${@print*",
                "*{${*",
            ],
        ),
        (
            0.65,
            "call of a function that runs code",
            &[
                "system(*",
                "exec(*",
                "passthru(*",
                "shell_exec(*",
                "popen(*",
                "proc_open(*",
                "pcntl_exec(*",
                "assert(*",
                "phpinfo(*",
                "create_function(*",
                "base64_decode(*",
                "gzinflate(*",
                "str_rot13(*",
                "file_get_contents(*",
                "file_put_contents(*",
                "fwrite(*",
                "fsockopen(*",
                "eval(compile*",
                "time.sleep(*",
                "print(md5(*",
                "die(md5*",
                "echo(md5*",
                "preg_replace(*",
                "array_map(*",
                "usort(*",
                "readfile(*",
                "highlight_file(*",
                "show_source(*",
                "include(*",
                "require_once(*",
                "move_uploaded_file(*",
                "ini_set(*",
                "error_reporting(*",
                "*.to_i)*",
                "sleep(20.*",
                "*.exec(*",
                "*chr(*).chr(*",
                "response.write(*",
                "server.createobject*",
                "wscript.shell*",
                "new java*",
                "#set($*",
                "#include*",
                "<!--#exec*",
                "*<!--#*",
            ],
        ),
        (
            0.35,
            "expression of a template",
            &["*{{*", "*${*", "*#{*", "*<%*", "*{%*", "*$(*"],
        ),
    ])
});

/// Judges a decoded text.
pub fn judge(place: Place, text: &str, verdicts: &mut Verdicts) {
    let bytes = text.as_bytes();
    let mut evidence = Evidence::new();
    CODE.look(text, &mut evidence);
    commands(place, bytes, &mut evidence);
    evidence.raise(Class::Rce, verdicts);
}

/// Commands behind a separator, in a substitution, or at the very start.
fn commands(place: Place, bytes: &[u8], evidence: &mut Evidence) {
    let mut best = (0.0f32, "");
    let mut consider = |weight: f32, reason: &'static str| {
        if weight > best.0 {
            best = (weight, reason);
        }
    };
    // The agents of `curl` and its like begin with their names too.
    let option = memchr::memchr(b' ', bytes).and_then(|space| bytes.get(space + 1));
    if place != Place::Agent || matches!(option, Some(b'/' | b'-' | b'$')) {
        consider(command(bytes, false), "command");
    }
    for (at, b) in bytes.iter().enumerate() {
        let substitution =
            *b == b'`' || (*b == b'(' && at > 0 && matches!(bytes[at - 1], b'$' | b'<' | b'>'));
        let separator = matches!(b, b';' | b'|' | b'&' | b'\n' | b'\r');
        if substitution || separator {
            let rest = &bytes[at + 1..];
            consider(
                command(rest, true),
                if substitution {
                    "command substitution"
                } else {
                    "command behind a separator"
                },
            );
        }
    }
    if best.0 > 0.0 {
        evidence.add(best.0, best.1);
    }
}

/// How likely what begins `bytes` is a command with its arguments.
fn command(bytes: &[u8], behind_separator: bool) -> f32 {
    let start = bytes
        .iter()
        .take(4)
        .take_while(|b| matches!(b, b' ' | b'\t' | b'(' | b'{' | b'"' | b'\'' | b'\\'))
        .count();
    let rest = &bytes[start.min(bytes.len())..];
    let spelled = Spelled::read(rest, behind_separator);
    let (name, program) = (spelled.name(), spelled.length);
    if name.is_empty() {
        return 0.0;
    }
    let (strict, word) = (COMMANDS.has(name), WORDS.has(name));
    if !strict && !word {
        let argued = behind_separator && PROSE.has(name) && is_argument(&rest[program..]);
        return if argued { 0.6 } else { 0.0 };
    }
    let arguments = &rest[program..];
    let ends = arguments
        .iter()
        .all(|b| *b <= b' ' || matches!(b, b'`' | b')' | b'"' | b'\'' | b';' | b'|' | b'&' | b'#' | b'/'));
    let runs = behind_separator && RUNNERS.has(name) && {
        let next = Spelled::read(arguments.trim_ascii_start(), true);
        arguments.starts_with(b" ") && COMMANDS.has(next.name())
    };
    // Nobody writes a program's name in pieces but to hide it.
    let hidden = spelled.pieces && strict;
    let argued =
        runs || hidden || is_argument(arguments) || strict && behind_separator && is_number(arguments);
    match (strict, behind_separator, argued, ends) {
        (true, true, true, _) => 0.9,
        (true, true, _, true) => 0.7,
        (true, false, true, _) => 0.6,
        (false, true, true, _) => 0.6,
        (false, true, _, true) if !arguments.is_empty() || name == b"id" => 0.55,
        (false, false, true, _) => 0.25,
        _ => 0.0,
    }
}

/// Longest name of a program, with its path and what hides it.
const NAME_BYTES_MAX: usize = 64;

/// The first word of a command as a shell reads it: `w'ho'a\mi` is `whoami`, `/bi[n]/ca?` is a path.
struct Spelled {
    text: [u8; NAME_BYTES_MAX],
    /// Of the text.
    used: usize,
    /// Of the name alone, behind its folders.
    from: usize,
    /// Bytes read.
    length: usize,
    /// Quotes, backslashes or carets stood between its letters.
    pieces: bool,
}

impl Spelled {
    /// `lenient`: what a shell leaves out is left out.
    fn read(bytes: &[u8], lenient: bool) -> Spelled {
        let mut spelled = Spelled {
            text: [0; NAME_BYTES_MAX],
            used: 0,
            from: 0,
            length: 0,
            pieces: false,
        };
        let mut gap = false;
        for &b in bytes.iter().take(NAME_BYTES_MAX) {
            match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' => {
                    spelled.pieces |= gap;
                    gap = false;
                    spelled.text[spelled.used] = b;
                    spelled.used += 1;
                    if b == b'/' {
                        spelled.from = spelled.used;
                    }
                }
                b'-' if lenient && spelled.used > 0 => {
                    spelled.text[spelled.used] = b;
                    spelled.used += 1;
                }
                b'\'' | b'"' | b'\\' | b'^' if lenient => gap = spelled.used > spelled.from,
                _ => break,
            }
            spelled.length += 1;
        }
        spelled
    }

    fn name(&self) -> &[u8] {
        let name = &self.text[self.from..self.used];
        name.strip_suffix(b".exe").unwrap_or(name)
    }
}

/// Whether a number follows, as behind `sleep`.
fn is_number(bytes: &[u8]) -> bool {
    let space = bytes
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t' | b'+'))
        .count();
    space > 0 && bytes.get(space).is_some_and(u8::is_ascii_digit)
}

/// Whether what follows a command is what shells take and prose has not: options, paths,
/// variables, redirections, addresses.
fn is_argument(bytes: &[u8]) -> bool {
    let space = bytes
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t' | b'+'))
        .count();
    if space == 0 {
        return matches!(bytes, [b'<' | b'>' | b'|', b'/' | b'.' | b'a'..=b'z', ..])
            || bytes.starts_with(b"${IFS}");
    }
    match &bytes[space..] {
        [b'-', letter, ..] => letter.is_ascii_alphabetic() || *letter == b'-',
        [b'/', next, ..] => next.is_ascii_alphanumeric() || *next == b'*',
        [b'$', next, ..] => next.is_ascii_alphabetic() || matches!(next, b'(' | b'{'),
        [b'%', next, ..] => next.is_ascii_alphabetic(),
        [b'>' | b'<', ..] => true,
        [drive, b':', ..] => drive.is_ascii_alphabetic(),
        rest => {
            let word = rest
                .iter()
                .take(64)
                .take_while(|b| b.is_ascii_graphic() && !b"`;|&)'\"".contains(b))
                .count();
            let word = &rest[..word];
            word.starts_with(b"http") && word.contains(&b':')
                || word.windows(2).any(|pair| pair == b"/." || pair == b"..")
                || word.iter().filter(|b| **b == b'.').count() == 3
                    && word.iter().all(|b| b.is_ascii_digit() || *b == b'.')
                || word
                    .iter()
                    .position(|b| *b == b'/')
                    .is_some_and(|at| at > 0 && word.len() > at + 2 && word.contains(&b'.'))
        }
    }
}
