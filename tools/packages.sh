# packages.sh: what the commands of this folder need of Debian 12, and how it is installed.
# shellcheck shell=bash disable=SC2034 # the lists are for those who source this
# To be sourced by bash.

# To build and test. (libc6-dev: gcc merely recommends it.)
build_packages=(
    gcc g++ libc6-dev make cmake ninja-build pkg-config
    libhwloc-dev liburcu-dev       # the library
    libcjson-dev                   # filch-info
    libcriterion-dev spin          # the tests
    libssl-dev                     # the example digest, Unbalanced Tree Search in the benchmarks
)

# For the static checks and the sanitizer builds of .ci/run.
check_packages=(clang clang-format clang-tidy doxygen libclang-rt-14-dev)

# For bench/run --install: the peers that are not large, and the tools of the report. (cargo is added
# where there is none; a JDK is used where there is one.)
bench_packages=(
    libtbb-dev libglib2.0-dev clang libomp-dev librust-rayon-dev python3
    python3-joblib python3-mpi4py openmpi-bin
    gnuplot-nox strace valgrind
)

# For tools/aarch64.
aarch64_packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)

# For tools/numa-vm.
vm_packages=(qemu-system-x86 busybox-static cpio)

# install_missing PACKAGE...: without any missing it neither asks the network nor for privileges.
install_missing() {
    local package missing=() root=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is not Debian; what is needed is called there: $*" >&2
        return 0
    fi
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Run this as root, or install: ${missing[*]}" >&2
            return 1
        fi
        root=(sudo)
    fi
    echo "Installing ${missing[*]}"
    local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    "${apt[@]}" update </dev/null &&
        "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}
