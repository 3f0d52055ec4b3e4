//! What shells complete is what clap says of the command line, and the files in the
//! repository are that. `VIRT_GUARD_BLESS=1 cargo test --test completions` writes them
//! anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use virt_guard::cli::Args;

/// The command line without what only programs call: clap_complete names hidden commands, too.
fn shown() -> Command {
    let all = Args::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new("virt-guard").version(env!("CARGO_PKG_VERSION")).args(all.get_arguments().cloned()).subcommands(shown)
}

/// Each shell, and the name by which it looks for the file.
const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "virt-guard.bash"), (Shell::Zsh, "_virt-guard"), (Shell::Fish, "virt-guard.fish")];

#[test]
fn every_shell_completes_what_the_command_line_knows() {
    for (shell, name) in SHELLS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions").join(name);
        let mut generated = Vec::new();
        clap_complete::generate(shell, &mut shown(), "virt-guard", &mut generated);
        if std::env::var_os("VIRT_GUARD_BLESS").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let found = fs::read(&path).unwrap_or_default();
        assert!(
            found == generated,
            "{} is not what the command line says; VIRT_GUARD_BLESS=1 writes it anew",
            path.display()
        );
    }
}

#[test]
fn a_file_of_a_shell_names_every_command_that_operators_use() {
    for (_, name) in SHELLS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions").join(name);
        let text = fs::read_to_string(path).unwrap();
        for command in Args::command().get_subcommands() {
            let (own, is_shown) = (command.get_name(), !command.is_hide_set());
            assert_eq!(text.contains(own), is_shown, "{name}: {own}");
        }
    }
}
