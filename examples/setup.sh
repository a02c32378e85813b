# Sourced by quickstart.sh and tests/run.sh: the one list of Debian packages, and how to get those that are missing.
#
#     weir_packages build        what the program needs to be built and run
#     weir_packages test         what the tests need besides

# name, or name:program where a program on the PATH will do, whoever installed it.
WEIR_BUILD_PACKAGES="cmake:cmake ninja-build:ninja gcc:cc libc6-dev pkg-config:pkg-config libuv1-dev libsqlite3-dev
    libmsgpack-dev liblz4-dev libzstd-dev libsnappy-dev zlib1g-dev re2c:re2c lemon:lemon libedit-dev node-llhttp
    libutf8proc-dev libpcre2-dev"
WEIR_TEST_PACKAGES="libcmocka-dev kcat:kcat librdkafka-dev nodejs:node npm:npm sqlite3:sqlite3 python3:python3
    clang:clang libclang-rt-14-dev expect:expect jq:jq tmux:tmux postgresql"

# Prints the names of a list that are not there. Asks dpkg once; no network.
weir_missing() {
    _installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
    for _entry in $1; do
        _name=${_entry%%:*}
        case $_entry in *:*) command -v "${_entry#*:}" >/dev/null 2>&1 && continue ;; esac
        printf '%s\n' "$_installed" | grep -qx "$_name" || printf '%s\n' "$_name"
    done
}

# weir_packages build|test: installs what is missing and only that. Fails, with the command to type, where it cannot.
weir_packages() {
    case $1 in
    build) _list=$WEIR_BUILD_PACKAGES ;;
    test) _list=$WEIR_TEST_PACKAGES ;;
    *) echo "weir_packages: build or test, not '$1'" >&2; return 2 ;;
    esac
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "This is no Debian: packages are not checked." >&2
        return 0
    fi
    _missing=$(weir_missing "$_list" | tr '\n' ' ')
    [ -z "$_missing" ] && return 0
    _sudo=
    if [ "$(id -u)" -ne 0 ]; then
        _sudo=sudo
        if ! command -v sudo >/dev/null 2>&1; then
            echo "Packages are missing, and neither root nor sudo is at hand. As root:" >&2
            echo "    apt-get install $_missing" >&2
            return 1
        fi
    fi
    echo "Installing: $_missing"
    $_sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        $_sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $_missing >/dev/null &&
        return 0
    echo "apt-get could not install: $_missing" >&2
    return 1
}
