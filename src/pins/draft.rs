//! A recipe in the making.
//!
//! In: the files as they are. Out: the files as they are to be, each at most once,
//! and only those that differ. Nothing is written here.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{Activation, Check, Edit, Files, Framework, PinError, Recipe, Target, address};

/// What a recipe is made with.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// Where the service is to listen.
    pub target: &'a Target,
    /// What systemd can do here.
    pub framework: Framework,
    files: &'a dyn Files,
    recipe: Recipe,
}

impl<'a> Draft<'a> {
    /// Nothing is changed yet.
    pub fn new(target: &'a Target, framework: Framework, files: &'a dyn Files) -> Self {
        let recipe = Recipe { edits: Vec::new(), checks: Vec::new(), activations: Vec::new(), notes: Vec::new() };
        Self { target, framework, files, recipe }
    }

    /// The text of a file as it is to be, as far as the recipe has come; nothing if
    /// there is no such file.
    pub fn read(&self, path: &Path) -> Result<Option<String>, PinError> {
        if let Some(edit) = self.recipe.edits.iter().find(|edit| edit.path == path) {
            return Ok(Some(edit.text.clone()));
        }
        self.original(path)
    }

    fn original(&self, path: &Path) -> Result<Option<String>, PinError> {
        match self.files.read(path) {
            // A directory among files is no file, as the services see it too.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(None),
            read => read.map_err(|source| PinError::Io { path: path.to_owned(), source }),
        }
    }

    /// The files in a directory as they are, sorted by name.
    pub fn list(&self, directory: &Path) -> Result<Vec<PathBuf>, PinError> {
        self.files.list(directory).map_err(|source| PinError::Io { path: directory.to_owned(), source })
    }

    /// Whether there is a file of this name in the directory, be it text or not.
    pub fn has(&self, path: &Path) -> Result<bool, PinError> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        Ok(self.list(directory)?.iter().any(|there| there == path))
    }

    /// The file is to have this text.
    pub fn put(&mut self, path: &Path, text: String) -> Result<(), PinError> {
        self.recipe.edits.retain(|edit| edit.path != path);
        if self.original(path)?.as_deref() != Some(text.as_str()) {
            self.recipe.edits.push(Edit { path: path.to_owned(), text });
        }
        Ok(())
    }

    /// The service's own checker.
    pub fn check<const N: usize>(&mut self, program: &str, arguments: [&str; N]) {
        let arguments = arguments.map(str::to_owned).to_vec();
        self.recipe.checks.push(Check { program: program.to_owned(), arguments });
    }

    /// What makes the service obey; said twice it is done once.
    pub fn activate(&mut self, activation: Activation) {
        if !self.recipe.activations.contains(&activation) {
            self.recipe.activations.push(activation);
        }
    }

    /// What the operator has to know.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.recipe.notes.contains(&note) {
            self.recipe.notes.push(note);
        }
    }

    /// The addresses for what listened to everybody.
    ///
    /// # Errors
    /// None of the target's addresses can be written into a configuration.
    pub fn places(&mut self) -> Result<Vec<IpAddr>, PinError> {
        let left_out = address::joined(&address::link_local(self.target), ", ");
        let places = address::places(self.target);
        if places.is_empty() {
            return Err(PinError::Refused(format!(
                "no address to listen at: expected one that is not link-local, found {}",
                if left_out.is_empty() { "none" } else { &left_out }
            )));
        }
        if !left_out.is_empty() {
            self.note(format!("{left_out}: link-local, left out, for it would need an interface beside it"));
        }
        Ok(places)
    }

    /// The one address for what can listen at one only.
    ///
    /// # Errors
    /// The target has several; `what` says who could not take them.
    pub fn place(&mut self, what: &str) -> Result<IpAddr, PinError> {
        self.places()?;
        match address::outer(self.target)[..] {
            [only] => Ok(only),
            ref several => Err(PinError::Refused(format!(
                "{what} listens at one address only, but there are {}: name one with --to",
                address::joined(several, ", ")
            ))),
        }
    }

    /// The recipe as it has become.
    pub fn finish(self) -> Recipe {
        self.recipe
    }
}
