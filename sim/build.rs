//! Gives the code a name: a digest of all sources that a run depends on. A kept schedule remembers
//! it, so that a replay can say whether it is the same code.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the code of a run is, from this package.
const SOURCES: [&str; 3] = ["../core/src", "src", "../Cargo.lock"];

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for source in SOURCES {
        let path = here.join(source);
        println!("cargo:rerun-if-changed={}", path.display());
        collect(&path, &mut files)?;
    }
    files.sort();
    let mut digest = FNV_START;
    for file in &files {
        let name = file.strip_prefix(here).unwrap_or(file);
        for bytes in [name.to_string_lossy().as_bytes(), &fs::read(file)?] {
            digest = fnv(fnv(digest, bytes), &[0]);
        }
    }
    println!("cargo:rustc-env=SIM_SOURCE={digest:016x}");
    Ok(())
}

/// All sources of a directory and below it, or the file.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|x| x == "rs" || x == "lock") {
        files.push(path.to_owned());
    }
    Ok(())
}

/// FNV-1a: short, fixed, and good enough to tell two versions apart.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(digest: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(digest, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
