# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The functions that can be measured: those of the package, and files of the user's own.

What a file says of itself is found out without running it.
"""

import ast
import importlib.util
import json
import os

import foreign
from commandline import out
from problem import Problem, reason


class Function:
    language = None             # another one than Python: foreign.Function

    def __init__(self, name, path, beside=()):
        self.name = name
        self.path = path
        self.beside = list(beside)  # directories of modules that it may import
        try:
            with open(path, "rb") as file:
                tree = ast.parse(file.read(), path)
        except OSError as error:
            raise Problem(f"{path}: {reason(error)}") from None
        except SyntaxError as error:
            raise Problem(f"{path}:{error.lineno}: SyntaxError: {error.msg}") from None
        except ValueError as error:
            raise Problem(f"{path}: {error}") from None
        self.about = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
        self.needs = {}             # Python module: Debian package
        defined = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
        self.is_workflow = "first" in defined
        self.has_input = "make_input" in defined
        for each in tree.body:
            if isinstance(each, ast.Assign) and any(isinstance(target, ast.Name)
                                                    and target.id == "NEEDS"
                                                    for target in each.targets):
                self.needs = self.table(each.value)

    def table(self, value):
        try:
            return {str(module): str(package) for module, package in ast.literal_eval(value).items()}
        except (ValueError, TypeError, AttributeError):
            raise Problem(f"{self.path}:{value.lineno}: NEEDS: expected a table, "
                          "{module: Debian package}") from None

    def missing(self):
        """Modules that are not here."""
        return [module for module in self.needs if importlib.util.find_spec(module) is None]

    def lacks(self, module):
        """What to say when an import has failed; None: it is the function's own fault."""
        package = {"mitosis": "python3-mitosis", **self.needs}.get(module.partition(".")[0])
        return package and f"{self.name}: needs the Python module {module} (Debian package {package})"


def names(share):
    directory = os.path.join(share, "functions")
    return sorted(name.removesuffix(".py") for name in os.listdir(directory)
                  if name.endswith((".py", *foreign.LANGUAGES)))


def find(word, share):
    known = names(share)
    ending = os.path.splitext(word)[1]
    if ending in foreign.LANGUAGES:
        own = "/" in word or word not in known
        return foreign.Function(os.path.basename(word), os.path.abspath(word) if own
                                else os.path.join(share, "functions", word))
    if "/" in word or ending == ".py":
        path = os.path.abspath(word)
        return Function(os.path.basename(word).removesuffix(".py"), path, [os.path.dirname(path)])
    if word not in known:
        raise Problem(f"{word}: no such function (--list shows them; a file's name ends in .py, .js or .java)")
    return Function(word, os.path.join(share, "functions", f"{word}.py"))


def show(share, as_json):
    """What --list prints."""
    found = [find(name, share) for name in names(share)]
    if as_json:
        for each in found:
            out(json.dumps({"name": each.name, "title": each.about, "needs": each.needs,
                            "missing": each.missing(), "file": each.path}) + "\n")
        return
    width = max(len(each.name) for each in found)
    for each in found:
        missing = each.missing()
        out(f"{each.name:{width}}  {each.about}"
            + (f" (missing: {', '.join(each.needs[name] for name in missing)})" if missing else "")
            + "\n")
