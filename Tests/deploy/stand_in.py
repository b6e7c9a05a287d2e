#!/usr/bin/env -S python3 -IS
"""Stands in for kubectl and the other tools that the scripts call, under whose names it is linked.

Writes every call down in $STAND_IN/calls, one JSON object a line, and answers from
$STAND_IN/cluster.json, which calls that create something also change. As kubectl it refuses what the real one refuses:
unknown commands and options, namespaces that contradict, namespaces that are not there, and changes of immutable fields.
"""

import json
import os
import pathlib
import re
import signal
import sys

folder = pathlib.Path(os.environ["STAND_IN"])
tool = pathlib.Path(sys.argv[0]).name
arguments = sys.argv[1:]
cluster = json.loads((folder / "cluster.json").read_text())

# Options that take a value, and those that need none, of all commands and of each that the scripts use.
EVERYWHERE = ({"--context", "--namespace", "--request-timeout"}, set())
COMMANDS = {
    "config current-context": (set(), set()),
    "kustomize": (set(), set()),
    "get": ({"--raw", "--output", "--filename", "--selector", "--sort-by"}, {"--ignore-not-found"}),
    "apply": ({"--filename"}, {"--dry-run"}),
    "create job": ({"--from"}, set()),
    "create": ({"--filename"}, set()),
    "set image": (set(), set()),
    "delete": (set(), {"--ignore-not-found", "--wait"}),
    "logs": ({"--selector", "--tail"}, {"--all-containers", "--prefix", "--ignore-errors"}),
    "port-forward": ({"--address"}, set()),
    "rollout status": ({"--timeout"}, set()),
    "rollout undo": ({"--to-revision"}, set()),
}
CLUSTER_SCOPED = {"namespace", "storageclass", "priorityclass", "customresourcedefinition", "clusterissuer"}
# What cannot be changed, or, with a !, all that can be.
IMMUTABLE = {
    "job": ["spec.template", "spec.selector", "spec.completionMode"],
    "deployment": ["spec.selector"],
    "statefulset": ["!spec", "replicas", "template", "updateStrategy", "minReadySeconds", "ordinals",
                    "persistentVolumeClaimRetentionPolicy", "revisionHistoryLimit"],
    "persistentvolumeclaim": ["!spec", "resources", "volumeAttributesClassName"],
    "service": ["spec.clusterIP"],
    "secret": ["type"],
    "storageclass": ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"],
}


def fail(sentence):
    sys.exit(f"error: {sentence}")


def parse():
    """The words of kubectl's command line and its options; leaves where the real one would."""
    words, options = [], {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-") or argument == "-":
            words.append(argument)
            continue
        name, equals, value = argument.partition("=")
        valued = EVERYWHERE[0].union(*(each[0] for each in COMMANDS.values()))
        if name in valued and not equals:
            if not rest:
                fail(f"flag needs an argument: {name}")
            value = rest.pop(0)
        options[name] = value
    return words, options


def command(words, options):
    """The command's name; its options must be among those that it has."""
    known = [name for name in COMMANDS if words[: len(name.split())] == name.split()]
    if not known:
        fail(f'unknown command "{" ".join(words[:2])}" for "kubectl"')
    for option in options:
        if not any(option in each for each in (*EVERYWHERE, *COMMANDS[known[0]])):
            fail(f"unknown flag: {option}")
    if not options.get("--to-revision", "0").isdecimal():
        fail(f'invalid argument "{options["--to-revision"]}" for "--to-revision" flag')
    return known[0]


def record(words, options):
    file = options.get("--filename")
    given = None
    if file == "-":
        given = sys.stdin.read()
    elif file and not file.startswith("https:"):
        given = pathlib.Path(file).read_text()
    call = {"tool": tool, "arguments": arguments, "words": words, "input": given}
    with open(folder / "calls", "a") as calls:
        calls.write(json.dumps(call) + "\n")
    return given


def save():
    (folder / "cluster.json").write_text(json.dumps(cluster))


# Objects


def parts(text):
    """The keys of a block of YAML, and the text below each."""
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if not lines:
        return {}
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    result, key = {}, None
    for line in lines:
        found = re.match(rf" {{{margin}}}([\w./-]+):(?: (.*))?$", line)
        if found:
            key = found[1]
            result[key] = found[2] or ""
        elif key:
            result[key] += "\n" + line
    return result


def field(text, path):
    for key in path.split("."):
        text = parts(text).get(key, "")
    return text.strip().strip("\"'")


def objects(given, namespace):
    """What a manifest holds: kind, namespace, name and text; the namespace that was asked for must not contradict."""
    for document in re.split(r"^---$", given or "", flags=re.MULTILINE):
        kind = field(document, "kind").lower()
        # The overlay, which this kubectl does not render.
        if not kind or kind == "kustomization":
            continue
        own = field(document, "metadata.namespace")
        if kind in CLUSTER_SCOPED:
            own = ""
        elif own and namespace and own != namespace:
            fail(f'the namespace from the provided object "{own}" does not match the namespace "{namespace}". '
                 f"You must pass '--namespace={own}' to perform this operation.")
        else:
            own = own or namespace or "default"
        yield kind, own, field(document, "metadata.name"), document


def check_fields(kind, name, before, now):
    fields = IMMUTABLE.get(kind, [])
    if fields[:1] == ["!spec"]:
        old, new = (parts(parts(text).get("spec", "")) for text in (before, now))
        changed = [key for key in {*old, *new} - set(fields) if old.get(key) != new.get(key)]
    else:
        changed = [path for path in fields if field(before, path) != field(now, path)]
    if field(before, "immutable") == "true" and field(before, "data") != field(now, "data"):
        changed.append("data")
    if changed:
        fail(f'The {kind} "{name}" is invalid: {", ".join(sorted(changed))}: field is immutable')


def put(given, namespace, is_kept, is_new=False):
    """What apply and create do; without `is_kept`, as a trial."""
    stored = cluster.setdefault("objects", {})
    for kind, own, name, text in objects(given, namespace):
        if own and f"namespace/{own}" not in cluster["existing"]:
            fail(f'Error from server (NotFound): namespaces "{own}" not found')
        key = f"{kind}/{own}/{name}"
        if is_new and f"{kind}/{name}" in cluster["existing"]:
            fail(f'Error from server (AlreadyExists): {kind} "{name}" already exists')
        if key in stored:
            check_fields(kind, name, stored[key], text)
        if is_kept:
            stored[key] = text
            if f"{kind}/{name}" not in cluster["existing"]:
                cluster["existing"].append(f"{kind}/{name}")
            save()


def delete(what, namespace, ignores_missing):
    named = [each.split("/") for each in what] if "/" in what[0] else [(what[0], name) for name in what[1:]]
    stored = cluster.setdefault("objects", {})
    for kind, name in named:
        kind = kind.partition(".")[0]
        if f"{kind}/{name}" not in cluster["existing"] and not ignores_missing:
            fail(f'Error from server (NotFound): {kind} "{name}" not found')
        gone = [key for key in stored
                if key in (f"{kind}//{name}", f"{kind}/{namespace}/{name}")
                or kind == "namespace" and key.split("/")[1] == name]
        for key in gone:
            del stored[key]
        cluster["existing"] = [
            each for each in cluster["existing"]
            if each != f"{kind}/{name}"
            and each not in {"/".join(key.split("/")[::2]) for key in gone}
        ]
    save()


def get(what, options):
    if options.get("--filename"):
        print("\n".join(cluster["applied"]))
        return
    kind, _, name = what[0].partition("/")
    if kind in cluster.get("silent_about", []):
        sys.exit("the connection was lost")
    name = name or (what[1] if len(what) > 1 else "")
    output = options.get("--output", "")
    # What a test says of one field of one object.
    for path, value in cluster.get("fields", {}).get(f"{kind}/{name}", {}).items():
        if path in output:
            print(value)
            return
    if "revision" in output.lower():
        if kind == "statefulset" and cluster["revisions"].get(kind):
            print("etcd-5d8c")
        elif kind == "controllerrevision":
            print(cluster["revisions"]["statefulset"])
        elif kind == "deployment":
            print(cluster["revisions"].get(kind, ""))
    elif kind == "job":
        print(cluster["jobs"].get(name, "Complete"))
    elif kind == "secret" and output.startswith("jsonpath"):
        print("Y2VydGlmaWNhdGU=")
    elif name and f"{kind}/{name}" in cluster["existing"]:
        print(f"{kind}/{name}")
    elif name and "--ignore-not-found" not in options:
        sys.exit(f"{kind} {name} not found")


def kubectl(words, options, given):
    verb = command(words, options)
    namespace = options.get("--namespace")
    rest = words[len(verb.split()):]
    if verb == "config current-context":
        if not cluster["current_context"]:
            sys.exit("current-context is not set")
        print(cluster["current_context"])
    elif verb == "kustomize":
        overlay = pathlib.Path(rest[0]) / "kustomization.yaml"
        rendered = "" if "persistent" in rest[0] else cluster.get("rendered", "")
        print(overlay.read_text() + rendered)
    elif verb == "get" and "--raw" in options:
        if cluster.get("unreachable"):
            sys.exit("the connection was refused")
    elif verb == "get":
        list(objects(given, namespace))
        get(rest, options)
    elif verb == "create job":
        kind, _, source = options["--from"].partition("/")
        if (kind, "--from" in options) != ("cronjob", True):
            fail("from must be an existing cronjob")
        if f"job/{rest[0]}" in cluster["existing"]:
            fail(f'Error from server (AlreadyExists): jobs.batch "{rest[0]}" already exists')
        cluster["existing"].append(f"job/{rest[0]}")
        save()
    elif verb == "set image":
        if "=" not in rest[1]:
            fail("at least one image update is required")
    elif verb == "create":
        put(given, namespace, is_kept=True, is_new=True)
    elif verb == "apply":
        if options.get("--dry-run") == "server" and cluster.get("refuses"):
            sys.exit("admission webhook denied the request")
        put(given, namespace, is_kept="--dry-run" not in options)
    elif verb == "delete":
        delete(rest, namespace, "--ignore-not-found" in options)
    elif verb == "rollout status":
        if rest[0] in cluster["failing"]:
            sys.exit(f"error: timed out waiting for {rest[0]}")
    elif verb == "logs":
        print("the last line of a log")
    elif verb == "port-forward":
        print("Forwarding from 127.0.0.1:40001 -> 9464", flush=True)
        signal.pause()


if tool == "kubectl":
    words, options = parse()
    kubectl(words, options, record(words, options))
else:
    record([each for each in arguments if not each.startswith("--")], {})
    if tool in cluster.get("broken_tools", []):
        sys.exit(f"{tool} does not work here")
    if tool == "gcloud" and "describe" in arguments and not cluster.get("made_before"):
        sys.exit("not found")
    if tool == "gcloud" and arguments[0] == "auth":
        print("operator@localhost")
    if tool == "curl":
        print(cluster.get("health", '{"status":"HEALTHY"}'))
        sys.exit(22 if "UNHEALTHY" in cluster.get("health", "") else 0)
