//! A copy of the workspace in which a patch can be applied and built, with a target directory of
//! its own.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::CorpusError;

/// The copy.
#[derive(Debug, Clone)]
pub struct Scratch {
    workspace: PathBuf,
    tree: PathBuf,
    target: PathBuf,
}

impl Scratch {
    /// A copy of the workspace at `workspace`, below `root`. Nothing is copied yet.
    #[must_use]
    pub fn new(workspace: &Path, root: &Path) -> Self {
        Self {
            workspace: workspace.to_owned(),
            tree: root.join("tree"),
            target: root.join("target"),
        }
    }

    /// Makes the copy equal to the workspace. Files that are equal already are not touched, so that
    /// what was built stays valid.
    ///
    /// # Errors
    /// What the file system or `git` says.
    pub fn refresh(&self) -> Result<(), CorpusError> {
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&self.workspace)
            .output();
        let listed = succeeded("git ls-files", listed)?;
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names: BTreeSet<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
        let failed = |name: &str, error| CorpusError::Io {
            what: format!("copying {name}"),
            error,
        };
        for name in &names {
            let from = self.workspace.join(name);
            // A file that was deleted and not committed is listed, too.
            if from.is_file() {
                copy(&from, &self.tree.join(name)).map_err(|e| failed(name, e))?;
            }
        }
        // Only files of the last patch can be left over.
        for path in files(&self.tree).map_err(|e| failed("the copy", e))? {
            let name = path.strip_prefix(&self.tree).unwrap_or(&path);
            if !names.contains(&*name.to_string_lossy()) {
                fs::remove_file(&path).map_err(|e| failed("the copy", e))?;
            }
        }
        Ok(())
    }

    /// Applies a patch; `false` if it does not fit any more.
    ///
    /// # Errors
    /// If `git` cannot be run.
    pub fn apply(&self, patch: &Path) -> Result<bool, CorpusError> {
        let patch = fs::canonicalize(patch).map_err(|error| CorpusError::Io {
            what: patch.display().to_string(),
            error,
        })?;
        // Outside of any repository, so that paths are those of the copy.
        let above = self.tree.parent().unwrap_or(&self.tree);
        let above = fs::canonicalize(above).unwrap_or_else(|_| above.to_owned());
        let applied = Command::new("git")
            .arg("apply")
            .arg(patch)
            .current_dir(&self.tree)
            .env("GIT_CEILING_DIRECTORIES", above)
            .output();
        let applied = applied.map_err(|error| CorpusError::Io {
            what: "git apply".to_owned(),
            error,
        })?;
        Ok(applied.status.success())
    }

    /// Builds the simulator of the copy; its path.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn build(&self) -> Result<PathBuf, CorpusError> {
        let built = self
            .cargo(&["build", "--release", "--quiet", "-p", "sim"])
            .output();
        succeeded("cargo build of the patched copy", built)?;
        Ok(self.target.join("release").join("sim"))
    }

    /// `cargo` in the copy, with its target directory. Link-time optimisation is left out: it takes
    /// longer than what it saves.
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        let target = fs::canonicalize(&self.target).unwrap_or_else(|_| self.target.clone());
        cargo
            .args(arguments)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_PROFILE_RELEASE_LTO", "false")
            .env("RUST_BACKTRACE", "0");
        cargo
    }

    /// Where the copy is.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Makes the directories.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(&self) -> Result<(), CorpusError> {
        for directory in [&self.tree, &self.target] {
            fs::create_dir_all(directory).map_err(|error| CorpusError::Io {
                what: directory.display().to_string(),
                error,
            })?;
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(to, bytes)
}

/// All files below a directory.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    let kept = directory.join("target");
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            // What runs of the copy have kept is no part of it.
            if path == kept {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The output of a command that did what it should.
pub(super) fn succeeded(what: &str, output: io::Result<Output>) -> Result<Output, CorpusError> {
    let output = output.map_err(|error| CorpusError::Io {
        what: what.to_owned(),
        error,
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let told: Vec<&str> = told.lines().take(12).collect();
    Err(CorpusError::Build(format!("{what}:\n{}", told.join("\n"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_patched_and_made_equal_again() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = dir.path().join("workspace");
        fs::create_dir_all(workspace.join("a")).unwrap();
        fs::write(workspace.join("a/file.txt"), "one\n").unwrap();
        let git = |arguments: &[&str]| {
            let run = Command::new("git")
                .args(arguments)
                .current_dir(&workspace)
                .output();
            assert!(run.unwrap().status.success(), "git {arguments:?}");
        };
        git(&["init", "-q"]);
        git(&["add", "."]);
        let patch = dir.path().join("bug.patch");
        let text = "--- a/a/file.txt\n+++ b/a/file.txt\n@@ -1 +1 @@\n-one\n+two\n";
        fs::write(&patch, text).unwrap();
        let scratch = Scratch::new(&workspace, &dir.path().join("scratch"));
        scratch.create().unwrap();
        let content = || fs::read_to_string(scratch.tree().join("a/file.txt")).unwrap();
        scratch.refresh().unwrap();
        assert_eq!(content(), "one\n");
        assert!(scratch.apply(&patch).unwrap());
        assert_eq!(content(), "two\n");
        assert!(!scratch.apply(&patch).unwrap(), "it does not fit twice");
        fs::write(scratch.tree().join("left_over"), "").unwrap();
        scratch.refresh().unwrap();
        assert_eq!(content(), "one\n");
        assert!(!scratch.tree().join("left_over").exists());
    }
}
