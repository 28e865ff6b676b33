#!/usr/bin/env bash
# Keeps the golden records of a release, which the suite `driver` reads from then on.
# Usage: tests/golden/release.sh 0.1.0
set -euo pipefail
version=${1:?say which version is released}
cd "$(dirname "$0")"
if [ -e "released/$version" ]; then
  echo "released/$version is there already; golden records of a release do not change" >&2
  exit 1
fi
mkdir -p "released/$version"
cp record/*.json "released/$version/"
