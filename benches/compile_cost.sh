#!/usr/bin/env bash
# What a machine costs in `cargo check`: 20 copies of the 8-step Worker, one touched, against 20 empty modules; without and with the
# transitions that the author writes.
# Usage: benches/compile_cost.sh [directory for the three crates]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-$(mktemp -d)}
copies=20
runs=7

crate() { # crate NAME: a library crate that depends on the library
  mkdir -p "$dir/$1/src"
  cat > "$dir/$1/Cargo.toml" <<TOML
[package]
name = "$1"
version = "0.0.0"
edition = "2024"
[dependencies]
durable-fsm = { path = "$root" }
serde = { version = "1", features = ["derive"] }
thiserror = "2"
[workspace]
TOML
  cp "$root/Cargo.lock" "$dir/$1/Cargo.lock"
  : > "$dir/$1/src/lib.rs"
  for number in $(seq "$copies"); do echo "pub mod m$number;" >> "$dir/$1/src/lib.rs"; done
}

crate machines
crate transitions
crate empty
# The machine as the reference controller declares it, and transitions that do nothing. The resource, which a controller has
# anyway, stands once in each crate.
declared="$root/hiclaw/src/worker.rs"
machine=$(grep -n '^/// Provisions one worker' "$declared" | cut -d: -f1)
for crate in machines transitions empty; do
  head -n $((machine - 1)) "$declared" | grep -v '^//!' | sed 's/Each, Fsm, //' > "$dir/$crate/src/resource.rs"
  echo "pub mod resource;" >> "$dir/$crate/src/lib.rs"
done
for number in $(seq "$copies"); do
  {
    echo "use crate::resource::Worker; use durable_fsm::{Each, Fsm}; use std::collections::BTreeSet;"
    tail -n +"$machine" "$declared"
  } > "$dir/machines/src/m$number.rs"
  cat "$dir/machines/src/m$number.rs" "$root/benches/compile_cost_transitions.rs" > "$dir/transitions/src/m$number.rs"
  echo > "$dir/empty/src/m$number.rs"
done

fastest() { # fastest NAME: the fastest of the runs, in milliseconds
  cd "$dir/$1"
  export CARGO_TARGET_DIR=$dir/target
  cargo check --quiet
  best=
  for _ in $(seq "$runs"); do
    echo "// touched" >> src/m1.rs
    start=$(date +%s%N)
    cargo check --quiet
    took=$(( ($(date +%s%N) - start) / 1000000 ))
    if [ -z "$best" ] || [ "$took" -lt "$best" ]; then best=$took; fi
  done
  echo "$best"
}

machines=$(fastest machines)
transitions=$(fastest transitions)
empty=$(fastest empty)
echo "empty modules: $empty ms, machines: $machines ms, machines and transitions: $transitions ms"
echo "one machine: $(( (machines - empty) / copies )) ms, with its transitions: $(( (transitions - empty) / copies )) ms"
