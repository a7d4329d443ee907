//! Runs that are kept: through the binary, with a list of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Nothing is promised with two of four byzantine: it stands still.
const STUCK: [&str; 11] = [
    "--seed",
    "14",
    "--validators",
    "4",
    "--byzantine",
    "2",
    "--beyond-one-third",
    "--heights",
    "2",
    "--crypto",
    "ideal",
];

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir(place.path().join("schedules")).expect("writable");
        fs::write(place.list(), "").expect("writable");
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn list(&self) -> PathBuf {
        self.path().join("seeds.toml")
    }

    /// Exit code, and what was printed.
    fn sim(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_sim"))
            .args(arguments)
            .current_dir(self.path())
            .output()
            .expect("the binary starts");
        let [out, err] =
            [output.stdout, output.stderr].map(|b| String::from_utf8(b).expect("text"));
        (output.status.code().expect("it was not killed"), out + &err)
    }

    fn corpus(&self, arguments: &[&str]) -> (i32, String) {
        self.sim(&[&["corpus"], arguments, &["--list", "seeds.toml"]].concat())
    }
}

#[test]
fn a_seed_that_fails_is_kept_once_and_stays_open_until_it_is_fixed() {
    let place = Place::new();
    let add = [&["add", "--title", "Two of four are silent."], &STUCK[..]].concat();
    let (code, said) = place.corpus(&add);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("liveness: # and # had not decided height # at #"),
        "{said}"
    );

    let (code, said) = place.corpus(&add);
    assert_eq!(code, 8, "{said}");
    assert!(
        said.contains("kept already: \"Two of four are silent.\""),
        "{said}"
    );

    let (code, said) = place.corpus(&["run"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("open   Two of four"), "{said}");
    assert!(
        said.contains("again: cargo run -p sim -- --seed 14 --validators 4"),
        "{said}"
    );

    let text = fs::read_to_string(place.list()).expect("readable");
    let fixed = text.replace("found_at", "fixed_at = \"1\"\nfound_at");
    fs::write(place.list(), fixed).expect("writable");
    let (code, said) = place.corpus(&["run"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("back   Two of four"), "{said}");
}

#[test]
fn what_passes_is_not_kept() {
    let place = Place::new();
    let passes = [
        "add",
        "--title",
        "A",
        "--seed",
        "1",
        "--no-faults",
        "--heights",
        "1",
    ];
    let (code, said) = place.corpus(&passes);
    assert_eq!(
        (code, said.as_str()),
        (8, "error: seed 1 passes: there is nothing to keep\n")
    );
    assert_eq!(fs::read_to_string(place.list()).expect("readable"), "");
}

#[test]
fn the_directory_of_a_failure_becomes_a_schedule() {
    let place = Place::new();
    let (code, said) = place.sim(&STUCK);
    assert_eq!(code, 4, "{said}");
    let import = [
        "import",
        "target/sim/14",
        "--title",
        "Two of four are silent.",
    ];
    let (code, said) = place.corpus(&import);
    assert_eq!(code, 0, "{said}");
    let file = place.path().join("schedules/two_of_four_are_silent.toml");
    assert!(file.exists());
    let (code, said) = place.corpus(&["run"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("open   Two of four"), "{said}");

    let (code, said) = place.corpus(&["list"]);
    assert_eq!(code, 0);
    assert!(
        said.contains("schedule two_of_four_are_silent.toml"),
        "{said}"
    );
    let (code, said) = place.corpus(&import);
    assert_eq!(code, 8, "{said}");
}

#[test]
fn an_input_of_the_fuzz_target_is_run_like_a_schedule() {
    let place = Place::new();
    fs::write(place.path().join("crash-1"), [3, 0, 0, 0]).expect("writable");
    let (code, said) = place.corpus(&["import", "crash-1", "--title", "A"]);
    assert_eq!(
        (code, said.as_str()),
        (8, "error: crash-1 passes: there is nothing to keep\n")
    );
}

#[test]
fn what_is_no_run_is_refused_with_its_place() {
    let place = Place::new();
    fs::write(place.path().join("bad.toml"), "seed = 1\npowrs = [1]\n").expect("writable");
    fs::write(place.path().join("empty"), "").expect("writable");
    for (path, code, complaint) in [
        ("bad.toml", 7, "bad.toml:2:1"),
        (
            "empty",
            7,
            "no schedule (*.toml), and no input of the fuzz target schedule",
        ),
        ("missing", 7, "missing"),
    ] {
        let (exit, said) = place.corpus(&["import", path, "--title", "A"]);
        assert_eq!(exit, code, "{path}: {said}");
        assert!(said.contains(complaint), "{path}: {said}");
    }
    fs::write(place.list(), "[[kept]]\ntitle = 1\n").expect("writable");
    let (code, said) = place.corpus(&["run"]);
    assert_eq!(code, 7);
    assert!(said.contains("seeds.toml"), "{said}");
}
