# Shell functions that ./run, ./test, bench/run and tools/setup share. Sourced, not run.

say() { printf '%s\n' "$*"; }
fail() { printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# The folder of the repository; every script works from there.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT
cd "$ROOT"
mkdir -p build

# What the packages of the example and of the tests ask for. The SDK itself runs on Node 18.
readonly NODE_MIN_MAJOR=22

# Whether the `node` that a command would find is new enough for the tools.
node_is_new_enough() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    (( ${version%%.*} >= NODE_MIN_MAJOR ))
}

# Where the system's Node is older, the one in .tools/ goes before it.
use_node() {
    node_is_new_enough && return
    export PATH="$ROOT/.tools/bin:$PATH"
}

# What identifies a file's content in a stamp: the same content needs no work a second time.
fingerprint() { cat -- "$@" | sha256sum | cut -d' ' -f1; }

# configure PRESET [-DNAME=VALUE…]: runs CMake only where the folder was never configured with these
# words; later changes of CMakeLists.txt are noticed by the build itself.
configure() {
    local preset=$1 stamp="$ROOT/build/$1/.configured" words="$*"
    if [[ -f $stamp && $(<"$stamp") == "$words" && -f "$ROOT/build/$preset/build.ninja" ]]; then return; fi
    cmake --preset "$@" || return
    printf '%s' "$words" > "$stamp"
}

# The server alone, optimized: build/release/bin/eventbus.
build_server() {
    configure release > build/configure.log 2>&1 || { cat build/configure.log >&2; fail "CMake failed."; }
    ninja -C build/release eventbus || fail "the server did not build: the compiler's lines above say why."
}

# build_packages FOLDER…: `npm run build` in each, in this order, where a source of it or of one before
# it has changed since the last time.
build_packages() {
    local folder wanted='' stamp
    for folder in "$@"; do
        [[ -f $folder/package.json ]] && grep -q '"build":' "$folder/package.json" || continue
        wanted=$(cd "$folder" && { echo "$wanted"; sources_of . | xargs -0 cat; } | sha256sum | cut -d' ' -f1)
        stamp=$folder/node_modules/.built
        if [[ -f $stamp && $(<"$stamp") == "$wanted" && -d $folder/dist ]]; then continue; fi
        say "Building $folder"
        npm run --silent --prefix "$folder" build || fail "$folder did not build: its lines above say why."
        say "$wanted" > "$stamp"
    done
}

# The files of a folder that are ours, each ended by NUL: what Git knows or would add.
sources_of() { git ls-files -coz --exclude-standard --deduplicate -- "$@"; }
