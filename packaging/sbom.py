#!/usr/bin/env python3
"""What is built into the program, as a bill of materials (CycloneDX 1.5, JSON), from Cargo.lock.

    python3 packaging/sbom.py [--target x86_64-unknown-linux-gnu] > pillarbox.cdx.json

Names each crate of the registry and each of this repository that the binary is made of on that target, and what a build runs (build
scripts and macros, marked `"scope": "excluded"`), with versions, licences, SHA-256 sums and who needs whom; tests need more, which is
not in it. The same tree gives the same file, to the octet: it bears no date and no random number.
"""
import argparse, json, pathlib, subprocess, sys, tomllib, uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = "pillarbox"


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def needs(node):
    """What a package needs: of each, whether it is needed for the build alone."""
    for dependency in node["deps"]:
        kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
        if kinds & {None, "build"}:
            yield dependency["pkg"], None not in kinds


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def reached(packages, nodes, root):
    """Package ids, and whether each is in the program and not in its build alone."""
    found, waiting = {}, [(root, True)]
    while waiting:
        here, is_in = waiting.pop()
        is_in = is_in and not is_macro(packages[here])
        if found.get(here, False) or (here in found and not is_in):
            continue
        found[here] = is_in
        waiting += [(other, is_in and not for_build) for other, for_build in needs(nodes[here])]
    return found


def component(package, is_in, checksums):
    made = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "scope": "required" if is_in else "excluded",
        "purl": purl(package),
    }
    if package["license"]:
        # Old crates write / for OR.
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := checksums.get((package["name"], package["version"])):
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--target", default="x86_64-unknown-linux-gnu")
    options = parse.parse_args()
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={options.target}"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    root = next(package["id"] for package in metadata["packages"] if package["name"] == BINARY)
    found = reached(packages, nodes, root)
    order = sorted((identity for identity in found if identity != root), key=lambda identity: purl(packages[identity]))
    of_root = component(packages[root], True, checksums) | {"type": "application"}
    del of_root["scope"]
    dependencies = [
        {"ref": purl(packages[identity]), "dependsOn": sorted({purl(packages[other]) for other, _ in needs(nodes[identity])})}
        for identity in [root, *order]
    ]
    content = {
        "metadata": {"component": of_root, "properties": [{"name": "target", "value": options.target}]},
        "components": [component(packages[identity], found[identity], checksums) for identity in order],
        "dependencies": dependencies,
    }
    # The same content has the same name.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    json.dump(head | content, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
