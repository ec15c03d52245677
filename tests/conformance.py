#!/usr/bin/env python3
"""Runs the integration tests of the published Tokio crate against `compat`, the crate of that name in this repository.

usage: tests/conformance.py [--unstable] [FILE ...]   names of test files, without .rs; all if none is given

The tests are compiled from where cargo unpacked Tokio; none is kept here. What they should do is found out by running them
against Tokio itself, once for each version. A test passes here if it passes there, unless tests/conformance.txt
lists it with the reason why not; a listed test that passes is an error too, so that the list stays short, unless its reason begins
with "at times". With --unstable all of it is compiled with `--cfg tokio_unstable` and the features that need it, and the tests listed
in tests/conformance-unstable.txt are expected to fail too.

Needs python 3.11 and what cargo needs. Everything is built in target/conformance, or target/conformance-unstable.
"""

import concurrent.futures, json, os, pathlib, subprocess, sys, tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNSTABLE = "--unstable" in sys.argv
WORK = ROOT / ("target/conformance-unstable" if UNSTABLE else "target/conformance")
EXCEPTIONS = [ROOT / "tests/conformance.txt", *([ROOT / "tests/conformance-unstable.txt"] if UNSTABLE else [])]
# Neither `io-uring` nor `taskdump`: what they are for is not here.
UNSTABLE_FEATURES = ["schedule-latency", "tracing"]
TIMEOUT_S = 60
# Hundreds of programs are linked, twice: what only a debugger or a second build would use is left out.
LEAN = {"CARGO_INCREMENTAL": "0", "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_DEV_STRIP": "symbols"}
if UNSTABLE:
    LEAN["RUSTFLAGS"] = f"{os.environ.get('RUSTFLAGS', '')} --cfg tokio_unstable"


def cargo(project, *args):
    """What cargo says on stdout. Errors of the compiler are in there, as JSON, if the arguments ask for that."""
    # There is no lock file: of what is newer than the compiler an older version is taken.
    resolver = {"CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS": "fallback"}
    environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK / "target"), **LEAN, **resolver}
    return subprocess.run(
        ["cargo", *args], cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout


def project(name, manifest):
    folder = WORK / name
    (folder / "src").mkdir(parents=True, exist_ok=True)
    if not (folder / "src/lib.rs").exists():
        (folder / "src/lib.rs").touch()  # A newer one would have everything built again.
    (folder / "Cargo.toml").write_text(manifest)
    return folder


def package(name, *more):
    return "\n".join(['[package]', f'name = "{name}"', 'edition = "2021"', "autotests = false", "[workspace]", *more, ""])


def published(version):
    """Where cargo unpacked Tokio."""
    probe = project("probe", package("probe", "[dependencies]", f'tokio = "={version}"'))
    packages = json.loads(cargo(probe, "metadata", "--format-version", "1"))["packages"]
    return next(pathlib.Path(p["manifest_path"]).parent for p in packages if p["name"] == "tokio")


def value(of):
    """A value of TOML, for the kinds that dependencies are written in."""
    if isinstance(of, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {value(of[key])}" for key in of) + " }"
    return json.dumps(of)


def suite(tokio, version, files, facade):
    """A package with Tokio's tests, and with the features and development dependencies that they ask for."""
    manifest = tomllib.loads((tokio / "Cargo.toml").read_text())
    wanted = ["full", "test-util", *(UNSTABLE_FEATURES if UNSTABLE else [])]
    features = {*wanted, *manifest["features"]["full"]}
    # What Tokio itself is made of may be used by its tests too.
    own = {name: {"version": how["version"]} for name, how in manifest["dependencies"].items()}
    tables = {"dev-dependencies": {"tokio-util": "0.7", **own, **manifest["dev-dependencies"]}}
    for target, has in manifest["target"].items():
        tables[f"target.{json.dumps(target)}.dev-dependencies"] = has.get("dev-dependencies", {})
        if UNSTABLE and "tracing" in has.get("dependencies", {}):
            tables["dev-dependencies"]["tracing"] = {"version": has["dependencies"]["tracing"]["version"]}
    lines = ["[dependencies]", f'tokio = {{ version = "={version}", features = {json.dumps(wanted)} }}', "[features]"]
    lines += [f"default = {json.dumps(sorted(features))}"] + [f"{feature} = []" for feature in sorted(features)]
    for table, dependencies in tables.items():
        lines += [f"[{table}]"] + [f"{name} = {value(how)}" for name, how in dependencies.items()]
    for file in files:
        lines += ["[[test]]", f"name = {json.dumps(file)}", f'path = {json.dumps(str(tokio / "tests" / file) + ".rs")}']
    if facade:
        lines += ["[patch.crates-io]", f"tokio = {{ path = {json.dumps(str(facade))} }}"]
    return project("with-compat" if facade else "with-tokio", package("conformance", *lines))


def build(folder):
    """The test programs by file, and the first error of each file that does not compile."""
    programs, errors = {}, {}
    for line in cargo(folder, "build", "--tests", "--keep-going", "--message-format=json").splitlines():
        message = json.loads(line)
        name = message.get("target", {}).get("name")
        if message["reason"] == "compiler-artifact" and message["executable"] and "test" in message["target"]["kind"]:
            programs[name] = message["executable"]
        elif message["reason"] == "compiler-message" and message["message"]["level"] == "error":
            errors.setdefault(name, message["message"]["message"])
    return programs, errors


def run(folder, program, test):
    """Why the test fails, or None. Each has a process of its own, as some change what belongs to the process."""
    try:
        ran = subprocess.run([program, "--exact", test], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"does not end within {TIMEOUT_S} s"
    lines = [line for line in (ran.stdout + ran.stderr).splitlines() if "panicked at" in line]
    return None if ran.returncode == 0 else (lines or [f"exit status {ran.returncode}"])[0]


def results(folder):
    """Test by test, by 'file::name', why it fails or None; and the files that do not compile."""
    programs, errors = build(folder)
    tests = {}
    for file, program in programs.items():
        listed = subprocess.run([program, "--list", "--format", "terse"], capture_output=True, text=True).stdout
        for line in listed.splitlines():
            test, _, kind = line.rpartition(": ")
            if kind == "test":
                tests[f"{file}::{test}"] = (folder, program, test)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(tests, pool.map(lambda test: run(*test), tests.values()))), errors


def expected(tokio, version, files):
    """What passes on Tokio itself."""
    kept = WORK / f"expected-{version}.txt"
    if not kept.exists():
        found, _ = results(suite(tokio, version, files, None))
        if not found:
            sys.exit("Tokio's tests do not compile against Tokio itself: see `cargo build --tests` in target/conformance/with-tokio")
        kept.write_text("".join(f"{test}\n" for test in sorted(found) if found[test] is None))
    return set(kept.read_text().splitlines())


def main():
    version = tomllib.loads((ROOT / "compat/Cargo.toml").read_text())["package"]["version"]
    tokio = published(version)
    all_files = sorted(path.stem for path in (tokio / "tests").glob("*.rs"))
    named = [name for name in sys.argv[1:] if name != "--unstable"]
    unknown = set(named) - set(all_files)
    if unknown:
        sys.exit(f"Tokio {version} has no tests named {', '.join(sorted(unknown))}")
    wanted = expected(tokio, version, all_files)
    files = named or sorted({test.split("::")[0] for test in wanted})
    wanted = {test for test in wanted if test.split("::")[0] in files}
    lines = [line for file in EXCEPTIONS for line in file.read_text().splitlines()]
    listed = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    exceptions = {test: reason for test, reason in listed if test.split("::")[0] in files}

    found, errors = results(suite(tokio, version, files, ROOT / "compat"))
    passed = {test for test in wanted if test in found and found[test] is None}
    for name, error in sorted(errors.items()):
        print(f"does not compile: {name}: {error}")
    for test in sorted(wanted - passed - exceptions.keys()):
        if test in found:
            print(f"fails: {test}: {found[test]}")
        elif test.split("::")[0] not in errors:
            print(f"is not there: {test}")
    surprises = sorted(test for test in passed & exceptions.keys() if not exceptions[test].startswith("at times"))
    for test in surprises:
        print(f"passes, and is listed as an exception: {test}: {exceptions[test]}")
    print(f"Tokio {version}: {len(passed)} of {len(wanted)} tests pass, {len(exceptions)} are exceptions")
    sys.exit(bool(wanted - passed - exceptions.keys() or surprises))


main()
