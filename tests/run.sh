#!/bin/sh
# Runs the tests: sets up what is missing, builds, and lets ctest run all that end within minutes.
#
#     ./tests/run.sh             every test but the long ones
#     ./tests/run.sh long        every test
#     SANITIZE=address,undefined ./tests/run.sh       the same in a checked build (or SANITIZE=thread)
#     TINY=1 ./tests/run.sh                           the same with every bound shrunk
#     LABEL=sql ./tests/run.sh                        one kind: unit sql wire sim crash client example
#     JOBS=4 ./tests/run.sh                           so many at once instead of one per processor
#
# Each build has a folder of its own: build, build-asan, build-tsan, build-tiny, build-asan-tiny, ...
# Exit code: ctest's.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) && cd "$root" || exit 1
. examples/setup.sh

case ${1-} in
'') long=no ;;
long) long=yes ;;
*) echo "usage: tests/run.sh [long]" >&2; exit 2 ;;
esac

build=build
options="-DTESTS=ON"
case ${SANITIZE-} in
'') options="$options -DSANITIZE=" ;;
*thread*) build=$build-tsan options="$options -DSANITIZE=$SANITIZE" ;;
*address*) build=$build-asan options="$options -DSANITIZE=$SANITIZE" ;;
*) build=$build-sanitize options="$options -DSANITIZE=$SANITIZE" ;;
esac
case ${TINY-} in
'' | 0 | OFF) options="$options -DTINY=OFF" ;;
*) build=$build-tiny options="$options -DTINY=ON" ;;
esac
command -v ccache >/dev/null 2>&1 && options="$options -DCMAKE_C_COMPILER_LAUNCHER=ccache"

weir_packages build || exit 1
# Without these the program still builds; the tests that need them are listed below.
weir_packages test || echo "Going on with what is there."

# The Node client comes from npm, not from Debian. Needs the network once.
node=$root/build/node
if command -v npm >/dev/null 2>&1 && [ ! -d "$node/node_modules/kafkajs" ]; then
    mkdir -p "$node"
    npm install --silent --no-audit --no-fund --prefix "$node" kafkajs@2.2.4 >/dev/null 2>&1 ||
        echo "npm could not fetch kafkajs."
fi

# The Java client comes from Maven Central. The same.
if command -v mvn >/dev/null 2>&1 && ! ls "$root"/build/java/kafka-clients-*.jar >/dev/null 2>&1; then
    mvn -q -B -f "$root/tests/client/java/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$root/build/java" >/dev/null 2>&1 || echo "mvn could not fetch kafka-clients."
fi

echo "Building in $build."
mkdir -p "$build"
log=$build/build.log
cmake -B "$build" -G Ninja $options >"$log" 2>&1 && cmake --build "$build" >>"$log" 2>&1 || {
    grep -E 'error|warning|FAILED|CMake Error' -A8 "$log" | head -80
    echo "The build failed; all of it is in $log" >&2
    exit 1
}

# Random tests of the short run begin at the same place each time, so that it fails for a change only; the long ones look for
# what nobody has seen.
[ "$long" = yes ] || export WEIR_FIRST_SEED="${WEIR_FIRST_SEED-1}"

# What SANITIZE and the like change is visible to the tests as WEIR; nothing else of the caller's settings may be.
unset WEIR_FAULT WEIR_BUG

if [ -s "$build/not-run.txt" ]; then
    echo "Cannot run on this machine:"
    sort -u "$build/not-run.txt" | sed 's/^/    /'
fi
[ "$long" = yes ] || echo "Not run: the long tests ($(ctest --test-dir "$build" -N -L long | sed -n 's/^Total Tests: //p')); ./tests/run.sh long runs them."

set -- --test-dir "$build" -j "${JOBS:-$(nproc)}" --timeout 900 --output-on-failure --no-tests=error
[ "$long" = yes ] || set -- "$@" -LE long
[ -n "${LABEL-}" ] && set -- "$@" -L "$LABEL"
exec ctest "$@"
