#!/usr/bin/env -S python3 -IS
"""Stands in for kubectl and the other tools that the scripts call, under whose names it is linked.

Writes every call down in $STAND_IN/calls, one JSON object a line, and answers from
$STAND_IN/cluster.json, which calls that create something also change.
"""

import json
import os
import pathlib
import signal
import sys

folder = pathlib.Path(os.environ["STAND_IN"])
tool = pathlib.Path(sys.argv[0]).name
arguments = sys.argv[1:]
cluster = json.loads((folder / "cluster.json").read_text())


def value_of(option):
    return arguments[arguments.index(option) + 1] if option in arguments else None


def words():
    """The arguments without options and what belongs to them, as far as deploy.sh uses them."""
    result, skip = [], False
    valued = {
        "--context", "--namespace", "--output", "--filename", "--timeout", "--request-timeout",
        "--selector", "--sort-by", "--tail", "--to-revision", "--address",
    }
    for argument in arguments:
        if skip:
            skip = False
        elif argument in valued:
            skip = True
        elif not argument.startswith("--"):
            result.append(argument)
    return result


def record():
    file = value_of("--filename")
    given = None
    if file == "-":
        given = sys.stdin.read()
    elif file and not file.startswith("https:"):
        given = pathlib.Path(file).read_text()
    call = {"tool": tool, "arguments": arguments, "words": words(), "input": given}
    with open(folder / "calls", "a") as calls:
        calls.write(json.dumps(call) + "\n")
    return given


def save():
    (folder / "cluster.json").write_text(json.dumps(cluster))


def get(what):
    if value_of("--filename"):
        print("\n".join(cluster["applied"]))
        return
    kind, _, name = what[0].partition("/")
    if kind in cluster.get("silent_about", []):
        sys.exit("the connection was lost")
    name = name or (what[1] if len(what) > 1 else "")
    output = value_of("--output") or ""
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
    elif name and "--ignore-not-found" not in arguments:
        sys.exit(f"{kind} {name} not found")


def kubectl(given):
    verb, *rest = words() or [""]
    if verb == "config":
        if not cluster["current_context"]:
            sys.exit("current-context is not set")
        print(cluster["current_context"])
    elif verb == "kustomize":
        overlay = pathlib.Path(rest[0]) / "kustomization.yaml"
        print(overlay.read_text() + cluster.get("rendered", ""))
    elif verb == "get" and "--raw" in arguments:
        if cluster.get("unreachable"):
            sys.exit("the connection was refused")
    elif verb == "get":
        get(rest)
    elif verb == "create":
        name = given.split("name: ")[1].split()[0]
        cluster["existing"].append(f"secret/{name}")
        save()
    elif verb == "apply" and "--dry-run=server" in arguments:
        if cluster.get("refuses"):
            sys.exit("admission webhook denied the request")
    elif verb == "rollout" and rest[0] == "status":
        if rest[1] in cluster["failing"]:
            sys.exit(f"error: timed out waiting for {rest[1]}")
    elif verb == "logs":
        print("the last line of a log")
    elif verb == "port-forward":
        print("Forwarding from 127.0.0.1:40001 -> 9464", flush=True)
        signal.pause()


given = record()
if tool == "kubectl":
    kubectl(given)
elif tool in cluster.get("broken_tools", []):
    sys.exit(f"{tool} does not work here")
elif tool == "gcloud" and "describe" in arguments and not cluster.get("made_before"):
    sys.exit("not found")
elif tool == "gcloud" and arguments[0] == "auth":
    print("operator@localhost")
elif tool == "curl":
    print(cluster.get("health", '{"status":"HEALTHY"}'))
    sys.exit(22 if "UNHEALTHY" in cluster.get("health", "") else 0)
