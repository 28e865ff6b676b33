#!/bin/bash
# Builds kube-apiserver 1.20.2 and fetches etcd, from Debian 12's packages alone: bash build.sh FOLDER
#
# FOLDER then holds `etcd` and `kube-apiserver`; it appears at once and complete. Takes 2.5 minutes on two idle cores, 2.3 GB of disk
# meanwhile and 125 MB after. A second call waits for the first and does nothing. Works as root, or as anybody if dpkg-dev is installed.
#
# The packages come from whatever Debian mirror this machine's apt is set up with, through an apt root of our own, so the machine's
# sources, lists and installed packages are left alone (except that dpkg-dev is installed if it is missing).
set -euo pipefail
export LC_ALL=C

SUITE=bookworm
VERSION=1.20.2
GO=1.19
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

target=${1:?usage: build.sh FOLDER}
say() { echo "$*" >&2; }
fail() { say "cannot build kube-apiserver: $*"; exit 1; }
finished() { [ -x "$target/etcd" ] && [ -x "$target/kube-apiserver" ]; }

finished && exit 0
mkdir -p "$(dirname "$target")"
target=$(cd "$(dirname "$target")" && pwd)/$(basename "$target")

# One builder at a time. A build that was killed lets go of the lock and leaves a folder, which goes here.
exec 9> "$target.lock"
flock -n 9 || { say "waiting for another process that builds kube-apiserver in $target …"; flock 9; }
finished && exit 0
rm -rf "$target".build.* "$target"

say "building kube-apiserver, once, for some minutes, into $target …"
started=$SECONDS
work=$(mktemp -d "$target.build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# --- what the machine must have -------------------------------------------------------------------------------------------------------
command -v apt-get > /dev/null || fail "this is not a Debian machine (no apt-get)"
[ -s "$KEYRING" ] || fail "there is no $KEYRING; install debian-archive-keyring"
if ! command -v dpkg-source > /dev/null; then
  [ "$(id -u)" = 0 ] || fail "dpkg-source is missing; run 'apt-get install dpkg-dev' as root"
  say "  installing dpkg-dev"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends dpkg-dev; } > "$work/install.log" 2>&1 ||
    { tail -20 "$work/install.log" >&2; fail "apt-get could not install dpkg-dev"; }
fi

# --- an apt root of our own -----------------------------------------------------------------------------------------------------------
apt_root=$work/apt
mkdir -p "$apt_root/lists/partial" "$apt_root/cache/archives/partial"
: > "$apt_root/status"
with_root() {
  "$@" -o Dir::Etc::sourcelist="$apt_root/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::lists="$apt_root/lists" -o Dir::Cache="$apt_root/cache" -o Dir::State::status="$apt_root/status" \
    -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Acquire::Languages=none -o Acquire::Retries=3 \
    -o Dpkg::Use-Pty=0
}
# The addresses in both formats of source lists, first seen first.
mirrors() {
  { sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources 2> /dev/null | tr -s ' ' '\n'
    sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null
  } | awk 'NF && !seen[$0]++'
}
# Which of them is a Debian archive? The one that has the suite, signed with Debian's key.
mirror=
while read -r address; do
  for kind in deb deb-src; do echo "$kind [signed-by=$KEYRING] $address $SUITE main"; done > "$apt_root/sources.list"
  if with_root apt-get -qq update > "$work/update.log" 2>&1; then mirror=$address; break; fi
done < <(mirrors)
[ "$mirror" ] || { tail -5 "$work/update.log" >&2 2> /dev/null || true; fail "no source in /etc/apt has Debian's suite $SUITE"; }

say "  fetching etcd, Go $GO and the source"
mkdir "$work/debs" "$work/root"
( cd "$work/debs" && with_root apt-get -qq download etcd-server "golang-$GO-go" "golang-$GO-src" golang-github-modern-go-reflect2-dev ) \
  > "$work/download.log" 2>&1 || { tail -20 "$work/download.log" >&2; fail "the packages could not be downloaded"; }
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/root"; done
( cd "$work" && with_root apt-get -qq source --download-only kubernetes && dpkg-source -x kubernetes_*.dsc source ) \
  > "$work/source.log" 2>&1 || { tail -20 "$work/source.log" >&2; fail "the source of kubernetes could not be had"; }
case $(echo "$work"/kubernetes_*.dsc) in *"$VERSION"*) ;; *) fail "$SUITE no longer has kubernetes $VERSION; adapt this script" ;; esac

# --- build ----------------------------------------------------------------------------------------------------------------------------
# The vendored reflect2 1.0.1 crashes in map iteration when built with Go 1.18 or later; Debian's own package is cured.
vendored=$work/source/vendor/github.com/modern-go
rm -rf "$vendored/reflect2"
cp -r "$work/root/usr/share/gocode/src/github.com/modern-go/reflect2" "$vendored/"

export GOROOT=$work/root/usr/lib/go-$GO GOPATH=$work/go GOCACHE=$work/go-cache GOTMPDIR=$work
export GO111MODULE=off GOPROXY=off GOFLAGS='' CGO_ENABLED=0
export PATH=$GOROOT/bin:$PATH
mkdir -p "$GOPATH/src/k8s.io"
ln -s "$work/source" "$GOPATH/src/k8s.io/kubernetes"
cd "$GOPATH/src/k8s.io/kubernetes"

# pkg/generated/openapi is generated and not in the source package: one generator run over every package that asks for it.
say "  generating the OpenAPI definitions"
marked() { grep -rl --include='*.go' '+k8s:openapi-gen=' "$@" | grep -vE '_test\.go|/testdata/' | xargs -n1 dirname | sort -u; }
inputs=$({
  (cd vendor && marked k8s.io/*/) | grep -vE '^k8s.io/(code-generator|sample-apiserver|gengo|kube-openapi)(/|$)' | sed 's#^#k8s.io/kubernetes/vendor/#'
  marked pkg cmd plugin | sed 's#^#k8s.io/kubernetes/#'
} | paste -sd,)
{
  go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  "$work/openapi-gen" --logtostderr --input-dirs "$inputs" --output-package k8s.io/kubernetes/pkg/generated/openapi \
    --output-file-base zz_generated.openapi --go-header-file vendor/k8s.io/code-generator/hack/boilerplate.go.txt \
    --report-filename "$work/violations" --output-base "$GOPATH/src"
} > "$work/openapi.log" 2>&1 || { tail -20 "$work/openapi.log" >&2; fail "the OpenAPI definitions could not be generated"; }

say "  compiling"
flags='-s -w'
for package in component-base/version client-go/pkg/version; do
  prefix=k8s.io/kubernetes/vendor/k8s.io/$package
  flags+=" -X $prefix.gitVersion=v$VERSION -X $prefix.gitMajor=1 -X $prefix.gitMinor=20"
done
mkdir "$work/out"
go build -o "$work/out/kube-apiserver" -ldflags "$flags" k8s.io/kubernetes/cmd/kube-apiserver > "$work/build.log" 2>&1 ||
  { tail -20 "$work/build.log" >&2; fail "it does not compile"; }
cp "$work/root/usr/bin/etcd" "$work/out/etcd"
"$work/out/kube-apiserver" --version | grep -q "v$VERSION" || fail "the built kube-apiserver does not run"
"$work/out/etcd" --version > /dev/null || fail "the packaged etcd does not run on this machine"

mv -T "$work/out" "$target"
say "built kube-apiserver in $((SECONDS - started)) s"
