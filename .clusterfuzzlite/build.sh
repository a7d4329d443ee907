#!/usr/bin/env bash
# Builds the fuzz targets of the sources in the current directory into $OUT, each with its kept inputs and, if it has
# one, its dictionary. TARGETS names fewer of them; SANITIZER is "address" unless said.
set -euo pipefail
# rust-toolchain.toml names a stable toolchain; cargo-fuzz replaces the flags of .cargo/config.toml.
export RUSTUP_TOOLCHAIN="${RUSTUP_TOOLCHAIN:-nightly}" RUSTFLAGS="${RUSTFLAGS:-} --cfg madsim"
export CARGO_PROFILE_RELEASE_LTO=false

all=$(for program in fuzz/fuzz_targets/*.rs; do basename "$program" .rs; done)
built=target/continuous
host=$(rustc -vV | sed -n 's/^host: //p')
for target in ${TARGETS:-$all}; do
  cargo fuzz build -O --debug-assertions --sanitizer "${SANITIZER:-address}" --fuzz-dir fuzz --target-dir "$built" "$target"
  cp "$built/$host/release/$target" "$OUT/$target"
  zip --quiet --junk-paths "$OUT/${target}_seed_corpus.zip" "corpus/fuzz/$target"/*
  dictionary=fuzz/dictionaries/$target.dict
  if [ -f "$dictionary" ]; then cp "$dictionary" "$OUT/$target.dict"; fi
done
