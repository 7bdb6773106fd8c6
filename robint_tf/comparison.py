"""From a folder of results files to a verdict per claim: what the report shows, as plain data."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robint_tf import claims, results
from robint_tf.claims import Claim
from robint_tf.errors import InputError
from robint_tf.verdicts import VERDICTS, Finding

NOT_RUN = "not run"
VERSION_KEYS = ("robint_tf", "tensorflow", "keras")


class MixedError(InputError):
    """Results of different variants or versions, which no comparison should mix unasked."""


@dataclass(frozen=True, eq=False)
class Collection:
    """Results files by name (without .json), and where each lies below the folder."""

    content: dict[str, dict[str, Any]]
    paths: dict[str, str]
    unreadable: dict[str, str]  # path to reason

    def preset(self, name: str) -> str | None:
        """The preset that made a results file; "full" for commands that have none."""
        found = self.content[name].get("provenance", {})
        return found.get("preset", "full") if found else None


def collect(folder: Path) -> Collection:
    """Every results file in a folder and the folders below it. `ResultsError` if the folder does not exist."""
    if not folder.is_dir():
        raise results.ResultsError(f"{folder} is no folder; run a section first, or name the folder of its figures.")
    content, paths, unreadable = {}, {}, {}
    for path in sorted(folder.rglob("*.json")):
        place = path.relative_to(folder).as_posix()
        try:
            content[path.stem] = results.read(path)
            paths[path.stem] = place
        except results.ResultsError as error:
            unreadable[place] = str(error)
    return Collection(content, paths, unreadable)


def differences(collection: Collection, names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """What of variant and versions differs between results files: property to value to the files that have it."""
    seen: dict[str, dict[str, list[str]]] = {}
    for name in names:
        provenance = collection.content[name].get("provenance", {})
        values = {"variant": provenance.get("variant", "authors")}
        values |= {key: provenance.get("versions", {}).get(key, "unknown") for key in VERSION_KEYS}
        for key, value in values.items():
            seen.setdefault(key, {}).setdefault(value, []).append(name)
    return {key: values for key, values in seen.items() if len(values) > 1}


def compare(collection: Collection, *, allow_mixed: bool = False) -> dict[str, Any]:
    """Verdicts on every claim, with what is missing and the command that makes it; plain data for `report.json`.

    `MixedError` if the files that decide differ in variant or version, unless `allow_mixed`; then they are listed.
    """
    wanted = claims.all_claims()
    deciding = sorted({claim.needs for claim in wanted if claim.needs in collection.content})
    mixed = differences(collection, deciding)
    if mixed and not allow_mixed:
        listed = "; ".join(f"{key}: {', '.join(sorted(values))}" for key, values in mixed.items())
        raise MixedError(f"the results differ in {listed}; run them alike, or give --allow-mixed to list them.")
    rows = [_row(claim, collection) for claim in wanted]
    missing = {claim.needs: claim.command for claim in wanted if claim.needs not in collection.content}
    return {
        "claims": rows,
        "groups": groups(rows),
        "missing": [{"results": name, "command": command} for name, command in missing.items()],
        "mixed": mixed,
        "unreadable": collection.unreadable,
        "sources": [_source(name, collection) for name in deciding],
    }


def _row(claim: Claim, collection: Collection) -> dict[str, Any]:
    found = collection.content.get(claim.needs)
    ours = Finding("not run", f"run `{claim.command}`") if found is None else claim.evaluate(found)
    return {
        "key": claim.key,
        "section": claim.section,
        "group": claim.group,
        "statement": claim.statement,
        "results": collection.paths.get(claim.needs),
        "command": claim.command if found is None else found["provenance"]["command"],
        "preset": None if found is None else collection.preset(claim.needs),
        "ours": asdict(ours),
        "authors": None if claim.authors is None else asdict(claim.authors()),
    }


def groups(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many claims of each kind have which verdict, ours and the authors' own numbers."""
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
            "presets": sorted({member["preset"] for member in members if member["preset"]}),
        }
        for group, members in found.items()
    ]


def _counts(verdicts: Iterable[str]) -> dict[str, int]:
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def _source(name: str, collection: Collection) -> dict[str, Any]:
    found = collection.content[name]
    provenance = found.get("provenance", {})
    return {
        "results": collection.paths[name],
        "command": provenance.get("command"),
        "variant": provenance.get("variant"),
        "preset": collection.preset(name),
        "versions": provenance.get("versions", {}),
        "data": {key: found[key]["sha256"][:12] for key in ("data", "train_data", "test_data") if key in found},
    }
