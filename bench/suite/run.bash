# run.bash: the rounds of the fork-join applications. Sourced by bench/run, whose variables and functions
# it uses: size, cores, contenders, program (with keys suite:NAME), results, is_wanted, measure.
# shellcheck shell=bash disable=SC2154 # they are set there

# How large each application is; for so many seconds its passes go on in one process (pass_s).
case $size in
full)
    applications=(fib:39 skynet:10000000 nqueens:13 uts_t1:10 uts_t3:2000 matmul:1024
        cilksort:10000000 skewed:131072 blocks:16777216)
    grains=(10 30 100 300 1000 3000 10000 30000) grain_steps=20000000 grain_rounds=3
    pass_s=0.3 count_sizes=(fib:20:25 skynet:1000:100000 nqueens:6:9) ;;
quick)
    applications=(fib:30 skynet:1000000 nqueens:10 uts_t1:8 uts_t3:200 matmul:256
        cilksort:1000000 skewed:16384 blocks:2097152)
    grains=(30 300 3000 30000) grain_steps=3000000 grain_rounds=1
    pass_s=0.05 count_sizes=(fib:15:20) ;;
tiny)
    applications=(fib:15 skynet:1000 nqueens:6 uts_t1:5 uts_t3:20 matmul:128 cilksort:10000
        skewed:1024 blocks:131072)
    grains=(100) grain_steps=10000 grain_rounds=1
    pass_s=0 count_sizes=(fib:5:10) ;;
esac

# workers_of NAME: with how many workers it runs
workers_of() {
    case $1 in
    serial*) echo 1 ;;
    filch) printf '%s\n' 1 2 4 8 "$cores" ;;
    filch_*) printf '%s\n' 1 2 4 "$cores" ;;
    *) printf '%s\n' 1 2 "$cores" ;;
    esac | sort -nu
}

is_member() { [[ " ${*:2} " == *" $1 "* ]]; }

# run_application ROUND WORKLOAD NAME OPTION...: measure, but of what takes long not in every round
declare -A took_ms
run_application() {
    local round=$1 workload=$2 name=$3 key="$*" every=1 start
    shift 3
    key=${key#"$round "}
    [[ -n ${program[suite:$name]-} ]] || return 0
    ((${took_ms[$key]:-0} < 1500)) || every=3
    ((${took_ms[$key]:-0} < 6000)) || every=5
    (((round - 1) % every == 0)) || return 0
    start=${EPOCHREALTIME/./}
    measure "$round" "$workload" "suite:$name" --seconds="$pass_s" "$@"
    took_ms[$key]=$(((${EPOCHREALTIME/./} - start) / 1000))
}

# two_at_once ROUND WORKLOAD SIZE: the serial program beside itself: does the machine have two cores?
two_at_once() {
    local options=(--seconds="$pass_s" --size="$3" --processes=2)
    measure "$1" "$2" suite:serial "${options[@]}" &
    measure "$1" "$2" suite:serial "${options[@]}"
    wait $!
}

# count_instructions WORKLOAD SMALL LARGE: by valgrind, with one worker. The difference of two sizes is that
# of their work; `instructions` are those of the larger one that are not there in the smaller one.
count_instructions() {
    local name words counts at out=$build/callgrind.out
    for name in "${contenders[@]}"; do
        [[ -n ${program[suite:$name]-} && $name != java ]] || continue
        IFS=$'\t' read -ra words <<<"${program[suite:$name]}"
        counts=()
        for at in "$2" "$3"; do
            timeout 180 valgrind --tool=callgrind --callgrind-out-file=/dev/null "${words[@]}" "$1" \
                --size="$at" --seconds=0 >"$out" 2>&1 || continue 2
            counts+=("$(sed -n 's/.*Collected : //p' "$out") $(sed -n 's/.*"spawns":\([0-9]*\).*/\1/p' "$out")")
        done
        # shellcheck disable=SC2086 # two words each
        printf '{"workload":"%s_instructions","contender":"%s","workers":1,"size":%d,"per_spawn":%s}\n' \
            "$1" "$name" "$3" "$(awk 'BEGIN { printf "%.2f", (ARGV[3] - ARGV[1]) / (ARGV[4] - ARGV[2]) }' \
            ${counts[0]} ${counts[1]})" >>"$results"
    done
    rm -f "$out"
}

suite_round() {
    local round=$1 application workload n name workers steps leaves
    for application in "${applications[@]}"; do
        IFS=: read -r workload n <<<"$application"
        is_wanted "$workload" suite || continue
        for name in "${contenders[@]}"; do
            for workers in $(workers_of "$name"); do
                run_application "$round" "$workload" "$name" --size="$n" --workers="$workers"
            done
        done
        if is_member "$workload" fib nqueens uts_t1 matmul && is_member filch "${contenders[@]}"; then
            for workers in 1 8; do
                run_application "$round" "$workload" filch --size="$n" --workers="$workers" --place=same
            done
        fi
        if is_member "$workload" fib nqueens uts_t1 uts_t3 matmul && ((cores > 1)) &&
            is_member serial "${contenders[@]}"; then
            two_at_once "$round" "$workload" "$n"
        fi
    done
    ((round <= grain_rounds)) && is_wanted grain suite || return 0
    for steps in "${grains[@]}"; do
        leaves=$((grain_steps / steps))
        ((leaves <= 1000000)) || leaves=1000000
        for name in "${contenders[@]}"; do
            workers=2
            [[ $name != serial* ]] || workers=1
            run_application "$round" grain "$name" --size="$leaves" --steps="$steps" --workers="$workers"
        done
    done
}

suite_counts() {
    local counted workload small large
    for counted in "${count_sizes[@]}"; do
        IFS=: read -r workload small large <<<"$counted"
        is_wanted "$workload" suite || continue
        if command -v valgrind >/dev/null; then
            count_instructions "$workload" "$small" "$large"
        else
            echo "bench/run: skipped: instruction counts of $workload (valgrind is not installed)" >&2
        fi
    done
}
