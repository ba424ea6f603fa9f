"""Licences and sources of all crates against deny.toml, for machines without cargo-deny.

    python3 .ci/licences.py

Reads what `cargo deny check licenses sources` would read: the SPDX expression that each crate of Cargo.lock declares
(on every platform, development dependencies included), the allow-list and the registries in deny.toml. It believes the
declaration; cargo-deny also looks at the licence files.
"""

import json
import re
import subprocess
import sys
import tomllib


def allowed(expression, allow):
    """Whether an SPDX expression can be satisfied. `/` is the old way to write OR; AND binds tighter."""
    tokens = re.findall(r"\(|\)|/|[^\s()/]+", expression)

    def either():
        value = both()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = either()
            assert tokens.pop(0) == ")", expression
            return value
        if tokens and tokens[0] == "WITH":
            token = " ".join([token, tokens.pop(0), tokens.pop(0)])
        return token in allow

    value = either()
    assert not tokens, f"cannot read {expression!r}"
    return value


def self_test():
    for expression, expected in {
        "MIT": True, "GPL-3.0-only": False, "MIT/Apache-2.0": True, "GPL-3.0-only OR MIT": True,
        "MIT AND GPL-3.0-only": False, "(MIT OR GPL-3.0-only) AND ISC": True, "MIT WITH x OR GPL-3.0-only": False,
    }.items():
        assert allowed(expression, {"MIT", "ISC"}) is expected, expression


def main():
    self_test()
    with open("deny.toml", "rb") as file:
        deny = tomllib.load(file)
    allow = set(deny["licenses"]["allow"])
    registries = {"registry+" + url for url in deny["sources"]["allow-registry"]}
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    problems, foreign = [], 0
    for package in packages:
        name = f'{package["name"]} {package["version"]}'
        licence = package["license"]
        if licence is None or not allowed(licence, allow):
            problems.append(f"{name}: licence {licence}, expected one that {sorted(allow)} satisfy")
        if package["source"] is not None:
            foreign += 1
            if package["source"] not in registries:
                problems.append(f'{name}: from {package["source"]}, expected {sorted(registries)}')
    for problem in problems:
        print(problem, file=sys.stderr)
    if not foreign:
        sys.exit("no foreign crate was seen: nothing was checked")
    print(f"{foreign} crates from registries: {len(problems)} problems with licence or source")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
