"""From a folder of results files to a verdict per claim: what the report shows, as plain data."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robint_tf.errors import InputError
from robint_tf.paper import claims, protocols
from robint_tf.paper.beyond import answers
from robint_tf.paper.claims import Claim
from robint_tf.paper.verdicts import Finding
from robint_tf.store import artifacts, results
from robint_tf.store.provenance import MixedError

VERSION_KEYS = {"mathematics": 1, "tensorflow": "unknown", "keras": "unknown"}
"""What of a file's versions is compared, and what a file of release 0.1.0 means that does not say it."""

ODD = protocols.ODD


@dataclass(frozen=True, eq=False)
class Collection:
    """Results files. content: by name (without .json); paths: by name, where each lies below the folder.

    left_out: by path, why a file is not among them.
    """

    content: dict[str, dict[str, Any]]
    paths: dict[str, str]
    left_out: dict[str, str]

    def seeds_of(self, name: str) -> list[str]:
        """The file of this name, then those of further seeds, NAME_1, NAME_2 and so on, as far as they are there."""
        found = {int(m[1]): other for other in self.content if (m := re.fullmatch(rf"{re.escape(name)}_(\d+)", other))}
        return [n for n in (name, *(found[i] for i in sorted(found))) if n in self.content]

    def of(self, claim: Claim) -> list[str]:
        """The names of the files that a claim is evaluated on; none without the one that it needs."""
        if claim.needs not in self.content:
            return []
        return self.seeds_of(claim.needs) if claim.seeds else [claim.needs]

    def without(self, reasons: dict[str, str]) -> "Collection":
        """The collection without some files; reasons: by name."""
        return Collection(
            {name: content for name, content in self.content.items() if name not in reasons},
            {name: place for name, place in self.paths.items() if name not in reasons},
            self.left_out | {self.paths[name]: reason for name, reason in reasons.items()},
        )


def collect(folder: Path) -> Collection:
    """Every results file in a folder and the folders below it. `ResultsError` if the folder does not exist.

    What lies in a store among them is no results file and passed over.
    Of two files of one name that with the shorter path counts, the first by name among equals; the other is left out.
    """
    if not folder.is_dir():
        raise results.ResultsError(f"{folder} is not a folder; name one that holds results files.")
    content: dict[str, dict[str, Any]] = {}
    paths: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for path in sorted(folder.rglob("*.json"), key=lambda p: (len(p.parts), p)):
        if artifacts.is_in_store(path.relative_to(folder)):
            continue
        place = results.printable(path.relative_to(folder).as_posix())
        name = results.printable(path.stem)
        try:
            found = results.read(path)
        except results.ResultsError as error:
            left_out[place] = str(error)
            continue
        if name in content:
            left_out[place] = f"{paths[name]} has the same name and is taken; rename one, or compare another folder."
        else:
            content[name], paths[name] = found, place
    return Collection(content, paths, left_out)


def differences(collection: Collection, names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """What of variant and versions differs between the files of these names: property to value to names of files.

    collection: holds the files. Empty where nothing differs.
    """
    seen: dict[str, dict[str, list[str]]] = {}
    for name in names:
        provenance = collection.content[name]["provenance"]
        values = {"variant": provenance.get("variant", "authors")}
        values |= {key: str(_versions(collection.content[name]).get(key, known)) for key, known in VERSION_KEYS.items()}
        for key, value in values.items():
            seen.setdefault(key, {}).setdefault(value, []).append(name)
    return {key: values for key, values in seen.items() if len(values) > 1}


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
    collection, findings = _evaluated(collection, wanted, commands)
    deciding = sorted({name for claim in wanted for name in collection.of(claim)})
    mixed = differences(collection, deciding)
    if mixed and not allow_mixed:
        listed = "; ".join(f"{key}: {', '.join(sorted(values))}" for key, values in mixed.items())
        raise MixedError(
            f"the results differ in {listed}; make them alike, or allow mixed ones, which are then listed."
        )
    rows = [_row(claim, findings[claim.key], collection, commands) for claim in wanted]
    beyond = answers.rows(collection.content, collection.paths, commands)
    missing = dict.fromkeys(claim.needs for claim in wanted if claim.needs not in collection.content)
    return {
        "claims": rows,
        "groups": groups(rows),
        "beyond": {"claims": beyond, "groups": groups(beyond)},
        "missing": [{"results": name, "command": commands.get(name)} for name in missing],
        "mixed": mixed,
        "left_out": collection.left_out,
        "sources": [_source(name, collection) for name in deciding],
    }


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
            except ODD as error:
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
    if not all(isinstance(value, str | int | bool) for value in _versions(content).values()):
        raise InputError("versions are texts, numbers, yes or no")
    protocols.scale(content)


def _finite(finding: Finding) -> Finding:
    """The finding. `ValueError` if a number in it is none, as numbers near the end of the float range make them."""
    numbers = [v for v in (finding.value, *(finding.interval or ())) if v is not None]
    if not all(math.isfinite(v) for v in numbers):
        raise InputError(f"its statistic is {numbers}")
    return finding


def _versions(content: dict[str, Any]) -> dict[str, Any]:
    """What a file was made with; its "mixed" repeats what parts do not agree on, whose values stand joined, too."""
    return {key: value for key, value in content["provenance"].get("versions", {}).items() if key != "mixed"}


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
        "versions": _versions(found),
        "data": _data(found),
    }
