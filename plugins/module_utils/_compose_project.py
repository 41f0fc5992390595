# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Compose project as text: which of its files say something about a service, and in which order they count.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Compose's own rules (its reference on merging, ``extends`` and ``include``): a later file counts before an earlier one, a
service's own words before what it extends, the including file before what it includes. Relative paths in a file begin at the
project's directory; in what is included or extended from another file, beside that one.
"""

from __future__ import annotations

import functools
import posixpath
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

# Compose looks no deeper either.
MAX_EXTENDS = 20


class Project(t.NamedTuple):
    """A project's files, all as text by path: ``compose_files`` in the order in which they were given to Compose,
    ``variable_files`` those that interpolation reads (``.env``). ``read`` gives the text of any other file that they name, None
    where there is none."""

    directory: str
    compose_files: t.Mapping[str, str]
    variable_files: t.Mapping[str, str]
    read: t.Callable[[str], str | None]

    def text_of(self, path: str) -> str:
        for known in (self.compose_files, self.variable_files):
            if path in known:
                return known[path]
        return self.read(path) or ""


class File(t.NamedTuple):
    """A Compose file: where its relative paths begin, and the files that interpolation reads for it, what counts most first."""

    path: str
    directory: str
    variable_files: tuple[str, ...]


class Definition(t.NamedTuple):
    """One place that says something about a service: its node in *file*. ``own``: the service's own, not what it extends."""

    file: File
    node: t.Any
    own: bool = True

    @property
    def environment(self) -> t.Any | None:
        return value_of(self.node, "environment")

    @property
    def own_environment(self) -> t.Any | None:
        """The environment that stands there itself, as a block with entries; None where it is merged, empty or on one line."""
        found = own_value_of(self.node, "environment")
        block = isinstance(found, yaml.CollectionNode) and not found.flow_style and found.value
        return found if block else None


def files(project: Project) -> list[File]:
    """The project's Compose files, what counts most first; behind them what they include."""
    variables = tuple(reversed(list(project.variable_files)))
    found = [File(path, project.directory, variables) for path in reversed(list(project.compose_files))]
    waiting = list(found)
    while waiting:
        including = waiting.pop(0)
        for included in _included(project, including):
            if included.path not in [known.path for known in found]:
                found.append(included)
                waiting.append(included)
    return found


def _included(project: Project, including: File) -> t.Iterator[File]:
    include = value_of(root(project, including.path), "include")
    for item in include.value if isinstance(include, yaml.SequenceNode) else []:
        paths = _texts(value_of(item, "path") if isinstance(item, yaml.MappingNode) else item)
        if not paths:
            continue
        where = [posixpath.normpath(posixpath.join(including.directory, path)) for path in paths]
        given = _texts(value_of(item, "project_directory"))
        beside = posixpath.join(including.directory, given[0]) if given else posixpath.dirname(where[0])
        named = [posixpath.join(including.directory, path) for path in _texts(value_of(item, "env_file"))]
        # The including project's variables count before.
        own = reversed(named or [posixpath.join(beside, ".env")])
        variables = (*including.variable_files, *(posixpath.normpath(path) for path in own))
        for path in reversed(where):
            if project.read(path) is not None:
                yield File(path, posixpath.normpath(beside), variables)


def services(project: Project) -> list[str]:
    names: dict[str, None] = {}
    for file in files(project):
        found = value_of(root(project, file.path), "services")
        if isinstance(found, yaml.MappingNode):
            names.update(dict.fromkeys(name.value for name, _node in found.value))
    return list(names)


def definitions(project: Project, service: str) -> list[Definition]:
    """Everything that says something about *service*, what counts most first."""
    found: list[Definition] = []
    for file in files(project):
        node = _service_in(project, file.path, service)
        if node is not None:
            found += _with_extended(project, Definition(file, node), MAX_EXTENDS)
    return found


def _with_extended(project: Project, definition: Definition, depth: int) -> t.Iterator[Definition]:
    yield definition
    extends, file = value_of(definition.node, "extends"), definition.file
    if extends is None or depth == 0:
        return
    if isinstance(extends, yaml.ScalarNode):
        named, other = _texts(extends), []
    else:
        named, other = _texts(value_of(extends, "service")), _texts(value_of(extends, "file"))
    if other:
        path = posixpath.normpath(posixpath.join(file.directory, other[0]))
        file = file._replace(path=path, directory=posixpath.dirname(path))
    base = _service_in(project, file.path, named[0]) if named else None
    if base is not None:
        yield from _with_extended(project, Definition(file, base, False), depth - 1)


def _service_in(project: Project, path: str, service: str) -> t.Any | None:
    return value_of(value_of(root(project, path), "services"), service)


def env_files_of(definition: Definition) -> list[str]:
    """The files that a service reads as its env_file, in their order."""
    node = value_of(definition.node, "env_file")
    items = node.value if isinstance(node, yaml.SequenceNode) else [] if node is None else [node]
    named = [
        path
        for item in items
        for path in _texts(value_of(item, "path") if isinstance(item, yaml.MappingNode) else item)
    ]
    return [posixpath.normpath(posixpath.join(definition.file.directory, path)) for path in named]


def env_files(project: Project) -> set[str]:
    """Every file that a service of the project reads as env_file."""
    return {path for name in services(project) for each in definitions(project, name) for path in env_files_of(each)}


def readers(project: Project, path: str) -> set[str]:
    """The services that read *path* as env_file."""
    found = services(project)
    return {name for name in found if any(path in env_files_of(each) for each in definitions(project, name))}


def all_files(project: Project) -> set[str]:
    """Every file that says something about the project."""
    found = {*project.compose_files, *project.variable_files, *env_files(project)}
    for file in files(project):
        found |= {file.path, *file.variable_files}
    for name in services(project):
        found |= {each.file.path for each in definitions(project, name)}
    return found


# --- YAML nodes -------------------------------------------------------------------------------------------------------


def root(project: Project, path: str) -> t.Any:
    return parse(path, project.text_of(path))


# Each look for a variable goes through all files of a project again, and their nodes are only read.
@functools.lru_cache(maxsize=64)
def parse(path: str, text: str) -> t.Any:
    """The root node of a YAML text. Raises PooledError with the line that cannot be read."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "no YAML"
        where = f", line {mark.line + 1}" if mark else ""
        raise PooledError(
            f"{path}{where} is nothing that can be edited here ({problem}); edit the project by hand"
        ) from None


def own_value_of(node: t.Any, key: str) -> t.Any | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key and name.tag != "tag:yaml.org,2002:merge":
                return value
    return None


def value_of(node: t.Any, key: str) -> t.Any | None:
    """What a mapping has under *key*, itself or from what is merged into it (``<<``)."""
    own = own_value_of(node, key)
    if own is not None or not isinstance(node, yaml.MappingNode):
        return own
    for name, value in node.value:
        if name.tag == "tag:yaml.org,2002:merge":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = value_of(merged, key)
                if found is not None:
                    return found
    return None


def _texts(node: t.Any) -> list[str]:
    """The text of a scalar, or those of a list of them."""
    if isinstance(node, yaml.SequenceNode):
        return [text for item in node.value for text in _texts(item)]
    return [str(node.value)] if isinstance(node, yaml.ScalarNode) and node.value else []
