#!/bin/sh
# Gives every picture that the tests keep current to the program it is written for, and records the versions of those programs in
# docs/gallery/consumers.md. Not part of the test command: it needs Graphviz, Chromium, and Node.js with the packages `mermaid` and `jsdom` in the
# folder NODE_FOLDER. Screenshots to look at go into the folder that is named, or into a new one.
#
#   NODE_FOLDER=/path/to/folder fsm-graph/consumers/check.sh [folder for screenshots]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../tests/golden
pictures=${1:-$(mktemp -d)}
export NODE_FOLDER="${NODE_FOLDER:-$PWD}"
mkdir -p "$pictures"

dots=0
for file in "$golden"/*.dot; do
    # Graphviz warns on standard error and goes on, so that must be empty too.
    complaints=$(dot -Tsvg "$file" 2>&1 >/dev/null)
    test -z "$complaints" || { echo "$file: $complaints"; exit 1; }
    dots=$((dots + 1))
done
echo "dot: $dots accepted"

node "$here/mermaid.mjs" "$golden"/*.mmd
node "$here/browser.mjs" "$pictures"

mermaids=$(ls "$golden"/*.mmd | wc -l)
svgs=$(ls "$golden"/*.svg "$golden"/*.inline.html | wc -l)
lock=$here/../../Cargo.lock
resvg=$(awk '/^name = "resvg"/ { getline; gsub(/"/, "", $3); print $3 }' "$lock")
version() { node -p "require('$NODE_FOLDER/node_modules/$1/package.json').version"; }
cat >"$here/../../docs/gallery/consumers.md" <<EOF
| program | version | what it read, on $(date +%Y-%m-%d) |
|---|---|---|
| Graphviz | $(dot -V 2>&1 | sed 's/.*version \([0-9.]*\).*/\1/') | $dots DOT files without a warning |
| Mermaid | $(version mermaid) | $mermaids Mermaid files, with its own parser |
| Chromium | $(chromium --version 2>/dev/null | sed 's/[^0-9]*\([0-9.]*\).*/\1/') | $svgs SVG pictures, light and dark: no text leaves its box or the picture |
| resvg | $resvg | every machine as PNG, light and dark, in the tests |
EOF
