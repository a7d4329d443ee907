//! The known bugs that a scenario must fail with: `broken_by`. Pure.

use toml::Spanned;

use super::{
    Invalid, Scenario,
    invalid::{Source, suggestion},
};

/// A known bug that a scenario must fail with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenBy {
    /// Its name: a directory of `corpus/bugs`.
    pub id: String,
    /// Line and column of the name in the file, both from 1.
    pub at: (usize, usize),
}

impl BrokenBy {
    pub(super) fn all(source: &Source<'_>, names: &[Spanned<String>]) -> Vec<Self> {
        let named = |name: &Spanned<String>| Self {
            id: name.get_ref().clone(),
            at: source.place(name.span().start),
        };
        names.iter().map(named).collect()
    }
}

impl Scenario {
    /// Whether it must fail with this bug.
    #[must_use]
    pub fn is_broken_by(&self, id: &str) -> bool {
        self.broken_by.iter().any(|bug| bug.id == id)
    }

    /// Says that it names a bug which is none of these.
    ///
    /// # Errors
    /// Where, and which bug was probably meant.
    pub fn check_bugs(&self, known: &[&str]) -> Result<(), Invalid> {
        let mut named = self.broken_by.iter();
        let Some(BrokenBy { id, at }) = named.find(|bug| !known.contains(&bug.id.as_str())) else {
            return Ok(());
        };
        Err(Invalid {
            path: self.path.clone(),
            at: Some(*at),
            message: format!("unknown bug \"{id}\"{}", suggestion(id, known)),
        })
    }
}
