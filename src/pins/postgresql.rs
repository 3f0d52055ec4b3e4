//! PostgreSQL: `listen_addresses`, for each cluster.
//!
//! In: postgresql.conf with all that it includes. Out: the line that counts, which is
//! the last one, with other addresses.

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::settings::{self, Line, Setting};
use super::{Name, PinError, address, places};

/// Where Debian's generator says which clusters are started (postgresql-common).
const CLUSTERS: &str = "/run/systemd/generator/postgresql.service.wants";
/// What the configuration in the data directory is called that `ALTER SYSTEM` writes.
const AUTO: &str = "postgresql.auto.conf";
const KEY: &str = "listen_addresses";

/// One server.
#[derive(Debug)]
struct Cluster {
    unit: String,
    config: PathBuf,
    program: String,
}

/// Pins one cluster, or all that Debian starts.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    for cluster in clusters(draft, name)? {
        let unit = find(draft, &[&cluster.unit])?.ok_or_else(|| unknown(name, &[&cluster.unit]))?;
        listen(draft, &cluster)?;
        let config = format!("--config-file={}", cluster.config.display());
        draft.check(&cluster.program, ["-C", KEY, &config]);
        bound(draft, &unit)?;
    }
    Ok(())
}

fn clusters(draft: &Draft, name: &Name) -> Result<Vec<Cluster>, PinError> {
    if let (base, None) = name.instance() {
        let started = draft.list(Path::new(CLUSTERS))?;
        let units = started.iter().filter_map(|path| path.file_name()?.to_str());
        let units: Vec<_> = units.filter_map(|unit| unit.parse::<Name>().ok()).collect();
        if base.starts_with("postgres") && !base.contains('-') && !units.is_empty() {
            return units.iter().map(debian).collect();
        }
        return redhat(draft, name).map(|cluster| vec![cluster]);
    }
    Ok(vec![debian(name)?])
}

/// `postgresql@15-main` is in /etc/postgresql/15/main.
fn debian(name: &Name) -> Result<Cluster, PinError> {
    let instance = name.instance().1.and_then(|instance| instance.split_once('-'));
    let (version, cluster) = instance.ok_or_else(|| {
        PinError::Refused(format!("{name}: expected a cluster's unit, such as postgresql@15-main.service"))
    })?;
    Ok(Cluster {
        unit: format!("{}.service", name.stem()),
        config: format!("/etc/postgresql/{version}/{cluster}/postgresql.conf").into(),
        program: format!("/usr/lib/postgresql/{version}/bin/postgres"),
    })
}

/// The configuration is with the data, also in packages of `postgresql-15`.
fn redhat(draft: &Draft, name: &Name) -> Result<Cluster, PinError> {
    let (data, program) = match name.instance().0.strip_prefix("postgresql-") {
        Some(version) => (format!("/var/lib/pgsql/{version}/data"), format!("/usr/pgsql-{version}/bin/postgres")),
        None => ("/var/lib/pgsql/data".to_owned(), "/usr/bin/postgres".to_owned()),
    };
    let config = Path::new(&data).join("postgresql.conf");
    if draft.read(&config)?.is_none() {
        return Err(PinError::Refused(format!(
            "{name}: no cluster in {CLUSTERS} nor in {data}: expected a cluster's unit, such as postgresql@15-main.service"
        )));
    }
    let stem = if name.stem() == "postgres" { "postgresql" } else { name.stem() };
    Ok(Cluster { unit: format!("{stem}.service"), config, program })
}

fn listen(draft: &mut Draft, cluster: &Cluster) -> Result<(), PinError> {
    if draft.read(&cluster.config)?.is_none() {
        return Err(PinError::Refused(format!(
            "{}: not there, expected the cluster's configuration",
            cluster.config.display()
        )));
    }
    let all = settings::read(draft, &cluster.config, grammar)?;
    not_by_alter_system(draft, cluster, &all)?;
    let old: Vec<&Setting> = all.iter().filter(|setting| setting.key == KEY).collect();
    // Unset it is localhost.
    let Some(last) = old.last().filter(|last| !last.value.trim().is_empty()) else { return Ok(()) };
    let words: Vec<&str> = last.value.split(',').map(str::trim).collect();
    let addresses = places::narrowed(draft, words.iter().copied())?;
    if places::are(words, &addresses) {
        return Ok(());
    }
    settings::replace(draft, &old, &[format!("{KEY} = '{}'", address::joined(&addresses, ","))])
}

/// What `ALTER SYSTEM` has set wins over the files, and is the database's own.
fn not_by_alter_system(draft: &Draft, cluster: &Cluster, all: &[Setting]) -> Result<(), PinError> {
    let data =
        all.iter().rev().find(|setting| setting.key == "data_directory").map(|setting| PathBuf::from(&setting.value));
    let data = data.or_else(|| cluster.config.parent().map(Path::to_owned)).unwrap_or_default();
    let auto = settings::read(draft, &data.join(AUTO), grammar)?;
    match auto.iter().find(|setting| setting.key == KEY) {
        Some(setting) => {
            Err(setting.unreadable("wins over the configuration: expected ALTER SYSTEM RESET listen_addresses"))
        }
        None => Ok(()),
    }
}

fn grammar(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') {
        return Line::Nothing;
    }
    let end = text.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(text.len());
    let (key, rest) = (text[..end].to_ascii_lowercase(), text[end..].trim_start());
    let Some(value) = value(rest.strip_prefix('=').unwrap_or(rest).trim_start()) else {
        return Line::Wrong("expected KEY = VALUE, a text in '…'");
    };
    match key.as_str() {
        "include" | "include_if_exists" => Line::File(value.into()),
        "include_dir" => Line::Directory(value.into(), ".conf"),
        _ => Line::Set(key, value),
    }
}

/// The value, without quotes and the comment behind it.
fn value(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('\'') else {
        let end = text.find(|letter: char| letter.is_whitespace() || letter == '#').unwrap_or(text.len());
        return (end > 0).then(|| text[..end].to_owned());
    };
    let (mut value, mut letters) = (String::new(), quoted.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next()),
            '\'' if letters.next_if_eq(&'\'').is_none() => return Some(value),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::pins::Activation;
    use crate::pins::tests::{Tree, paths, pinned, refused, target, text};

    const CONFIG: &str = "/etc/postgresql/15/main/postgresql.conf";
    const UNIT: &str = "[Unit]\nPartOf=postgresql.service\n[Service]\nExecStart=-/usr/bin/pg_ctlcluster --skip-systemctl-redirect %i start\n";

    fn debian(listen: &str) -> Tree {
        let config = format!(
            "data_directory = '/var/lib/postgresql/15/main'\t\t# use data in another directory\n\
             {listen}\n\t\t\t\t\t# comma-separated list of addresses;\nport = 5432\t\t# (change requires restart)\n\
             log_line_prefix = '%m [%p] %q%u@%d '\ninclude_dir = 'conf.d'\n#include = '...'\n"
        );
        Tree::new([("/lib/systemd/system/postgresql@.service", UNIT), (CONFIG, &config)])
            .with("/run/systemd/generator/postgresql.service.wants/postgresql@15-main.service", UNIT)
            .with("/lib/systemd/system/postgresql.service", "[Service]\nExecStart=/bin/true\n")
    }

    #[test]
    fn each_cluster_has_its_own_file() {
        let tree = debian("listen_addresses = '*'\t\t# what IP address(es) to listen on;");
        for name in ["postgresql", "postgresql@15-main.service"] {
            let recipe = pinned(name, &tree);
            let wanted = "\n# virt-guard: listen_addresses = '*'\t\t# what IP address(es) to listen on;\n\
                listen_addresses = '10.0.0.5,2001:db8::5,127.0.0.1,::1'\n\t\t\t\t\t# comma";
            assert!(text(&recipe, CONFIG).contains(wanted), "{}", text(&recipe, CONFIG));
            assert_eq!(recipe.checks[0].arguments, ["-C", "listen_addresses", &format!("--config-file={CONFIG}")]);
            assert_eq!(recipe.checks[0].program, "/usr/lib/postgresql/15/bin/postgres");
            assert_eq!(recipe.activations, [Activation::Restart("postgresql@15-main.service".into())]);
            assert_eq!(paths(&recipe)[1], "/etc/systemd/system/postgresql@15-main.service.d/50-virt-guard.conf");
        }
    }

    #[test]
    fn the_shipped_file_listens_at_the_loopback() {
        let recipe = pinned("postgresql", &debian("#listen_addresses = 'localhost'"));
        assert_eq!(paths(&recipe), ["/etc/systemd/system/postgresql@15-main.service.d/50-virt-guard.conf"]);
    }

    #[test]
    fn what_is_included_last_counts() {
        let own = "/etc/postgresql/15/main/conf.d/own.conf";
        let recipe = pinned("postgresql", &debian("listen_addresses='*'").with(own, "Listen_Addresses '0.0.0.0'"));
        assert_eq!(
            text(&recipe, own),
            "# virt-guard: Listen_Addresses '0.0.0.0'\nlisten_addresses = '10.0.0.5,127.0.0.1'\n"
        );
        assert!(!paths(&recipe).contains(&CONFIG));
    }

    #[test]
    fn what_cannot_be_pinned_is_told() {
        let there = target(&["10.0.0.5"]);
        let auto = "/var/lib/postgresql/15/main/postgresql.auto.conf";
        let tree = debian("").with(auto, "# Do not edit\nlisten_addresses = '*'\n");
        assert!(
            refused("postgresql", &there, &tree).starts_with("/var/lib/postgresql/15/main/postgresql.auto.conf:2: ")
        );
        let error = refused("postgresql", &there, &debian("port 'x"));
        assert_eq!(error, format!("{CONFIG}:2: expected KEY = VALUE, a text in '…'"));
        assert!(refused("postgresql", &there, &Tree::default()).contains("such as postgresql@15-main.service"));
        assert!(
            refused("postgresql@16-x", &there, &debian("")).contains("/etc/postgresql/16/x/postgresql.conf: not there")
        );
    }
}
