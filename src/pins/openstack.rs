//! OpenStack's APIs on a compute or control host: Nova and Glance.
//!
//! In: the service's file and the directories of more of them (oslo.config). Out: the
//! option that says where it listens. Where a web server runs the API, its own
//! configuration says that, and the notes tell.

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::recipe::{bound, find, unknown};
use super::settings::{self, Setting, ini};
use super::{Name, PinError, places};

/// A service, and which options in which section say where it listens.
struct Api {
    /// Debian's name; others put `openstack-` before it.
    name: &'static str,
    project: &'static str,
    config: &'static str,
    section: &'static str,
    options: &'static [&'static str],
}

/// Nova: docs.openstack.org "Compute service configuration reference"; Glance: its own.
const APIS: [Api; 6] = [
    Api {
        name: "nova-api",
        project: "nova",
        config: "nova.conf",
        section: "DEFAULT",
        options: &["osapi_compute_listen", "metadata_listen"],
    },
    Api {
        name: "nova-api-os-compute",
        project: "nova",
        config: "nova.conf",
        section: "DEFAULT",
        options: &["osapi_compute_listen"],
    },
    Api {
        name: "nova-api-metadata",
        project: "nova",
        config: "nova.conf",
        section: "DEFAULT",
        options: &["metadata_listen"],
    },
    Api {
        name: "nova-metadata-api",
        project: "nova",
        config: "nova.conf",
        section: "DEFAULT",
        options: &["metadata_listen"],
    },
    Api {
        name: "nova-novncproxy",
        project: "nova",
        config: "nova.conf",
        section: "vnc",
        options: &["novncproxy_host"],
    },
    Api {
        name: "glance-api",
        project: "glance",
        config: "glance-api.conf",
        section: "DEFAULT",
        options: &["bind_host"],
    },
];
/// Where Debian's web server keeps what it runs.
const SITES: &str = "/etc/apache2/sites-enabled";

/// Whether there is a way for this name.
pub(super) fn knows(name: &Name) -> bool {
    api(name).is_some()
}

fn api(name: &Name) -> Option<&'static Api> {
    let stem = name.stem();
    APIS.iter().find(|api| api.name == stem.strip_prefix("openstack-").unwrap_or(stem))
}

/// Pins an API.
pub(super) fn pin(draft: &mut Draft, name: &Name) -> Result<(), PinError> {
    let api = api(name).ok_or_else(|| unknown::<&str>(name, &[]))?;
    let units = [format!("{}.service", api.name), format!("openstack-{}.service", api.name)];
    let unit = find(draft, &units)?.ok_or_else(|| unknown(name, &units))?;
    let files = files(draft, api)?;
    for option in api.options {
        listen(draft, api, (&files, option))?;
    }
    tell_of_web_servers(draft, api)?;
    bound(draft, &unit)
}

/// The file, and those that oslo.config reads after it.
fn files(draft: &Draft, api: &Api) -> Result<Vec<PathBuf>, PinError> {
    let folder = Path::new("/etc").join(api.project);
    let mut files = vec![folder.join(api.config)];
    for more in [format!("{}.conf.d", api.project), format!("{}.conf.d", api.name)] {
        let more = draft.list(&folder.join(more))?;
        files.extend(more.into_iter().filter(|file| file.extension().is_some_and(|end| end == "conf")));
    }
    Ok(files)
}

fn listen(draft: &mut Draft, api: &Api, (files, option): (&[PathBuf], &str)) -> Result<(), PinError> {
    let all = settings::read_all(draft, files, ini)?;
    let ours = |setting: &&Setting| setting.section == api.section && setting.key == option;
    let old: Vec<&Setting> = all.iter().filter(ours).collect();
    let there = old.last().map_or("0.0.0.0", |last| last.value.as_str()).to_owned();
    // What stands for something else is said elsewhere.
    if let Some(last) = old.last().filter(|last| last.value.contains('$') && last.value != "$my_ip") {
        return Err(last.unreadable("expected an address or $my_ip"));
    }
    let addresses = places::narrowed(draft, [there.as_str()])?;
    if places::are([there.as_str()], &addresses) {
        return Ok(());
    }
    let line = format!("{option} = {}", draft.place(&format!("{}: {option}", files[0].display()))?);
    match old.is_empty() {
        true => settings::add(draft, &files[0], ini, (api.section, &[line])),
        false => settings::replace(draft, &old, &[line]),
    }
}

fn tell_of_web_servers(draft: &mut Draft, api: &Api) -> Result<(), PinError> {
    let uwsgi = Path::new("/etc").join(api.project).join(format!("{}-uwsgi.ini", api.name));
    if draft.read(&uwsgi)?.is_some() {
        draft.note(format!(
            "{}: where uwsgi runs it, http-socket there says where it listens; it is only kept from guests by systemd",
            uwsgi.display()
        ));
    }
    for site in draft.list(Path::new(SITES))? {
        if site.file_name().is_some_and(|name| name.to_string_lossy().contains(api.name)) {
            draft.note(format!("{}: a web server runs it; pin apache2.service", site.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::pins::Activation;
    use crate::pins::tests::{Tree, pinned_to, refused, target, text};

    const CONFIG: &str = "/etc/nova/nova.conf";

    fn tree(unit: &str, path: &str, config: &str) -> Tree {
        Tree::new([(&format!("/lib/systemd/system/{unit}"), "[Service]\nExecStart=/bin/x\n"), (path, config)])
    }

    #[test]
    fn nova_listens_where_its_file_says() {
        let config = "[DEFAULT]\nmy_ip = 10.0.0.5\nosapi_compute_listen = 0.0.0.0\nenabled_apis = osapi_compute,\n  metadata\n[vnc]\nenabled = true\n";
        let recipe = pinned_to("nova-api", &target(&["10.0.0.5"]), &tree("nova-api.service", CONFIG, config));
        assert_eq!(
            text(&recipe, CONFIG),
            "[DEFAULT]\nmy_ip = 10.0.0.5\n# virt-guard: osapi_compute_listen = 0.0.0.0\nosapi_compute_listen = 10.0.0.5\n\
             enabled_apis = osapi_compute,\n  metadata\nmetadata_listen = 10.0.0.5\n[vnc]\nenabled = true\n"
        );
        let unit = "openstack-nova-novncproxy.service";
        let recipe = pinned_to(unit, &target(&["10.0.0.5"]), &tree(unit, CONFIG, config));
        assert!(text(&recipe, CONFIG).ends_with("[vnc]\nenabled = true\nnovncproxy_host = 10.0.0.5\n"));
        assert_eq!(recipe.activations, [Activation::Restart(unit.into())]);
    }

    #[test]
    fn glance_may_say_it_in_a_directory() {
        let more = "/etc/glance/glance-api.conf.d/own.conf";
        let tree = tree("glance-api.service", "/etc/glance/glance-api.conf", "[DEFAULT]\nbind_host = 10.0.0.5\n")
            .with(more, "[DEFAULT]\nbind_host = 0.0.0.0\n")
            .with("/etc/glance/glance-api-uwsgi.ini", "[uwsgi]\nhttp-socket = [::]:9292\n");
        let recipe = pinned_to("glance-api", &target(&["10.0.0.5"]), &tree);
        assert!(text(&recipe, more).ends_with("\nbind_host = 10.0.0.5\n"));
        assert!(recipe.notes[0].starts_with("/etc/glance/glance-api-uwsgi.ini: where uwsgi"), "{:?}", recipe.notes);
    }

    #[test]
    fn what_stands_for_something_else_is_refused() {
        let there = target(&["10.0.0.5"]);
        let error = refused("nova-api", &there, &tree("nova-api.service", CONFIG, "[DEFAULT]\nmetadata_listen=$x\n"));
        assert_eq!(error, "/etc/nova/nova.conf:2: metadata_listen = $x: expected an address or $my_ip");
    }
}
