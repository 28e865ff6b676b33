#!/bin/sh
# Builds the documentation of the crate in `page/`, and of durable-fsm, and looks at the machine's page and at the front page in rustdoc's three
# themes. Not part of the test command: it needs Node.js and Chromium.
#
#   fsm-graph/consumers/rustdoc.sh [folder for screenshots]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
pictures=${1:-$(mktemp -d)}
mkdir -p "$pictures"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
# The versions that everything else is tested with.
cp "$root/Cargo.lock" "$here/page/Cargo.lock"
cargo doc --manifest-path "$here/page/Cargo.toml" --no-deps -p page -p durable-fsm
node "$here/rustdoc.mjs" "$CARGO_TARGET_DIR/doc" "$pictures"
