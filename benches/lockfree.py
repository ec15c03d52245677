#!/usr/bin/env python3
"""Shows that pinned tasks on their own shard execute no locked instruction.

usage: benches/lockfree.py [-v]

Runs `pinned_path` (spawn, poll, waker clone, wake, waker drop, join) under callgrind for two numbers of lives, and counts
how often instructions with a lock prefix, and exchanges with memory, which lock without one, were executed. Start and end of
the runtime execute some; their number must not grow with the lives. It fails if it does, and says where.
"""
import collections, os, re, subprocess, sys, tempfile

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
    locked = locked_instructions(program)
    few, many = (executed(program, lives, locked) for lives in LIVES)
    growth = many - few
    growth_per_life = growth.total() / (LIVES[1] - LIVES[0])
    print(f"{len(locked)} locked instructions in the program; executed for {LIVES[0]} lives: {few.total()}, "
          f"for {LIVES[1]}: {many.total()}; {growth_per_life:.4f} a life")
    failed = growth_per_life > SLACK_PER_LIFE
    if failed or verbose:
        for address, count in growth.most_common(20):
            print(f"{count:>9}  {address:x}  {locked[address]}")
    sys.exit(1 if failed else 0)


def locked_instructions(program):
    """Address -> text of each instruction that locks."""
    text = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", program], check=True, capture_output=True, text=True).stdout
    locked, function = {}, ""
    for line in text.splitlines():
        if heading := re.match(r"[0-9a-f]+ <(.*)>:", line):
            function = heading[1]
        elif instruction := re.match(r"\s*([0-9a-f]+):\s+(.*)", line):
            words = instruction[2]
            # An exchange of registers (as in the padding `xchg %ax,%ax`) has no operand in parentheses.
            if words.startswith("lock") or re.match(r"xchg\s.*\(", words):
                locked[int(instruction[1], 16)] = f"{words}  in {function}"
    assert locked, "objdump shows none: this script reads its output wrongly"
    return locked


def executed(program, lives, locked):
    """Address -> how often it was executed, of the locked instructions."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "out")
        subprocess.run(["valgrind", "--quiet", "--tool=callgrind", "--dump-instr=yes", "--dump-line=no", f"--callgrind-out-file={out}",
                        program, str(lives)], check=True)
        with open(out) as dump:
            counts, total = instruction_counts(dump, os.path.basename(program))
    assert total > lives * 100, "callgrind counted next to nothing: this script reads its output wrongly"
    found = collections.Counter({address: counts[address] for address in locked if address in counts})
    # The start of a runtime takes locks. Were none seen, addresses would not match and nothing could ever fail.
    assert found.total() > 0, "no locked instruction was seen at all: addresses do not match"
    return found


def instruction_counts(dump, program):
    """Address -> count, for one object; and the sum. The format: `ob=` names the object of the lines that follow, where names
    may be short as `(1)`; addresses are
    the object's own and may be `+N`, `-N` or `*` from the one before; the line after `calls=` is inclusive cost."""
    counts, total = collections.Counter(), 0
    names, ours, address, skip = {}, False, 0, False
    for line in dump:
        if line.startswith("ob="):
            number, _, name = line[3:].strip().partition(" ")
            name = names.setdefault(number, name)
            ours = os.path.basename(name) == program
        elif line.startswith("cob="):
            number, _, name = line[4:].strip().partition(" ")
            names.setdefault(number, name)
        elif line.startswith("calls="):
            skip = True
        elif line[0] in "0+-*":
            fields = line.split()
            where = fields[0]
            if where == "*":
                pass
            elif where[0] in "+-":
                address += int(where, 0)
            else:
                address = int(where, 16)
            if not skip and ours:
                counts[address] += int(fields[-1])
                total += int(fields[-1])
            skip = False
    return counts, total


if __name__ == "__main__":
    main()
