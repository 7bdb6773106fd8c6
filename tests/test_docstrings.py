"""Docstrings are complete: every parameter and field, shapes of arrays, what is returned, what is raised."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import robint_tf

LIBRARY = Path(robint_tf.__file__).parent

KERAS = {"call", "build", "compute_output_shape", "get_config", "from_config", "compile_from_config"}
KERAS |= {"get_compile_config", "train_step", "update_step"}
"""Methods of layers, models and optimisers that Keras calls, and documents."""

ARRAYS = re.compile(r"ndarray|Tensor\b|\bMaps\b")
SHAPE = re.compile(r"\([A-Za-z0-9.*][^()]*,[^()]*\)|\(\.\.\.\)|\blike\b|\bshape|\bscalar")
"""How a docstring gives the shape of an array: (N, classes), like x, scalar."""

TO_DO = re.compile(
    r"(Add|Apply|Attack|Call|Check|Choose|Continue|Do|Draw|Evaluate|Examine|Fetch|Fill|Find|Forget|Go|Have|Hold|Keep|Let|"
    r"Load|Make|Measure|Move|Normalise|Note|Project|Put|Read|Record|Refuse|Register|Remove|Replace|Run|Save|Say|Score|Set|"
    r"Start|Take|Tell|Train|Try|Turn|Warn|Write)\b"
)
"""How a docstring begins that says what is done; any other first sentence is to name what is returned."""

OURS = dict.fromkeys(("InputError", "NetworkMissing", "UnknownNameError"), "ValueError")
"""By what users may catch them: the package's own errors for values that cannot be used."""


class Item(NamedTuple):
    """A public function, method or class; own: its docstring, around: those of its class, module and room."""

    name: str
    node: ast.FunctionDef | ast.ClassDef
    own: str
    around: str


def docstring(node):
    return ast.get_docstring(node) or ""


def collected():
    """Public functions and methods of the library, then its public classes."""
    functions, classes = [], []
    for path, tree in TREES.items():
        around = docstring(tree) + "\n" + docstring(TREES[path.parent / "__init__.py"])
        where = path.relative_to(LIBRARY).with_suffix("").as_posix()
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if isinstance(node, ast.FunctionDef):
                functions.append(Item(f"{where}:{node.name}", node, docstring(node), around))
                continue
            own = docstring(node)
            classes.append(Item(f"{where}:{node.name}", node, own, around))
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and is_documented_here(method, node):
                    name = f"{where}:{node.name}.{method.name}"
                    functions.append(Item(name, method, docstring(method), f"{own}\n{around}"))
    return functions, classes


def is_documented_here(method, owner):
    """Whether a method is public and not one that Keras, or a base class of ours, documents."""
    if method.name.startswith("_"):
        return method.name == "__init__"
    inherited = method.name in KERAS and owner.bases
    return bool(docstring(method)) or not (inherited or method.name in inherited_names(owner))


def inherited_names(owner):
    """The methods of the classes of the library that a class is derived from."""
    bases = [BY_NAME[name] for base in owner.bases if (name := ast.unparse(base)) in BY_NAME]
    return {n.name for base in bases for n in base.body if isinstance(n, ast.FunctionDef)}.union(
        *map(inherited_names, bases)
    )


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(LIBRARY.rglob("*.py"))}
BY_NAME = {node.name: node for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef)}


FUNCTIONS, CLASSES = collected()


def parameters(function):
    """The parameters of a function with their annotations, but for the object itself and what goes to a base class."""
    args = function.args
    named = [*args.posonlyargs, *args.args, *filter(None, (args.vararg,)), *args.kwonlyargs]
    return {a.arg: ast.unparse(a.annotation) if a.annotation else "" for a in named if a.arg not in ("self", "cls")}


def undocumented(item):
    """Parameters that neither the docstring names nor, as `name:`, those of class, module or room."""
    own = f"{item.own}\n{item.around}" if item.node.name == "__init__" else item.own
    return [
        name
        for name in parameters(item.node)
        if not re.search(rf"\b{name}\b", own) and not re.search(rf"\b{name}(, \w+)*( and \w+)?:", item.around)
    ]


def result(function):
    """The annotation of what a function returns; "" for nothing."""
    found = ast.unparse(function.returns) if function.returns else "None"
    return "" if found in ("None", "NoReturn") else found


def says_what_is_returned(item):
    return bool(re.search(r"\b[Rr]eturns?\b", item.own)) or not TO_DO.match(item.own)


def raised(function):
    """Names of the exceptions that a function's own body raises, as users know them."""
    for part in ast.walk(function):
        if isinstance(part, ast.Raise) and isinstance(part.exc, ast.Call) and isinstance(part.exc.func, ast.Name):
            yield OURS.get(part.exc.func.id, part.exc.func.id)


def checks_values(owner):
    """Whether making an object may raise `ValueError`: in `__init__` or `__post_init__`, itself or by `checks`."""
    makers = [n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name in ("__init__", "__post_init__")]
    calls = [ast.unparse(n.func) for maker in makers for n in ast.walk(maker) if isinstance(n, ast.Call)]
    return any("ValueError" in raised(maker) for maker in makers) or any(call.startswith("checks.") for call in calls)


def of_all(items, find):
    """What `find` finds missing, by item; nothing of those that lack nothing."""
    return {item.name: missing for item in items if (missing := find(item))}


def test_every_parameter_is_documented():
    assert of_all(FUNCTIONS, undocumented) == {}


def test_every_field_is_documented():
    def find(item):
        fields = [
            n.target.id for n in item.node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
        ]
        return [name for name in fields if not re.search(rf"\b{name}\b", item.own)] if item.own else "a docstring"

    assert of_all(CLASSES, find) == {}


def test_what_is_returned_is_documented():
    def find(item):
        if not item.own:
            return "" if item.node.name == "__init__" else "a docstring"
        return "" if says_what_is_returned(item) else result(item.node)

    assert of_all(FUNCTIONS, find) == {}


def test_shapes_of_arrays_are_documented():
    def find(item):
        kinds = [kind for kind in (*parameters(item.node).values(), result(item.node)) if ARRAYS.search(kind)]
        return [] if SHAPE.search(item.own + item.around) else kinds

    assert of_all(FUNCTIONS, find) == {}


def test_what_is_raised_is_documented():
    def find(item):
        words = f"{item.own}\n{item.around}" if item.node.name == "__init__" else item.own
        return [name for name in sorted(set(raised(item.node))) if name not in words]

    def refuses_in_silence(item):
        words = [item.own, item.around, *(docstring(n) for n in item.node.body if isinstance(n, ast.FunctionDef))]
        return checks_values(item.node) and "ValueError" not in " ".join(words)

    assert of_all(FUNCTIONS, find) == {}
    assert of_all(CLASSES, refuses_in_silence) == {}


def test_what_is_missing_is_found():
    source = 'def f(x: np.ndarray, size: int) -> int:\n    """Take x."""\n    raise InputError("no")\n'
    node = ast.parse(source).body[0]
    item = Item("f", node, docstring(node), "A module. size_of: another.")
    assert undocumented(item) == ["size"]
    assert not says_what_is_returned(item)
    assert not SHAPE.search(item.own)
    assert set(raised(node)) == {"ValueError"}
    complete = item._replace(own="Take x (N,) and size.\n\nReturns how many.", around="")
    assert undocumented(complete) == []
    assert says_what_is_returned(complete)
    assert SHAPE.search(complete.own)
    assert undocumented(item._replace(around="size: in bytes.")) == []
