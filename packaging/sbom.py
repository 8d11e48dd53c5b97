#!/usr/bin/env python3
"""What is built into the program, as a bill of materials (CycloneDX 1.5, JSON), from Cargo.lock.

    python3 packaging/sbom.py [--target x86_64-unknown-linux-gnu] > pillarbox.cdx.json

Names each crate of the registry and each of this repository that the binary is made of on that target, and what a build runs (build
scripts and macros, marked `"scope": "excluded"`), with versions, licences, SHA-256 sums and who needs whom; tests need more, which is
not in it. Libraries in other languages that come inside of crates are components of their own, so that somebody who looks for their
faults finds them. The same tree gives the same file, to the octet: it bears no date and no random number.
"""
import argparse, json, pathlib, re, subprocess, sys, tomllib, uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = "pillarbox"


# Crates with a library inside: its name, its purl, its licence, a file that says its version, and where in it.
INSIDE = {
    "libsqlite3-sys": (
        "SQLite",
        "pkg:generic/sqlite",
        "blessing",
        "sqlite3/sqlite3.h",
        r'#define SQLITE_VERSION +"([^"]+)"',
    ),
    "aws-lc-sys": (
        "AWS-LC",
        "pkg:github/aws/aws-lc",
        "Apache-2.0 AND ISC AND OpenSSL",
        "aws-lc/include/openssl/base.h",
        r'#define AWSLC_VERSION_NUMBER_STRING +"([^"]+)"',
    ),
    "libmimalloc-sys": (
        "mimalloc",
        "pkg:github/microsoft/mimalloc",
        "MIT",
        "c_src/mimalloc/v3/include/mimalloc.h",
        r"#define MI_MALLOC_VERSION +(\d+)",
    ),
}


def ref(package):
    """What a package is called here. One of this repository is in no registry: only those that are have a purl."""
    name = f"{package['name']}@{package['version']}"
    return f"pkg:cargo/{name}" if package["source"] else name


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
        "bom-ref": ref(package),
        "name": package["name"],
        "version": package["version"],
        "scope": "required" if is_in else "excluded",
    }
    if package["source"]:
        made["purl"] = ref(package)
    if package["license"]:
        # Old crates write / for OR.
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := checksums.get((package["name"], package["version"])):
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def inside(package):
    """The library in another language that a crate brings, if it does."""
    if package["name"] not in INSIDE:
        return None
    name, purl, licence, file, version = INSIDE[package["name"]]
    text = (pathlib.Path(package["manifest_path"]).parent / file).read_text(errors="replace")
    number = re.search(version, text).group(1)
    if number.isdecimal():
        # mimalloc: the major version, then two digits each.
        number = f"{int(number) // 10_000}.{int(number) // 100 % 100}.{int(number) % 100}"
    return {
        "type": "library",
        "bom-ref": f"{purl}@{number}",
        "name": name,
        "version": number,
        "scope": "required",
        "purl": f"{purl}@{number}",
        "licenses": [{"expression": licence}],
    }


def built(target):
    """What is built for the program: names and versions. (`cargo metadata` has the features of all, tests included.)"""
    command = ["cargo", "tree", "--locked", "--edges=normal,build", f"--package={BINARY}", f"--target={target}"]
    command += ["--prefix=none", "--format={p}"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {tuple(line.split(" ")[:2]) for line in lines}


def name(package):
    return package["name"], f"v{package['version']}"


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
    names = built(options.target)
    found = {identity: is_in for identity, is_in in found.items() if name(packages[identity]) in names}
    order = sorted((identity for identity in found if identity != root), key=lambda identity: ref(packages[identity]))
    of_root = component(packages[root], True, checksums) | {"type": "application"}
    del of_root["scope"]
    within = {identity: library for identity in found if (library := inside(packages[identity]))}

    def depends(identity):
        own = [within[identity]["bom-ref"]] if identity in within else []
        return sorted({ref(packages[other]) for other, _ in needs(nodes[identity]) if other in found} | set(own))

    dependencies = [{"ref": ref(packages[identity]), "dependsOn": depends(identity)} for identity in [root, *order]]
    libraries = sorted(within.values(), key=lambda library: library["bom-ref"])
    dependencies += [{"ref": library["bom-ref"], "dependsOn": []} for library in libraries]
    content = {
        "metadata": {"component": of_root, "properties": [{"name": "target", "value": options.target}]},
        "components": [component(packages[identity], found[identity], checksums) for identity in order] + libraries,
        "dependencies": dependencies,
    }
    # The same content has the same name.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    json.dump(head | content, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
