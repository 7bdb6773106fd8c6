"""From a folder of results files to a verdict per claim: what the report shows, as plain data."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from robint_tf.errors import InputError
from robint_tf.paper import claims, protocols
from robint_tf.paper.beyond import answers, measures, side_by_side
from robint_tf.paper.claims import Claim
from robint_tf.paper.evidence import extent
from robint_tf.paper.evidence.collection import Collection, collect, differences, versions
from robint_tf.paper.verdicts import Finding
from robint_tf.store import results
from robint_tf.store.provenance import MixedError

__all__ = ["Collection", "collect", "compare", "groups"]


def compare(
    collection: Collection, *, allow_mixed: bool = False, commands: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Verdicts on every claim, answers beyond the paper, and which results are missing; plain data for `report.json`.

    collection: the results files. Those that decide by their name and do not hold what that takes are left out and
    listed. `MixedError` if those that decide differ in variant or version, unless `allow_mixed`; then they are listed.
    commands: by the name of a results file, the command that makes it, which is named where the file is missing.
    """
    wanted = claims.all_claims()
    commands = commands or {}
    layers = [_evaluated(layer, wanted, commands) for layer in (collection, *collection.further(mixed=allow_mixed))]
    chosen = {claim.key: _first_that_answers([findings[claim.key] for _, findings in layers]) for claim in wanted}
    deciding = _deciding(wanted, layers, chosen)
    names = sorted(deciding.content)
    mixed = differences(deciding, names)
    if mixed and not allow_mixed:
        listed = "; ".join(f"{key}: {', '.join(sorted(values))}" for key, values in mixed.items())
        raise MixedError(
            f"the results differ in {listed}; make them alike, or allow mixed ones, which are then listed."
        )
    rows = []
    for claim in wanted:
        layer, findings = layers[chosen[claim.key]]
        rows.append(_row(claim, findings[claim.key], layer, commands))
    beyond = _beyond([layer for layer, _ in layers], commands)
    beside = side_by_side.entries([layer.content for layer, _ in layers], [layer.paths for layer, _ in layers])
    tables, odd = measures.tables(layers[0][0].content, layers[0][0].paths)
    needed = dict.fromkeys(claim.needs for claim in wanted)
    used = {*deciding.paths.values(), *(row["results"] for row in beyond), *(entry["results"] for entry in beside)}
    left_out = {place: why for layer, _ in layers for place, why in layer.left_out.items()}
    return {
        "claims": rows,
        "groups": groups(rows),
        "beyond": {"claims": beyond, "groups": groups(beyond), "tables": tables},
        "side_by_side": beside,
        "lacking": list(dict.fromkeys(p for row in (*rows, *beyond) if (p := row["protocol"]) and extent.LACKS in p)),
        "missing": [
            {"results": name, "command": commands.get(name)}
            for name in needed
            if not any(name in layer.content for layer, _ in layers)
        ],
        "mixed": mixed,
        "left_out": collection.passed_over({*used, *left_out}) | left_out,
        "not_shown": odd,
        "sources": [_source(name, deciding) for name in names],
    }


Layer = tuple[Collection, dict[str, Finding]]
"""Files of different names, and what they say of each claim."""


def _first_that_answers(findings: list[Finding]) -> int:
    """Whose answer is taken: the first with a statistic, as files with too few networks have none; else the first."""
    answers_it = [i for i, finding in enumerate(findings) if finding.value is not None]
    was_run = [i for i, finding in enumerate(findings) if finding.outcome != "not run"]
    return next(iter([*answers_it, *was_run]), 0)


def _deciding(wanted: list[Claim], layers: list[Layer], chosen: dict[str, int]) -> Collection:
    """The files that answer claims: by name, or by place where another of the name comes first."""
    content, paths = {}, {}
    for claim in wanted:
        layer, _ = layers[chosen[claim.key]]
        for name in layer.of(claim):
            label = name if layer is layers[0][0] or name not in layers[0][0].content else layer.paths[name]
            content[label], paths[label] = layer.content[name], layer.paths[name]
    return Collection(content, paths, {})


def _beyond(layers: list[Collection], commands: Mapping[str, str]) -> list[dict[str, Any]]:
    """The questions beyond the paper; each family of series from the first files that answer any of it."""
    by_layer = [answers.rows(layer.content, layer.paths, commands) for layer in layers]
    found = []
    for group in dict.fromkeys(row["group"] for row in by_layer[0]):
        families = [[row for row in rows if row["group"] == group] for rows in by_layer]
        answered = (family for family in families if any(row["ours"]["value"] is not None for row in family))
        found += next(answered, families[0])
    return found


def _evaluated(
    collection: Collection, wanted: list[Claim], commands: Mapping[str, str]
) -> tuple[Collection, dict[str, Finding]]:
    """The findings by claim, and the collection without the files that have none because of their form."""

    def remedy(name: str) -> str:
        command = commands.get(name)
        return f"make {name}.json" if command is None else f"run `{command}`"

    reasons: dict[str, str] = {}
    findings: dict[str, Finding] = {}
    for claim in wanted:
        findings[claim.key] = Finding("not run", remedy(claim.needs))
        taken: list[dict[str, Any]] = []
        for name in collection.of(claim):
            if claim.needs in reasons:
                break
            content = collection.content[name]
            try:
                _check_form(content)
                findings[claim.key] = _finite(claim.evaluate(*taken, content))
            except protocols.ODD as error:
                cause = results.printable(f"{type(error).__name__}: {error}".replace("\n", " "))[:200]
                reasons[name] = f"it does not hold what its name promises ({cause}); {remedy(name)}."
            else:
                taken.append(content)
    for claim in wanted:
        if claim.needs in reasons:
            findings[claim.key] = Finding("not run", remedy(claim.needs))
    return collection.without(reasons), findings


def _check_form(content: dict[str, Any]) -> None:
    """`ValueError` or its like for a file that does not say how it was made, as every command does."""
    provenance = content["provenance"]
    texts = [provenance["command"], provenance.get("variant", ""), provenance.get("preset", "")]
    if not all(isinstance(text, str) for text in (*texts, *_data(content).values())):
        raise InputError("provenance and fingerprints are texts")
    if not all(isinstance(value, str | int | bool) for value in versions(content).values()):
        raise InputError("versions are texts, numbers, yes or no")
    extent.protocol(content)


def _finite(finding: Finding) -> Finding:
    """The finding. `ValueError` if a number in it is none, as numbers near the end of the float range make them."""
    numbers = [v for v in (finding.value, *(finding.interval or ())) if v is not None]
    if not all(math.isfinite(v) for v in numbers):
        raise InputError(f"its statistic is {numbers}")
    return finding


def _data(content: dict[str, Any]) -> dict[str, str]:
    return {key: content[key]["sha256"][:12] for key in ("data", "train_data", "test_data") if key in content}


def _row(claim: Claim, finding: Finding, collection: Collection, commands: Mapping[str, str]) -> dict[str, Any]:
    found = [collection.content[name] for name in collection.of(claim)]
    weakest = next((content for content in found if not protocols.decides(content)), found[0] if found else None)
    standing = "decides" if weakest is None else protocols.standing(weakest)
    authors = None if claim.authors is None else claim.authors()
    return {
        "key": claim.key,
        "section": claim.section,
        "group": claim.group,
        "statement": claim.statement,
        "question": claim.question,
        "rule": claim.rule,
        "authors_rule": None if authors is None else claim.authors_rule or claim.rule,
        "results": collection.paths.get(claim.needs),
        "command": found[0]["provenance"]["command"] if found else commands.get(claim.needs),
        "preset": None if weakest is None else protocols.scale(weakest),
        "protocol": None if weakest is None else extent.protocol(weakest),
        "standing": standing,
        "decides": weakest is not None and standing == "decides",
        "ours": _worded(finding, standing, claim.question),
        "authors": None if authors is None else _worded(authors, "authors", claim.question),
    }


def _worded(finding: Finding, of: str, question: bool) -> dict[str, Any]:
    """A finding as plain data, its outcome under the word that every document uses."""
    content = asdict(finding)
    return {"verdict": protocols.verdict(content.pop("outcome"), of, question=question), **content}


def groups(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many claims of each kind have which verdict, ours and the authors' own numbers, and by which rules.

    rows: the claims, as `compare` gives them.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["group"], []).append(row)
    return [
        {
            "group": group,
            "section": members[0]["section"],
            "n": len(members),
            "ours": _counts(member["ours"]["verdict"] for member in members),
            "authors": _counts(m["authors"]["verdict"] for m in members if m["authors"] is not None),
            "rule": members[0]["rule"],
            "authors_rule": next((m["authors_rule"] for m in members if m["authors_rule"]), None),
            "presets": sorted({member["preset"] for member in members if member["preset"]}),
            "protocols": sorted({member["protocol"] for member in members if member["protocol"]}),
        }
        for group, members in found.items()
    ]


def _counts(verdicts: Iterable[str]) -> dict[str, int]:
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in protocols.VERDICTS if counts[verdict]}


def _source(name: str, collection: Collection) -> dict[str, Any]:
    found = collection.content[name]
    provenance = found["provenance"]
    return {
        "results": collection.paths[name],
        "command": provenance["command"],
        "variant": provenance.get("variant"),
        "preset": protocols.scale(found),
        "versions": versions(found),
        "data": _data(found),
    }
