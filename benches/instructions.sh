#!/usr/bin/env bash
# Instructions an operation, which are the same on every run and machine.
#
#   benches/instructions.sh [ROW=BOUND]...
#
# Callgrind counts what a run of 10,000 operations and one of 110,000 execute; the difference is 100,000 operations without the
# start. For `echo`, a request on one of 64 connections, it is 6,400 and 70,400 requests of `echo_load count`; `bare` is a loop over
# mio. Fails if Corelane's sharded mode executes more than a bound says. Time passes slowly under callgrind, so the quantum is
# made as much longer: else a shard would look at its reactor after every other task, which it does not do in life.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=(spawn1 spawn1y spawn1000 yield1 wake1 sleep_drop timeout_ready echo)
modes=(sharded tokio-ct bare)

declare -A bounds
for bound in "$@"; do
  case " ${rows[*]} " in
    *" ${bound%%=*} "*) ;;
    *) echo "no row \`${bound%%=*}\`; there are ${rows[*]}" >&2; exit 2 ;;
  esac
  [[ ${bound#*=} =~ ^[0-9]+$ ]] || { echo "usage: benches/instructions.sh [ROW=BOUND]..." >&2; exit 2; }
  bounds[${bound%%=*}]=${bound#*=}
done

cargo build --quiet --release -p corelane-benches --bin one_row --bin echo_load
programs=${CARGO_TARGET_DIR:-target}/release
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '[scheduler]\nquantum_us = 10000\n' > "$scratch/slow.toml"
export CORELANE_CONFIG=$scratch/slow.toml

program() { # row mode operations
  if [[ $1 = echo ]]; then command=("$programs/echo_load" count "$2" "$3"); else command=("$programs/one_row" "$@"); fi
}

# Prints nothing if the row does not run in that mode.
count() { # row mode operations
  program "$@"
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "${command[@]}" 2>&1 >/dev/null |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

failed=0
printf '%-15s' row; printf ' %10s' "${modes[@]}"; echo
for row in "${rows[@]}"; do
  printf '%-15s' "$row"
  for mode in "${modes[@]}"; do
    program "$row" "$mode" 64
    if ! "${command[@]}" >/dev/null 2>&1; then
      printf ' %10s' -
      # A bound on what does not run is not met.
      [[ $mode = sharded && -n ${bounds[$row]:-} ]] && { printf '  MISSED, does not run'; failed=1; }
      continue
    fi
    if [[ $row = echo ]]; then few=6400 many=70400; else few=10000 many=110000; fi
    instructions=$(( ($(count "$row" "$mode" $many) - $(count "$row" "$mode" $few)) / (many - few) ))
    printf ' %10d' "$instructions"
    [[ $mode = sharded ]] && ours=$instructions
  done
  if [[ -n ${bounds[$row]:-} && -n ${ours:-} ]]; then
    if (( ours <= bounds[$row] )); then printf '  <= %d' "${bounds[$row]}"
    else printf '  MISSED, at most %d' "${bounds[$row]}"; failed=1; fi
  fi
  unset ours
  echo
done
exit "$failed"
