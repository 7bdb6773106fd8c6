"""The results files of a folder by name; of several of one name, that whose protocol is nearest to the authors'."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robint_tf.paper import protocols
from robint_tf.paper.claims import Claim
from robint_tf.paper.evidence import extent
from robint_tf.store import artifacts, results

VERSION_KEYS = {"mathematics": 1, "tensorflow": "unknown", "keras": "unknown"}
"""What of a file's versions is compared, and what a file of release 0.1.0 means that does not say it."""

File = tuple[str, dict[str, Any]]
"""Where a results file lies below the folder, and its content."""


@dataclass(frozen=True, eq=False)
class Collection:
    """Results files. content: by name (without .json); paths: by name, where each lies below the folder.

    left_out: by path, why a file is not among them. others: by name, further files of that name, the nearest to the
    authors' protocol first, which answer where the one in `content` cannot.
    """

    content: dict[str, dict[str, Any]]
    paths: dict[str, str]
    left_out: dict[str, str]
    others: dict[str, tuple[File, ...]] = field(default_factory=dict)

    def seeds_of(self, name: str) -> list[str]:
        """The file of this name, then those of further seeds, NAME_1, NAME_2 and so on, as far as they are there."""
        found = {int(m[1]): other for other in self.content if (m := re.fullmatch(rf"{re.escape(name)}_(\d+)", other))}
        return [n for n in (name, *(found[i] for i in sorted(found))) if n in self.content]

    def of(self, claim: Claim) -> list[str]:
        """The names of the files that a claim is evaluated on; none without the one that it needs."""
        if claim.needs not in self.content:
            return []
        return self.seeds_of(claim.needs) if claim.seeds else [claim.needs]

    def files_of(self, name: str) -> list[File]:
        """Every file of a name, the nearest to the authors' protocol first."""
        first = [(self.paths[name], self.content[name])] if name in self.content else []
        return [*first, *self.others.get(name, ())]

    def without(self, reasons: dict[str, str]) -> "Collection":
        """The collection without some files; reasons: by name."""
        return Collection(
            {name: content for name, content in self.content.items() if name not in reasons},
            {name: place for name, place in self.paths.items() if name not in reasons},
            self.left_out | {self.paths[name]: reason for name, reason in reasons.items()},
            self.others,
        )

    def without_others(self, places: Iterable[str]) -> "Collection":
        """The collection without some of the further files, which lie at these places."""
        gone = set(places)
        kept = {name: tuple(file for file in files if file[0] not in gone) for name, files in self.others.items()}
        return Collection(self.content, self.paths, self.left_out, kept)

    def further(self, *, mixed: bool = False) -> list["Collection"]:
        """The second files of their names, the third ones, and so on, each a collection.

        Those of another variant than the first are not among them, and of another version only if `mixed`.
        """
        fit = {
            name: [file for file in files if name not in self.content or _alike(self.content[name], file[1], mixed)]
            for name, files in self.others.items()
        }
        return [
            Collection(
                {name: files[i][1] for name, files in fit.items() if len(files) > i},
                {name: files[i][0] for name, files in fit.items() if len(files) > i},
                {},
            )
            for i in range(max(map(len, fit.values()), default=0))
        ]

    def passed_over(self, used: Iterable[str]) -> dict[str, str]:
        """Why further files are left out, by their place: all but those at the places that were used."""
        taken = set(used)
        return {
            place: _why(content, self.paths[name], self.content[name])
            for name, files in self.others.items()
            for place, content in files
            if place not in taken and name in self.content
        }


def collect(folder: Path) -> Collection:
    """Every results file in a folder and the folders below it. `ResultsError` if the folder does not exist.

    What lies in a store among them is no results file and passed over. Of files of one name that comes first whose
    protocol is nearest to the authors' (`extent.rank`), among equals that with the shorter path, then by name.
    """
    if not folder.is_dir():
        raise results.ResultsError(f"{folder} is not a folder; name one that holds results files.")
    files: dict[str, list[File]] = {}
    left_out: dict[str, str] = {}
    for path in sorted(folder.rglob("*.json"), key=lambda p: (len(p.parts), p)):
        if artifacts.is_in_store(path.relative_to(folder)):
            continue
        place = results.printable(path.relative_to(folder).as_posix())
        try:
            files.setdefault(results.printable(path.stem), []).append((place, results.read(path)))
        except results.ResultsError as error:
            left_out[place] = str(error)
    ranked = {name: sorted(found, key=lambda file: extent.rank(file[1]), reverse=True) for name, found in files.items()}
    return Collection(
        {name: found[0][1] for name, found in ranked.items() if found},
        {name: found[0][0] for name, found in ranked.items() if found},
        left_out,
        {name: tuple(found[1:]) for name, found in ranked.items() if len(found) > 1},
    )


def differences(collection: Collection, names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """What of variant and versions differs between the files of these names: property to value to names of files.

    collection: holds the files. Empty where nothing differs.
    """
    seen: dict[str, dict[str, list[str]]] = {}
    for name in names:
        for key, value in _made(collection.content[name]).items():
            seen.setdefault(key, {}).setdefault(value, []).append(name)
    return {key: values for key, values in seen.items() if len(values) > 1}


def versions(content: dict[str, Any]) -> dict[str, Any]:
    """What a file with this content was made with, but its "mixed", which repeats what parts do not agree on."""
    return {key: value for key, value in content["provenance"].get("versions", {}).items() if key != "mixed"}


def _made(content: dict[str, Any]) -> dict[str, str]:
    """Variant and compared versions."""
    found = {key: str(versions(content).get(key, known)) for key, known in VERSION_KEYS.items()}
    return {"variant": content["provenance"].get("variant", "authors")} | found


def _alike(one: dict[str, Any], other: dict[str, Any], mixed: bool) -> bool:
    """Whether files are of one variant and, unless `mixed`, of one version; True if the first does not say it."""
    try:
        first = _made(one)
    except protocols.ODD:
        return True
    try:
        second = _made(other)
    except protocols.ODD:
        return False
    return first["variant"] == second["variant"] if mixed else first == second


def _why(content: dict[str, Any], taken: str, of_taken: dict[str, Any]) -> str:
    """Why a file is left out for another of its name; taken: where that lies; of_taken: its content."""
    why = ""
    if extent.rank(content) < extent.rank(of_taken):
        why = f", for its protocol is nearer to the authors' ({_told(of_taken)}; this: {_told(content)})"
    return f"{taken} has the same name and is taken{why}; rename one, or compare another folder."


def _told(content: dict[str, Any]) -> str:
    """The protocol of a file, whatever it holds."""
    try:
        return results.printable(extent.protocol(content))
    except protocols.ODD:
        return "none that can be read"
