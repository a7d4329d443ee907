//! Every kept input of the simulator's fuzz targets passes, and targets, their directories and
//! their programs belong together.

use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.expect("a name").path());
    let name = |path: PathBuf| {
        path.file_stem()
            .map(|name| name.to_string_lossy().into_owned())
    };
    paths.filter_map(name).collect()
}

#[test]
fn every_kept_input_passes_its_target() {
    for (name, target) in sim::fuzz::TARGETS {
        let dir = root().join("corpus/fuzz").join(name);
        let mut files: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        files.sort();
        for path in files {
            let bytes = fs::read(&path).unwrap();
            let passed = catch_unwind(|| target(&bytes));
            assert!(passed.is_ok(), "{}", path.display());
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_few_small_inputs() {
    let engine = engine::fuzz::TARGETS.iter().map(|(name, _)| *name);
    let all = engine.chain(sim::fuzz::TARGETS.iter().map(|(name, _)| *name));
    let targets: BTreeSet<String> = all.map(str::to_owned).collect();
    assert_eq!(names(&root().join("corpus/fuzz")), targets);
    assert_eq!(names(&root().join("fuzz/fuzz_targets")), targets);
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let bins = manifest["bin"].as_array().unwrap().iter();
    let bins: BTreeSet<String> = bins
        .map(|b| b["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(bins, targets);
    for name in targets {
        let program = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        assert!(
            program.contains(&format!("fuzz::run(TARGETS, \"{name}\", bytes)")),
            "{name}"
        );
        let dir = root().join("corpus/fuzz").join(&name);
        let inputs: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        assert!(
            (1..=40).contains(&inputs.len()),
            "{name}: {} inputs",
            inputs.len()
        );
        for input in inputs {
            let len = input.metadata().unwrap().len();
            assert!(len <= 2_048, "{}: {len} bytes", input.path().display());
        }
    }
}
