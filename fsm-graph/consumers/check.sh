#!/bin/sh
# Gives every golden file to the program it is written for. Not part of the test command: it needs Graphviz, Node.js
# with the packages `mermaid` and `jsdom` (in the folder NODE_FOLDER), and Chromium.
#
#   NODE_FOLDER=/path/to/folder fsm-graph/consumers/check.sh [folder for screenshots]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../tests/golden
pictures=${1:-$(mktemp -d)}

count=0
for file in "$golden"/*.dot; do
    # Graphviz warns on standard error and goes on, so that must be empty too.
    complaints=$(dot -Tsvg "$file" 2>&1 >/dev/null)
    test -z "$complaints" || { echo "$file: $complaints"; exit 1; }
    count=$((count + 1))
done
echo "dot: $count accepted"

NODE_FOLDER=${NODE_FOLDER:-$PWD} node "$here/mermaid.mjs" "$golden"/*.mmd

profile=$(mktemp -d)
shot() { # page, picture, scheme (0 dark, 1 light)
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$profile" --hide-scrollbars \
        --blink-settings=preferredColorScheme="$3" --window-size=1600,1400 --screenshot="$2" "file://$1" 2>/dev/null
    echo "look at $2"
}
{
    echo '<!doctype html><meta name="color-scheme" content="light dark"><body>'
    for name in worker team human live-worker live-undoing failures; do
        echo "<img src=\"file://$golden/$name.svg\" style=\"vertical-align:top\">"
    done
} >"$pictures/schemes.html"
shot "$pictures/schemes.html" "$pictures/light.png" 1
shot "$pictures/schemes.html" "$pictures/dark.png" 0
rm -rf "$profile"
