//! MariaDB and MySQL: `bind-address` in the option files.
//!
//! In: the files with all that they include. Out: the line that counts, which is the
//! last one, with other addresses. Only newer servers take a list of them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{bound, find, program, unknown};
use super::settings::{self, Line, Setting};
use super::{Name, PinError, address, places};

/// The files that a server reads by itself, in this order.
const FILES: [&str; 2] = ["/etc/my.cnf", "/etc/mysql/my.cnf"];
/// MariaDB's own unit first: it has MySQL's names too.
const UNITS: [&str; 3] = ["mariadb.service", "mysql.service", "mysqld.service"];
/// The groups of options that a server reads, each also with `-VERSION` behind it.
const GROUPS: [&str; 5] = ["mysqld", "server", "mariadb", "mariadbd", "galera"];
/// Where Debian's dpkg tells the versions of packages.
const PACKAGES: &str = "/var/lib/dpkg/status";
/// Where the server notes which version used its data last.
const USED: [&str; 2] = ["/var/lib/mysql/mariadb_upgrade_info", "/var/lib/mysql/mysql_upgrade_info"];
/// Since when a list is taken: mariadb.com/kb "bind-address", the MySQL 8.0 manual.
const MARIADB_LIST: [u32; 2] = [10, 11];
const MYSQL_LIST: [u32; 3] = [8, 0, 13];

/// Pins the server.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let unit = match name.instance() {
        (_, Some(_)) => find(draft, &[format!("{}.service", name.stem())])?,
        _ => find(draft, &UNITS)?,
    };
    let unit = unit.ok_or_else(|| unknown(name, &UNITS))?;
    bind(draft)?;
    if let Some(program) = program(&unit, &["mariadbd", "mysqld"]) {
        // It reads all of its files for that, and ends with an error of theirs.
        draft.check(&program, ["--verbose", "--help"]);
    }
    bound(draft, &unit)
}

fn bind(draft: &mut Draft) -> Result<(), PinError> {
    let files: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    let all = settings::read_all(draft, &files, grammar)?;
    let old: Vec<&Setting> =
        all.iter().filter(|setting| setting.key == "bind-address" && is_servers(setting)).collect();
    let words: Vec<&str> = old.last().map(|last| last.value.split(',').map(str::trim).collect()).unwrap_or_default();
    let addresses = places::narrowed(draft, words.iter().copied())?;
    if places::are(words, &addresses) {
        return Ok(());
    }
    let line = format!("bind-address = {}", value(draft, &addresses)?);
    if !old.is_empty() {
        return settings::replace(draft, &old, &[line]);
    }
    let mut there = Vec::new();
    for file in FILES {
        there.extend(draft.read(Path::new(file))?.map(|_| file));
    }
    let file = there.last().copied().unwrap_or(FILES[0]);
    settings::add(draft, Path::new(file), grammar, ("mysqld", &[line]))
}

fn value(draft: &mut Draft, addresses: &[IpAddr]) -> Result<String, PinError> {
    if addresses.len() == 1 || takes_list(draft)? {
        return Ok(address::joined(addresses, ","));
    }
    draft.note("bind-address: one only, for this version takes no list, so by 127.0.0.1 it is not reached any more");
    Ok(draft
        .place("bind-address: before MariaDB 10.11 and MySQL 8.0.13 (or of a version unknown here) the server")?
        .to_string())
}

fn is_servers(setting: &Setting) -> bool {
    let with_version = |rest: &str| rest.is_empty() || rest.starts_with('-');
    GROUPS.iter().any(|group| setting.section.strip_prefix(group).is_some_and(with_version))
}

fn takes_list(draft: &Draft) -> Result<bool, PinError> {
    let packages = draft.read(Path::new(PACKAGES))?.unwrap_or_default();
    for stanza in packages.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (Some(package), Some(version)) = (field("Package:"), field("Version:")) else { continue };
        let installed = field("Status:").is_some_and(|status| status.ends_with(" installed"));
        let version = numbers(version.split_once(':').map_or(version, |(_, version)| version));
        match package {
            _ if !installed => {}
            _ if package.starts_with("mariadb-server") => return Ok(version >= MARIADB_LIST.to_vec()),
            _ if package.starts_with("mysql-server") => return Ok(version >= MYSQL_LIST.to_vec()),
            _ => {}
        }
    }
    for path in USED {
        let Some(version) = draft.read(Path::new(path))? else { continue };
        let since = if version.contains("MariaDB") { &MARIADB_LIST[..] } else { &MYSQL_LIST };
        return Ok(numbers(&version) >= since.to_vec());
    }
    Ok(false)
}

/// The numbers of a version, as 10, 11 and 6 of `10.11.6-MariaDB`.
fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(version.len());
    version[..end].split('.').filter_map(|number| number.parse().ok()).collect()
}

fn grammar(line: &str) -> Line {
    let text = line.trim();
    let argument = |directive| text.strip_prefix(directive).map(|path: &str| PathBuf::from(path.trim()));
    if text.is_empty() || text.starts_with(['#', ';']) {
        return Line::Nothing;
    }
    // The longer word first: it begins with the other.
    if let Some(folder) = argument("!includedir") {
        return Line::Directory(folder, ".cnf");
    }
    if let Some(file) = argument("!include") {
        return Line::File(file);
    }
    if let Some(section) = text.strip_prefix('[') {
        return section
            .split_once(']')
            .map_or(Line::Wrong("expected [GROUP]"), |(name, _)| Line::Section(name.trim().into()));
    }
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '\'']);
    Line::Set(key.trim().replace('_', "-"), value.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::pins::Activation;
    use crate::pins::tests::{Tree, lines, paths, pinned, pinned_to, refused, target, text};

    const SERVER: &str = "/etc/mysql/mariadb.conf.d/50-server.cnf";
    const MY: &str = "# The MariaDB configuration file\n[client-server]\nsocket = /run/mysqld/mysqld.sock\n\
        !includedir /etc/mysql/conf.d/\n!includedir /etc/mysql/mariadb.conf.d/\n";
    const VERSION: &str = "Package: mariadb-server\nStatus: install ok installed\nVersion: 1:10.11.6-0+deb12u1\n";
    const UNIT: &str = "[Service]\nExecStart=/usr/sbin/mariadbd $MYSQLD_OPTS\n";

    fn debian(bind: &str) -> Tree {
        Tree::new([
            ("/lib/systemd/system/mariadb.service", UNIT),
            ("/etc/mysql/my.cnf", MY),
            ("/var/lib/dpkg/status", VERSION),
            (
                SERVER,
                &format!("[server]\n[mysqld]\npid-file = /run/mysqld/mysqld.pid\n{bind}\n#port = 1\n[embedded]\n"),
            ),
        ])
    }

    #[test]
    fn the_line_that_counts_is_changed() {
        let tree = debian("bind-address            = 0.0.0.0");
        let recipe = pinned("mysql", &tree);
        assert_eq!(
            text(&recipe, SERVER),
            "[server]\n[mysqld]\npid-file = /run/mysqld/mysqld.pid\n# virt-guard: bind-address            = 0.0.0.0\n\
             bind-address = 10.0.0.5,127.0.0.1\n#port = 1\n[embedded]\n"
        );
        assert_eq!(recipe.checks[0].program, "/usr/sbin/mariadbd");
        assert_eq!(recipe.activations, [Activation::Restart("mariadb.service".into())]);
        let drop_in = "/etc/systemd/system/mariadb.service.d/50-virt-guard.conf";
        assert_eq!(lines(&recipe, drop_in)[3..], ["[Service]", "IPAddressDeny=10.100.0.0/16 fd00:100::/64"]);
        let later = tree.with("/etc/mysql/mariadb.conf.d/60-own.cnf", "[mariadb-10.11]\nbind_address=*");
        let recipe = pinned("mariadb.service", &later);
        assert_eq!(
            text(&recipe, "/etc/mysql/mariadb.conf.d/60-own.cnf"),
            "[mariadb-10.11]\n# virt-guard: bind_address=*\nbind-address = 10.0.0.5,2001:db8::5,127.0.0.1,::1\n"
        );
        assert!(!paths(&recipe).contains(&SERVER));
    }

    #[test]
    fn the_checker_is_the_server_also_behind_a_shell() {
        let shell = "[Service]\nExecStart=/bin/sh -c \"x=1; exec /usr/sbin/mysqld $OPTS\"\n";
        let tree = debian("bind-address = *").with("/lib/systemd/system/mariadb.service", shell);
        assert_eq!(pinned("mariadb", &tree).checks[0].program, "/usr/sbin/mysqld");
        let other = debian("").with("/lib/systemd/system/mariadb.service", "[Service]\nExecStart=/bin/sh /x\n");
        assert_eq!(pinned("mariadb", &other).checks, []);
    }

    #[test]
    fn what_listens_at_the_loopback_goes_on_so() {
        let recipe = pinned("mariadb", &debian("bind-address = 127.0.0.1"));
        assert_eq!(paths(&recipe), ["/etc/systemd/system/mariadb.service.d/50-virt-guard.conf"]);
    }

    #[test]
    fn what_nobody_has_set_is_set_for_the_server() {
        let recipe = pinned("mariadb", &debian("[mysqldump]\nbind-address = 127.0.0.1"));
        assert!(
            text(&recipe, "/etc/mysql/my.cnf")
                .ends_with("[mysqld]\nbind-address = 10.0.0.5,2001:db8::5,127.0.0.1,::1\n")
        );
    }

    #[test]
    fn an_older_server_takes_one_address() {
        for version in [&VERSION.replace("10.11.6", "10.5.3"), ""] {
            let tree = debian("bind-address=*").with("/var/lib/dpkg/status", version);
            let one = pinned_to("mariadb", &target(&["10.0.0.5"]), &tree);
            assert!(text(&one, SERVER).contains("\nbind-address = 10.0.0.5\n"));
            let error = refused("mariadb", &target(&["10.0.0.5", "2001:db8::5"]), &tree);
            assert!(error.contains("listens at one address only, but there are 10.0.0.5, 2001:db8::5"), "{error}");
        }
    }
}
