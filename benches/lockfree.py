#!/usr/bin/env python3
"""Shows that pinned tasks on their own shard execute no locked instruction.

usage: benches/lockfree.py [-v]

Runs `pinned_path` (spawn, poll, waker clone, wake, waker drop, join) under callgrind for two numbers of lives, and counts
how often instructions with a lock prefix, and exchanges with memory, which lock without one, were executed. Start and end of
the runtime execute some; their number must not grow with the lives. It fails if it does, and says where.
"""
import collections, functools, os, re, subprocess, sys, tempfile

LIVES = 1_000, 21_000
# Not zero: a shard draws task ids from the process's counter in blocks of some thousands, with one locked instruction a block.
SLACK_PER_LIFE = 0.001

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    verbose = sys.argv[1:] == ["-v"]
    if sys.argv[1:] and not verbose:
        sys.exit(__doc__)
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "corelane-benches", "--bin", "pinned_path"], cwd=ROOT, check=True)
    program = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"), "release", "pinned_path")
    few, many = (executed(program, lives) for lives in LIVES)
    growth = many - few
    growth_per_life = growth.total() / (LIVES[1] - LIVES[0])
    print(f"locked instructions executed for {LIVES[0]} lives: {few.total()}, for {LIVES[1]}: {many.total()}; {growth_per_life:.4f} a life")
    failed = growth_per_life > SLACK_PER_LIFE
    if failed or verbose:
        for (path, address), count in growth.most_common(20):
            print(f"{count:>9}  {os.path.basename(path)}:{address:x}  {locked_instructions(path)[address]}")
    sys.exit(1 if failed else 0)


@functools.cache
def locked_instructions(path):
    """Address -> text of each instruction of a file that locks."""
    text = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", path], check=True, capture_output=True, text=True).stdout
    locked, function = {}, ""
    for line in text.splitlines():
        if heading := re.match(r"[0-9a-f]+ <(.*)>:", line):
            function = heading[1]
        elif instruction := re.match(r"\s*([0-9a-f]+):\s+(.*)", line):
            words = instruction[2]
            # An exchange of registers (as in the padding `xchg %ax,%ax`) has no operand in parentheses.
            if words.startswith("lock") or re.match(r"xchg\s.*\(", words):
                locked[int(instruction[1], 16)] = f"{words}  in {function}"
    return locked


def executed(program, lives):
    """(File, address) -> how often it was executed, of the locked instructions of the program and its libraries."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "out")
        subprocess.run(["valgrind", "--quiet", "--tool=callgrind", "--dump-instr=yes", "--dump-line=no", f"--callgrind-out-file={out}",
                        program, str(lives)], check=True)
        with open(out) as dump:
            counts = instruction_counts(dump)
    found = collections.Counter()
    for path in {path for path, _ in counts if os.path.isfile(path)}:
        found.update({(path, address): counts[path, address] for address in locked_instructions(path)})
    # The start of a runtime locks. Were none of that seen, addresses would not match, and nothing could ever fail.
    assert any(count for (path, _), count in found.items() if os.path.samefile(path, program)), "no locked instruction was seen at all"
    return found


def instruction_counts(dump):
    """(File, address) -> count, from callgrind's format: `ob=` names the object of the lines that follow, once in full and then
    as `(1)`; addresses are the object's own and may be `+N`, `-N` or `*` from the one before; the line after `calls=` is what
    the callee cost."""
    counts, names = collections.Counter(), {}
    path, address, callee = "", 0, False
    for line in dump:
        if line.startswith(("ob=", "cob=")):
            number, _, name = line.partition("=")[2].strip().partition(" ")
            name = names.setdefault(number, name)
            if line.startswith("ob="):
                path = name
        elif line.startswith("calls="):
            callee = True
        elif line[0] in "0+-*":
            where, count = line.split()
            if where[0] in "+-":
                address += int(where, 0)
            elif where != "*":
                address = int(where, 16)
            if not callee:
                counts[path, address] += int(count)
            callee = False
    return counts


if __name__ == "__main__":
    main()
