//! The operator's manual page is what clap says of the command line, and the page
//! in the repository is that page. `VIRT_GUARD_BLESS=1 cargo test --test man`
//! writes it anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use virt_guard::cli::Args;
use virt_guard::facts::policy::Policy;

/// All pages; the first is generated.
const PAGES: [&str; 4] = ["virt-guard.8", "virt-guard-hook.8", "virt-guard.toml.5", "virt-guard-policy.7"];
/// No line of a page is longer, in bytes.
const WIDTH: usize = 80;
/// An apostrophe that can be copied, as clap_mangen defines it.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";
/// What clap does not know.
const REST: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
Everything is as it should be; a packet is accepted.
.TP
\fB1\fR
Something was found: a difference, an unguarded guest, a dropped packet.
.TP
\fB2\fR
Wrong usage or configuration.
.TP
\fB3\fR
It could not be done.
.SH EXAMPLES
What guests may do is shown in \fBvirt\-guard\-policy\fR(7).
Here a host has two guests, and a floating IP to give away.
.PP
.EX
# /etc/virt\-guard/virt\-guard.toml
[bridges."br100"]
uplinks = ["eth1"]

# /etc/virt\-guard/policy.d/web.toml
[[group]]
name = "web"
ingress = [ { protocol = "tcp", ports = 80 } ]

[[guest]]
match = "web1"
groups = ["web"]
addresses = ["10.100.0.11"]

$ virsh start web1
$ virt\-guard status
\&...
rules     in sync
\&...
br100    br100   eth1   uplink
                 vnet1  guest "web1"
                 vnet2  unknown (drop)
\&...
$ virt\-guard explain \-\-guest web1 \-\-direction out \-\-to host \e
    \-\-protocol tcp \-\-port 22
\&...
verdict  drop
layer    host
rule     the host does not allow this to guests (built in)
exit status 1
$ virt\-guard show web1 | grep \-c vg_vnet1
\&...
.EE
.PP
Somebody flushes all rules:
.PP
.EX
$ nft flush ruleset
$ virt\-guard check
\&...
exit status 1
$ virt\-guard apply \-\-dry\-run
\&...
$ virt\-guard apply
1 port guarded, the rules were put in place
$ virt\-guard check
in order
.EE
.PP
An address of the outside leads to the guest and is taken away again:
.PP
.EX
$ virt\-guard floating associate 203.0.113.10 web1
203.0.113.10 leads to "web1" (10.100.0.11) at vnet1
$ virt\-guard flows list web1
0 connections
$ virt\-guard floating disassociate 203.0.113.10
203.0.113.10 of "web1"
rules    gone
address  gone
flows    0 killed, 0 alive
\&...
.EE
.PP
Which services of the host do guests reach, and what became of other agents\(aq
chains:
.PP
.EX
$ virt\-guard services audit
\&...
$ virt\-guard preserve diff
nothing is lost
.EE
.PP
A filter is tried before a guest refers to it:
.PP
.EX
<!\-\- /etc/virt\-guard/nwfilter/no\-telnet.xml \-\->
<filter name=\(aqno\-telnet\(aq>
  <rule action=\(aqdrop\(aq direction=\(aqin\(aq>
    <tcp dstportstart=\(aq23\(aq/>
  </rule>
</filter>

$ virt\-guard nwfilter check etc/virt\-guard/nwfilter/no\-telnet.xml
1 filter, no problem
$ virt\-guard nwfilter show no\-telnet \-\-engine nftables
\&...
.EE
.SH FILES
.TP
\fI/etc/virt\-guard/virt\-guard.toml\fR, \fI/etc/virt\-guard/policy.d/*.toml\fR
The policy; see \fBvirt\-guard.toml\fR(5).
.TP
\fI/etc/virt\-guard/iptables.d/*.rules\fR
The operator's own rules for each guest; see \fBvirt\-guard.toml\fR(5).
.TP
\fI/etc/virt\-guard/nwfilter/*.xml\fR, \fI/etc/libvirt/nwfilter/*.xml\fR
Filters, each in a file of its name; the first folder wins.
.TP
\fI/etc/libvirt/qemu/networks/*.xml\fR, \fI/var/lib/libvirt/dnsmasq/*.status\fR
The addresses that libvirt's networks reserve and lease, for filters that ask for $IP.
.TP
\fI/run/virt\-guard/\fR
What is remembered of guests and of what was applied.
.TP
\fI/var/lib/virt\-guard/\fR
What outlives a restart of the host: filters made in libvirt, floating IPs, pinned services and what their files were.
.TP
\fI/run/libvirt/qemu/*.xml\fR
The guests that run, read where libvirt cannot be asked.
.TP
\fI/etc/libvirt/hooks/\fR
Where \fBvirt\-guard install\fR puts its shims.
.SH "SEE ALSO"
\fBvirt\-guard\-hook\fR(8), \fBvirt\-guard.toml\fR(5),
\fBvirt\-guard\-policy\fR(7), \fBnft\fR(8), \fBiptables\fR(8), \fBebtables\fR(8)
"#;

#[test]
fn the_page_is_what_the_command_line_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/virt-guard.8");
    let generated = page().unwrap();
    if std::env::var_os("VIRT_GUARD_BLESS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == generated,
        "{} is not what the command line says; VIRT_GUARD_BLESS=1 writes it anew",
        path.display()
    );
}

#[test]
fn every_page_has_the_sections_of_a_page() {
    for name in PAGES {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)).unwrap();
        for section in ["NAME", "DESCRIPTION", "EXAMPLES", "\"SEE ALSO\""] {
            assert!(text.contains(&format!("\n.SH {section}\n")), "{name} has no {section}");
        }
        let version = concat!(" \"virt-guard ", env!("CARGO_PKG_VERSION"), "\" virt-guard");
        let title = text.lines().find(|line| line.starts_with(".TH ")).unwrap();
        assert!(title.ends_with(version) && title.contains(&date()), "{name}: {title}");
    }
}

#[test]
fn the_page_of_the_policy_has_every_key() {
    let text = read("virt-guard.toml.5");
    for table in [
        "",
        "[bridges.br0]\n",
        "[host]\n",
        "[guests]\n",
        "[[group]]\nname = \"a\"\n",
        "[[group]]\nname = \"a\"\ningress = [ { x = 1 } ]\n",
        "[[guest]]\nmatch = \"a\"\n",
        "[[preserve]]\nchains = [\"a\"]\n",
        "[nat]\n",
        "[[floating-ip]]\n",
        "[[forward]]\n",
    ] {
        // What keys there are is told by the error about one that is none.
        let error = load(&format!("{table}x = 1\n")).unwrap_err();
        let (_, choices) = error.split_once("expected ").unwrap();
        let keys: Vec<_> = choices.split('`').skip(1).step_by(2).collect();
        assert!(!keys.is_empty(), "{error}");
        for key in keys {
            assert!(text.contains(&format!("\\fB{key}\\fR")) || text.contains(&format!("[{key}")), "no key {key}");
        }
    }
}

#[test]
fn no_page_is_complained_of() {
    for name in PAGES {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
        for (program, words) in [("mandoc", &["-Tlint"][..]), ("man", &["--warnings", "-l"])] {
            // What man makes of the page is as wide as a terminal; its text is of no interest.
            let mut command = std::process::Command::new(program);
            command.args(words).arg(&page).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
            let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
            let said = if program == "man" { output.stderr } else { output.stdout };
            assert_eq!(String::from_utf8_lossy(&said), "", "{program} of {name}");
            assert!(output.status.success(), "{program} of {name}: {}", output.status);
        }
    }
}

/// A hand-written page, its hyphens as they are typed.
fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)).unwrap().replace("\\-", "-")
}

fn load(settings: &str) -> Result<Policy, String> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/virt-guard");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("virt-guard.toml"), settings).unwrap();
    Policy::load(root.path()).map_err(|error| error.to_string())
}

/// One page: the program, then each of its commands.
fn page() -> io::Result<String> {
    let mut program = Args::command().disable_help_subcommand(true).after_help(None::<&str>);
    program.build();
    let man = |command: Command| {
        let source = concat!("virt-guard ", env!("CARGO_PKG_VERSION"));
        Man::new(command).title("VIRT-GUARD").section("8").date(date()).source(source).manual("virt-guard")
    };
    let mut page = Vec::new();
    let whole = man(program.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    for (name, command) in leaves(&program) {
        let mut part = Vec::new();
        // The options of the whole program stand above.
        let own = command.clone().mut_args(|argument| {
            let global = argument.is_global_set() || argument.get_id() == "help";
            argument.hide(global)
        });
        let man = man(own);
        man.render_synopsis_section(&mut part)?;
        man.render_description_section(&mut part)?;
        man.render_options_section(&mut part)?;
        let part = String::from_utf8_lossy(&part);
        writeln!(page, ".SS \"{name}\"")?;
        page.write_all(as_subsection(&part).as_bytes())?;
    }
    page.write_all(REST.as_bytes())?;
    let page = String::from_utf8(page).map_err(io::Error::other)?;
    let lines: Vec<_> = page.lines().filter(|line| !is_preamble(line)).collect();
    Ok(format!("{APOSTROPHE}{}", wrapped(&tidy(&lines))))
}

/// The day of the pages, which is that of the ones written by hand.
fn date() -> String {
    let page = read("virt-guard-hook.8");
    page.split_whitespace().nth(3).unwrap().to_owned()
}

/// The lines without paragraphs that are none, and breaks of what is broken already.
fn tidy<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let needless = |(line, next): &(&'a str, &'a str), before: Option<&&str>| match *line {
        ".PP" => {
            [".PP", ".TP", ".SS", ".SH"].iter().any(|kind| next.starts_with(kind))
                || before.is_some_and(|before| before.starts_with(".SS"))
        }
        ".br" => before.is_some_and(|before| [".br", ""].contains(before)) || next.is_empty(),
        _ => false,
    };
    let next = lines.iter().copied().skip(1).chain([""]);
    let mut tidy = Vec::new();
    for pair in lines.iter().copied().zip(next) {
        if !needless(&pair, tidy.last()) {
            tidy.push(pair.0);
        }
    }
    tidy
}

/// The lines, those of text at most so long. What stands behind `.TP` is one line.
fn wrapped(lines: &[&str]) -> String {
    let mut page = String::new();
    let mut before = "";
    for line in lines {
        if line.len() < WIDTH || line.starts_with('.') || before == ".TP" {
            page.push_str(&format!("{line}\n"));
        } else {
            page.push_str(&broken(line));
        }
        before = line;
    }
    page
}

fn broken(line: &str) -> String {
    let (mut text, mut length) = (String::new(), 0);
    for word in line.split(' ') {
        let joint = match length {
            0 => "",
            _ if length + word.len() + 1 < WIDTH => " ",
            _ => "\n",
        };
        length = if joint == " " { length + 1 } else { 0 } + word.len();
        text.push_str(joint);
        text.push_str(word);
    }
    text + "\n"
}

/// The commands that do something, each by all of its words.
fn leaves(program: &Command) -> Vec<(String, &Command)> {
    let of = |command: &'_ Command| command.get_name().to_owned();
    let below = |command| -> Vec<(String, &Command)> {
        let commands = Command::get_subcommands(command);
        commands.map(|leaf| (format!("{} {}", of(command), of(leaf)), leaf)).collect()
    };
    let each = |command| if Command::has_subcommands(command) { below(command) } else { vec![(of(command), command)] };
    program.get_subcommands().filter(|command| !command.is_hide_set()).flat_map(each).collect()
}

/// clap_mangen writes this before each section.
fn is_preamble(line: &str) -> bool {
    line.starts_with(".ie ") || line.starts_with(".el ")
}

/// The parts of a command's own page as paragraphs of one section.
fn as_subsection(part: &str) -> String {
    let lines = part.lines().map(|line| if line.starts_with(".SH ") { ".PP" } else { line.trim_end() });
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}
