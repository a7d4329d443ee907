//! What `.clusterfuzzlite/build.sh` makes for continuous fuzzing: a package for each target, and
//! dictionaries that libFuzzer can read and that know the words of today.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use engine::types::Channel;
use sim::{
    disk::Trouble,
    nemesis::{Behaviour, FAULTS},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn targets() -> BTreeSet<&'static str> {
    let all = engine::fuzz::TARGETS.iter().chain(sim::fuzz::TARGETS);
    all.map(|(name, _)| *name).collect()
}

/// Programs that do what the script relies on, without a compiler: `cargo` leaves a file where it
/// would have built the target, `rustc` says a host, `zip` writes the names of what it would have
/// packed.
const CARGO: &str = r#"#!/usr/bin/env bash
for word in "$@"; do
  [ "${last:-}" = --target-dir ] && directory=$word
  last=$word
done
mkdir -p "$directory/here/release"
echo "$@" > "$directory/here/release/$last"
"#;
const RUSTC: &str = "#!/usr/bin/env bash\necho 'host: here'\n";
const ZIP: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$@" > "$3"
"#;

#[cfg(unix)]
#[test]
fn every_target_is_packed_with_its_inputs_and_dictionary() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir().unwrap();
    let (bin, out) = (scratch.path().join("bin"), scratch.path().join("out"));
    let tree = scratch.path().join("tree");
    for made in [&bin, &out, &tree] {
        fs::create_dir(made).unwrap();
    }
    for (name, text) in [("cargo", CARGO), ("rustc", RUSTC), ("zip", ZIP)] {
        fs::write(bin.join(name), text).unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bin.join(name), executable).unwrap();
    }
    for linked in ["fuzz", "corpus"] {
        std::os::unix::fs::symlink(root().join(linked), tree.join(linked)).unwrap();
    }
    let path = std::env::var_os("PATH").unwrap();
    let path = std::iter::once(bin).chain(std::env::split_paths(&path));
    let script = root().join(".clusterfuzzlite/build.sh");
    let ran = Command::new("bash")
        .arg(script)
        .current_dir(&tree)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("OUT", &out)
        .env_remove("TARGETS")
        .env_remove("SANITIZER")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    for name in targets() {
        let built = fs::read_to_string(out.join(name)).unwrap();
        assert!(built.contains("--sanitizer address"), "{built}");
        let packed = fs::read_to_string(out.join(format!("{name}_seed_corpus.zip"))).unwrap();
        let inputs = packed.lines().filter(|line| line.starts_with("corpus/"));
        let kept = root().join("corpus/fuzz").join(name);
        assert_eq!(
            inputs.count(),
            fs::read_dir(kept).unwrap().count(),
            "{name}"
        );
        let dictionary = format!("{name}.dict");
        let has = root().join("fuzz/dictionaries").join(&dictionary).exists();
        assert_eq!(out.join(dictionary).exists(), has, "{name}");
    }
}

/// The tokens of a dictionary, as libFuzzer reads it: comments, empty lines, and quoted bytes, in
/// which `\\`, `\"` and `\xAB` stand for a byte.
fn tokens(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| token(line).ok_or_else(|| line.to_owned()))
        .collect()
}

fn token(line: &str) -> Option<Vec<u8>> {
    let quoted = line[line.find('"')?..]
        .strip_prefix('"')?
        .strip_suffix('"')?;
    let (mut bytes, mut rest) = (Vec::new(), quoted.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let byte = match first {
            b'"' => return None,
            b'\\' => match rest.split_first()? {
                (byte @ (b'\\' | b'"'), after) => {
                    rest = after;
                    *byte
                }
                (b'x', after) => {
                    let (digits, after) = after.split_at_checked(2)?;
                    rest = after;
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
                }
                _ => return None,
            },
            byte if byte.is_ascii() && !byte.is_ascii_control() => *byte,
            _ => return None,
        };
        bytes.push(byte);
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn dictionary(target: &str) -> Vec<Vec<u8>> {
    let path = root().join(format!("fuzz/dictionaries/{target}.dict"));
    let text = fs::read_to_string(&path).expect("a dictionary");
    tokens(&text).unwrap_or_else(|line| panic!("{}: {line}", path.display()))
}

#[test]
fn dictionaries_belong_to_targets_and_are_readable() {
    for entry in fs::read_dir(root().join("fuzz/dictionaries")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(targets().contains(name), "{name}");
        let tokens = dictionary(name);
        let known: BTreeSet<_> = tokens.iter().collect();
        assert!(tokens.len() > 5 && known.len() == tokens.len(), "{name}");
        assert!(tokens.iter().all(|token| token.len() <= 64), "{name}");
    }
}

#[test]
fn what_is_no_token_is_told() {
    for wrong in [
        "word", "\"open", "\"a\" b", "\"\\q\"", "\"\\x1\"", "\"\"", "\"a\"b\"",
    ] {
        assert_eq!(token(wrong), None, "{wrong}");
    }
    assert_eq!(
        token("name=\"a\\\\\\\"\\x0F\""),
        Some(b"a\\\"\x0f".to_vec())
    );
}

#[test]
fn the_dictionary_of_scenarios_has_every_fault_behaviour_and_disk_trouble() {
    let tokens = dictionary("scenario_toml");
    let behaviours = Behaviour::ALL.map(Behaviour::name);
    let troubles = Trouble::ALL.map(Trouble::name);
    for name in FAULTS.iter().chain(&behaviours).chain(&troubles) {
        let quoted = format!("\"{name}\"").into_bytes();
        assert!(tokens.contains(&quoted), "{name} is missing");
    }
}

#[test]
fn the_dictionary_of_messages_has_a_head_for_every_channel() {
    let channels = [
        Channel::State,
        Channel::Data,
        Channel::Vote,
        Channel::VoteSetBits,
        Channel::Mempool,
        Channel::Evidence,
        Channel::BlockSync,
    ];
    let tokens = dictionary("message_decode");
    for channel in channels {
        let head = [engine::codec::WIRE_VERSION, channel as u8, 1, 0, 0, 0];
        assert!(tokens.iter().any(|t| t.starts_with(&head)), "{channel:?}");
    }
}
